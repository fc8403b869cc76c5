import { Decoder, Demuxer, Scaler } from 'node-av/api';
import { Log, type Frame as VideoFrame } from 'node-av/lib';
import { AV_LOG_ERROR } from 'node-av/constants';
import { letterbox, padding, type Letterbox } from '#cctv/detect/letterbox.rules.ts';
import type { Frame } from '#cctv/detect/model.ts';

/** One picture, as a model takes it, and where it lies in the input. */
export interface Prepared {
  readonly frame: Frame;
  readonly box: Letterbox;
  /** Pixels of the picture itself. */
  readonly width: number;
  readonly height: number;
}

const scaler = new Scaler();

/** Scales one frame into the input of a model, as the cameras' processes do. */
export function fill(
  picture: VideoFrame,
  input: { readonly width: number; readonly height: number },
): Prepared {
  const { width, height } = picture;
  const box = letterbox({ width, height }, input);
  const scaled = scaler.toBufferSync(picture, {
    resize: { width: box.width, height: box.height },
    format: 'rgb',
  });
  const data = new Uint8Array(input.width * input.height * 3).fill(padding);
  for (let y = 0; y < box.height; y += 1)
    data.set(scaled.subarray(y * box.width * 3, (y + 1) * box.width * 3), y * input.width * 3);
  return { frame: { ...input, data }, box, width, height };
}

/** The frames of a picture or a video, one after the other; each is valid until the next one. */
export async function* frames(file: string): AsyncGenerator<VideoFrame> {
  Log.setLevel(AV_LOG_ERROR);
  await using demuxer = await Demuxer.open(file);
  const stream = demuxer.video();
  if (stream === undefined) return;
  using decoder = await Decoder.create(stream, { threadCount: 1 });
  for await (const packet of demuxer.packets(stream.index)) {
    for (const frame of decoder.decodeAllSync(packet)) {
      yield frame;
      frame.free();
    }
    packet?.free();
  }
}
