import {
  AV_CODEC_ID_H264,
  BitStreamFilterAPI,
  Decoder,
  Demuxer,
  Scaler,
  type Packet,
  type Stream,
} from 'node-av';
import { LaresError, reason } from '#kernel/errors.ts';
import { checked, sortNals, splitAnnexB, type Clip, type Unit } from './clip.ts';
import { PictureEncoder, type Encoded, type EncodeOptions } from './encode.ts';
import type { Live, LiveUnit } from './rtsp.model.ts';

/** Makes what the simulated cameras show: from drawings and from files. Loads native code: for children and tests. */

/** Draws one picture as packed yuv420p planes (limited range, BT.601); `index` counts up. */
export type Draw = (index: number) => Buffer;

export interface ClipOptions extends EncodeOptions {
  readonly seconds: number;
  readonly draw: Draw;
}

const clock = 90_000;

/** Encodes a drawn clip. The whole of it is kept in memory, compressed. */
export function drawnClip(options: ClipOptions): Clip {
  const frames = Math.max(1, Math.round(options.seconds * options.fps));
  const encoder = PictureEncoder.open(options);
  try {
    const pictures: Encoded[] = [];
    for (let index = 0; index < frames; index += 1) pictures.push(...encoder.encode(options.draw(index)));
    pictures.push(...encoder.flush());
    return evenClip(options, pictures, encoder.sets);
  } finally {
    encoder.close();
  }
}

function evenClip(options: EncodeOptions, pictures: readonly Encoded[], sets: readonly Buffer[]): Clip {
  const tick = clock / options.fps;
  const units = pictures.map((picture, index): Unit => {
    const time = Math.round(index * tick);
    return { ...picture, time, due: time };
  });
  const duration = Math.round(units.length * tick);
  return checked({ kind: 'clip', codec: options.codec, fps: options.fps, sets, units, duration });
}

/** A plain test picture: a grey ramp and a bright square of an eighth of the height that moves to the right. */
export function movingSquare(width: number, height: number): Draw {
  const luma = width * height;
  const size = Math.floor(height / 8);
  return (index) => {
    const picture = Buffer.alloc(luma * 1.5, 128);
    for (let y = 0; y < height; y += 1)
      picture.fill(40 + Math.floor((y * 100) / height), y * width, (y + 1) * width);
    const left = (index * 8) % (width - size);
    const top = Math.floor((height - size) / 2);
    for (let y = top; y < top + size; y += 1) picture.fill(220, y * width + left, y * width + left + size);
    return picture;
  };
}

export interface FileOptions {
  /** Another size or rate than the file's; such a file is encoded anew. Even numbers. */
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  readonly keyframeSeconds?: number;
}

/**
 * A video file of any kind as a clip: H.264 is copied unless another size or rate is asked for, anything else is
 * encoded anew. Throws NOT_FOUND for a file that is not there or holds no video that can be read.
 */
export async function fileMedia(file: string, options: FileOptions = {}): Promise<Clip> {
  let demuxer: Demuxer;
  try {
    demuxer = await Demuxer.open(file);
  } catch (error) {
    throw new LaresError('NOT_FOUND', `${file} cannot be read as video: ${reason(error)}`, { cause: error });
  }
  try {
    const stream = demuxer.video();
    if (stream === undefined) throw new LaresError('NOT_FOUND', `${file} holds no video`);
    const asItIs = options.width === undefined && options.height === undefined && options.fps === undefined;
    const clip =
      asItIs && stream.codecpar.codecId === AV_CODEC_ID_H264
        ? await copied(demuxer, stream)
        : await transcoded(demuxer, stream, options);
    if (clip === undefined) throw new LaresError('NOT_FOUND', `${file} holds no video that can be read`);
    return clip;
  } finally {
    await demuxer.close();
  }
}

function rateOf(stream: Stream): number {
  const { num, den } = stream.avgFrameRate;
  const rate = den === 0 ? 0 : num / den;
  return rate > 0 && rate <= 240 ? rate : 25;
}

/** Copies the packets from the first keyframe on. Undefined when there is none, or no parameter sets. */
async function copied(demuxer: Demuxer, stream: Stream): Promise<Clip | undefined> {
  const filter = BitStreamFilterAPI.create('h264_mp4toannexb', stream);
  const fps = rateOf(stream);
  const { num, den } = stream.timeBase;
  const ticks = (time: bigint) => Math.round((Number(time) * num * clock) / den);
  const units: Unit[] = [];
  let sets: Buffer[] = [];
  let first: number | undefined;
  const take = (packet: Packet) => {
    const sorted = sortNals('h264', splitAnnexB(Buffer.from(packet.data ?? [])));
    if (sets.length < 2) sets = sorted.sets;
    const nals = sorted.pictures.flatMap((picture) => picture.nals);
    const key = sorted.pictures.some((picture) => picture.key);
    if (nals.length === 0 || (units.length === 0 && !key)) return;
    first ??= ticks(packet.dts);
    units.push({ nals, key, time: ticks(packet.pts) - first, due: ticks(packet.dts) - first });
  };
  for await (const packet of demuxer.packets(stream.index)) {
    if (packet === null) break;
    for (const filtered of filter.filterAllSync(packet)) {
      take(filtered);
      filtered.free();
    }
    packet.free();
  }
  filter.close();
  const last = units.at(-1);
  if (last === undefined || sets.length < 2) return undefined;
  const duration = last.due + Math.round(clock / fps);
  return checked({ kind: 'clip', codec: 'h264', fps, sets, units, duration });
}

async function transcoded(demuxer: Demuxer, stream: Stream, options: FileOptions): Promise<Clip | undefined> {
  const width = even(options.width ?? stream.codecpar.width);
  const height = even(options.height ?? stream.codecpar.height);
  const source = rateOf(stream);
  const fps = options.fps ?? source;
  const plan: EncodeOptions = {
    codec: 'h264',
    width,
    height,
    fps,
    ...(options.keyframeSeconds !== undefined && { keyframeSeconds: options.keyframeSeconds }),
  };
  const encoder = PictureEncoder.open(plan);
  const scaler = new Scaler();
  const decoder = await Decoder.create(stream, { threadCount: 1 });
  const pictures: Encoded[] = [];
  let seen = 0;
  try {
    for await (const packet of demuxer.packets(stream.index)) {
      for (const frame of decoder.decodeAllSync(packet)) {
        const due = Math.floor(((seen + 1) * fps) / source) - Math.floor((seen * fps) / source);
        seen += 1;
        if (due > 0) {
          const yuv = scaler.toBufferSync(frame, { resize: { width, height }, format: 'yuv420p' });
          for (let turn = 0; turn < due; turn += 1) pictures.push(...encoder.encode(yuv));
        }
        frame.free();
      }
      packet?.free();
    }
    pictures.push(...encoder.flush());
    return pictures.length === 0 ? undefined : evenClip(plan, pictures, encoder.sets);
  } finally {
    decoder.close();
    scaler.close();
    encoder.close();
  }
}

function even(length: number): number {
  return Math.max(2, Math.floor(length / 2) * 2);
}

export interface LiveOptions extends EncodeOptions {
  /** The picture of an instant (epoch ms): packed yuv420p planes. */
  readonly draw: (at: number) => Buffer;
  readonly now?: () => number;
}

/**
 * A medium that is drawn at real time while the signal lives. Draws and encodes nothing while nobody watches, and once
 * however many watch. A new watcher gets a keyframe at once.
 */
export function liveMedia(options: LiveOptions, signal: AbortSignal): Live {
  const now = options.now ?? Date.now;
  const encoder = PictureEncoder.open(options);
  const listeners = new Set<(unit: LiveUnit) => void>();
  const period = 1000 / options.fps;
  // The parameter sets must be known before anybody watches, for the session description.
  encoder.encode(options.draw(now()), true);
  const startedAt = performance.now();
  let wantsKey = false;
  let timer: NodeJS.Timeout | undefined;
  let next = 0;
  const step = () => {
    const elapsed = performance.now() - startedAt;
    const time = Math.round(elapsed * (clock / 1000));
    const key = wantsKey;
    wantsKey = false;
    for (const unit of encoder.encode(options.draw(now()), key))
      for (const listener of listeners) listener({ ...unit, time });
    // A machine that is too slow leaves pictures out instead of falling behind.
    next = Math.max(next + period, performance.now() - startedAt);
    timer = setTimeout(step, Math.max(0, next - (performance.now() - startedAt)));
  };
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  signal.addEventListener('abort', () => {
    stop();
    listeners.clear();
    encoder.close();
  });
  return {
    kind: 'live',
    codec: options.codec,
    fps: options.fps,
    get sets() {
      return encoder.sets;
    },
    subscribe(listener) {
      if (signal.aborted) return () => undefined;
      listeners.add(listener);
      wantsKey = true;
      if (timer === undefined) {
        next = performance.now() - startedAt;
        timer = setTimeout(step, 0);
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) stop();
      };
    },
  };
}
