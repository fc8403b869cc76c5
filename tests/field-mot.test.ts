import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { dataFolder } from './field/run.ts';
import { parseMot, score, type Sight } from './field/lib/mot.ts';

const box = (left: number) => ({ left, top: 0, width: 10, height: 20 });
/** Frames 0, 1, 2, … of one object at these places; a hole where there is none. */
const path1 = (id: number, places: readonly (number | undefined)[]): Sight[] =>
  places.flatMap((left, frame) => (left === undefined ? [] : [{ frame, id, box: box(left) }]));

test('a path that is followed is perfect, one that nobody follows is nothing', () => {
  const truth = path1(1, [0, 2, 4, 6]);
  expect(score(truth, path1(7, [0, 2, 4, 6]))).toEqual({
    truths: 4,
    found: 4,
    falsePositives: 0,
    misses: 0,
    switches: 0,
    sameId: 4,
    mota: 1,
    idf1: 1,
  });
  expect(score(truth, [])).toMatchObject({ misses: 4, mota: 0, idf1: 0 });
  expect(score([], path1(7, [0]))).toMatchObject({ falsePositives: 1, mota: undefined, idf1: undefined });
});

test('a change of id is one switch, and costs the identity of the shorter part', () => {
  const truth = path1(1, [0, 0, 0, 0, 0]);
  const found = [...path1(7, [0, 0, 0]), ...path1(8, [undefined, undefined, undefined, 0, 0])];
  expect(score(truth, found)).toMatchObject({ switches: 1, sameId: 3, mota: 0.8, idf1: 0.6 });
});

test('a pair stays while it overlaps by half, even when another box fits better', () => {
  const truth = path1(1, [0, 0]);
  const found = [...path1(7, [0, 3]), ...path1(8, [undefined, 0])];
  expect(score(truth, found)).toMatchObject({ switches: 0, misses: 0, falsePositives: 1 });
});

test('less than half an overlap is a miss and a false alarm', () => {
  expect(score(path1(1, [0]), path1(7, [4]))).toMatchObject({ misses: 1, falsePositives: 1, mota: -1 });
});

test('an object that comes back after a frame without it and gets a new id is no switch', () => {
  const truth = path1(1, [0, undefined, 0]);
  const found = [...path1(7, [0]), ...path1(8, [undefined, undefined, 0])];
  expect(score(truth, found)).toMatchObject({ switches: 0, sameId: 1 });
});

test('rows that are no boxes are passed over', () => {
  expect(parseMot('frame,id,left\n1,2,3,4,5,6,0.5,-1\n\n1,2,x,4,5,6\n')).toEqual([
    { frame: 1, id: 2, box: { left: 3, top: 4, width: 5, height: 6 }, score: 0.5 },
  ]);
});

const folder = path.join(dataFolder(undefined), 'cctv/mot/TUD-Campus');
test.skipIf(!existsSync(path.join(folder, 'test.txt')))(
  'gives the published figures of TUD-Campus to the last digit',
  () => {
    const read = (file: string) => parseMot(readFileSync(path.join(folder, file), 'utf8'));
    const s = score(read('gt.txt'), read('test.txt'));
    expect([s.mota, s.idf1].map((x) => (x! * 100).toFixed(1))).toEqual(['52.6', '55.8']);
    expect(s).toMatchObject({ falsePositives: 13, misses: 150, switches: 7 });
  },
);
