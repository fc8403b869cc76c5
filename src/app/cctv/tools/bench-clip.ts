import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Demuxer, type Packet, type Stream } from 'node-av';
import { AV_LOG_QUIET } from 'node-av/constants';
import { Log } from 'node-av/lib';
import { LaresError } from '#kernel/errors.ts';
import { causeOf, Source } from '#cctv/ingest/source.ts';
import { PictureEncoder } from '#cctv/sim/encode.ts';
import { openScene } from '#cctv/sim/scene.ts';
import { driveway, drivewayCamera } from '#cctv/sim/scene.rules.ts';
import { sensorNoise } from '#cctv/sim/weather.rules.ts';

/** Compressed pictures in memory, as a camera sends them. The first is a keyframe. */
export interface BenchClip {
  readonly stream: Stream;
  readonly packets: readonly Packet[];
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Frames a second as they came, where they came from a camera. */
  readonly fps?: number;
  close(): Promise<void>;
}

const startCode = Buffer.from([0, 0, 0, 1]);
const drawnFps = 10;
/** Seconds of the drawn scene at which somebody walks through the middle of the picture. */
const walkAt = 12_000;

/** Noise of a usual sensor, gray levels: without it pictures are cheaper to decode than any camera's. */
const noise = 3;
const drawnSize = { width: 640, height: 360 };

/**
 * The drawn drive with somebody in it, encoded as cameras do, `scale` times 640x360. Nothing is fetched from anywhere.
 */
export async function drawnClip(scale: 1 | 3, frames: number): Promise<BenchClip> {
  // libav prints warnings and addresses; what matters is told by errors of ours.
  Log.setLevel(AV_LOG_QUIET);
  const scene = openScene(driveway(0, drivewayCamera(drawnSize.width, drawnSize.height)));
  const weather = sensorNoise(noise);
  const width = drawnSize.width * scale;
  const height = drawnSize.height * scale;
  const encoder = PictureEncoder.open({ codec: 'h264', width, height, fps: drawnFps, keyframeSeconds: 1 });
  const chunks: Buffer[] = [];
  for (let i = 0; i < frames; i += 1) {
    const at = walkAt + (i * 1000) / drawnFps;
    const { yuv } = weather({ width, height, yuv: enlarged(scene.draw(at), scale) }, at);
    for (const { nals, key } of encoder.encode(yuv))
      for (const nal of key ? [...encoder.sets, ...nals] : nals) chunks.push(startCode, nal);
  }
  encoder.close();
  const folder = await mkdtemp(path.join(tmpdir(), 'lares-benchmark-'));
  const file = path.join(folder, 'clip.h264');
  try {
    await writeFile(file, Buffer.concat(chunks));
    const demuxer = await Demuxer.open(file);
    const stream = demuxer.video()!;
    const packets: Packet[] = [];
    for await (const packet of demuxer.packets(stream.index)) if (packet !== null) packets.push(packet);
    const close = async () => {
      for (const packet of packets) packet.free();
      await demuxer.close();
    };
    return { stream, packets, codec: 'h264', width, height, close };
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A packed yuv420p picture with every pixel as a square of `scale` pixels. */
function enlarged(yuv: Buffer, scale: number): Buffer {
  if (scale === 1) return yuv;
  const { width, height } = drawnSize;
  const result = Buffer.alloc(yuv.length * scale * scale);
  let [from, to] = [0, 0];
  for (const [w, h] of [
    [width, height],
    ...Array.from({ length: 2 }, () => [width / 2, height / 2]),
  ] as const)
    for (let y = 0; y < h!; y += 1, from += w!) {
      const row = result.subarray(to, to + w! * scale);
      for (let x = 0; x < w!; x += 1) row.fill(yuv[from + x]!, x * scale, (x + 1) * scale);
      for (let n = 1; n < scale; n += 1) row.copy(result, to + n * row.length);
      to += row.length * scale;
    }
  return result;
}

const connectMs = 10_000;

/** What a real camera sends within some seconds. Throws UNREACHABLE with libav's cause where it sends nothing. */
export async function cameraClip(
  camera: { readonly id: string; readonly url: string; readonly transport: 'tcp' | 'udp' },
  ms: number,
): Promise<BenchClip> {
  let interrupt = () => {};
  const late = setTimeout(() => interrupt(), connectMs + ms);
  const opened = await Source.open(camera.url, camera.transport, (end) => (interrupt = end));
  if (!opened.ok) {
    clearTimeout(late);
    throw new LaresError(
      'UNREACHABLE',
      `camera ${camera.id} gives no video (${causeOf(opened.code) ?? opened.code}); lares cctv test says why`,
    );
  }
  const { source } = opened;
  const packets: Packet[] = [];
  let [first, last] = [0, 0];
  try {
    for (let next = await source.next(); typeof next !== 'number'; next = await source.next()) {
      // Nothing can be decoded before a keyframe.
      if (packets.length === 0 && !next.isKeyframe) continue;
      last = performance.now();
      if (packets.length === 0) first = last;
      const kept = next.clone();
      if (kept !== null) packets.push(kept);
      if (last - first >= ms) break;
    }
  } finally {
    clearTimeout(late);
  }
  if (packets.length < 2) {
    await source.close();
    throw new LaresError(
      'UNREACHABLE',
      `camera ${camera.id} sent no keyframe within ${(connectMs + ms) / 1000} s`,
    );
  }
  const { stream, codec } = source;
  return {
    stream,
    packets,
    codec,
    width: stream.codecpar.width,
    height: stream.codecpar.height,
    fps: ((packets.length - 1) * 1000) / Math.max(1, last - first),
    close: async () => {
      for (const packet of packets) packet.free();
      await source.close();
    },
  };
}
