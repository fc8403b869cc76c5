import { LaresError, type Code } from '#kernel/errors.ts';
import type { Cause } from '../model.ts';
import { plainUrl } from '../plan.rules.ts';
import { readDevice, withoutLogin, xaddrOf, type OnvifDevice } from './device.ts';
import { loginOf, type Credentials } from './digest.ts';
import { measureStream } from './measure.ts';
import type { DeviceInformation } from './soap.ts';
import type { Probe, ProbedStream } from './probe.model.ts';
import { knownPaths, rolesOf, warningsOf } from './probe.rules.ts';
import { describeRtsp } from './rtsp-client.ts';

export interface ProbeOptions {
  readonly username?: string;
  readonly password?: string;
  /** Milliseconds for each question. Default 5000. */
  readonly timeoutMs?: number;
  /** Milliseconds to look at each stream, at most. Default 9000: a keyframe interval of 4 s shows itself. */
  readonly measureMs?: number;
  readonly transport?: 'tcp' | 'udp';
  readonly signal?: AbortSignal;
  /** Address of the ONVIF device service, when it is known from discovery. */
  readonly xaddr?: string;
  readonly progress?: (text: string) => void;
  readonly now?: () => number;
}

interface Candidate {
  readonly url: string;
  readonly name?: string;
}

const mostStreams = 4;

/** What each cause of a failed description means to the caller. */
const codesOf: Readonly<Partial<Record<Cause, Code>>> = {
  RTSP_AUTH: 'AUTH_REFUSED',
  RTSP_NOT_FOUND: 'NOT_FOUND',
  RTSP_SILENT: 'TIMEOUT',
  RTSP_GARBAGE: 'BAD_REPLY',
  RTSP_REFUSED: 'BAD_REPLY',
  RTSP_SESSION: 'BAD_REPLY',
  CODEC_UNSUPPORTED: 'BAD_REPLY',
};

/**
 * Finds out what a camera offers: by ONVIF where its host speaks it, else by RTSP, and measures each stream for a few
 * seconds in a process of its own. Takes a host name or an `rtsp:`, `rtsps:`, `http:` or `https:` address.
 * Throws USAGE for something else, and UNREACHABLE, TIMEOUT, AUTH_REFUSED, NOT_FOUND or BAD_REPLY when no stream plays.
 */
export async function probeCamera(target: string, options: ProbeOptions = {}): Promise<Probe> {
  const url = addressOf(target);
  const credentials = credentialsOf(url, options);
  const device = await onvifOf(url, credentials, options);
  const named = url.pathname !== '' || url.search !== '';
  const candidates = named
    ? [{ url: bare(url) }]
    : device === undefined
      ? await knownStreams(url, credentials, options)
      : streamsOf(device);
  const streams: ProbedStream[] = [];
  const troubles: LaresError[] = [];
  for (const candidate of candidates.slice(0, mostStreams)) {
    options.signal?.throwIfAborted();
    const seen = await lookAt(candidate, credentials, options);
    if (seen instanceof LaresError) troubles.push(seen);
    else streams.push(seen);
  }
  const main = streams.toSorted((a, b) => b.width * b.height - a.width * a.height)[0];
  if (main === undefined)
    throw troubles[0] ?? new LaresError('NOT_FOUND', `${url.hostname} offers no stream`);
  const roles = rolesOf(streams);
  const sub = roles.detect === main.url ? undefined : roles.detect;
  const { codec, width, height, fps, keyframeSeconds } = main;
  const drift = device?.clockDriftSeconds;
  const analytics = device?.streams.some((stream) => stream.analytics) === true;
  const snapshotUrl = device?.streams.find((stream) => stream.snapshotUrl !== undefined)?.snapshotUrl;
  return {
    codec,
    width,
    height,
    ...(fps !== undefined && { fps }),
    ...(keyframeSeconds !== undefined && { keyframeSeconds }),
    ...informationOf(device),
    urls: { main: main.url, ...(sub !== undefined && { sub }) },
    streams,
    roles,
    ...(snapshotUrl !== undefined && { snapshotUrl }),
    ...(drift !== undefined && { clockDriftSeconds: drift }),
    warnings: [
      ...(device?.warnings ?? []),
      ...troubles.map(({ message }) => message),
      ...warningsOf(streams, { analytics, ...(drift !== undefined && { clockDriftSeconds: drift }) }),
    ],
  };
}

function addressOf(target: string): URL {
  const text = target.includes('://') ? target : `rtsp://${target}`;
  const url = URL.parse(text);
  if (url === null || !/^(rtsps?|https?):$/.test(url.protocol) || url.hostname === '')
    throw new LaresError(
      'USAGE',
      'expected a host or an address like 192.0.2.20 or rtsp://192.0.2.20:554/stream1',
    );
  return url;
}

function credentialsOf(url: URL, options: ProbeOptions): Credentials | undefined {
  const { username, password } = options;
  if (username !== undefined) return { username, password: password ?? '' };
  return loginOf(url);
}

function bare(url: URL): string {
  return withoutLogin(url.href);
}

/** The URL with user name and password, for the process that measures. */
function withLogin(text: string, credentials: Credentials | undefined): string {
  if (credentials === undefined) return text;
  const login = `${encodeURIComponent(credentials.username)}:${encodeURIComponent(credentials.password)}@`;
  return text.replace(/^([a-z]+:\/\/)/i, (scheme) => scheme + login);
}

function informationOf(device: OnvifDevice | undefined): DeviceInformation {
  if (device === undefined) return {};
  const { streams: _streams, warnings: _warnings, clockDriftSeconds: _drift, ...information } = device;
  return information;
}

function streamsOf(device: OnvifDevice): Candidate[] {
  const seen = new Set<string>();
  return device.streams.flatMap(({ url, name }): Candidate[] => {
    if (url === undefined || seen.has(url)) return [];
    seen.add(url);
    return [{ url, ...(name !== undefined && { name }) }];
  });
}

/** What the host says over ONVIF; undefined when it does not speak it. Refused credentials are an error. */
async function onvifOf(
  url: URL,
  credentials: Credentials | undefined,
  options: ProbeOptions,
): Promise<OnvifDevice | undefined> {
  const { timeoutMs, signal, now } = options;
  const xaddr = options.xaddr ?? (await xaddrOf(url.hostname, options.signal));
  if (xaddr === undefined) return undefined;
  options.progress?.(`asking ${url.hostname} over ONVIF`);
  try {
    return await readDevice({
      xaddr,
      ...(credentials !== undefined && { credentials }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(signal !== undefined && { signal }),
      ...(now !== undefined && { now }),
    });
  } catch (error) {
    // An address with a path needs no ONVIF; a host alone has nothing else to go by when it refuses us.
    const lost = error instanceof LaresError && (url.pathname !== '' || error.code !== 'AUTH_REFUSED');
    if (lost) return undefined;
    throw error;
  }
}

/** The streams among the paths that makes are known to use. Throws what the first description fails with otherwise. */
async function knownStreams(
  url: URL,
  credentials: Credentials | undefined,
  options: ProbeOptions,
): Promise<Candidate[]> {
  if (!url.protocol.startsWith('rtsp')) return [{ url: bare(url) }];
  const found: Candidate[] = [];
  for (const path of knownPaths) {
    const candidate = `${url.protocol}//${url.host}${path}`;
    options.progress?.(`trying ${candidate}`);
    const described = await describe(candidate, credentials, options);
    if (described.ok) found.push({ url: candidate });
    // Another path cannot help when the host is not there or lets nobody in.
    else if (described.cause !== 'RTSP_NOT_FOUND' && described.cause !== 'RTSP_REFUSED' && found.length === 0)
      throw new LaresError(codesOf[described.cause] ?? 'UNREACHABLE', described.detail);
    if (found.length === 2) break;
  }
  if (found.length > 0) return found;
  throw new LaresError(
    'NOT_FOUND',
    `${url.host} speaks RTSP, but has no stream at the paths that makes are known to use; give the whole address, as its manual says`,
  );
}

function describe(url: string, credentials: Credentials | undefined, { timeoutMs, signal }: ProbeOptions) {
  return describeRtsp(withLogin(url, credentials), {
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(signal !== undefined && { signal }),
  });
}

/** Measures one stream; gives back why it does not play. */
async function lookAt(
  candidate: Candidate,
  credentials: Credentials | undefined,
  options: ProbeOptions,
): Promise<ProbedStream | LaresError> {
  const { url, name } = candidate;
  options.progress?.(`looking at ${plainUrl(url)}`);
  if (/^rtsps?:/.test(url)) {
    const described = await describe(url, credentials, options);
    if (!described.ok) return new LaresError(codesOf[described.cause] ?? 'UNREACHABLE', described.detail);
  }
  const order = {
    url: withLogin(url, credentials),
    transport: options.transport ?? 'tcp',
    forMs: options.measureMs ?? 9000,
  };
  const reply = await measureStream(order, options.signal);
  if (!reply.ok) return new LaresError('BAD_REPLY', `${plainUrl(url)}: ${reply.detail}`);
  const { keyframeBeyond, keyframeSeconds = keyframeBeyond, ...measured } = reply.measured;
  return {
    url,
    ...(name !== undefined && { name }),
    ...measured,
    ...(keyframeSeconds !== undefined && { keyframeSeconds }),
  };
}
