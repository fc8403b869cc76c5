import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AVMEDIA_TYPE_AUDIO, AVMEDIA_TYPE_VIDEO, AV_NOPTS_VALUE } from 'node-av/constants';
import {
  AVERROR_EOF,
  AVERROR_HTTP_FORBIDDEN,
  AVERROR_HTTP_NOT_FOUND,
  AVERROR_HTTP_UNAUTHORIZED,
  AVERROR_INVALIDDATA,
} from 'node-av/constants';
import { avGetCodecName, Dictionary, FormatContext, InputFormat, Packet, type Stream } from 'node-av/lib';
import type { Cause } from '../model.ts';
import { DecodeOrder } from './order.rules.ts';

/** Errno of Linux, negated, as libav returns them. */
const ECONNREFUSED = -111;
const ECONNRESET = -104;
const ENOENT = -2;

const causes = new Map<number, Cause>([
  [AVERROR_HTTP_UNAUTHORIZED, 'RTSP_AUTH'],
  [AVERROR_HTTP_FORBIDDEN, 'RTSP_AUTH'],
  [AVERROR_HTTP_NOT_FOUND, 'RTSP_NOT_FOUND'],
  [ENOENT, 'RTSP_NOT_FOUND'],
  [ECONNREFUSED, 'RTSP_CONNECT'],
]);

/** libav ends a read by itself after this long; our own watch is quicker. Microseconds, as its options want it. */
const readTimeoutUs = '8000000';

interface Scheme {
  readonly format?: string;
  readonly options: (transport: 'tcp' | 'udp') => Record<string, string>;
  /** The end of the stream is no loss: it starts again. */
  readonly loops: boolean;
}

// Without `video` alone, ONVIF metadata and sound open sessions (over UDP: ports) that nobody reads.
const rtsp: Scheme = {
  options: (transport) => ({
    rtsp_transport: transport,
    timeout: readTimeoutUs,
    allowed_media_types: 'video',
  }),
  loops: false,
};
const http: Scheme = {
  format: 'mpjpeg',
  options: () => ({ rw_timeout: readTimeoutUs, strict_mime_boundary: '0' }),
  loops: false,
};
const schemes: Readonly<Record<string, Scheme>> = {
  'rtsp:': rtsp,
  'rtsps:': rtsp,
  'http:': http,
  'https:': http,
  'file:': { options: () => ({}), loops: true },
};

export type Opened =
  | { readonly ok: true; readonly source: Source }
  | { readonly ok: false; readonly code: number };

/** Why an open failed, when libav says it; undefined when its code could mean anything. */
export const causeOf = (code: number): Cause | undefined => causes.get(code);

/** One open input of libav. Reading is asynchronous and ends when interrupted. */
export class Source {
  readonly stream: Stream;
  readonly codec: string;
  readonly audio: string | undefined;
  readonly loops: boolean;
  readonly #context: FormatContext;
  readonly #packet = new Packet();
  readonly #order: DecodeOrder;
  #closed = false;
  /** Monotonic milliseconds at which the first packet of a file was due; files only. */
  #began: number | undefined;
  #read = 0;

  private constructor(context: FormatContext, stream: Stream, audio: string | undefined, loops: boolean) {
    this.#context = context;
    this.stream = stream;
    this.codec = avGetCodecName(stream.codecpar.codecId) ?? 'unknown';
    this.audio = audio;
    this.loops = loops;
    this.#packet.alloc();
    const { num, den } = stream.timeBase;
    this.#order = new DecodeOrder(BigInt(Math.ceil(den / Math.max(1, num))));
  }

  /**
   * Opens an address (see `CameraPlan.urls`). `onContext` gets the way to end a try that hangs. Never throws; the code is
   * libav's, 0 when it opened something without video.
   */
  static async open(
    url: string,
    transport: 'tcp' | 'udp',
    onInterrupt: (interrupt: () => void) => void,
  ): Promise<Opened> {
    const protocol = URL.parse(url)?.protocol ?? 'file:';
    const scheme = schemes[protocol] ?? rtsp;
    const context = new FormatContext();
    // Only a context that exists before the call can be interrupted while it opens.
    context.allocContext();
    onInterrupt(() => context.interrupt());
    const options = Dictionary.fromObject(scheme.options(transport));
    const format = scheme.format === undefined ? null : InputFormat.findInputFormat(scheme.format);
    const place = protocol === 'file:' && url.startsWith('file:') ? fileURLToPath(url) : url;
    try {
      let code = await context.openInput(place, format, options);
      if (code < 0) return { ok: false, code };
      // Files name their codec parameters only to one who looks; cameras name them in the session description.
      if (scheme.loops) code = await context.findStreamInfo(null);
      const video = context.streams.find((s) => s.codecpar.codecType === AVMEDIA_TYPE_VIDEO);
      if (video === undefined || code < 0) {
        await context.closeInput();
        return { ok: false, code };
      }
      const sound = context.streams.find((s) => s.codecpar.codecType === AVMEDIA_TYPE_AUDIO);
      const audio = sound === undefined ? undefined : (avGetCodecName(sound.codecpar.codecId) ?? undefined);
      return { ok: true, source: new Source(context, video, audio, scheme.loops) };
    } finally {
      options.free();
    }
  }

  /** The next packet of the video; it is valid until the next call. A number, libav's code, when there is no more. */
  async next(): Promise<Packet | number> {
    const packet = this.#packet;
    for (;;) {
      packet.unref();
      const code = await this.#context.readFrame(packet);
      if (code < 0) return code;
      if (packet.streamIndex === this.stream.index && packet.size > 0) break;
    }
    packet.timeBase = this.stream.timeBase;
    if (packet.dts === AV_NOPTS_VALUE && packet.pts !== AV_NOPTS_VALUE)
      packet.dts = this.#order.next(packet.pts);
    if (this.loops) await this.#pace(packet);
    return packet;
  }

  /** Ends a pending `next` within milliseconds; nothing can be read afterwards. */
  interrupt(): void {
    if (!this.#closed) this.#context.interrupt();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#packet.free();
    await this.#context.closeInput();
  }

  /** Files are read as fast as a camera would send them. */
  async #pace(packet: Packet): Promise<void> {
    const now = performance.now();
    this.#began ??= now;
    const { num, den } = this.stream.timeBase;
    const rate = this.stream.avgFrameRate;
    const start = this.stream.startTime;
    const due =
      packet.dts === AV_NOPTS_VALUE
        ? (this.#read * 1000 * rate.den) / (rate.num || 25)
        : (Number(packet.dts - (start === AV_NOPTS_VALUE ? 0n : start)) * 1000 * num) / den;
    this.#read += 1;
    const wait = this.#began + due - now;
    if (wait > 1) await sleep(Math.min(wait, 2000));
  }
}

/** In words, why reading ended. */
export function endOf(code: number): { readonly cause: Cause; readonly detail: string } {
  if (code === ECONNRESET) return { cause: 'RTSP_ENDED', detail: 'the camera reset the connection' };
  if (code === AVERROR_INVALIDDATA)
    return { cause: 'RTSP_GARBAGE', detail: 'what comes is not what the camera says it is' };
  if (code === AVERROR_EOF) return { cause: 'RTSP_ENDED', detail: 'the camera closed the connection' };
  return { cause: 'RTSP_ENDED', detail: `the connection ended (${code})` };
}
