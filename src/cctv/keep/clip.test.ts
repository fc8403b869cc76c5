import { execFileSync } from 'node:child_process';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { SegmentRow } from '../book/model.ts';
import { makeClip, readSegment } from './clip.ts';
import { feed, makeVideo, probe } from './fixture.ts';
import { fragment, initSegment } from './mp4/boxes.codec.ts';
import { recordings, someVideos, start, type Recordings, type SomeVideos } from './recording.fixture.ts';

let videos: SomeVideos;
beforeAll(() => {
  videos = someVideos();
});
afterAll(() => videos.remove());

let disk: Recordings;
beforeEach(async () => {
  disk = await recordings();
});
afterEach(() => disk.remove());

async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

async function clip(rows: readonly SegmentRow[], from: number, to: number) {
  const made = await makeClip(rows, from, to);
  const bytes = await gather(made.stream());
  expect(bytes.length).toBe(made.bytes);
  const file = path.join(disk.root, 'clip.mp4');
  writeFileSync(file, bytes);
  return { ...made, ...probe(file) };
}

test('a clip spans files, begins at the keyframe before and ends where asked', async () => {
  const tap = disk.recorder();
  await feed(tap, videos.h264, start);
  await tap.end();
  const made = await clip(disk.segments(), start + 2_500, start + 6_500);
  expect(made).toMatchObject({ startAt: start + 2_000, endAt: start + 6_500, frames: 45, seconds: 4.5 });
});

test('a clip of a file that still grows, or was cut off, holds what is whole', async () => {
  const tap = disk.recorder({ segmentSeconds: 60 });
  await feed(tap, videos.h264, start);
  await tap.end();
  const [row] = disk.segments();
  execFileSync('truncate', ['-s', String(Math.floor(row!.bytes * 0.6)), row!.file]);
  const made = await clip([row!], start, start + 60_000);
  expect(made.frames).toBeGreaterThan(20);
  expect(made.frames).toBeLessThan(60);
});

test('a clip over a change of size plays, and a pause is a still picture', async () => {
  const small = makeVideo(videos.dir, 'small.mp4', { seconds: 2, size: '160x120' });
  const tap = disk.recorder({ segmentSeconds: 60 });
  await feed(tap, videos.h264, start, { count: 20, close: false });
  await feed(tap, small, start + 60_000);
  await tap.end();
  const made = await clip(disk.segments(), start, start + 90_000);
  expect(made).toMatchObject({ frames: 40, seconds: 6 });
});

test('a clip with B-frames keeps their order', async () => {
  const file = makeVideo(videos.dir, 'b2.mp4', { seconds: 2, args: ['-bf', '2', '-preset', 'fast'] });
  const tap = disk.recorder();
  await feed(tap, file, start);
  await tap.end();
  expect(await clip(disk.segments(), start, start + 5_000)).toMatchObject({ frames: 20 });
});

test('a clip is given in any part, and to its end although its recordings are deleted meanwhile', async () => {
  const tap = disk.recorder();
  await feed(tap, videos.h264, start);
  await tap.end();
  const made = await makeClip(disk.segments(), start, start + 8_000);
  const read = (from?: number, to?: number) => gather(made.stream(from, to));
  const whole = await read();
  const ends = fc.nat({ max: made.bytes + 9 });
  await fc.assert(
    fc.asyncProperty(ends, ends, async (from, to) => {
      expect((await read(from, to)).equals(whole.subarray(from, Math.max(from, to)))).toBe(true);
    }),
    { numRuns: 40 },
  );
  const watched: Uint8Array[] = [];
  for await (const part of made.stream()) {
    // The first piece is the head; with the second everything is open.
    if (watched.push(part) === 2) for (const { file } of disk.segments()) rmSync(file);
  }
  expect(Buffer.concat(watched).equals(whole)).toBe(true);
  await expect(read()).rejects.toThrow('ENOENT');
});

test('a clip ends with an error where a recording became shorter, for whoever was told a length', async () => {
  const tap = disk.recorder({ segmentSeconds: 60 });
  await feed(tap, videos.h264, start);
  await tap.end();
  const made = await makeClip(disk.segments(), start, start + 8_000);
  truncateSync(disk.segments()[0]!.file, 20_000);
  await expect(gather(made.stream())).rejects.toThrow('became shorter');
});

test('a clip of an event that lasts for days is its first two hours', async () => {
  const tap = disk.recorder();
  await feed(tap, videos.h264, start, { count: 1 });
  await tap.end();
  const { track } = (await readSegment(disk.segments()[0]!.file))!;
  const hour = 3_600_000;
  const bytes = new Uint8Array(8);
  // Hours of 25 pictures a second.
  const rows = [0, 1, 2].map((n): SegmentRow => {
    const file = path.join(disk.root, `${n}.mp4`);
    const parts: Uint8Array[] = [initSegment(track, start)];
    for (let i = 0; i < 90_000; i += 250) {
      const samples = Array.from({ length: 250 }, (_, k) => {
        return { bytes, key: k === 0, time: (i + k) * 3_600, duration: 3_600, shift: 0 };
      });
      parts.push(fragment(i / 250 + 1, samples, 0));
    }
    writeFileSync(file, Buffer.concat(parts));
    const startAt = start + n * hour;
    return { camera: 'yard', file, startAt, endAt: startAt + hour, bytes: 1, closed: true, events: [] };
  });
  const made = await makeClip(rows, start, start + 50 * hour);
  expect([made.startAt, made.endAt]).toEqual([start, start + 2 * hour]);
  writeFileSync(path.join(disk.root, 'clip.mp4'), await gather(made.stream()));
  const entries = ['-v', 'error', '-show_entries', 'stream=nb_frames,duration', '-of', 'csv=p=0'];
  const said = execFileSync('ffprobe', [...entries, path.join(disk.root, 'clip.mp4')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  expect(said.trim()).toBe('7200.000000,180000');
});

test('a clip of a time without recording says so', async () => {
  await expect(makeClip([], 0, 1)).rejects.toThrow('there is no recording of that time');
  const gone = {
    camera: 'yard',
    file: path.join(disk.root, 'gone.mp4'),
    startAt: 0,
    endAt: 1,
    bytes: 1,
    closed: true,
    events: [],
  };
  await expect(makeClip([gone], 0, 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
