import {
  AV_CODEC_FLAG_QSCALE,
  AV_CODEC_ID_MJPEG,
  AV_PIX_FMT_YUVJ420P,
  AVCOL_RANGE_JPEG,
  AVCOL_RANGE_UNSPECIFIED,
  AVCOL_RANGE_MPEG,
} from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet, Rational, SoftwareScaleContext } from 'node-av/lib';
import { LaresError } from '#kernel/errors.ts';
import type { Planes } from './draw.rules.ts';

/** libav's scale of quality: 2 is best, 31 worst, times FF_QP2LAMBDA. 4 is about what others call 85 of 100. */
const quality = 4 * 118;

/**
 * Writes pictures as JPEG. Video carries luma in 16 to 235, JPEG in 0 to 255: the frame is converted, not only relabelled
 * as `toJpegSync` of node-av does, which gives washed-out pictures.
 */
export class JpegWriter {
  readonly #scale = new SoftwareScaleContext();
  readonly #packet = new Packet();
  readonly #canvas = new Frame();
  #encoder: CodecContext | undefined;

  constructor() {
    this.#scale.allocContext();
    this.#packet.alloc();
    this.#canvas.alloc();
  }

  /** The frame as a full-range picture of at most `width` pixels; its planes may be drawn on until the next call. */
  paint(frame: Frame, width = frame.width): Planes {
    const wide = Math.max(16, Math.min(frame.width, Math.round(width / 2) * 2));
    const high = Math.max(16, Math.round((frame.height * wide) / frame.width / 2) * 2);
    const canvas = this.#canvas;
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.unref();
      canvas.width = wide;
      canvas.height = high;
      canvas.format = AV_PIX_FMT_YUVJ420P;
      check(canvas.getBuffer(0));
      this.#encoder?.freeContext();
      this.#encoder = undefined;
    }
    canvas.colorRange = AVCOL_RANGE_JPEG;
    // Cameras that do not say which range they use, use that of video.
    if (frame.colorRange === AVCOL_RANGE_UNSPECIFIED) frame.colorRange = AVCOL_RANGE_MPEG;
    check(this.#scale.scaleFrameSync(canvas, frame));
    return this.planes();
  }

  /** What was painted last, to look at and to draw on. */
  planes(): Planes {
    const { width, height, data, linesize } = this.#canvas;
    const [y, u, v] = data!;
    const [ys, us, vs] = linesize;
    return { width, height, planes: [y!, u!, v!], strides: [ys!, us!, vs!] };
  }

  /** What was painted, as a JPEG file of its own. */
  encode(): Uint8Array {
    const canvas = this.#canvas;
    this.#encoder ??= encoderFor(canvas.width, canvas.height);
    canvas.quality = quality;
    check(this.#encoder.sendFrameSync(canvas));
    check(this.#encoder.receivePacketSync(this.#packet));
    const bytes = Uint8Array.from(this.#packet.data!);
    this.#packet.unref();
    return bytes;
  }

  close(): void {
    this.#encoder?.freeContext();
    this.#scale.freeContext();
    this.#packet.free();
    this.#canvas.free();
  }
}

function encoderFor(width: number, height: number): CodecContext {
  const codec = Codec.findEncoder(AV_CODEC_ID_MJPEG);
  const context = new CodecContext();
  context.allocContext3(codec);
  context.width = width;
  context.height = height;
  context.pixelFormat = AV_PIX_FMT_YUVJ420P;
  context.colorRange = AVCOL_RANGE_JPEG;
  context.timeBase = new Rational(1, 25);
  context.flags = AV_CODEC_FLAG_QSCALE;
  context.globalQuality = quality;
  context.threadCount = 1;
  check(context.open2Sync(codec, null));
  return context;
}

function check(code: number): void {
  if (code < 0) throw new LaresError('INTERNAL', `libav could not write a picture (${code})`);
}
