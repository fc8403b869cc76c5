import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { Demuxer, type Packet } from 'node-av';
import type { Tap } from '../ingest/tap.ts';

/** Video for tests, made by the system's ffmpeg: moving shapes, a keyframe a second, no B-frames unless told. */
export function makeVideo(
  dir: string,
  name: string,
  { codec = 'libx264', seconds = 3, fps = 10, size = '320x240', args = [] as string[] } = {},
): string {
  const file = path.join(dir, name);
  const quiet = codec === 'libx265' ? ['-x265-params', `log-level=none:bframes=0:keyint=${fps}`] : [];
  const source = `-y -v error -f lavfi -i testsrc2=s=${size}:r=${fps}:d=${seconds}`;
  const format = `-c:v ${codec} -preset ultrafast -pix_fmt yuv420p -g ${fps} -bf 0`;
  execFileSync('ffmpeg', [...`${source} ${format}`.split(' '), ...quiet, ...args, file]);
  return file;
}

/** Gives the packets of a file to a tap as if they came in from `startAt` on. Returns how many. */
export async function feed(
  tap: Tap,
  file: string,
  startAt: number,
  options: {
    count?: number;
    close?: boolean;
    each?: (at: number, packet: Packet) => void | Promise<void>;
    /** What the time of day is, for what it should be. */
    clock?: (at: number) => number;
  } = {},
): Promise<number> {
  const demuxer = await Demuxer.open(file);
  try {
    const stream = demuxer.video()!;
    const { width, height } = stream.codecpar;
    tap.open(stream, { width, height });
    let count = 0;
    let first: number | undefined;
    for await (const packet of demuxer.packets(stream.index)) {
      if (packet === null || count >= (options.count ?? Infinity)) break;
      const seconds = (Number(packet.dts) * packet.timeBase.num) / packet.timeBase.den;
      first ??= seconds;
      const { clock = (x: number) => x } = options;
      const at = clock(Math.round(startAt + (seconds - first) * 1000));
      await options.each?.(at, packet);
      tap.packet(packet, at, packet.isKeyframe);
      packet.free();
      count += 1;
    }
    if (options.close !== false) tap.close();
    return count;
  } finally {
    await demuxer.close();
  }
}

export interface Probed {
  readonly codec: string;
  readonly tag: string;
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly seconds: number;
}

/** Decodes a whole file with the system's ffmpeg, which knows nothing of our code. Throws at the first error in it. */
export function probe(file: string): Probed {
  const errors = execFileSync('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = execFileSync(
    'ffprobe',
    `-v error -count_frames -select_streams v:0 -of json -show_entries stream=codec_name,codec_tag_string,width,height,nb_read_frames:format=duration`
      .split(' ')
      .concat(file),
    { encoding: 'utf8' },
  );
  const { streams, format } = JSON.parse(out) as {
    streams: {
      codec_name: string;
      codec_tag_string: string;
      width: number;
      height: number;
      nb_read_frames: string;
    }[];
    format: { duration: string };
  };
  const [stream] = streams;
  if (errors !== '' || stream === undefined) throw new Error(`${file}: ${errors}`);
  return {
    codec: stream.codec_name,
    tag: stream.codec_tag_string,
    width: stream.width,
    height: stream.height,
    frames: Number(stream.nb_read_frames),
    seconds: Number(format.duration),
  };
}
