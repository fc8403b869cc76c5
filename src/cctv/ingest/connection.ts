import type { HardwareContext } from 'node-av/api';
import { AV_CODEC_ID_MJPEG, AV_CODEC_ID_NONE } from 'node-av/constants';
import type { Frame, Packet } from 'node-av/lib';
import { reason } from '#kernel/errors.ts';
import type { Clock } from '#kernel/driver.ts';
import type { StreamInfo } from '../model.ts';
import { attempt, nameSilence, type Describe, type Failure } from './attempt.ts';
import { FrameDecoder } from './decode.ts';
import type { Status } from './outage.rules.ts';
import { parameterSets } from './parameters.rules.ts';
import { Reception } from './reception.rules.ts';
import { retryDelay } from './retry.rules.ts';
import { endOf, Source } from './source.ts';
import { Taps } from './taps.ts';

export interface ConnectionOptions {
  readonly url: string;
  readonly transport: 'tcp' | 'udp';
  readonly clock: Clock;
  readonly random: () => number;
  readonly describe: Describe;
  /** The hardware that decodes; undefined for none. Asked when a decoder is made. */
  readonly hardware: () => HardwareContext | undefined;
  /** Added to. */
  readonly counts: Counts;
}

/** Of all connections of a camera since its process began. */
export interface Counts {
  bytes: number;
  frames: number;
  decodeErrors: number;
}

export interface ConnectionHooks {
  status(status: Status): void;
  warn(message: string): void;
  info(info: StreamInfo): void;
  /** A decoded frame, valid during the call; `pixels` gives it in main memory. `at`: epoch milliseconds of arrival. */
  frame(pixels: () => Frame, at: number): void;
  /** Before the first frame of another size. */
  resized(width: number, height: number): void;
}

const watchMs = 200;
/** One that is lost sooner after it came is tried again ever more slowly, as if it had not come. */
const steadyMs = 2000;
/** A keyframe of 8K has a few megabytes. */
const mostPacketBytes = 32 * 2 ** 20;

/** One address of a camera: connects for ever, demuxes, decodes if wanted, and feeds its taps. */
export class Connection {
  readonly taps = new Taps();
  /** Whether frames are wanted. May change while it runs; decoding begins at the next keyframe. */
  decodes = false;
  readonly #options: ConnectionOptions;
  readonly #hooks: ConnectionHooks;
  #decoder: FrameDecoder | undefined;
  /** Its hardware failed: the processor decodes. */
  #soft = false;
  #size: { width: number; height: number } | undefined;
  #live = false;

  constructor(options: ConnectionOptions, hooks: ConnectionHooks) {
    this.#options = options;
    this.#hooks = hooks;
  }

  /** Runs until the signal aborts. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    this.#hooks.status({ state: 'connecting' });
    let tries = 0;
    let hurry = true;
    while (!signal.aborted) {
      this.#live = false;
      const tried = await attempt({ ...this.#options, status: (s) => this.#hooks.status(s) }, hurry, signal);
      const openedAt = clock.monotonic();
      const failure = tried instanceof Source ? await this.#serve(tried, signal) : tried;
      if (signal.aborted) return;
      if (failure === undefined) continue;
      const silent = tried instanceof Source && failure.cause === 'RTSP_SILENT';
      const named = silent
        ? await nameSilence(failure, this.#options.url, this.#options.describe, signal)
        : failure;
      if (signal.aborted) return;
      if (this.#live && clock.monotonic() - openedAt > steadyMs) tries = 0;
      this.#hooks.status({ state: 'down', cause: named.cause, detail: named.detail });
      hurry = named.again !== true;
      if (named.again === true) continue;
      await clock.sleep(retryDelay(named.cause, tries, random), signal);
      tries += 1;
    }
  }

  /** Reads an open source to its end; undefined when it is one that starts again. Never throws. */
  async #serve(source: Source, signal: AbortSignal): Promise<Failure | undefined> {
    const { clock } = this.#options;
    const reception = new Reception(clock.monotonic());
    let failure: Failure | undefined;
    const end = (why: Failure) => {
      failure ??= why;
      source.interrupt();
    };
    const stop = () => source.interrupt();
    const watch = setInterval(() => {
      const trouble = reception.trouble(clock.monotonic());
      if (trouble === undefined) return;
      if (trouble.cause === 'RTSP_GARBAGE' && this.#decoder?.hardware === true)
        return this.#giveUpHardware(reception);
      this.#live = false;
      const { cause, detail } = trouble;
      // What a camera that says nothing is up to, is asked before it is told.
      if (cause !== 'RTSP_SILENT') this.#hooks.status({ state: 'down', cause, detail });
      if (trouble.hopeless) end({ cause, detail });
    }, watchMs);
    signal.addEventListener('abort', stop, { once: true });
    let lived = false;
    try {
      if (source.stream.codecpar.codecId === AV_CODEC_ID_NONE) return unsupported(source);
      for (;;) {
        const packet = await source.next();
        if (typeof packet === 'number') {
          if (source.loops && lived && failure === undefined) return undefined;
          return failure ?? endOf(packet);
        }
        if (signal.aborted) return undefined;
        // libav gives out what it still held when it is interrupted.
        if (failure !== undefined) return failure;
        const wasLive = this.#live;
        const refused = this.#take(packet, source, reception);
        lived ||= this.#live;
        if (refused !== undefined) return refused;
        if (this.#live && !wasLive) this.#hooks.status({ state: 'live' });
      }
    } catch (error) {
      // Pictures of a shape that nothing here can work with must not end the other cameras of this process.
      return { cause: 'CODEC_UNSUPPORTED', detail: `its pictures cannot be used: ${reason(error)}` };
    } finally {
      clearInterval(watch);
      signal.removeEventListener('abort', stop);
      this.#live ||= lived;
      this.#closeDecoder(reception);
      this.taps.cut();
      this.#size = undefined;
      await source.close();
    }
  }

  #take(packet: Packet, source: Source, reception: Reception): Failure | undefined {
    const { clock } = this.#options;
    const { stream } = source;
    const { codecpar } = stream;
    const key = packet.isKeyframe || codecpar.codecId === AV_CODEC_ID_MJPEG;
    const now = clock.monotonic();
    const at = clock.now();
    this.#options.counts.bytes += packet.size;
    if (packet.size > mostPacketBytes) return oversized(packet.size);
    reception.packet(now, key);
    if (key) this.#parameters(packet, source);
    const needsSize = this.#size === undefined && this.taps.size > 0;
    if (this.decodes || needsSize) {
      if (this.#decoder === undefined && key) {
        this.#decoder = FrameDecoder.create(stream, this.#soft ? undefined : this.#options.hardware());
        if (this.#decoder === undefined) return unsupported(source);
        reception.decoding(now);
      }
      this.#decode(packet, source, reception, at);
      if (this.#decoder?.broken === true) this.#giveUpHardware(reception);
    } else this.#closeDecoder(reception);
    this.taps.packet(packet, at, key, stream, this.#size);
    if (!this.decodes && key && (this.#size !== undefined || this.taps.size === 0)) this.#live = true;
    const seconds = reception.keyframeSeconds;
    if (key && this.#size !== undefined && reception.keyframes <= 2)
      this.#tell(source, seconds, reception.fps);
    return undefined;
  }

  #decode(packet: Packet, source: Source, reception: Reception, at: number): void {
    const decoder = this.#decoder;
    if (decoder === undefined) return;
    const errors = decoder.errors;
    decoder.decode(packet, (frame, pixels) => {
      reception.frame(this.#options.clock.monotonic());
      const { width, height } = frame;
      if (this.#size?.width !== width || this.#size.height !== height) {
        this.#size = { width, height };
        const { codecpar } = source.stream;
        codecpar.width = width;
        codecpar.height = height;
        this.taps.cut();
        this.#hooks.resized(width, height);
        this.#tell(source, reception.keyframeSeconds, reception.fps);
      }
      if (!this.decodes) return;
      this.#options.counts.frames += 1;
      this.#live = true;
      this.#hooks.frame(pixels, at);
    });
    this.#options.counts.decodeErrors += decoder.errors - errors;
  }

  /** Keeps what a muxer needs to know up to date: cameras send it in band, and change it when their settings change. */
  #parameters(packet: Packet, source: Source): void {
    const { codecpar } = source.stream;
    const known = codecpar.extradata;
    // Files hold their parameters in a record that begins with its version, 1, and their packets have no start codes.
    if (known?.[0] === 1 || codecpar.codecId === AV_CODEC_ID_MJPEG || packet.data === null) return;
    const sets = parameterSets(source.codec, packet.data);
    if (sets === undefined || (known !== null && sets.equals(known))) return;
    codecpar.extradata = sets;
    this.taps.cut();
    if (!this.decodes) this.#size = undefined;
  }

  #tell(source: Source, keyframeSeconds: number | undefined, measured: number | undefined): void {
    const { width, height } = this.#size!;
    const { num, den } = source.stream.avgFrameRate;
    const fps = measured ?? (num > 0 && den > 0 ? num / den : undefined);
    const mime = source.stream.codecpar.getCodecString();
    this.#hooks.info({
      codec: source.codec,
      width,
      height,
      ...(fps !== undefined && { fps: Math.round(fps * 100) / 100 }),
      ...(keyframeSeconds !== undefined && { keyframeSeconds: Math.round(keyframeSeconds * 100) / 100 }),
      ...(mime !== null && { mime }),
      ...(source.audio !== undefined && { audio: source.audio }),
    });
  }

  #closeDecoder(reception: Reception): void {
    if (this.#decoder === undefined) return;
    this.#decoder.close();
    this.#decoder = undefined;
    reception.decoding(undefined);
  }

  /** The next keyframe is decoded by the processor, and all that follow. */
  #giveUpHardware(reception: Reception): void {
    this.#soft = true;
    this.#closeDecoder(reception);
    this.#hooks.warn('the hardware does not decode its video; the processor does from now on');
  }
}

function oversized(bytes: number): Failure {
  return { cause: 'RTSP_GARBAGE', detail: `one picture of ${Math.round(bytes / 2 ** 20)} MiB came` };
}

function unsupported(source: Source): Failure {
  return {
    cause: 'CODEC_UNSUPPORTED',
    detail: `the codec ${source.codec} cannot be decoded; set the camera to H.264 or H.265`,
  };
}
