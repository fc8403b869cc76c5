import {
  AV_PICTURE_TYPE_I,
  AV_PICTURE_TYPE_NONE,
  AV_OPT_SEARCH_CHILDREN,
  AV_OPT_TYPE_STRING,
  AV_PIX_FMT_YUV420P,
  Codec,
  CodecContext,
  FF_ENCODER_LIBX264,
  FF_ENCODER_LIBX265,
  FFmpegError,
  Frame,
  Packet,
  Rational,
} from 'node-av';
import { LaresError } from '#kernel/errors.ts';
import { sortNals, splitAnnexB, type VideoCodec } from './clip.ts';

/** H.264 and H.265 as cameras write it: no B-frames, regular keyframes, one slice a picture. */

export interface EncodeOptions {
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** Seconds between keyframes. Default 2. */
  readonly keyframeSeconds?: number;
  /** Bits a second. Default: 1.5 bits for each pixel of a second at 10 frames. */
  readonly bitrate?: number;
}

export interface Encoded {
  readonly nals: readonly Buffer[];
  readonly key: boolean;
}

// Keyframes only where they are due, or asked for: a cut in the scene must not add one.
const encoders = {
  h264: {
    name: FF_ENCODER_LIBX264,
    options: {
      preset: 'ultrafast',
      tune: 'zerolatency',
      sc_threshold: '0',
      'forced-idr': '1',
      'x264-params': 'slices=1:log=-1',
    },
  },
  h265: {
    name: FF_ENCODER_LIBX265,
    options: {
      preset: 'ultrafast',
      tune: 'zerolatency',
      'forced-idr': '1',
      'x265-params': 'log-level=none:scenecut=0:bframes=0:open-gop=0:pools=none:frame-threads=1',
    },
  },
} as const satisfies Record<VideoCodec, unknown>;

/** An open encoder. Pictures go in as packed yuv420p planes. Closed by its user. */
export class PictureEncoder {
  readonly #options: EncodeOptions;
  // The plain context, because node-av's Encoder takes the wish for a keyframe off the picture.
  readonly #context: CodecContext;
  readonly #frame: Frame;
  readonly #packet: Packet;
  #index = 0n;
  #sets: readonly Buffer[] = [];

  private constructor(options: EncodeOptions, context: CodecContext, frame: Frame, packet: Packet) {
    this.#options = options;
    this.#context = context;
    this.#frame = frame;
    this.#packet = packet;
  }

  static open(options: EncodeOptions): PictureEncoder {
    const { codec, width, height, fps, keyframeSeconds = 2 } = options;
    const encoder = Codec.findEncoderByName(encoders[codec].name);
    if (encoder === null)
      throw new LaresError('NOT_FOUND', `this build of node-av has no encoder for ${codec}`);
    const context = new CodecContext();
    context.allocContext3(encoder);
    context.width = width;
    context.height = height;
    context.pixelFormat = AV_PIX_FMT_YUV420P;
    context.timeBase = new Rational(1000, Math.round(fps * 1000));
    context.framerate = new Rational(Math.round(fps * 1000), 1000);
    context.gopSize = Math.max(1, Math.round(keyframeSeconds * fps));
    context.maxBFrames = 0;
    context.threadCount = 1;
    context.bitRate = BigInt(options.bitrate ?? Math.round(width * height * 1.5 * Math.max(1, fps / 10)));
    // Not by the dictionary of open2: node-av 6.1 frees it twice, and the process dies at some later collection.
    for (const [name, value] of Object.entries(encoders[codec].options))
      FFmpegError.throwIfError(
        context.setOption(name, value, AV_OPT_TYPE_STRING, AV_OPT_SEARCH_CHILDREN),
        `the encoder's option ${name}`,
      );
    FFmpegError.throwIfError(context.open2Sync(encoder), `opening the encoder for ${codec}`);
    const frame = new Frame();
    frame.alloc();
    frame.width = width;
    frame.height = height;
    frame.format = AV_PIX_FMT_YUV420P;
    FFmpegError.throwIfError(frame.getBuffer(), 'memory for a picture');
    const packet = new Packet();
    packet.alloc();
    return new PictureEncoder(options, context, frame, packet);
  }

  /** Parameter sets; empty until the first picture has come out. */
  get sets(): readonly Buffer[] {
    return this.#sets;
  }

  /** Takes one picture and gives what is ready: one unit at once, as the encoders are told not to wait. */
  encode(yuv: Buffer, forceKey = false): Encoded[] {
    const frame = this.#frame;
    // The encoder may still hold the last picture.
    FFmpegError.throwIfError(frame.makeWritable(), 'memory for a picture');
    FFmpegError.throwIfError(frame.fromBuffer(yuv), 'a picture of the wrong size');
    frame.pts = this.#index;
    frame.pictType = forceKey ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    this.#index += 1n;
    FFmpegError.throwIfError(this.#context.sendFrameSync(frame), 'encoding a picture');
    return this.#ready();
  }

  flush(): Encoded[] {
    this.#context.sendFrameSync(null);
    return this.#ready();
  }

  close(): void {
    this.#frame.free();
    this.#packet.free();
    this.#context.freeContext();
  }

  #ready(): Encoded[] {
    const out: Encoded[] = [];
    while (this.#context.receivePacketSync(this.#packet) >= 0) {
      const data = Buffer.from(this.#packet.data ?? []);
      this.#packet.unref();
      const { sets, pictures } = sortNals(this.#options.codec, splitAnnexB(data));
      if (sets.length > 0) this.#sets = sets;
      out.push(...pictures);
    }
    return out;
  }
}
