import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lookOf, unlike } from './look.rules.ts';

type Colour = readonly [number, number, number];
const black: Colour = [20, 20, 20];
const red: Colour = [200, 20, 20];
const blue: Colour = [20, 20, 200];
const white: Colour = [240, 240, 240];

/** A picture of 64x64 in which the upper and the lower half have one colour each. */
function picture(upper: Colour, lower: Colour, gain = 1) {
  const data = new Uint8Array(64 * 64 * 3);
  for (let i = 0; i < 64 * 64; i += 1)
    data.set(
      (i < 32 * 64 ? upper : lower).map((c) => c * gain),
      i * 3,
    );
  return { width: 64, height: 64, data };
}
const box = { left: 0.25, top: 0, width: 0.5, height: 1 };
const look = (upper: Colour, lower: Colour, gain?: number) => lookOf(picture(upper, lower, gain), box);

test('the same clothes look alike in a little less light, others do not', () => {
  expect(unlike(look(red, black), look(red, black))).toBeCloseTo(0, 5);
  expect(unlike(look(red, black), look(red, black, 0.85))).toBeLessThan(0.1);
  expect(unlike(look(red, black), look(blue, black))).toBeCloseTo(0.5, 1);
  expect(unlike(look(red, black), look(black, red))).toBeCloseTo(1, 1);
  expect(unlike(look(white, white), look(black, black))).toBeGreaterThan(0.5);
});

test('any box over any picture gives 24 shares whose squares add up to one, or nothing where there is no pixel', () => {
  const share = fc.double({ min: -1, max: 2, noNaN: true });
  fc.assert(
    fc.property(share, share, share, share, fc.uint8Array({ minLength: 48, maxLength: 48 }), (...given) => {
      const [left, top, width, height, data] = given;
      const shares = lookOf({ width: 4, height: 4, data }, { left, top, width, height });
      expect(shares).toHaveLength(24);
      const sums = [shares.subarray(0, 12), shares.subarray(12)].map((part) =>
        part.reduce((sum, s) => sum + s * s, 0),
      );
      for (const sum of sums) expect(Math.min(Math.abs(sum), Math.abs(sum - 0.5))).toBeLessThan(1e-5);
      expect(unlike(shares, shares)).toBeGreaterThanOrEqual(0);
    }),
  );
});

test('looks of different lengths have nothing in common', () => {
  expect(unlike([1], [1, 0])).toBe(1);
});
