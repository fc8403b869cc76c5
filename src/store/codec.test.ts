import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeMinutes,
  decodeSamples,
  encodeMinutes,
  encodeSamples,
  minuteMs,
  type Minute,
} from './codec.ts';

const start = Date.parse('2026-03-01T12:00:00Z');
const roundTrip = (at: number[], value: number[]) => {
  const samples = decodeSamples(start, encodeSamples(start, at, value));
  return { at: [...samples.at], value: [...samples.value] };
};
const refusalOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    return (error as Error).constructor;
  }
  return undefined;
};
const ticks = (n: number, everyMs: number) => Array.from({ length: n }, (_, i) => start + i * everyMs);

const instants = fc
  .uniqueArray(fc.integer({ min: 0, max: 3_599_999 }), { minLength: 1, maxLength: 200 })
  .map((offsets) => offsets.toSorted((a, b) => a - b).map((offset) => start + offset));
const decimal = fc
  .tuple(fc.integer({ min: -1_000_000, max: 1_000_000 }), fc.integer({ min: 0, max: 4 }))
  .map(([int, k]) => int / 10 ** k);
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

test.each([
  ['any doubles', finite],
  ['decimals', decimal],
  [
    'decimals with a rare odd double',
    fc.oneof({ weight: 20, arbitrary: decimal }, { weight: 1, arbitrary: finite }),
  ],
  ['few different doubles', fc.constantFrom(Math.PI, Math.E, 0.1 + 0.2)],
  ['large integers', fc.maxSafeInteger()],
])('samples of %s at any milliseconds come back bit for bit', (_, values) => {
  fc.assert(
    fc.property(
      instants.chain((at) =>
        fc.tuple(fc.constant(at), fc.array(values, { minLength: at.length, maxLength: at.length })),
      ),
      ([at, value]) => {
        expect(roundTrip(at, value)).toStrictEqual({ at, value });
      },
    ),
  );
});

test('minus zero, the smallest and the largest doubles and their neighbours come back bit for bit', () => {
  const value = [
    -0,
    0,
    Number.MIN_VALUE,
    -Number.MIN_VALUE,
    Number.MAX_VALUE,
    2 ** 53,
    0.1 + 0.2,
    1e-9,
    1e-10,
    1e21,
  ];
  const at = ticks(value.length, 1);
  for (const one of value) expect(roundTrip([start], [one])).toStrictEqual({ at: [start], value: [one] });
  expect(roundTrip(at, value)).toStrictEqual({ at, value });
});

test('an hour of a constant at a constant interval takes 17 bytes, one of a wandering power with one decimal about a byte a sample', () => {
  expect(
    encodeSamples(
      start,
      ticks(720, 5_000),
      Array.from({ length: 720 }, () => 1),
    ).length,
  ).toBe(17);
  const power = ticks(720, 5_000).map((_, i) => Math.round(800 + 30 * Math.sin(i / 40) + (i % 7)) / 10);
  expect(encodeSamples(start, ticks(720, 5_000), power).length).toBeLessThan(720 * 1.05);
});

test('minutes come back with their extremes, or with their mean in the place of both', () => {
  const minutes = fc.array(fc.tuple(fc.integer({ min: 1, max: 720 }), decimal, decimal, decimal), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(minutes, fc.boolean(), (rows, extremes) => {
      const given = rows.map(([n, sum, min, max], i): Minute => ({
        at: start + i * minuteMs,
        n,
        sum,
        min,
        max,
      }));
      const means = given.map((m) => ({ ...m, min: m.sum / m.n, max: m.sum / m.n }));
      expect(decodeMinutes(start, encodeMinutes(start, given, extremes))).toEqual(extremes ? given : means);
    }),
  );
});

test('damaged bytes are refused by a RangeError or give numbers, and never hang', () => {
  const good = encodeSamples(
    start,
    ticks(50, 5_000),
    Array.from({ length: 50 }, (_, i) => Math.sin(i)),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1 }),
      fc.nat(good.length),
      (hits, cut) => {
        const bytes = good.slice(0, cut);
        for (const [at, byte] of hits) if (at < cut) bytes[at] = byte;
        for (const decode of [decodeSamples, decodeMinutes]) {
          expect(refusalOf(() => decode(start, bytes))).toBeOneOf([undefined, RangeError]);
        }
      },
    ),
    { numRuns: 500 },
  );
});
