import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normaliseNode } from '#kernel/reading.ts';
import { encode, encodeLine, formatValue } from './codec.ts';

const at = 1_767_225_600_000;

describe('values', () => {
  test.each([
    [0, '0'],
    [1, '1'],
    [-0, '0'],
    [0.1 + 0.2, '0.30000000000000004'],
    [1e-7, '0.0000001'],
    [-1.5e-9, '-0.0000000015'],
    [1e21, '1000000000000000000000'],
    [1.234e22, '12340000000000000000000'],
    [230.5, '230.5'],
  ])('%s is written as %s', (value, text) => expect(formatValue(value)).toBe(text));

  test('every finite number reads back as itself and has no exponent', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = formatValue(value);
        expect(text).toMatch(/^-?\d+(\.\d+)?$/);
        expect(Number(text)).toBe(value === 0 ? 0 : value);
      }),
    );
  });
});

describe('lines', () => {
  test('a reading becomes name, value and whole seconds', () => {
    expect(encodeLine('home.presence.alex.is_home', 1, at + 999)).toBe(
      'home.presence.alex.is_home 1 1767225600\n',
    );
  });

  test.each([
    ['a value that is not a number', 'home.a', Number.NaN, at],
    ['an infinite value', 'home.a', Number.POSITIVE_INFINITY, at],
    ['an instant before 1970', 'home.a', 1, -1],
    ['an instant that Carbon reads as "now"', 'home.a', 1, 0],
    ['an instant beyond 32 bits', 'home.a', 1, 2 ** 32 * 1000],
    ['an instant that is not a number', 'home.a', 1, Number.NaN],
    ['a second line in the name', 'home.a 1 1\nhome.b', 1, at],
    ['a trailing line break in the name', 'home.a\n', 1, at],
    ['a tag in the name', 'home.a;room=attic', 1, at],
    ['a path that climbs', 'home/../../etc', 1, at],
    ['a name that is one node', 'home', 1, at],
    ['a name longer than a line may be', `home.${'a.'.repeat(600)}b`, 1, at],
  ])('%s is never sent', (_why, series, value, instant) =>
    expect(encodeLine(series, value, instant)).toBeUndefined(),
  );

  test('no name and no value from outside makes anything but one well-formed line', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('a', '.', '\n', '\r', ' ', ';', '/', '*', '{', '\u2028', '\0') }),
    );
    fc.assert(
      fc.property(hostile, hostile, fc.double(), fc.maxSafeInteger(), (node, series, value, instant) => {
        const batch = new Map([
          [`home.presence.${normaliseNode(node)}.is_home`, value],
          [series, value],
          [`home.${series}`, value],
        ]);
        const { payload, points } = encode([{ at: instant, values: batch }]);
        const lines = payload.split('\n').slice(0, -1);
        expect(lines).toHaveLength(points);
        for (const line of lines) {
          expect(line).toMatch(/^[a-z0-9_]+(\.[a-z0-9_]+)+ -?\d+(\.\d+)? \d{1,10}$/);
          expect(line.length).toBeLessThan(1024);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
