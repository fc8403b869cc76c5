import { randomBytes } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { explained } from '#platform/http-client.ts';
import type { Cause } from '../model.ts';
import { authorization, loginOf, parseChallenge, type Credentials } from './digest.ts';
import {
  controlUrl,
  header,
  parseSdp,
  takeRtsp,
  writeRtsp,
  type RtspMessage,
  type Track,
} from './rtsp.codec.ts';

/** What a camera says of one path, or why it says nothing. Neither ever holds credentials. */
export type Described =
  | { readonly ok: true; readonly tracks: readonly Track[]; readonly sdp: string }
  | { readonly ok: false; readonly cause: Cause; readonly detail: string };

export interface DescribeOptions {
  /** Milliseconds for everything. Default 5000. */
  readonly timeoutMs?: number;
  /** Also SETUP and PLAY, and wait for the first packet: tells whether pictures come. Default false. */
  readonly play?: boolean;
  readonly signal?: AbortSignal;
}

/** A failure with its name. */
class Refusal extends Error {
  readonly kind: Cause;

  constructor(kind: Cause, detail: string) {
    super(detail);
    this.kind = kind;
  }
}

const defaultPorts: Readonly<Record<string, number>> = { 'rtsp:': 554, 'rtsps:': 322 };
const mostPending = 2 ** 20;
const videoCodecs: readonly string[] = ['h264', 'h265', 'mjpeg', 'mpeg4'];

/**
 * Asks a camera what it offers at an RTSP or RTSPS URL. Credentials of the URL are used when the camera asks for them.
 * Certificates of cameras are their own, so they are not checked. Never throws for what a camera or network does.
 */
export async function describeRtsp(text: string, options: DescribeOptions = {}): Promise<Described> {
  const url = URL.parse(text);
  const port = url === null ? undefined : defaultPorts[url.protocol];
  if (url === null || port === undefined || url.hostname === '')
    return { ok: false, cause: 'RTSP_CONNECT', detail: 'this is no rtsp:// or rtsps:// address' };
  const timeoutMs = options.timeoutMs ?? 5000;
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  const name = hostOf(url, port);
  let stage: Stage = 'connect';
  let line: Line | undefined;
  try {
    line = await Line.open(url, port, signal, () => (stage = 'handshake'));
    stage = 'reply';
    const client = new Client(line, bare(url), loginOf(url));
    const found = await client.describe(name);
    if (options.play === true) {
      await client.play(found.base, found.tracks, () => (stage = 'media'));
    }
    return { ok: true, tracks: found.tracks, sdp: found.sdp };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, cause: error.kind, detail: error.message };
    if (options.signal?.aborted === true)
      return { ok: false, cause: silences[stage].cause, detail: `${name} was not waited for any longer` };
    if (deadline.aborted) {
      const { cause, what } = silences[stage];
      return { ok: false, cause, detail: `${name} ${what} within ${timeoutMs / 1000} s` };
    }
    return { ok: false, ...failed(stage, name, error) };
  } finally {
    line?.close();
  }
}

type Stage = 'connect' | 'handshake' | 'reply' | 'media';

const silences = {
  connect: { cause: 'RTSP_CONNECT', what: 'did not accept a connection' },
  handshake: { cause: 'RTSP_SILENT', what: 'accepted the connection and did not answer' },
  reply: { cause: 'RTSP_SILENT', what: 'accepted the connection and did not answer' },
  media: { cause: 'RTSP_STALLED', what: 'agreed to play and sent no picture' },
} as const satisfies Record<Stage, { cause: Cause; what: string }>;

function failed(stage: Stage, name: string, error: unknown): { cause: Cause; detail: string } {
  const { code = '' } = error as NodeJS.ErrnoException;
  const why = explained(error);
  const notFound = code === 'ENOTFOUND' || code === 'EAI_AGAIN';
  if (stage === 'connect')
    return { cause: notFound ? 'RTSP_DNS' : 'RTSP_CONNECT', detail: `${name}: ${why}` };
  if (stage !== 'handshake') return { cause: 'RTSP_ENDED', detail: `${name}: ${why}` };
  // What OpenSSL says is about itself.
  const short = code.startsWith('ERR_SSL') ? code : why;
  return {
    cause: 'RTSP_GARBAGE',
    detail: `no TLS with ${name}: ${short}; write rtsp:// where the camera does not encrypt`,
  };
}

function hostOf(url: URL, port: number): string {
  return `${url.hostname}:${url.port === '' ? port : url.port}`;
}

/** The URL as it may be sent: without credentials. */
function bare(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search}`;
}

type Heard = { readonly kind: 'message'; readonly message: RtspMessage } | { readonly kind: 'packet' };

/** One connection: bytes in, messages out. */
class Line {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  #pending: Buffer = Buffer.alloc(0);
  #ended: Error | undefined;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    socket.on('data', (chunk: Buffer) => {
      this.#pending = Buffer.concat([this.#pending, chunk]);
      if (this.#pending.length > mostPending) socket.pause();
      this.#wake();
    });
    const end = (error?: Error) => {
      this.#ended ??= error ?? new Error('the connection was closed');
      this.#wake();
    };
    socket.on('error', end);
    socket.on('close', () => end());
    signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** `connected` is told when TCP stands and TLS does not yet. */
  static open(url: URL, defaultPort: number, signal: AbortSignal, connected: () => void): Promise<Line> {
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const port = url.port === '' ? defaultPort : Number(url.port);
    const secure = url.protocol === 'rtsps:';
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const socket = secure
        ? connectTls({ host, port, rejectUnauthorized: false, ...(isIP(host) === 0 && { servername: host }) })
        : connectTcp({ host, port });
      const abort = () => {
        socket.destroy();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
      socket.once('error', reject);
      if (secure) socket.once('connect', connected);
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        signal.removeEventListener('abort', abort);
        socket.removeListener('error', reject);
        resolve(new Line(socket, signal));
      });
    });
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** The next message or packet. Throws Refusal for bytes that are neither, and what ended the connection. */
  async next(): Promise<Heard> {
    for (;;) {
      const taken = takeRtsp(this.#pending);
      if (taken.kind === 'garbage')
        throw new Refusal(
          'RTSP_GARBAGE',
          'what came back is not RTSP; is this the port of the camera’s video?',
        );
      if (taken.kind !== 'more') {
        this.#pending = taken.rest;
        return taken.kind === 'packet' ? { kind: 'packet' } : { kind: 'message', message: taken.message };
      }
      if (this.#ended !== undefined) throw this.#ended;
      if (this.#signal.aborted) throw this.#signal.reason;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

interface Found {
  readonly tracks: readonly Track[];
  readonly sdp: string;
  readonly base: string;
}

/** The statuses that have a name of their own; any other refusal is RTSP_REFUSED. */
const refusals: Readonly<Record<number, { readonly cause: Cause; readonly text: string }>> = {
  401: { cause: 'RTSP_AUTH', text: 'the camera refused the user name and password' },
  403: { cause: 'RTSP_AUTH', text: 'the camera forbids this user this stream' },
  404: { cause: 'RTSP_NOT_FOUND', text: 'the camera has no stream at this path' },
  454: { cause: 'RTSP_SESSION', text: 'the camera does not know the session that it has just opened' },
};

/** The exchange of requests and replies over one connection. */
class Client {
  readonly #line: Line;
  readonly #url: string;
  readonly #credentials: Credentials | undefined;
  #sequence = 0;
  #challenges: readonly string[] = [];

  constructor(line: Line, url: string, credentials: Credentials | undefined) {
    this.#line = line;
    this.#url = url;
    this.#credentials = credentials;
  }

  async describe(name: string): Promise<Found> {
    const reply = await this.#ask('DESCRIBE', this.#url, { Accept: 'application/sdp' });
    const tracks = parseSdp(reply.body);
    const video = tracks.filter(({ media }) => media === 'video');
    if (video.length === 0) throw new Refusal('RTSP_GARBAGE', `${name} describes no video`);
    if (!video.some(({ codec }) => videoCodecs.includes(codec)))
      throw new Refusal(
        'CODEC_UNSUPPORTED',
        `${name} sends ${video[0]?.codec ?? 'something'}, which cannot be decoded`,
      );
    const base = header(reply, 'content-base') ?? header(reply, 'content-location');
    // A base on another host is no business of ours.
    const same = base !== undefined && URL.parse(base)?.host === URL.parse(this.#url)?.host;
    return { tracks, sdp: reply.body, base: same ? base : this.#url };
  }

  /** Plays the first video track over this connection until one packet has come. */
  async play(base: string, tracks: readonly Track[], waiting: () => void): Promise<void> {
    const track = tracks.find(({ media }) => media === 'video');
    const setup = await this.#ask('SETUP', controlUrl(base, track?.control), {
      Transport: 'RTP/AVP/TCP;unicast;interleaved=0-1',
    });
    const session = header(setup, 'session')?.split(';')[0]?.trim() ?? '';
    await this.#ask('PLAY', base, { Session: session, Range: 'npt=0.000-' });
    waiting();
    for (;;) if ((await this.#line.next()).kind === 'packet') break;
    this.#send('TEARDOWN', base, { Session: session });
  }

  async #ask(method: string, url: string, headers: Readonly<Record<string, string>>): Promise<RtspMessage> {
    let reply = await this.#exchange(method, url, headers);
    if (reply.status === 401 && this.#credentials !== undefined) {
      this.#challenges = reply.headers.get('www-authenticate') ?? [];
      reply = await this.#exchange(method, url, headers);
    }
    if (reply.status === 200) return reply;
    const named = refusals[reply.status ?? 0];
    const said = `${reply.status} to ${method}`;
    if (named === undefined) throw new Refusal('RTSP_REFUSED', `the camera answered ${said}`);
    if (named.cause === 'RTSP_AUTH' && this.#credentials === undefined)
      throw new Refusal('RTSP_AUTH', `the camera asks for a user name and password (${said})`);
    throw new Refusal(named.cause, `${named.text} (${said})`);
  }

  async #exchange(
    method: string,
    url: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<RtspMessage> {
    const sequence = this.#send(method, url, headers);
    for (;;) {
      const heard = await this.#line.next();
      // A camera that plays already, an announcement of its own, and a late reply are not the answer.
      if (heard.kind === 'packet' || heard.message.status === undefined) continue;
      const answered = header(heard.message, 'cseq');
      if (answered === undefined || answered === String(sequence)) return heard.message;
    }
  }

  #send(method: string, url: string, headers: Readonly<Record<string, string>>): number {
    this.#sequence += 1;
    const challenges = this.#challenges.flatMap((text) => parseChallenge(text) ?? []);
    const proof =
      this.#credentials === undefined || challenges.length === 0
        ? undefined
        : authorization(challenges, { method, uri: url }, this.#credentials, randomBytes(8).toString('hex'));
    this.#line.send(
      writeRtsp(`${method} ${url} RTSP/1.0`, {
        CSeq: String(this.#sequence),
        'User-Agent': 'Lares',
        ...headers,
        Authorization: proof,
      }),
    );
    return this.#sequence;
  }
}
