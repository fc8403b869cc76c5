import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toRaw, toScale } from './scale.rules.ts';

const share = fc.double({ min: 0, max: 1, noNaN: true });

test('the threshold of a model is 0.5 for everybody, and nothing and certainty stay what they are', () => {
  expect([0, 0.3, 1].map((raw) => toScale(raw, 0.3))).toEqual([0, 0.5, 1]);
  expect([0, 0.6, 1].map((raw) => toScale(raw, 0.6))).toEqual([0, 0.5, 1]);
  expect(toScale(0.8, 0.6)).toBeCloseTo(0.75);
  expect(toScale(0.15, 0.6)).toBeCloseTo(0.125);
});

test('the scale keeps the order of scores and leads back', () => {
  fc.assert(
    fc.property(share, share, fc.double({ min: 0.05, max: 0.95, noNaN: true }), (a, b, threshold) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      expect(toScale(low, threshold)).toBeLessThanOrEqual(toScale(high, threshold));
      expect(toRaw(toScale(a, threshold), threshold)).toBeCloseTo(a, 9);
    }),
  );
});

test('a model without a threshold of its own keeps its scores', () => {
  expect([toScale(0.4, 0), toScale(0.4, 1), toRaw(0.4, 0)]).toEqual([0.4, 0.4, 0.4]);
});
