import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drawnClip, fileMedia, movingSquare } from './media.ts';

let folder: string;
const film = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lares-media-'));
  const source = ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=size=160x120:rate=10', '-t', '2'];
  const h264 = ['-c:v', 'libx264', '-bf', '2', '-g', '10', '-pix_fmt', 'yuv420p', film('b-frames.mp4')];
  execFileSync('ffmpeg', [...source, ...h264]);
  execFileSync('ffmpeg', [...source, '-c:v', 'mjpeg', film('jpeg.avi')]);
  execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine', '-t', '1', film('sound.wav')]);
});
afterAll(() => rmSync(folder, { recursive: true }));

const tick = 9000;

describe('a file', () => {
  test('of H.264 is copied, with the order of its B-frames', async () => {
    const clip = await fileMedia(film('b-frames.mp4'));
    expect([clip.codec, clip.fps, clip.units.length, clip.duration]).toEqual(['h264', 10, 20, 20 * tick]);
    expect(clip.units.filter(({ key }) => key)).toHaveLength(2);
    expect(clip.units.map(({ due }) => due)).toEqual(Array.from({ length: 20 }, (_, index) => index * tick));
    const times = clip.units.map(({ time }) => time);
    const sorted = times.toSorted((a, b) => a - b);
    expect(times).not.toEqual(sorted);
    expect(new Set(sorted.slice(1).map((time, index) => time - (sorted[index] ?? 0)))).toEqual(
      new Set([tick]),
    );
  });

  test('of another codec, or at another rate, is encoded anew', async () => {
    const jpeg = await fileMedia(film('jpeg.avi'));
    expect([jpeg.codec, jpeg.fps, jpeg.units.length]).toEqual(['h264', 10, 20]);
    const slower = await fileMedia(film('b-frames.mp4'), {
      fps: 5,
      width: 80,
      height: 60,
      keyframeSeconds: 1,
    });
    expect([slower.fps, slower.units.length, slower.units.filter(({ key }) => key).length]).toEqual([
      5, 10, 2,
    ]);
  });

  test.each(['sound.wav', 'missing.mp4'])('%s holds no video, which is said', async (name) => {
    await expect(fileMedia(film(name))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining(name) as string,
    });
  });
});

test.each(['h264', 'h265'] as const)(
  'a drawn clip of %s has the length and keyframes that were asked for',
  (codec) => {
    const clip = drawnClip({
      codec,
      width: 160,
      height: 120,
      fps: 10,
      seconds: 3,
      keyframeSeconds: 1,
      draw: movingSquare(160, 120),
    });
    expect(clip.units.flatMap(({ key }, index) => (key ? [index] : []))).toEqual([0, 10, 20]);
    expect([clip.units.length, clip.duration]).toEqual([30, 30 * tick]);
  },
);
