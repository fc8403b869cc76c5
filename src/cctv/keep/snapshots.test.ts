import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { KeepFolders } from './folders.ts';
import { cleanOf, readSnapshot, saveSnapshot } from './snapshots.ts';

let base: string;
let folder: string;
beforeEach(async () => {
  base = mkdtempSync(path.join(tmpdir(), 'lares-snap-'));
  folder = path.join(base, 'snapshots');
  await new KeepFolders(path.join(base, 'keep-folders')).claim(folder);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const zone = 'Europe/Berlin';
const at = Date.parse('2025-01-15T11:34:56.789Z');
const jpeg = (text: string) => Buffer.from(`\xff\xd8${text}`, 'latin1');

test('pictures of one second get names of their own, in the order in which they came', async () => {
  const files = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      saveSnapshot(folder, zone, { at, boxed: jpeg(`${i}`), clean: jpeg(`c${i}`) }),
    ),
  );
  expect(new Set(files).size).toBe(20);
  expect(path.relative(folder, files.toSorted((a, b) => a.length - b.length)[0]!)).toBe(
    '2025-01-15/snapshot_123456.jpg',
  );
  for (const [i, file] of files.entries()) {
    expect(readFileSync(file)).toEqual(jpeg(`${i}`));
    expect(readFileSync(cleanOf(file))).toEqual(jpeg(`c${i}`));
  }
  const names = readdirSync(path.join(folder, '2025-01-15'));
  expect(names.filter((name) => /^snapshot_\d{6}(_\d+)?\.jpg$/.test(name))).toHaveLength(20);
  expect(names).toHaveLength(40);
});

test.each([
  ['2025-03-30T00:59:59Z', '2025-03-30/snapshot_015959.jpg'],
  ['2025-03-30T01:00:00Z', '2025-03-30/snapshot_030000.jpg'],
  ['2025-10-26T00:30:00Z', '2025-10-26/snapshot_023000.jpg'],
  ['2025-10-26T23:30:00Z', '2025-10-27/snapshot_003000.jpg'],
])('at %s the local day and time are right', async (instant, name) => {
  const file = await saveSnapshot(folder, zone, { at: Date.parse(instant), boxed: jpeg('') });
  expect(path.relative(folder, file)).toBe(name);
});

test('the second two o’clock of the autumn night does not replace the first', async () => {
  for (const instant of ['2025-10-26T00:30:00Z', '2025-10-26T01:30:00Z'])
    await saveSnapshot(folder, zone, { at: Date.parse(instant), boxed: jpeg(instant) });
  expect(readdirSync(path.join(folder, '2025-10-26'))).toEqual([
    'snapshot_023000.jpg',
    'snapshot_023000_2.jpg',
  ]);
});

test('a folder of a day that somebody removes is made again', async () => {
  for (let i = 0; i < 20; i += 1) {
    const saving = saveSnapshot(folder, zone, { at: at + i * 1000, boxed: jpeg('x') });
    rmSync(path.join(folder, '2025-01-15'), { recursive: true, force: true });
    await saving;
  }
  await saveSnapshot(folder, zone, { at, boxed: jpeg('last') });
  expect(readFileSync(path.join(folder, '2025-01-15/snapshot_123456.jpg'))).toEqual(jpeg('last'));
});

test('nothing is written where the disk is not mounted', async () => {
  renameSync(folder, `${folder}.away`);
  mkdirSync(folder);
  await expect(saveSnapshot(folder, zone, { at, boxed: jpeg('x') })).rejects.toThrow('is its disk mounted?');
  expect(readdirSync(folder)).toEqual([]);
});

test('a request reads pictures and nothing else', async () => {
  await saveSnapshot(folder, zone, { at, boxed: jpeg('b'), clean: jpeg('c') });
  expect(await readSnapshot(folder, '2025-01-15/snapshot_123456.jpg')).toEqual(jpeg('b'));
  expect(await readSnapshot(folder, '2025-01-15/clean_123456.jpg')).toEqual(jpeg('c'));
  writeFileSync(path.join(base, 'secret.jpg'), 'secret');
  mkdirSync(path.join(base, 'else'));
  writeFileSync(path.join(base, 'else', 'snapshot_000000.jpg'), 'secret');
  symlinkSync(path.join(base, 'secret.jpg'), path.join(folder, '2025-01-15/snapshot_999999.jpg'));
  symlinkSync(path.join(base, 'else'), path.join(folder, '2025-01-16'));
  for (const name of [
    '2025-01-15/snapshot_999999.jpg',
    '2025-01-16/snapshot_000000.jpg',
    '../secret.jpg',
    '2025-01-15/../../secret.jpg',
    '2025-01-15',
    '',
    '2025-01-15/snapshot_000000.jpg',
  ])
    await expect(readSnapshot(folder, name)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await fc.assert(
    fc.asyncProperty(fc.string(), async (name) => {
      await expect(readSnapshot(folder, name)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }),
  );
});
