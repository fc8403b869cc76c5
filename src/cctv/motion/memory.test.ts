import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { scratch } from '../../../tests/servers/process.ts';
import { ground, height, picture, width, type Draw } from './fixture.ts';
import { acceptCalibrated, acceptScene, sceneFile, SceneMemory } from './memory.ts';

const start = Date.UTC(2026, 10, 21, 8);
const second = 1_000;
const home: Draw = (_, x, y) => ground(x + 1000, y + 1000);
const knocked: Draw = (_, x, y) => ground(x + 990, y + 1000);

let dir: string;
let remove: () => void;
beforeEach(() => ({ dir, remove } = scratch('scene')));
afterEach(() => remove());

const memory = (at: number, kept = true) =>
  new SceneMemory({
    size: { width, height },
    file: kept ? sceneFile(dir, 'front') : undefined,
    now: start + at * second,
  });

/** One picture a second from one second to another; what was told, and when the view was accepted. */
function watch(scene: SceneMemory, from: number, to: number, draw: Draw): (readonly [number, string])[] {
  const told: (readonly [number, string])[] = [];
  for (let s = from; s < to; s += 1) {
    const at = start + s * second;
    const report = scene.step(picture(s, draw), at, 0);
    if (report !== undefined) told.push([s, report.problem]);
    if (scene.tick(at)) told.push([s, 'accepted']);
  }
  return told;
}

test('a knock while nobody looked is told after the restart, and not without what was kept', () => {
  expect(watch(memory(0), 0, 120, home)).toEqual([]);
  const after = memory(1_000);
  expect(watch(after, 1_000, 1_060, knocked)).toEqual([[1_020, 'moved']]);
  expect(watch(memory(2_000, false), 2_000, 2_060, knocked)).toEqual([]);
});

test('a camera that was not touched is not accused after the restart', () => {
  watch(memory(0), 0, 120, home);
  expect(watch(memory(1_000), 1_000, 1_060, home)).toEqual([]);
});

test('it is kept after a minute and then every ten, and when it ends', () => {
  const file = sceneFile(dir, 'front');
  const scene = memory(0);
  watch(scene, 0, 60, home);
  expect(existsSync(file)).toBe(false);
  watch(scene, 60, 61, home);
  const first = statSync(file).mtimeMs;
  expect(statSync(file).mode & 0o077).toBe(0);
  watch(scene, 61, 600, home);
  expect(statSync(file).mtimeMs).toBe(first);
  rmSync(file);
  scene.save(start + 601 * second);
  expect(existsSync(file)).toBe(true);
});

test('a view that somebody accepts is the usual one, also while it is watched', () => {
  const scene = memory(0);
  watch(scene, 0, 120, home);
  expect(watch(scene, 120, 160, knocked)).toEqual([[140, 'moved']]);
  acceptScene(dir, 'front');
  expect(watch(scene, 160, 300, knocked)).toEqual([[160, 'accepted']]);
  expect(watch(memory(400), 400, 460, knocked)).toEqual([]);
});

test('a calibration that is younger than the view accepts it, an older one does not', () => {
  const calibratedAt = (at: number) => {
    acceptCalibrated(dir, 'front', start + at * second);
    return existsSync(sceneFile(dir, 'front'));
  };
  watch(memory(0), 0, 120, home);
  expect([calibratedAt(-10), calibratedAt(130)]).toEqual([true, false]);
});

test.each(['', '{', '{"since":1,"width":160,"height":90,"day":{"edges":7}}', 'x'.repeat(2_000_000)])(
  'a damaged file (%#) is as none, and is written again',
  (text) => {
    const file = sceneFile(dir, 'front');
    mkdirSync(path.dirname(file));
    writeFileSync(file, text);
    expect(watch(memory(0), 0, 120, home)).toEqual([]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ since: start, width, height });
  },
);
