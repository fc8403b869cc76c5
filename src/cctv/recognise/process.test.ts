import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { tinyModel } from '../detect/tiny-model.fixture.ts';
import { recognitionConfig } from './config.ts';
import { FaceBook } from './face/people.ts';
import { painted, png, tinyEmbedder, tinyReader, tinyYunet, type Colour } from './fixture.ts';
import { fingerprint } from './net.ts';
import { RecogniseProcess } from './process.ts';

const consent = 'I have the consent of alex and sam';
const whole = { left: 0, top: 0, width: 1, height: 1 };
const red: Colour = [200, 60, 60];
const green: Colour = [60, 200, 60];
const blue: Colour = [60, 60, 200];

let dataDir: string;
let lines: string[];
let stop: AbortController;
let done: Promise<void> | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'lares-recognise-'));
  lines = [];
  stop = new AbortController();
  await Promise.all([
    writeFile(path.join(dataDir, 'yunet.onnx'), tinyYunet()),
    writeFile(path.join(dataDir, 'colours.onnx'), tinyEmbedder()),
  ]);
});

afterEach(async () => {
  stop.abort();
  await done;
  done = undefined;
  await rm(dataDir, { recursive: true });
});

const start = (script?: string) => {
  const looks = new RecogniseProcess({
    dataDir,
    clock: systemClock,
    log: new Logger({ level: 'debug', write: (line) => lines.push(line.split('|').slice(1).join('|')) }),
    random: () => 0,
    ...(script !== undefined && { script }),
  });
  done = looks.run(stop.signal);
  return looks;
};

const faces = (extra: object = {}) => ({
  recogniser: 'face' as const,
  settings: recognitionConfig.parse({
    faces: {
      enabled: true,
      consent,
      detector: path.join(dataDir, 'yunet.onnx'),
      embedding: path.join(dataDir, 'colours.onnx'),
      ...extra,
    },
  }).faces,
});

const model = `arcface ${fingerprint([tinyEmbedder()])}`;
const vector = ([r, g, b]: Colour) => {
  const values = [r, g, b].map((v) => (v - 127.5) / 127.5);
  return Float32Array.from(values, (v) => v / Math.hypot(...values));
};

/** A person whose face is of one colour, with edges that make it sharp. */
const portrait = (colour: Colour) =>
  png(
    painted(
      400,
      400,
      colour,
      Array.from({ length: 20 }, (_, i) => ({
        at: [i * 20, 0, 2, 400] as const,
        colour: [colour[0] + 20, colour[1] + 20, colour[2] + 20] as const,
      })),
    ),
  );

const ready = (looks: RecogniseProcess, kind: 'face' | 'plate') =>
  expect.poll(() => looks.ready(kind)).toBe(true);

test('an enrolled face is told by name, another is a stranger, and no face is nothing', async () => {
  const book = new FaceBook(dataDir);
  book.enrol('alex', model, [vector(red)], 0);
  book.enrol('sam', model, [vector(blue)], 0);
  const looks = start();
  looks.configure([faces()]);
  await ready(looks, 'face');
  const [alex] = await looks.look('face', portrait(red), whole);
  expect(alex).toMatchObject({ kind: 'face', name: 'alex' });
  expect(alex!.confidence).toBeGreaterThan(0.9);
  expect(await looks.look('face', portrait(blue), whole)).toMatchObject([{ kind: 'face', name: 'sam' }]);
  expect(Object.keys((await looks.look('face', portrait(green), whole))[0]!)).toEqual(['kind', 'confidence']);
  expect(await looks.look('face', png(painted(400, 400, [0, 0, 0])), whole)).toEqual([]);
});

test('who is enrolled or forgotten while it runs is known or forgotten with the next picture', async () => {
  const looks = start();
  looks.configure([faces()]);
  await ready(looks, 'face');
  expect((await looks.look('face', portrait(red), whole))[0]!.name).toBeUndefined();
  const book = new FaceBook(dataDir);
  book.enrol('alex', model, [vector(red)], 0);
  expect((await looks.look('face', portrait(red), whole))[0]!.name).toBe('alex');
  book.forget('alex');
  expect((await looks.look('face', portrait(red), whole))[0]!.name).toBeUndefined();
});

test('a face that is too small or blurred gets no name, nor is it a stranger', async () => {
  new FaceBook(dataDir).enrol('alex', model, [vector(red)], 0);
  const looks = start();
  looks.configure([faces({ min_pixels: 200 })]);
  await ready(looks, 'face');
  expect(await looks.look('face', portrait(red), whole)).toEqual([]);
  looks.configure([faces()]);
  await expect.poll(async () => looks.look('face', portrait(red), whole)).toHaveLength(1);
  expect(await looks.look('face', png(painted(400, 400, red)), whole)).toEqual([]);
});

test('what is no picture is nothing, and the next one is looked at', async () => {
  new FaceBook(dataDir).enrol('alex', model, [vector(red)], 0);
  const looks = start();
  looks.configure([faces()]);
  await ready(looks, 'face');
  const { pid } = looks;
  for (const bytes of [new Uint8Array(), new Uint8Array(500).fill(255), portrait(red).subarray(0, 60)])
    expect(await looks.look('face', bytes, whole)).toEqual([]);
  expect(await looks.look('face', portrait(red), whole)).toMatchObject([{ name: 'alex' }]);
  expect(looks.pid).toBe(pid);
});

test('a process that dies costs its picture, and is started again', async () => {
  const looks = start();
  looks.configure([faces()]);
  await ready(looks, 'face');
  const { pid } = looks;
  const lost = looks.look('face', portrait(red), whole);
  process.kill(pid!, 'SIGKILL');
  expect(await lost).toEqual([]);
  expect(await looks.look('face', portrait(red), whole)).toEqual([]);
  await ready(looks, 'face');
  expect(looks.pid).not.toBe(pid);
  expect(await looks.look('face', portrait(red), whole)).toHaveLength(1);
  expect(lines.filter((l) => l.includes('WARN') && l.includes('started again'))).toHaveLength(1);
});

test('there is a process only while something is to be recognised', async () => {
  const looks = start();
  expect(looks.pid).toBeUndefined();
  looks.configure([faces()]);
  await ready(looks, 'face');
  looks.configure([]);
  await expect.poll(() => looks.pid).toBeUndefined();
  expect(await looks.look('face', portrait(red), whole)).toEqual([]);
  looks.configure([faces()]);
  await ready(looks, 'face');
  expect(lines.filter((l) => l.includes('WARN') && l.includes('again'))).toEqual([]);
});

test('a model that is missing is one line with its setting', async () => {
  const looks = start();
  looks.configure([faces({ detector: '/nowhere/yunet.onnx' })]);
  await expect.poll(() => lines.join('\n')).toContain('recognition error');
  expect(lines.filter((l) => l.includes('recognition error'))).toEqual([
    expect.stringContaining('cctv.recognition.faces.detector: /nowhere/yunet.onnx cannot be read'),
  ]);
  expect(looks.ready('face')).toBe(false);
});

test('the networks that come by npm load, and see no face where there is none', async () => {
  const looks = start();
  looks.configure([
    { recogniser: 'face', settings: recognitionConfig.parse({ faces: { enabled: true, consent } }).faces },
  ]);
  await ready(looks, 'face');
  expect(lines.join('\n')).toContain('faces by blazeface and faceres');
  expect(await looks.look('face', portrait(green), whole)).toEqual([]);
});

/**
 * A car of 256 pixels whose plate, bright and dark stripes, is where the detector says: the left half of the car and
 * what is around both, from -18 to 134.
 */
const carWith = (bits: string) =>
  png(
    painted(
      256,
      256,
      [230, 230, 230],
      Array.from(bits, (bit, i) => ({
        at: [Math.max(0, -18 + 38 * i), 0, i === 0 ? 20 : 38, 256] as const,
        colour: bit === '1' ? ([255, 255, 255] as const) : ([0, 0, 0] as const),
      })),
    ),
  );

async function plates(form: 'float' | 'bytes', charset: string, extra: object = {}) {
  const files = { detector: 'plates.onnx', reader: `reader-${form}.onnx`, charset: `${form}.txt` };
  await writeFile(path.join(dataDir, files.detector), tinyModel(256));
  await writeFile(path.join(dataDir, files.reader), tinyReader(4, form));
  await writeFile(path.join(dataDir, files.charset), charset);
  const named = Object.fromEntries(
    Object.entries(files).map(([key, file]) => [key, path.join(dataDir, file)]),
  );
  return {
    recogniser: 'plate' as const,
    settings: recognitionConfig.parse({ plates: { enabled: true, consent, ...named, ...extra } }).plates,
  };
}

test('a plate is found, read and known, by networks of either form', async () => {
  const looks = start();
  const known_plates = [{ plate: 'LHLH', name: 'family car' }];
  for (const form of ['bytes', 'float'] as const) {
    looks.configure([await plates(form, 'L\nH\n', { known_plates })]);
    await ready(looks, 'plate');
    await expect
      .poll(async () => looks.look('plate', carWith('0101'), whole))
      .toMatchObject([{ kind: 'plate', text: 'LHLH', name: 'family car' }]);
    expect(await looks.look('plate', carWith('1100'), whole)).toMatchObject([
      { kind: 'plate', text: 'HHLL' },
    ]);
  }
});

test('a reader whose characters do not fit it is refused with both numbers', async () => {
  const looks = start();
  looks.configure([await plates('bytes', 'A\nB\nC\nD\nE\n')]);
  await expect
    .poll(() => lines.filter((l) => l.includes('recognition error')))
    .toEqual([expect.stringContaining('gives [1, 4, 2], which does not fit the 5 characters of')]);
});
