import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Candidates } from './candidates.ts';
import { decoders, type RawOutput } from './heads.codec.ts';
import { detectionsFromInput, fromInput, letterbox } from './letterbox.rules.ts';
import { suppress } from './suppress.rules.ts';
import type { Decoding } from './model.ts';

const input = { width: 64, height: 32 };
// Places of the three strides 8, 16 and 32 in 64x32.
const places = 32 + 8 + 2;
const output = (dims: number[], fill = 0): RawOutput & { data: Float32Array } => ({
  dims,
  data: new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(fill),
});

function decode(
  decoding: Decoding,
  outputs: readonly RawOutput[],
  picture = 0,
  threshold = 0.5,
  kinds = 3,
  wanted = Int32Array.from({ length: kinds }, (_, i) => i),
) {
  const found = new Candidates();
  decoders[decoding](outputs, picture, threshold, input, wanted, found);
  return Array.from({ length: found.count }, (_, i) => ({
    box: Array.from(found.boxes.subarray(4 * i, 4 * i + 4)),
    score: found.scores[i],
    index: found.classes[i],
  }));
}

test('YOLOX: the cell, the stride and the product of objectness and class make a box', () => {
  const out = output([2, places, 7]);
  // Second picture, stride 16 (after 32 places of stride 8), column 3 of row 1.
  out.data.set([0.5, 0.25, Math.log(2), Math.log(1), 0.8, 0.1, 0.75], (places + 32 + 4 + 3) * 7);
  const [found, ...more] = decode('yolox', [out], 1, 0.5, 2);
  expect(more).toEqual([]);
  expect(found!.box).toEqual([56 - 16, 20 - 8, 56 + 16, 20 + 8]);
  expect([found!.score, found!.index]).toEqual([expect.closeTo(0.6), 1]);
  expect(decode('yolox', [out], 0, 0.5, 2)).toEqual([]);
});

test('YOLOv8: columns are places, and the best class of each counts', () => {
  const out = output([2, 7, places]);
  const row = (r: number) => 7 * places + r * places + 5;
  for (const [r, value] of [10, 20, 4, 8, 0.1, 0.9, 0.6].entries()) out.data[row(r)] = value;
  expect(decode('yolov8', [out], 1)).toEqual([
    { box: [8, 16, 12, 24], score: expect.closeTo(0.9), index: 1 },
  ]);
});

test('NanoDet: the mean of each distribution is a distance in strides, joined or apart', () => {
  const sure = (bin: number) => Array.from({ length: 8 }, (_, i) => (i === bin ? 60 : 0));
  const sides = [0, 1, 2, 3].flatMap(sure);
  const scores = [32, 8, 2].map((n) => output([1, n, 80]));
  const distances = [32, 8, 2].map((n) => output([1, n, 32]));
  // Stride 16, column 2 of row 1: centre at 40, 24.
  scores[1]!.data[6 * 80 + 3] = 0.7;
  distances[1]!.data.set(sides, 6 * 32);
  const joined = output([1, places, 112]);
  joined.data[(32 + 6) * 112 + 3] = 0.7;
  joined.data.set(sides, (32 + 6) * 112 + 80);
  const wanted = [{ box: [40, 8, 72, 72], score: expect.closeTo(0.7), index: 3 }];
  expect(decode('nanodet', [...scores, ...distances], 0, 0.5, 80)).toEqual(wanted);
  expect(decode('nanodet', [joined], 0, 0.5, 80)).toEqual(wanted);
});

test('a ready graph is taken as it is', () => {
  const boxes = output([1, 2, 4]);
  boxes.data.set([1, 2, 3, 4, 5, 6, 7, 8]);
  const scores = output([1, 2]);
  scores.data.set([0.4, 0.6]);
  const classes = { dims: [1, 2], data: Int32Array.of(1, 0) };
  expect(decode('decoded', [boxes, scores, classes])).toEqual([
    { box: [5, 6, 7, 8], score: expect.closeTo(0.6), index: 0 },
  ]);
  scores.data[0] = 0;
  expect(decode('decoded', [boxes, scores, classes], 0, 0)).toHaveLength(1);
});

test.each<[Decoding, number[], (kind: number) => number]>([
  ['yolox', [1, places, 8], (kind) => 5 + kind],
  ['yolov8', [1, 7, places], (kind) => (4 + kind) * places],
  ['nanodet', [1, places, 112], (kind) => kind],
])(
  '%s: of one place the best of the classes that are wanted counts, however sure another one is',
  (decoding, dims, at) => {
    const out = output(dims);
    if (decoding === 'yolox') out.data[4] = 1;
    if (decoding === 'yolov8') for (const row of [2, 3]) out.data[row * places] = 8;
    for (const [kind, score] of [0.6, 0.9, 0.7].entries()) out.data[at(kind)] = score;
    const seen = (...kinds: number[]) =>
      decode(decoding, [out], 0, 0.5, 0, Int32Array.from(kinds)).map(({ score, index }) => [index, score]);
    expect(seen(0, 1, 2)).toEqual([[1, expect.closeTo(0.9)]]);
    expect(seen(0, 2)).toEqual([[2, expect.closeTo(0.7)]]);
    expect(seen(0)).toEqual([[0, expect.closeTo(0.6)]]);
  },
);

const shapes: Readonly<Record<Decoding, number[][]>> = {
  decoded: [
    [1, places, 4],
    [1, places],
    [1, places],
  ],
  yolox: [[1, places, 8]],
  yolov8: [[1, 7, places]],
  nanodet: [
    [1, 32, 3],
    [1, 8, 3],
    [1, 2, 3],
    [1, 32, 32],
    [1, 8, 32],
    [1, 2, 32],
  ],
};

test.each(Object.keys(shapes) as Decoding[])(
  '%s: whatever numbers come, boxes are within the picture, above the threshold and not doubled',
  (decoding) => {
    const numbers = fc.oneof(
      fc.double({ min: -3, max: 3 }),
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30, 0.5),
    );
    fc.assert(
      fc.property(fc.array(numbers, { minLength: 40, maxLength: 40 }), fc.integer(), (values, seed) => {
        const outputs = shapes[decoding].map((dims, o) => {
          const out = output(dims);
          out.data.forEach((_, i) => (out.data[i] = values[Math.abs(i * 7 + o * 13 + seed) % 40]!));
          return out;
        });
        const found = new Candidates();
        decoders[decoding](outputs, 0, 0.5, input, Int32Array.of(0, 1, 2), found);
        const list = suppress(found, ['a', 'b', 'c'], input, 0.5);
        for (const { box, score, label } of list) {
          expect(['a', 'b', 'c']).toContain(label);
          expect(score).toBeGreaterThanOrEqual(0.5);
          expect(score).toBeLessThanOrEqual(1);
          expect(box.width > 0 && box.height > 0 && box.left >= 0 && box.top >= 0).toBe(true);
          expect(box.left + box.width <= 1 + 1e-9 && box.top + box.height <= 1 + 1e-9).toBe(true);
        }
      }),
      { numRuns: 50 },
    );
  },
);

test('of boxes that overlap, the best of each class stays', () => {
  const found = new Candidates();
  found.add(0, 0, 32, 32, 0.7, 0);
  found.add(1, 0, 33, 32, 0.9, 0);
  found.add(0, 0, 32, 32, 0.8, 1);
  found.add(32, 0, 64, 32, 0.6, 0);
  expect(suppress(found, ['person', 'dog'], input)).toEqual([
    { label: 'person', score: expect.closeTo(0.9), box: { left: 1 / 64, top: 0, width: 0.5, height: 1 } },
    { label: 'dog', score: expect.closeTo(0.8), box: { left: 0, top: 0, width: 0.5, height: 1 } },
    { label: 'person', score: expect.closeTo(0.6), box: { left: 0.5, top: 0, width: 0.5, height: 1 } },
  ]);
});

test('thousands of candidates are kept in order', () => {
  const found = new Candidates();
  for (let i = 0; i < 1_000; i += 1) found.add(i % 60, 0, (i % 60) + 1, 1, i / 1_000, i);
  expect([found.count, found.scores[999], found.classes[999], found.boxes[4 * 999]]).toEqual([
    1_000,
    expect.closeTo(0.999),
    999,
    999 % 60,
  ]);
});

test('a picture keeps its shape in the input, and its boxes find back into it', () => {
  const side = fc.integer({ min: 16, max: 4_000 });
  const inputSide = fc.integer({ min: 2, max: 20 }).map((n) => 32 * n);
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(side, side, inputSide, inputSide, share, share, (width, height, w, h, x, y) => {
      const box = letterbox({ width, height }, { width: w, height: h });
      expect(box.width <= w && box.height <= h && box.width % 2 === 0 && box.height % 2 === 0).toBe(true);
      expect(box.width >= w - 2 || box.height >= h - 2).toBe(true);
      const own = { left: x / 2, top: y / 2, width: x / 2 + 0.01, height: y / 2 + 0.01 };
      const there = {
        left: (own.left * box.width) / w,
        top: (own.top * box.height) / h,
        width: (own.width * box.width) / w,
        height: (own.height * box.height) / h,
      };
      const back = fromInput(there, box)!;
      for (const key of ['left', 'top'] as const) expect(back[key]).toBeCloseTo(own[key], 9);
    }),
  );
});

test('what lies in the grey beside the picture is nothing', () => {
  const box = letterbox({ width: 100, height: 100 }, { width: 512, height: 256 });
  const grey = { label: 'person', score: 1, box: { left: 0.6, top: 0, width: 0.2, height: 1 } };
  const edge = { ...grey, box: { left: 0.25, top: 0, width: 0.5, height: 1 } };
  expect(detectionsFromInput([grey, edge], box)).toEqual([
    { ...edge, box: { left: 0.5, top: 0, width: 0.5, height: 1 } },
  ]);
});
