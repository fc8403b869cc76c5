import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DetectorClient, type DetectAnswer } from './client.ts';
import { loadDetector } from './detector.ts';
import type { Detection } from '../model.ts';
import type { Detector, Frame } from './model.ts';
import { prepareModel } from './prepare.ts';
import { toRaw, toScale } from './scale.rules.ts';
import { DetectorServer } from './server.ts';
import { plainFrame, tinyModel } from './tiny-model.fixture.ts';
import { encodeDetect, encodeHello } from './wire.codec.ts';

let folder: string;
let socket: string;
let server: DetectorServer;
const open: { close: () => unknown }[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lares-detect-'));
  socket = path.join(folder, 'd.sock');
  server = new DetectorServer();
  await server.listen(socket);
});

afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close();
  await server.close();
  await rm(folder, { recursive: true });
});

async function load(side: number): Promise<Detector> {
  const file = path.join(folder, `tiny${side}.onnx`);
  await writeFile(file, tinyModel(side));
  const prepared = await prepareModel({ model: file }, folder);
  const detector = await loadDetector({ ...prepared, device: 'cpu', threads: 1, warn: () => {} });
  open.push(detector);
  return detector;
}

/** Its pictures wait for as long as a busy machine needs, unless something else is said. */
function client(camera: string, deadlineMs = 60_000): DetectorClient {
  const made = new DetectorClient({ path: socket, camera, deadlineMs });
  open.unshift(made);
  return made;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await sleep(2);
}

// Of a model in a file of somebody's own; scores on the socket are on the common scale.
const ownThreshold = 0.4;
const half = { left: 0, top: 0, width: 0.5, height: 1 };
const scores = (answer: DetectAnswer) =>
  'skipped' in answer
    ? 'skipped'
    : answer.detections.map((list) => list.map((d) => Math.round(toRaw(d.score, ownThreshold) * 100)));

test('a camera learns the size of picture, and gets back what is in each of its pictures', async () => {
  await server.use(await load(64));
  const camera = client('front');
  await until(() => camera.input !== undefined);
  expect([camera.input, camera.model?.threshold, camera.model?.classes]).toEqual([
    { width: 64, height: 64 },
    0.4,
    ['class_0', 'class_1'],
  ]);
  const answer = await camera.detect(
    [0.8, 0.2, 0.6].map((b) => plainFrame(64, b)),
    0.5,
  );
  expect(answer).toEqual({
    inferMs: expect.any(Number),
    detections: [
      [{ label: 'class_0', score: expect.closeTo(toScale(0.8, ownThreshold), 2), box: half }],
      [],
      [{ label: 'class_0', score: expect.closeTo(toScale(0.6, ownThreshold), 2), box: half }],
    ],
  });
});

test('of pictures that one camera sends at once, the newest is looked at and every request is answered', async () => {
  await server.use(await load(64));
  const camera = client('front');
  await until(() => camera.input !== undefined);
  const answers = await Promise.all(
    [0.5, 0.6, 0.7, 0.8, 0.9].map((b) => camera.detect([plainFrame(64, b)], 0.3)),
  );
  const seen = answers.map(scores);
  expect(seen.at(-1)).toEqual([[90]]);
  expect(seen.filter((s) => s === 'skipped').length).toBeGreaterThan(0);
});

test('two cameras get their own answers, as often as each other', async () => {
  await server.use(await load(64));
  const cameras = [client('front'), client('back')];
  await until(() => cameras.every((c) => c.input !== undefined));
  const count = [0, 0];
  const asked = cameras.map(async (camera, i) => {
    const brightness = i === 0 ? 0.6 : 0.9;
    while (count[0]! + count[1]! < 100) {
      expect(scores(await camera.detect([plainFrame(64, brightness)], 0.3))).toEqual([[brightness * 100]]);
      count[i]! += 1;
    }
  });
  await Promise.all(asked);
  expect(Math.abs(count[0]! - count[1]!)).toBeLessThanOrEqual(4);
});

/** The model that npm brings, at a small size: its graph takes any number of pictures. */
async function loadOpen(atOnce: number): Promise<Detector> {
  const prepared = await prepareModel({ model: 'centernet', inputSize: { width: 64, height: 64 } }, folder);
  const detector = await loadDetector({ ...prepared, device: 'cpu', threads: 1, atOnce, warn: () => {} });
  open.push(detector);
  return detector;
}

/** Pictures of stripes and noise that differ from one another. */
const striped = (seed: number): Frame => ({
  width: 64,
  height: 64,
  data: Uint8Array.from(
    { length: 64 * 64 * 3 },
    (_, i) => (i * 7 * seed + ((i >> (seed % 5)) % 2) * 160) % 256,
  ),
});

const rounded = (lists: readonly (readonly Detection[])[]) =>
  lists.map((list) =>
    list.map(({ label, score, box }) => [
      label,
      ...[score, box.left, box.top, box.width, box.height].map((n) => Math.round(n * 500)),
    ]),
  );

test('pictures that are looked at together give what they give one by one', async () => {
  const pictures = [1, 2, 3, 4, 5, 6, 7].map(striped);
  const alone = await (await loadOpen(1)).detect(pictures, 0.02);
  const together = await loadOpen(4);
  expect(together.atOnce).toBe(4);
  expect(alone.flat().length).toBeGreaterThan(7);
  expect(rounded(await together.detect(pictures, 0.02))).toEqual(rounded(alone));
  // A file that takes one picture is not asked for more.
  expect((await load(64)).atOnce).toBe(1);
});

test('what waits of several cameras is looked at in one run, each by its own threshold', async () => {
  const detector = await loadOpen(3);
  const runs: number[] = [];
  await server.use({
    ...detector,
    detect: async (frames, threshold) => {
      runs.push(frames.length);
      // The others ask meanwhile.
      await sleep(5);
      return detector.detect(frames, threshold);
    },
  });
  const thresholds = [0.05, 0.2, 0.05, 0.1];
  const cameras = thresholds.map((_, i) => client(`camera ${i}`));
  await until(() => cameras.every((c) => c.input !== undefined));
  const own = detector.card.threshold;
  await Promise.all(
    cameras.map(async (camera, i) => {
      const threshold = thresholds[i]!;
      const [wanted] = await detector.detect([striped(i + 1)], toRaw(threshold, own));
      for (let n = 0; n < 10; n += 1) {
        const answer = await camera.detect([striped(i + 1)], threshold);
        expect('skipped' in answer ? answer : rounded(answer.detections)).toEqual(
          rounded([wanted!.map((d) => ({ ...d, score: toScale(d.score, own) }))]),
        );
      }
    }),
  );
  expect([runs.reduce((a, b) => a + b), Math.max(...runs)]).toEqual([40, 3]);
  expect(server.stats()).toMatchObject({ done: 40, failed: 0, skipped: 0 });
});

test('a picture that cannot be looked at fails alone, and those beside it are answered', async () => {
  const detector = await loadOpen(4);
  const marked = 13;
  const broken = new Set<number>();
  await server.use({
    ...detector,
    detect: async (frames, threshold) => {
      await sleep(5);
      const bad = frames.some((f) => f.data.every((value) => value === marked));
      if (bad) broken.add(frames.length);
      if (bad) throw new Error('no memory left');
      return detector.detect(frames, threshold);
    },
  });
  const cameras = [0, 1, 2, 3].map((i) => client(`camera ${i}`));
  await until(() => cameras.every((c) => c.input !== undefined));
  const bad = { ...striped(1), data: new Uint8Array(64 * 64 * 3).fill(marked) };
  const outcomes = await Promise.all(
    cameras.map(async (camera, i) => {
      const told = new Set<string>();
      for (let n = 0; n < 10; n += 1)
        told.add(
          await camera.detect([i === 1 ? bad : striped(i + 1)], 0.5).then(
            () => 'looked at',
            (error: Error) => error.message,
          ),
        );
      return [...told];
    }),
  );
  expect(outcomes).toEqual([
    ['looked at'],
    ['the detector failed: no memory left'],
    ['looked at'],
    ['looked at'],
  ]);
  expect(Math.max(...broken)).toBeGreaterThan(1);
});

test('while the detector is away a request fails at once, and works again after it came back', async () => {
  const camera = client('front');
  await expect(camera.detect([plainFrame(64, 1)], 0.5)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  await server.use(await load(64));
  await until(() => camera.input !== undefined);
  await server.close();
  await until(() => camera.input === undefined);
  await expect(camera.detect([plainFrame(64, 1)], 0.5)).rejects.toMatchObject({ code: 'UNREACHABLE' });
  server = new DetectorServer();
  await server.listen(socket);
  await server.use(await load(64));
  await until(() => camera.input !== undefined);
  expect(scores(await camera.detect([plainFrame(64, 1)], 0.5))).toEqual([[100]]);
});

test('another model tells every camera its size, and pictures of the old size are refused before they are sent', async () => {
  await server.use(await load(64));
  const camera = client('front');
  await until(() => camera.input !== undefined);
  await server.use(await load(96));
  await until(() => camera.input?.width === 96);
  await expect(camera.detect([plainFrame(64, 1)], 0.5)).rejects.toThrow(
    'the detector takes 96x96, not 64x64',
  );
  expect(scores(await camera.detect([plainFrame(96, 0.7)], 0.5))).toEqual([[70]]);
});

test('a picture that waits longer than its deadline is skipped, and an aborted request ends with its reason', async () => {
  await server.use(await load(64));
  const camera = client('front', 0);
  await until(() => camera.input !== undefined);
  expect(await camera.detect([plainFrame(64, 1)], 0.5)).toEqual({ skipped: true });
  const stop = new AbortController();
  const asked = camera.detect([plainFrame(64, 1)], 0.5, stop.signal);
  stop.abort(new Error('enough'));
  await expect(asked).rejects.toThrow('enough');
  expect(server.stats()).toMatchObject({ done: 0, failed: 0, cameras: 1 });
});

test.each([
  ['bytes that are no message', Buffer.alloc(200, 0xff)],
  [
    'a picture before a greeting',
    encodeDetect({ id: 1, threshold: 0.5, deadlineMs: 9, width: 64, height: 64, count: 1 }),
  ],
  [
    'a picture larger than any that the model takes',
    Buffer.concat([
      encodeHello('x'),
      encodeDetect({ id: 1, threshold: 0.5, deadlineMs: 9, width: 9_000, height: 9_000, count: 16 }),
    ]),
  ],
])('%s ends that connection and no other', async (_, bytes) => {
  await server.use(await load(64));
  const camera = client('front');
  await until(() => camera.input !== undefined);
  const stranger = connect(socket);
  stranger.on('error', () => {});
  const ended = new Promise((resolve) => stranger.on('close', resolve));
  stranger.resume();
  stranger.write(bytes);
  if (bytes.length < 30) stranger.write(Buffer.alloc(64 * 64 * 3));
  await ended;
  expect(scores(await camera.detect([plainFrame(64, 0.9)], 0.5))).toEqual([[90]]);
});
