import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { calibrate } from '#cctv/ground/calibrate.ts';
import { calibrationFolder } from '#cctv/ground/folder.rules.ts';
import { Logger } from '#platform/log.ts';
import { Calibrations } from './calibrations.ts';

let root = '';
afterEach(() => rmSync(root, { recursive: true, force: true }));

const cameras = [{ id: 'front', object_masks: [] }];

async function house() {
  root = mkdtempSync(path.join(tmpdir(), 'lares-calibrations-'));
  const lines: string[] = [];
  const folder = calibrationFolder(root);
  mkdirSync(folder, { recursive: true });
  const log = new Logger({ write: (line) => lines.push(line) });
  return { lines, folder, calibrations: new Calibrations(folder, log) };
}

test('they lie in config/calibration beside the settings, also where these lie in config already', () => {
  expect([calibrationFolder('/etc/lares'), calibrationFolder('/opt/smart-cctv-system/config')]).toEqual([
    '/etc/lares/config/calibration',
    '/opt/smart-cctv-system/config/calibration',
  ]);
});

test('a camera has metres as soon as it is calibrated, other references once they change, and none when the file is gone', async () => {
  const { calibrations, folder } = await house();
  expect([calibrations.load(cameras), calibrations.groundOf('front')]).toEqual([false, undefined]);
  await calibrate({
    configFolder: path.dirname(folder),
    camera: 'front',
    now: 0,
    height: 3,
    tilt: 20,
    fov: 70,
    picture: { width: 640, height: 360 },
    references: ['gate=point:0,6'],
    people: [],
  });
  expect([calibrations.load(cameras), calibrations.load(cameras)]).toEqual([true, false]);
  expect(calibrations.references()).toEqual(new Map([['front', ['gate']]]));
  const walker = calibrations.groundOf('front')?.('person');
  const placed = walker?.step(0, { left: 0.45, top: 0.3, width: 0.1, height: 0.4 });
  expect(placed?.ground.sigma).toBeGreaterThan(0);
  expect(Object.keys(walker?.references() ?? {})).toEqual(['gate']);
  const file = path.join(folder, 'front.json');
  const box = { left: 0.45, top: 0.3, width: 0.1, height: 0.4 };
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"gate"', '"step"'));
  expect(calibrations.load(cameras)).toBe(true);
  walker?.step(200, box);
  expect(Object.keys(walker?.references() ?? {})).toEqual(['step']);
  rmSync(file);
  expect([calibrations.load(cameras), calibrations.groundOf('front')]).toEqual([true, undefined]);
  expect([walker?.step(400, box), walker?.references()]).toEqual([undefined, {}]);
});

test('a reference that is added later changes neither when a camera was calibrated nor on what picture', async () => {
  const { calibrations, folder } = await house();
  const at = { configFolder: path.dirname(folder), camera: 'front', people: [] };
  await calibrate({
    ...at,
    now: 1_000,
    height: 3,
    tilt: 20,
    fov: 70,
    picture: { width: 640, height: 480 },
    references: [],
  });
  calibrations.load(cameras);
  await calibrate({ ...at, now: 9_000, references: ['gate=point:0,6'] });
  expect([calibrations.load(cameras), calibrations.references().get('front')]).toEqual([true, ['gate']]);
  expect([calibrations.madeAt('front'), calibrations.aspectOf('front')]).toEqual([1_000, 4 / 3]);
  expect([calibrations.madeAt('yard'), calibrations.aspectOf('yard')]).toEqual([undefined, undefined]);
});

test('a file that cannot be read is told once and leaves its camera without metres', async () => {
  const { calibrations, folder, lines } = await house();
  writeFileSync(path.join(folder, 'front.json'), '{"version": 2}');
  for (let i = 0; i < 3; i += 1) calibrations.load(cameras);
  expect([calibrations.groundOf('front'), lines.length]).toEqual([undefined, 1]);
  expect(lines[0]).toContain('camera front has no metres');
});
