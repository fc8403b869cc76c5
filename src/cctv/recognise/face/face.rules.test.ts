import fc from 'fast-check';
import { expect, test } from 'vitest';
import { painted } from '../fixture.ts';
import { align } from '../warp.rules.ts';
import { faceOf, goals, headPart, likeness, named, normalised, sharpness } from './face.rules.ts';

const unit = (...values: number[]) => normalised(values)!;
const alex = { person: 'alex', vectors: [unit(1, 0, 0), unit(1, 0.2, 0)] };
const sam = { person: 'sam', vectors: [unit(0, 1, 0)] };

test('a face gets the name of the person whom it is most like, and the surer the more it is like', () => {
  expect(named(unit(1, 0, 0), [alex, sam], 0.7)).toEqual({ kind: 'face', name: 'alex', confidence: 1 });
  const less = named(unit(1, 0, 0.8), [alex, sam], 0.7);
  expect(less.name).toBe('alex');
  expect(less.confidence).toBeGreaterThan(0.5);
  expect(less.confidence).toBeLessThan(0.8);
});

test('a face like nobody is a stranger, and so is one like two people, and every face where nobody is enrolled', () => {
  expect(named(unit(0, 0, 1), [alex, sam], 0.7)).toEqual({ kind: 'face', confidence: 1 });
  expect(named(unit(1, 1, 0), [{ ...alex, vectors: [unit(1, 0, 0)] }, sam], 0.7).name).toBeUndefined();
  expect(named(unit(1, 0, 0), [], 0.7)).toEqual({ kind: 'face', confidence: 1 });
});

test('numbers that a damaged file made out of none are like nobody', () => {
  for (const spoilt of [Float32Array.of(Number.NaN, 1, 0), Float32Array.of(1e30, 0, 0)])
    expect(named(unit(1, 0, 0), [{ person: 'eve', vectors: [spoilt] }], 0.7).name).toBeUndefined();
});

test('vectors of two networks are not alike', () => {
  expect(likeness(unit(1, 0), unit(1, 0, 0))).toBe(0);
  expect(named(unit(1, 0), [alex], 0.7).name).toBeUndefined();
});

const vector = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 });

test('no name is told below the threshold, whoever is enrolled', () => {
  fc.assert(
    fc.property(
      vector,
      fc.array(vector, { maxLength: 4 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (face, others, threshold) => {
        const own = normalised(face);
        fc.pre(own !== undefined);
        const known = others.flatMap((values, i) => {
          const v = normalised(values);
          return v === undefined ? [] : [{ person: `p${i}`, vectors: [v] }];
        });
        const said = named(own, known, threshold);
        expect(said.confidence >= 0 && said.confidence <= 1).toBe(true);
        const best = Math.max(-1, ...known.map((k) => likeness(own, k.vectors[0]!)));
        expect(said.name === undefined || best >= threshold).toBe(true);
      },
    ),
  );
});

test('a vector without direction is none', () => {
  expect(normalised([0, 0])).toBeUndefined();
  expect(normalised([Number.NaN, 1])).toBeUndefined();
});

test('the points of a face lie in the crop as ArcFace wants them, and smaller where more is shown around', () => {
  expect(goals(5, 112)[2]).toEqual({ x: 56.0252, y: 71.7366 });
  expect(goals(4, 112)).toHaveLength(4);
  const { map } = align(goals(4, 112), goals(4, 224, 0.8))!;
  expect(map.a).toBeCloseTo(1.6, 6);
  expect(map.b).toBeCloseTo(0, 6);
});

test('the head of a standing person is looked for in the upper half, of a close one in all of the box', () => {
  const picture = { width: 1000, height: 1000 };
  const standing = headPart({ left: 0.4, top: 0.2, width: 0.1, height: 0.6 }, picture);
  expect(standing.width).toBeCloseTo(345, 6);
  expect(standing.top).toBeLessThan(200);
  expect(standing.top + standing.height).toBeLessThan(560);
  const close = headPart({ left: 0, top: 0, width: 0.8, height: 0.9 }, picture);
  expect(close.width).toBeCloseTo(920, 6);
});

test('the face of the object is the largest of those within its box', () => {
  const face = (left: number, side: number) => ({
    left,
    top: 10,
    width: side,
    height: side,
    score: 0.9,
    points: [],
  });
  const box = { left: 0, top: 0, width: 0.5, height: 1 };
  const picture = { width: 100, height: 100 };
  expect(faceOf([face(5, 10), face(20, 20), face(60, 40)], box, picture)).toEqual(face(20, 20));
  expect(faceOf([face(60, 40)], box, picture)).toBeUndefined();
});

test('a blurred face is less sharp than a clear one, whatever the light', () => {
  const stripes = (step: number, low: number, high: number) =>
    painted(
      32,
      32,
      [low, low, low],
      Array.from({ length: 32 / step / 2 }, (_, i) => ({
        at: [i * step * 2, 0, step, 32] as const,
        colour: [high, high, high] as const,
      })),
    );
  expect(sharpness(stripes(1, 50, 90))).toBeCloseTo(sharpness(stripes(1, 10, 250)), 6);
  expect(sharpness(stripes(1, 50, 90))).toBeGreaterThan(2 * sharpness(stripes(8, 50, 90)));
  expect(sharpness(painted(32, 32, [80, 80, 80]))).toBe(0);
});
