import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { stop, until } from '../../../tests/servers/process.ts';
import type { Signal } from '../ingest/messages.ts';
import { feed, makeVideo, probe } from './fixture.ts';
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
const logs = () => disk.signals.flatMap((signal) => (signal.kind === 'log' ? [signal.message] : []));

test('always recording cuts files at keyframes, names them by local time, and loses no picture', async () => {
  const tap = disk.recorder();
  expect(await feed(tap, videos.h264, start)).toBe(80);
  await tap.end();
  const rows = disk.segments();
  expect(
    rows.map(({ file, startAt, endAt, closed }) => [path.relative(disk.root, file), startAt, endAt, closed]),
  ).toEqual([
    ['yard/2026-03-02/005958.mp4', start, start + 3_000, true],
    ['yard/2026-03-02/010001.mp4', start + 3_000, start + 6_000, true],
    ['yard/2026-03-02/010004.mp4', start + 6_000, start + 8_000, true],
  ]);
  expect(rows.map(({ file }) => probe(file))).toEqual(
    [30, 30, 20].map((frames) => ({
      codec: 'h264',
      tag: 'avc1',
      width: 320,
      height: 240,
      frames,
      seconds: frames / 10,
    })),
  );
});

test.each([
  ['H.264 with start codes', 'b.ts', {}, 'avc1'],
  ['H.265', 'c.mp4', { codec: 'libx265' }, 'hvc1'],
  ['H.265 with start codes', 'd.ts', { codec: 'libx265' }, 'hvc1'],
  ['H.264 with B-frames', 'e.mp4', { args: ['-bf', '2', '-preset', 'fast'] }, 'avc1'],
  ['H.264 that repeats its parameters', 'f.ts', { args: ['-bsf:v', 'dump_extra'] }, 'avc1'],
])('%s is kept as it is', async (_, name, options, tag) => {
  const file = makeVideo(videos.dir, name, { seconds: 2, ...options });
  const tap = disk.recorder();
  await feed(tap, file, start);
  await tap.end();
  expect(disk.segments().map((row) => probe(row.file))).toMatchObject([
    { tag, width: 320, height: 240, frames: 20 },
  ]);
  expect(probe(disk.segments()[0]!.file).seconds).toBeCloseTo(2, 1);
});

test('an event keeps from before it began to after it ended, and nothing else', async () => {
  const tap = disk.recorder({ mode: 'events', segmentSeconds: 60 });
  await feed(tap, videos.h264, start, {
    each: (at) => {
      if (at === start + 3_500) tap.event('e1', true, at);
      if (at === start + 4_200) tap.event('e1', false, at);
    },
  });
  await tap.end();
  // From the keyframe two seconds before, to the keyframe at which one second after the end had passed.
  expect(disk.segments()).toMatchObject([
    { startAt: start + 1_000, endAt: start + 6_000, closed: true, events: ['e1'] },
  ]);
  expect(probe(disk.segments()[0]!.file).frames).toBe(50);
});

test('a clock that is set back an hour neither keeps an event from ending nor lengthens what comes before the next', async () => {
  const hour = 3_600_000;
  const tap = disk.recorder({ mode: 'events', segmentSeconds: 60, preSeconds: 1 });
  const long = makeVideo(videos.dir, 'long.mp4', { seconds: 16 });
  await feed(tap, long, start, {
    clock: (at) => (at < start + 4_000 ? at : at - hour),
    each: (at) => {
      if (at === start + 3_500) tap.event('e1', true, at);
      if (at === start + 3_900) tap.event('e1', false, at);
      if (at === start + 12_500 - hour) tap.event('e2', true, at);
    },
  });
  await tap.end();
  // The keyframe after the leap ends the first; the second begins at most two seconds before its event.
  expect(disk.segments().map(({ startAt, events }) => [startAt - start, events])).toEqual([
    [11_000 - hour, ['e2']],
    [2_000, ['e1']],
  ]);
  expect(disk.segments().map(({ file }) => probe(file).frames)).toEqual([50, 20]);
});

test.each([
  ['ahead by a day', 24],
  ['back by an hour', -1],
])('a clock that leaps %s begins another file, and no picture stands for hours', async (_, hours) => {
  const leap = hours * 3_600_000;
  const tap = disk.recorder({ segmentSeconds: 60 });
  await feed(tap, videos.h264, start, { clock: (at) => (at < start + 3_500 ? at : at + leap) });
  await tap.end();
  const rows = disk.segments().toSorted((a, b) => Math.abs(a.startAt - start) - Math.abs(b.startAt - start));
  expect(rows.map(({ startAt, endAt }) => [startAt - start, endAt - startAt])).toEqual([
    [0, 4_000],
    [4_000 + leap, 4_000],
  ]);
  expect(rows.map(({ file }) => probe(file))).toMatchObject([
    { frames: 40, seconds: 4 },
    { frames: 40, seconds: 4 },
  ]);
});

test('a new connection and a change of the picture begin a new file, with time going on', async () => {
  const small = makeVideo(videos.dir, 'small.mp4', { seconds: 2, size: '160x120' });
  const tap = disk.recorder({ segmentSeconds: 60 });
  await feed(tap, videos.h264, start, { count: 15, close: false });
  await feed(tap, small, start + 4_000);
  await feed(tap, videos.h264, start + 9_000, { count: 10 });
  await tap.end();
  expect(disk.segments().map(({ startAt, endAt }) => [startAt - start, endAt - start])).toEqual([
    [0, 1_500],
    [4_000, 6_000],
    [9_000, 10_000],
  ]);
  expect(disk.segments().map(({ file }) => probe(file).width)).toEqual([320, 160, 320]);
});

test('a process that is killed leaves a file that plays up to less than a second before', async () => {
  const code = `
    import { makeRecorder } from ${JSON.stringify(path.resolve('src/cctv/keep/recorder.ts'))};
    import { feed } from ${JSON.stringify(path.resolve('src/cctv/keep/fixture.ts'))};
    import { writeSync } from 'node:fs';
    let told = ${start};
    const recorder = makeRecorder({
      plan: { mode: 'continuous', folder: ${JSON.stringify(path.join(disk.root, 'yard'))}, segmentSeconds: 60, preSeconds: 0, postSeconds: 0 },
      camera: 'yard', timeZone: 'UTC', send: (signal) => (told = signal.endAt), clock: Date });
    let left = Number(process.argv[1]);
    await feed(recorder, ${JSON.stringify(videos.h264)}, ${start}, { async each(at) {
      // At the pace of the disk, as long as less than a second waits for it.
      while (left === 0 || at - told > 800) await new Promise((resolve) => setTimeout(resolve, 5));
      left -= 1;
      writeSync(1, 'x');
    } });`;
  for (const wanted of [18, 27, 33]) {
    rmSync(path.join(disk.root, 'yard'), { recursive: true, force: true });
    const child = spawn(process.execPath, ['--input-type=module', '-e', code, String(wanted)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let taken = 0;
    child.stdout.on('data', (chunk: Buffer) => (taken += chunk.length));
    try {
      await until(() => taken === wanted);
    } finally {
      await stop(child, 'SIGKILL');
    }
    const [day] = readdirSync(path.join(disk.root, 'yard'));
    const [file] = readdirSync(path.join(disk.root, 'yard', day!));
    // Ten pictures a second: fewer than ten are missing.
    expect(taken - probe(path.join(disk.root, 'yard', day!, file!)).frames).toBeLessThan(10);
  }
});

describe('a disk that refuses', () => {
  test('is told once, what is whole stays, and recording goes on when there is room', async () => {
    const code = `
      import { makeRecorder } from ${JSON.stringify(path.resolve('src/cctv/keep/recorder.ts'))};
      import { feed } from ${JSON.stringify(path.resolve('src/cctv/keep/fixture.ts'))};
      import { execFileSync } from 'node:child_process';
      let now = 0;
      const say = (signal) => process.stdout.write(JSON.stringify(signal) + '\\n');
      const recorder = makeRecorder({
        plan: { mode: 'continuous', folder: ${JSON.stringify(path.join(disk.root, 'yard'))}, segmentSeconds: 60, preSeconds: 0, postSeconds: 0 },
        camera: 'yard', timeZone: 'UTC', send: say, clock: { now: () => now } });
      const file = ${JSON.stringify(videos.h264)};
      await feed(recorder, file, 1000, { each: () => new Promise((resolve) => setTimeout(resolve, 5)) });
      await recorder.end();
      now = 10_000;
      await feed(recorder, file, 10_000, { each: () => new Promise((resolve) => setTimeout(resolve, 5)) });
      await recorder.end();
      execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited']);
      now = 20_000;
      await feed(recorder, file, 20_000);
      await recorder.end();`;
    const out = execFileSync(
      'bash',
      ['-c', 'ulimit -Sf 80; exec "$0" --input-type=module -e "$1"', process.execPath, code],
      { encoding: 'utf8' },
    );
    for (const line of out.trim().split('\n')) disk.signals.push(JSON.parse(line) as Signal);
    expect(logs()).toHaveLength(1);
    expect(logs()[0]).toContain('recordings cannot be written');
    const rows = disk.segments();
    expect(rows.map(({ closed }) => closed)).toEqual([true, true, true]);
    const [torn, , whole] = rows.map(({ file }) => probe(file));
    expect(torn!.frames).toBeGreaterThan(0);
    expect(torn!.frames).toBeLessThan(80);
    expect(whole!.frames).toBe(80);
  });

  test('and hangs for ever, as a share whose server is gone, does not fill the memory', async () => {
    const code = `
      import { makeRecorder } from ${JSON.stringify(path.resolve('src/cctv/keep/recorder.ts'))};
      import { feed } from ${JSON.stringify(path.resolve('src/cctv/keep/fixture.ts'))};
      import { execFileSync } from 'node:child_process';
      import { open, writeSync } from 'node:fs';
      const taken = [];
      let stream;
      await feed({ open: ({ codecpar: { codecId, extradata } }) => (stream = { codecpar: { codecId, extradata: Buffer.from(extradata) } }), packet() {}, close() {} }, ${JSON.stringify(videos.h264)}, 0, { each: (at, p) => taken.push(
        { data: Buffer.from(p.data), key: p.isKeyframe, pts: p.pts, dts: p.dts, timeBase: p.timeBase }) });
      // A thread that opens a pipe which nobody writes to waits as one does on such a disk; there is only this one.
      execFileSync('mkfifo', [${JSON.stringify(path.join(disk.root, 'pipe'))}]);
      open(${JSON.stringify(path.join(disk.root, 'pipe'))}, 'r', () => {});
      let now = 0;
      const said = [];
      const recorder = makeRecorder({
        plan: { mode: 'continuous', folder: ${JSON.stringify(path.join(disk.root, 'yard'))}, segmentSeconds: 600, preSeconds: 5, postSeconds: 0 },
        camera: 'yard', timeZone: 'UTC', send: (s) => said.push(s.message), clock: { now: () => now } });
      recorder.open(stream, { width: 320, height: 240 });
      let bytes = 0;
      // Hours of a camera, with keyframes of 200 kB.
      const filler = Buffer.alloc(200_000, 7);
      for (let round = 0; round < 200; round += 1)
        for (const [i, { data, key, dts, ...rest }] of taken.entries()) {
          now = round * 8_000 + i * 100;
          const grown = key ? Buffer.concat([data, Buffer.from([0, 3, 13, 64, 6]), filler.subarray(1)]) : data;
          const stamp = BigInt(now) * BigInt(rest.timeBase.den) / 1000n / BigInt(rest.timeBase.num);
          recorder.packet({ ...rest, pts: stamp, dts: stamp, data: grown }, now, key);
          bytes += grown.length;
          if (i === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      global.gc();
      writeSync(1, JSON.stringify({ bytes, kept: process.memoryUsage().arrayBuffers, said }));
      // An orderly end would wait for the thread.
      process.kill(process.pid, 'SIGKILL');`;
    const { stdout } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', code], {
      encoding: 'utf8',
      env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
      timeout: 110_000,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const { bytes, kept, said } = JSON.parse(stdout) as { bytes: number; kept: number; said: string[] };
    expect(bytes).toBeGreaterThan(250e6);
    // A file that cannot be closed, and what comes before an event.
    expect(kept).toBeLessThan(100e6);
    expect(said).toEqual([expect.stringContaining('the disk is too slow for this camera')]);
  });

  test('that is not mounted gets nothing written beneath its mount point', async () => {
    const away = `${disk.root}.away`;
    renameSync(disk.root, away);
    mkdirSync(disk.root);
    const tap = disk.recorder();
    await feed(tap, videos.h264, start);
    await tap.end();
    expect(logs()).toEqual([
      `the folder ${disk.root} is not the one that recordings were kept in: is its disk mounted?`,
    ]);
    expect(readdirSync(disk.root)).toEqual([]);
    expect(disk.segments()).toEqual([]);
  });
});

test('a stream that no file can hold as it is, is named once', async () => {
  const file = makeVideo(videos.dir, 'm.avi', { codec: 'mjpeg', seconds: 1 });
  const tap = disk.recorder();
  await feed(tap, file, start);
  await feed(tap, file, start + 5_000);
  await tap.end();
  expect(logs()).toEqual([expect.stringContaining('only H.264 and H.265')]);
});
