import { expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import type { Box, Identity, Track } from '../model.ts';
import type { Wanted } from './child.model.ts';
import { recognitionConfig } from './config.ts';
import { Recognition, type Looks } from './recognition.ts';

const consent = 'I have the consent of alex and sam';
const on = recognitionConfig.parse({ faces: { enabled: true, consent } });
const off = recognitionConfig.parse({});
const box: Box = { left: 0.4, top: 0.2, width: 0.2, height: 0.6 };
const alex: Identity = { kind: 'face', name: 'alex', confidence: 0.9 };
const stranger: Identity = { kind: 'face', confidence: 0.8 };

/** Something that looks at pictures and says what a test lets it say, when it lets it. */
class Script implements Looks {
  wanted: readonly Wanted[] | undefined;
  readonly asked: { kind: string; jpeg: number; answer: (said: readonly Identity[]) => void }[] = [];
  configure(wanted: readonly Wanted[]) {
    this.wanted = wanted;
  }
  look(kind: string, jpeg: Uint8Array) {
    const { promise, resolve } = Promise.withResolvers<readonly Identity[]>();
    this.asked.push({ kind, jpeg: jpeg[0]!, answer: resolve });
    return promise;
  }
  run = () => Promise.resolve();
}

function setup(config = on) {
  const clock = new ManualClock(Date.parse('2026-01-31T08:00:00Z'));
  const lines: string[] = [];
  const looks = new Script();
  const told: [string, number, Identity][] = [];
  const recognition = new Recognition({
    clock,
    log: new Logger({ level: 'debug', write: (line) => lines.push(line), now: () => clock.now() }),
    dataDir: '/nowhere',
    random: () => 0,
    identify: (camera, track, identity) => told.push([camera, track, identity]),
    looks,
  });
  recognition.configure(config);
  const tracks = (ids: readonly number[], { label = 'person', ended = [] as readonly number[] } = {}) => {
    const at = clock.now();
    const all = ids.map((id): Track => ({
      id,
      label,
      score: 0.8,
      box,
      velocity: { x: 0, y: 0 },
      bornAt: at,
      seenAt: at,
      hits: 3,
      state: 'confirmed',
    }));
    recognition.take({
      kind: 'tracks',
      camera: 'front',
      at,
      width: 640,
      height: 360,
      tracks: all,
      ended,
      inferMs: 5,
    });
  };
  const picture = (track: number, name: number) =>
    recognition.take({
      kind: 'picture',
      camera: 'front',
      at: clock.now(),
      track,
      box,
      clean: Uint8Array.of(name),
    });
  /** The oldest picture that was asked about gets its answer. */
  const answer = async (...said: readonly Identity[]) => {
    looks.asked.shift()!.answer(said);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { recognition, looks, told, lines, tracks, picture, answer };
}

test('while everything is off no picture is looked at and nothing is asked for', () => {
  const { looks, tracks, picture } = setup(off);
  tracks([1]);
  picture(1, 1);
  expect(looks.wanted).toEqual([]);
  expect(looks.asked).toEqual([]);
});

test('a person is named once two pictures agree, and each change is told once', async () => {
  const { told, tracks, picture, answer, lines } = setup();
  tracks([1]);
  for (const name of [1, 2, 3]) {
    picture(1, name);
    await answer(alex);
  }
  expect(told).toEqual([['front', 1, alex]]);
  expect(lines.map((l) => l.split('|').at(-1))).toEqual(['camera front: recognised alex by face']);
});

test('a picture of before an interruption says nothing of whoever has its number afterwards', async () => {
  const { recognition, told, tracks, picture, answer } = setup(
    recognitionConfig.parse({ faces: { enabled: true, consent, agreeing_pictures: 1 } }),
  );
  tracks([1]);
  picture(1, 1);
  recognition.take({ kind: 'state', camera: 'front', at: 0, state: 'down' });
  tracks([1]);
  await answer(alex);
  expect(told).toEqual([]);
  picture(1, 2);
  await answer(stranger);
  expect(told).toEqual([['front', 1, stranger]]);
});

test('a stranger is told as such, more or less surely, and gets a name once most pictures agree on one', async () => {
  const { told, tracks, picture, answer } = setup();
  tracks([1]);
  for (const [i, said] of [stranger, stranger, alex, alex, alex].entries()) {
    picture(1, i);
    await answer(said);
  }
  expect(told.map(([, , identity]) => identity.name)).toEqual([undefined, undefined, undefined, 'alex']);
});

test('of the pictures of one object that wait only the newest is looked at, one at a time', async () => {
  const { looks, tracks, picture, answer } = setup();
  tracks([1, 2]);
  picture(1, 10);
  picture(1, 11);
  picture(2, 20);
  picture(1, 12);
  expect(looks.asked.map((a) => a.jpeg)).toEqual([10]);
  await answer();
  expect(looks.asked.map((a) => a.jpeg)).toEqual([20]);
  await answer();
  expect(looks.asked.map((a) => a.jpeg)).toEqual([12]);
  await answer();
  expect(looks.asked).toEqual([]);
});

test('a number that means another object after an interruption starts without readings', async () => {
  const { recognition, told, tracks, picture, answer } = setup();
  tracks([1]);
  picture(1, 1);
  await answer(alex);
  recognition.take({ kind: 'state', camera: 'front', at: 0, state: 'down' });
  picture(1, 2);
  tracks([1]);
  picture(1, 3);
  await answer(alex);
  expect(told).toEqual([]);
});

test('an answer for an object that is gone is told to nobody', async () => {
  const { told, tracks, picture, answer } = setup();
  tracks([1]);
  picture(1, 1);
  await answer(alex);
  picture(1, 2);
  tracks([], { ended: [1] });
  await answer(alex);
  expect(told).toEqual([]);
});

test('a camera that shows a hundred people at once keeps no hundred pictures waiting', async () => {
  const { looks, tracks, picture, answer } = setup();
  const ids = Array.from({ length: 100 }, (_, i) => i);
  tracks(ids);
  for (const id of ids) picture(id, id);
  let seen = 0;
  for (; looks.asked.length > 0; seen += 1) await answer();
  expect(seen).toBe(33);
});

test('cars are not looked at for faces, nor anything once it is switched off', async () => {
  const { recognition, looks, told, tracks, picture, answer } = setup();
  tracks([1], { label: 'car' });
  picture(1, 1);
  expect(looks.asked).toEqual([]);
  tracks([2]);
  picture(2, 2);
  await answer(alex);
  picture(2, 3);
  recognition.configure(off);
  await answer(alex);
  expect(told).toEqual([]);
  expect(looks.wanted).toEqual([]);
});

test('neither plates of strangers nor what a picture shows reach the log', async () => {
  const plates = recognitionConfig.parse({
    plates: { enabled: true, consent, detector: '/a.onnx', reader: '/b.onnx', charset: '/c.txt' },
  });
  const { told, tracks, picture, answer, lines } = setup(plates);
  tracks([1], { label: 'car' });
  for (const name of [1, 2]) {
    picture(1, name);
    await answer({ kind: 'plate', text: 'AB123CD', confidence: 0.9 });
  }
  expect(told.map(([, , identity]) => identity.text)).toEqual(['AB123CD']);
  expect(lines).toEqual([]);
});
