import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { measureStream } from '../onvif/measure.ts';
import { describeRtsp } from '../onvif/rtsp-client.ts';
import type { Clip } from './clip.ts';
import { drawnClip, liveMedia, movingSquare } from './media.ts';
import { RtspSim } from './rtsp.ts';

// An independent reader: Debian's ffprobe counts what it can decode.
const run = promisify(execFile);

interface Probe {
  readonly codec: string;
  readonly sizes: readonly string[];
  readonly frames: number;
  /** Milliseconds between pictures, each once. */
  readonly steps: readonly number[];
}

async function probe(url: string, seconds: number, transport = 'tcp'): Promise<Probe> {
  const shown = ['-show_entries', 'frame=width,height,pts_time:stream=codec_name', '-of', 'json'];
  const input = ['-rtsp_transport', transport, '-timeout', '60000000', '-i', url];
  const { stdout } = await run('ffprobe', [
    '-v',
    'error',
    ...input,
    '-read_intervals',
    `%+${seconds}`,
    ...shown,
  ]);
  const { frames, streams } = JSON.parse(stdout) as {
    frames: { width: number; height: number; pts_time: string }[];
    streams: { codec_name: string }[];
  };
  const sizes = [...new Set(frames.map(({ width, height }) => `${width}x${height}`))];
  // ffprobe knows no time of the first picture of a stream.
  const times = frames.slice(1).map((frame) => Math.round(Number(frame.pts_time) * 1000));
  const steps = [...new Set(times.slice(1).map((time, index) => time - (times[index] ?? 0)))];
  return { steps, codec: streams[0]?.codec_name ?? '', sizes, frames: frames.length };
}

const patient = { timeoutMs: 30_000 };

let wide: Clip;
let small: Clip;
let hevc: Clip;
let sim: RtspSim;

beforeAll(() => {
  const seconds = 1;
  const fps = 10;
  wide = drawnClip({ codec: 'h264', width: 640, height: 360, fps, seconds, draw: movingSquare(640, 360) });
  small = drawnClip({ codec: 'h264', width: 320, height: 240, fps, seconds, draw: movingSquare(320, 240) });
  hevc = drawnClip({ codec: 'h265', width: 320, height: 240, fps, seconds, draw: movingSquare(320, 240) });
});

beforeEach(async () => {
  sim = await new RtspSim().listen();
  sim.add('/main', wide);
});

afterEach(() => sim.close());

describe('a simulated camera', () => {
  test.each(['tcp', 'udp'])(
    'is played by an independent client over %s, again and again past its end',
    async (transport) => {
      const { frames, steps, ...seen } = await probe(sim.url('/main'), 2.05, transport);
      expect(seen).toEqual({ codec: 'h264', sizes: ['640x360'] });
      // What comes in one heap after the machine stood still is more than UDP may hold, and some of it is lost.
      const lossless = transport === 'tcp';
      const odd = steps.filter((step) => (lossless ? step !== 100 : step % 100 !== 0));
      expect([lossless ? frames : frames > 10, odd]).toEqual([lossless ? 22 : true, []]);
      expect(sim.counts('/main')).toMatchObject({ connected: 1, mostConnections: 1, played: 1 });
    },
  );

  test('speaks H.265', async () => {
    sim.add('/hevc', hevc);
    expect(await probe(sim.url('/hevc'), 1.05)).toEqual({
      codec: 'hevc',
      sizes: ['320x240'],
      frames: 12,
      steps: [100],
    });
  });

  test.each(['digest', 'digest-sha256', 'basic'] as const)(
    'lets a client in by %s and keeps others out',
    async (scheme) => {
      sim.add('/locked', wide, { username: 'alex', password: 'p@ss:w/rd', auth: [scheme] });
      expect(await describeRtsp(sim.url('/locked'), patient)).toMatchObject({ ok: true });
      const wrong = sim.url('/locked').replace('p%40ss', 'guess');
      expect(await describeRtsp(wrong, patient)).toMatchObject({ ok: false, cause: 'RTSP_AUTH' });
    },
  );

  test('changes its size in band', async () => {
    const seen = probe(sim.url('/main'), 3);
    await expect.poll(() => sim.counts('/main').pictures).toBeGreaterThan(8);
    sim.replace('/main', small);
    expect((await seen).sizes).toEqual(['640x360', '320x240']);
  });

  test('ends its connections when the codec changes, and then describes the new one', async () => {
    const seen = probe(sim.url('/main'), 60);
    await expect.poll(() => sim.counts('/main').playing).toBe(1);
    sim.replace('/main', hevc);
    expect((await seen).codec).toBe('h264');
    expect(await describeRtsp(sim.url('/main'), patient)).toMatchObject({
      ok: true,
      tracks: [{ codec: 'h265' }],
    });
  });

  test('counts each client and lets go of those that left', async () => {
    await Promise.all([probe(sim.url('/main'), 0.5), probe(sim.url('/main'), 0.5)]);
    await expect.poll(() => sim.counts('/main').connections).toBe(0);
    expect(sim.counts('/main')).toMatchObject({ connected: 2, mostConnections: 2, playing: 0, played: 2 });
  });

  test('listens again on its port after it was closed, as a camera that restarts', async () => {
    const { port } = sim;
    const url = sim.url('/main');
    await sim.close();
    expect(await describeRtsp(url, patient)).toMatchObject({ ok: false, cause: 'RTSP_CONNECT' });
    await sim.listen({ port });
    expect(await describeRtsp(url, patient)).toMatchObject({ ok: true });
  });
});

describe('a fault', () => {
  const play = (timeoutMs = 30_000) => describeRtsp(sim.url('/main'), { play: true, timeoutMs });

  test('holds from when it is set until it is healed', async () => {
    expect(await play()).toMatchObject({ ok: true });
    sim.fault('/main', { halfOpen: true });
    expect(await play(3_000)).toMatchObject({ ok: false, cause: 'RTSP_STALLED' });
    sim.heal('/main');
    expect(await play()).toMatchObject({ ok: true });
  });

  test('of one path leaves the others alone', async () => {
    sim.add('/other', small);
    sim.fault('/main', { refuse: true });
    expect(await play()).toMatchObject({ ok: false });
    expect(await describeRtsp(sim.url('/other'), { play: true, timeoutMs: 30_000 })).toMatchObject({
      ok: true,
    });
  });

  test.each(['fin', 'rst'] as const)('ends what plays by %s', async (how) => {
    const seen = probe(sim.url('/main'), 60);
    await expect.poll(() => sim.counts('/main').pictures).toBeGreaterThan(12);
    sim.cut('/main', how);
    expect((await seen).frames).toBeGreaterThan(0);
    await expect.poll(() => sim.counts('/main').connections).toBe(0);
  });

  test('of lost packets, flipped bits and timestamps of the past still lets pictures through', async () => {
    sim.fault('/main', { loss: 0.02, corrupt: 0.02, lateMs: 500 });
    expect((await probe(sim.url('/main'), 2)).frames).toBeGreaterThan(5);
  });

  test('of missing keyframes leaves nothing to decode', async () => {
    const order = { url: sim.url('/main'), transport: 'tcp', forMs: 4000 } as const;
    expect(await measureStream(order)).toMatchObject({ ok: true, measured: { keyframeSeconds: 1 } });
    sim.fault('/main', { noKeyframes: true });
    expect(await measureStream(order)).toEqual({
      ok: false,
      cause: 'NO_KEYFRAME',
      detail: 'no keyframe came, so nothing can be shown',
    });
  });

  test('of random bytes in place of pictures is garbage to a client', async () => {
    sim.fault('/main', { garbage: true });
    expect(await play()).toMatchObject({ ok: false });
  });
});

describe('a live medium', () => {
  const stop = new AbortController();
  afterAll(() => stop.abort());

  test('is encoded once for several watchers, and not at all while nobody watches', async () => {
    let drawn = 0;
    const draw = movingSquare(320, 240);
    const live = liveMedia(
      { codec: 'h264', width: 320, height: 240, fps: 10, draw: () => draw((drawn += 1)) },
      stop.signal,
    );
    sim.add('/live', live);
    expect(drawn).toBe(1);
    const both = await Promise.all([probe(sim.url('/live'), 1), probe(sim.url('/live'), 1)]);
    expect(both.map(({ sizes }) => sizes)).toEqual([['320x240'], ['320x240']]);
    expect(sim.counts('/live').pictures).toBeGreaterThan(drawn);
    await expect.poll(() => sim.counts('/live').connections).toBe(0);
    const after = drawn;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(drawn).toBe(after);
  });
});
