import { AV_NOPTS_VALUE, AV_OPT_TYPE_INT64 } from 'node-av/constants';
import { Codec, CodecContext, Frame, type Packet, type Stream } from 'node-av/lib';
import type { HardwareContext } from 'node-av/api';

/** Failures in a row after which hardware is given up: damaged packets make it fail on some, too. */
const mostFailures = 12;

/** The hardware decoded a picture and does not give it away. */
class Undelivered extends Error {}

// More than any camera has (8K is 33 million): a few kilobytes of JPEG can claim to be a picture of half a gigabyte.
const mostPixels = 40_000_000n;

/**
 * Decodes packets of one stream on the calling thread: the asynchronous calls of node-av cost half as much again, and
 * more than one thread adds a frame of delay.
 */
export class FrameDecoder {
  readonly #context: CodecContext;
  readonly #frame = new Frame();
  readonly #soft: Frame | undefined;
  errors = 0;
  #failures = 0;

  private constructor(context: CodecContext, hardware: boolean) {
    this.#context = context;
    this.#frame.alloc();
    if (hardware) this.#soft = new Frame();
    this.#soft?.alloc();
  }

  /** Whether hardware was asked to decode. libav itself falls back where it refuses a stream from the beginning. */
  get hardware(): boolean {
    return this.#soft !== undefined;
  }

  /** Hardware that could be opened and does not decode. */
  get broken(): boolean {
    return this.hardware && this.#failures >= mostFailures;
  }

  /** Undefined when libav cannot decode this codec. */
  static create(stream: Stream, hardware: HardwareContext | undefined): FrameDecoder | undefined {
    const { codecpar } = stream;
    const accelerated = hardware?.getDecoderCodec(codecpar.codecId) ?? undefined;
    for (const codec of [accelerated, Codec.findDecoder(codecpar.codecId)]) {
      if (codec === undefined || codec === null) continue;
      const context = new CodecContext();
      context.allocContext3(codec);
      context.parametersToContext(codecpar);
      context.pktTimebase = stream.timeBase;
      context.threadCount = 1;
      const uses = codec === accelerated && hardware !== undefined;
      if (uses) {
        context.hwDeviceCtx = hardware.deviceContext;
        context.setHardwarePixelFormat(hardware.devicePixelFormat);
      }
      // Not as an option of the call that opens it: node-av frees such a dictionary twice, which ends the process.
      context.setOption('max_pixels', mostPixels, AV_OPT_TYPE_INT64);
      if (context.open2Sync(codec, null) >= 0) return new FrameDecoder(context, uses);
      context.freeContext();
    }
    return undefined;
  }

  /**
   * Decodes one packet. Each frame is valid only during the call of `onFrame`, which clones what it keeps; `pixels` gives
   * it in main memory, at a cost when the hardware decoded it.
   */
  decode(packet: Packet, onFrame: (frame: Frame, pixels: () => Frame) => void): void {
    if (this.#context.sendPacketSync(packet) < 0) return this.#failed();
    const frame = this.#frame;
    while (this.#context.receiveFrameSync(frame) === 0) {
      try {
        onFrame(frame, () => this.#pixels());
      } catch (error) {
        if (!(error instanceof Undelivered)) throw error;
        this.#failed();
      }
      frame.unref();
      this.#soft?.unref();
    }
  }

  close(): void {
    this.#context.freeContext();
    this.#frame.free();
    this.#soft?.free();
  }

  #failed(): void {
    this.errors += 1;
    this.#failures += 1;
  }

  #pixels(): Frame {
    const soft = this.#soft;
    const inMemory = soft === undefined || !this.#frame.isHwFrame();
    if (!inMemory && soft.width === 0) {
      if (this.#frame.hwframeTransferDataSync(soft) < 0) throw new Undelivered();
      soft.colorRange = this.#frame.colorRange;
      if (this.#frame.pts !== AV_NOPTS_VALUE) soft.pts = this.#frame.pts;
    }
    this.#failures = 0;
    return inMemory ? this.#frame : soft;
  }
}
