import { expect, test } from 'vitest';
import { averagePrecision, evaluate, type FoundBox, type TrueBox } from './field/lib/ap.ts';

const truth = (picture: number, left: number, more: Partial<TrueBox> = {}): TrueBox => ({
  picture,
  label: 'person',
  left,
  top: 0,
  width: 100,
  height: 100,
  ...more,
});
const found = (picture: number, left: number, score: number, more: Partial<FoundBox> = {}): FoundBox => ({
  ...truth(picture, left),
  score,
  ...more,
});

test('the example that can be worked out by hand', () => {
  // Four true boxes; by falling score: right, wrong, right, right (the fourth is never found).
  const truths = [truth(1, 0), truth(1, 500), truth(2, 0), truth(2, 500)];
  const boxes = [found(1, 0, 0.9), found(1, 900, 0.8), found(2, 10, 0.7), found(1, 520, 0.6)];
  // Precision 1 up to recall 1/4 (26 points), then 3/4 up to recall 3/4 (50 points), then nothing (25 points).
  expect(averagePrecision(truths, boxes, 0.5)).toEqual({
    ap: expect.closeTo((26 + 50 * 0.75) / 101, 12),
    recalled: 3,
  });
});

test('a true box is found once; the second time is a mistake, unless it may be ignored', () => {
  const twice = [found(1, 0, 0.9), found(1, 1, 0.8), found(2, 0, 0.7)];
  const both = [truth(1, 0), truth(2, 0)];
  expect(averagePrecision(both, twice, 0.5)?.ap).toBeCloseTo((51 + 50 * (2 / 3)) / 101, 12);
  const crowd = [...both, truth(1, 1, { ignore: true })];
  expect(averagePrecision(crowd, twice, 0.5)?.ap).toBeCloseTo(1, 12);
});

test('what lies within a crowd is no mistake, however large the crowd is', () => {
  const crowd = truth(1, 0, { width: 1_000, ignore: true });
  const boxes = [found(1, 500, 0.9), found(1, 5_000, 0.8), found(2, 0, 0.7)];
  expect(averagePrecision([crowd, truth(2, 0)], boxes, 0.5)?.ap).toBeCloseTo(0.5, 12);
});

test('means are over classes that are there, and over overlaps from one half to 0.95', () => {
  // 80 of 120 columns are shared: an overlap of two thirds, right at 0.50 to 0.65 and wrong from 0.70 on.
  const truths = [truth(1, 0), truth(1, 0, { label: 'dog' })];
  const boxes = [found(1, 20, 0.9), found(1, 0, 0.9, { label: 'dog' }), found(1, 0, 1, { label: 'cat' })];
  expect(evaluate(truths, boxes)).toEqual({
    map50: 1,
    map5095: expect.closeTo((0.4 + 1) / 2, 12),
    ap50: new Map([
      ['person', 1],
      ['dog', 1],
    ]),
    truths: 2,
    recalled: 2,
  });
  expect(evaluate([], boxes).map50).toBe(undefined);
});

test('more than a hundred boxes of a class in a picture do not help', () => {
  const noise = Array.from({ length: 100 }, (_, i) => found(1, 10_000 + 200 * i, 0.9));
  expect(evaluate([truth(1, 0)], [...noise, found(1, 0, 0.1)]).recalled).toBe(0);
  expect(evaluate([truth(1, 0)], [...noise.slice(1), found(1, 0, 0.1)]).recalled).toBe(1);
  const cats = noise.map((box) => ({ ...box, label: 'cat' }));
  expect(evaluate([truth(1, 0)], [...cats, found(1, 0, 0.1)]).recalled).toBe(1);
});
