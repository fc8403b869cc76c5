import { randomBytes, randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { LaresError } from '#kernel/errors.ts';
import { webRequest, type WebReply } from '#platform/http-client.ts';
import { authorization, parseChallenges, type Credentials } from './digest.ts';
import {
  clockOf,
  encodersOf,
  envelope,
  informationOf,
  mediaAddressOf,
  parseReply,
  probeMatchesOf,
  probeMessage,
  profilesOf,
  requests,
  uriOf,
  type DeviceInformation,
  type Encoding,
  type Profile,
} from './soap.ts';
import type { Element } from './xml.ts';

export interface DeviceOptions {
  /** Address of the device service: `http://192.0.2.20/onvif/device_service`. */
  readonly xaddr: string;
  readonly credentials?: Credentials;
  /** Milliseconds for each request. Default 4000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly now?: () => number;
}

/** One profile with where its pictures come from. */
export interface DeviceStream extends Profile {
  /** RTSP URL without credentials; absent when the device gave none on its own host. */
  readonly url?: string;
  readonly snapshotUrl?: string;
}

export interface OnvifDevice extends DeviceInformation {
  /** Whole seconds by which its clock is ahead of ours; absent when it tells no time. */
  readonly clockDriftSeconds?: number;
  readonly streams: readonly DeviceStream[];
  /** What the device said that cannot be used, in sentences. */
  readonly warnings: readonly string[];
}

const mostBytes = 524_288;
// A clock and a firmware: what the running house reads must not keep it busy.
const shortReply = 32_768;
const discoveryPort = 3702;
const discoveryMs = 1500;

/**
 * Reads what an ONVIF camera says of itself: firmware, clock, profiles and stream addresses. Asks nothing of any other
 * host than the one of `xaddr`. Throws UNREACHABLE, TIMEOUT, AUTH_REFUSED or BAD_REPLY.
 */
export async function readDevice(options: DeviceOptions): Promise<OnvifDevice> {
  const now = options.now ?? Date.now;
  const client = new SoapClient(options, now);
  const warnings: string[] = [];
  const drift = await client.readClock();
  const information = informationOf(await client.ask(options.xaddr, requests.information()));
  const given = mediaAddressOf(await client.ask(options.xaddr, requests.capabilities()));
  const media = sameHost(given, options.xaddr) ?? options.xaddr;
  if (given !== undefined && media !== given)
    warnings.push(
      'its media service is said to be on another host; the address that answered is used instead',
    );
  const profiles = profilesOf(await client.ask(media, requests.profiles()));
  const encoders = profiles.some(({ encoding }) => encoding === undefined)
    ? encodersOf(await client.ask(media, requests.encoders()))
    : new Map<string, Encoding>();
  const streams: DeviceStream[] = [];
  for (const profile of profiles) {
    const encoding = profile.encoding ?? encoders.get(profile.encoder ?? '');
    const stream = uriOf(await client.ask(media, requests.stream(profile.token)));
    const url = sameHost(stream, options.xaddr);
    if (stream !== undefined && url === undefined)
      warnings.push(`the stream of profile ${profile.token} is said to be on another host and was left out`);
    const snapshot = await client.snapshot(media, profile.token);
    const snapshotUrl = sameHost(snapshot, options.xaddr);
    streams.push({
      ...profile,
      ...(encoding !== undefined && { encoding }),
      ...(url !== undefined && { url: withoutLogin(url) }),
      ...(snapshotUrl !== undefined && { snapshotUrl: withoutLogin(snapshotUrl) }),
    });
  }
  return {
    ...information,
    ...(drift !== undefined && { clockDriftSeconds: Math.round(drift / 1000) }),
    streams,
    warnings,
  };
}

/** Asks the one host by WS-Discovery where its device service is; undefined where it has none. */
export async function xaddrOf(hostname: string, signal?: AbortSignal): Promise<string | undefined> {
  const address = await lookup(hostname.replace(/^\[|\]$/g, ''), 4).then(
    (found) => found.address,
    () => undefined,
  );
  if (address === undefined) return undefined;
  const id = randomUUID();
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    const done = (found?: string) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      socket.close();
      resolve(found);
    };
    const stop = () => done();
    const timer = setTimeout(stop, discoveryMs);
    signal?.addEventListener('abort', stop, { once: true });
    socket.on('error', () => undefined);
    socket.on('message', (bytes, from) => {
      if (from.address !== address) return;
      const [xaddr] = probeMatchesOf(bytes.toString('utf8'), id)
        .flatMap(({ xaddrs }) => xaddrs)
        .filter((one) => sameHost(one, `http://${address}/`) !== undefined);
      if (xaddr !== undefined) done(xaddr);
    });
    socket.send(probeMessage(id), discoveryPort, address);
  });
}

/**
 * Clock and firmware of the camera at a host, with one login at most; empty for one that does not speak ONVIF. A refused
 * login is an answer, not an error, because the clock is open to everybody. Throws UNREACHABLE, TIMEOUT or BAD_REPLY.
 */
export async function askAgain(
  hostname: string,
  options: Omit<DeviceOptions, 'xaddr'>,
): Promise<{
  readonly clockDriftSeconds?: number;
  readonly firmware?: string;
  readonly refused?: boolean;
}> {
  const xaddr = await xaddrOf(hostname, options.signal);
  if (xaddr === undefined) return {};
  const client = new SoapClient({ ...options, xaddr }, options.now ?? Date.now, shortReply);
  const found: { clockDriftSeconds?: number } = {};
  try {
    const drift = await client.readClock();
    if (drift !== undefined) found.clockDriftSeconds = Math.round(drift / 1000);
    const { firmware } = informationOf(await client.ask(xaddr, requests.information()));
    return { ...found, ...(firmware !== undefined && { firmware }) };
  } catch (error) {
    const refused = error instanceof LaresError && error.code === 'AUTH_REFUSED';
    if (!refused && found.clockDriftSeconds === undefined) throw error;
    return { ...found, refused: refused && options.credentials !== undefined };
  }
}

/** The address when it lies on the host that answered; a device must not send us elsewhere. */
export function sameHost(given: string | undefined, own: string): string | undefined {
  const url = given === undefined ? null : URL.parse(given);
  if (url === null || !/^(https?|rtsps?):$/.test(url.protocol)) return undefined;
  return url.hostname === URL.parse(own)?.hostname ? given : undefined;
}

/** The URL without user name and password. */
export function withoutLogin(text: string): string {
  return text.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1');
}

class SoapClient {
  readonly #options: DeviceOptions;
  readonly #now: () => number;
  readonly #maxBytes: number;
  /** Milliseconds by which the device is ahead. */
  #drift: number | undefined;

  constructor(options: DeviceOptions, now: () => number, maxBytes = mostBytes) {
    this.#options = options;
    this.#now = now;
    this.#maxBytes = maxBytes;
  }

  /** The clock is open to everybody (ONVIF Core 5.9), and its answer makes tokens that the device accepts. */
  async readClock(): Promise<number | undefined> {
    const before = this.#now();
    const reply = await this.#exchange(this.#options.xaddr, envelope(requests.clock()));
    const time = reply.kind === 'reply' ? clockOf(reply.element) : undefined;
    if (reply.kind === 'garbage') throw this.#bad('what came back is not SOAP');
    // Whole seconds are told: half of one is added to what was cut off.
    if (time !== undefined) this.#drift = time + 500 - (before + this.#now()) / 2;
    return this.#drift;
  }

  async ask(url: string, body: string): Promise<Element> {
    const { credentials } = this.#options;
    const proof = credentials && {
      credentials,
      nonce: randomBytes(16),
      createdAt: this.#now() + (this.#drift ?? 0),
    };
    const reply = await this.#exchange(url, envelope(body, proof));
    if (reply.kind === 'reply') return reply.element;
    if (reply.kind === 'garbage') throw this.#bad('what came back is not SOAP');
    if (!reply.refused) throw this.#bad(reply.reason);
    throw new LaresError('AUTH_REFUSED', `${this.#host()} ${refusal(credentials)}`);
  }

  /** Not every device has snapshots, so a fault is no failure. */
  async snapshot(url: string, token: string): Promise<string | undefined> {
    try {
      return uriOf(await this.ask(url, requests.snapshot(token)));
    } catch (error) {
      if (error instanceof LaresError && error.code === 'BAD_REPLY') return undefined;
      throw error;
    }
  }

  async #exchange(url: string, body: string): Promise<ReturnType<typeof parseReply>> {
    let reply = await this.#post(url, body);
    if (reply.status === 401) {
      const proof = this.#httpProof(url, reply);
      if (proof !== undefined) reply = await this.#post(url, body, { authorization: proof });
    }
    if (reply.status === 401 || reply.status === 403)
      throw new LaresError('AUTH_REFUSED', `${this.#host()} ${refusal(this.#options.credentials)}`);
    return parseReply(reply.text);
  }

  #httpProof(url: string, reply: WebReply): string | undefined {
    const { credentials } = this.#options;
    const challenges = parseChallenges(reply.headers['www-authenticate'] ?? '');
    if (credentials === undefined) return undefined;
    const { pathname, search } = new URL(url);
    const request = { method: 'POST', uri: `${pathname}${search}` };
    return authorization(challenges, request, credentials, randomBytes(8).toString('hex'));
  }

  #post(url: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<WebReply> {
    const { timeoutMs, signal } = this.#options;
    return webRequest({
      url,
      method: 'POST',
      headers: { 'content-type': 'application/soap+xml; charset=utf-8', ...headers },
      body,
      deadlineMs: timeoutMs ?? 4000,
      maxBytes: this.#maxBytes,
      // Cameras sign their own certificates.
      verifyTls: false,
      ...(signal !== undefined && { signal }),
    });
  }

  #host(): string {
    return URL.parse(this.#options.xaddr)?.host ?? 'the camera';
  }

  #bad(what: string): LaresError {
    return new LaresError('BAD_REPLY', `${this.#host()}: ${what}`);
  }
}

function refusal(credentials: Credentials | undefined): string {
  return credentials === undefined
    ? 'asks for a user name and password'
    : 'refused the user name and password; is there a user for ONVIF in the camera’s own settings?';
}
