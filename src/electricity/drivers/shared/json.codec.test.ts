import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import {
  finite,
  label,
  list,
  macOf,
  numeric,
  parseJson,
  parseObject,
  present,
  record,
} from './json.codec.ts';

test('text that is no JSON object is refused without repeating it', () => {
  const refused = (text: string, what: string) =>
    expect(() => parseObject(text, '192.0.2.7:9999')).toThrow(
      new LaresError('BAD_REPLY', `192.0.2.7:9999 sent something that is ${what}`),
    );
  for (const text of ['[]', 'null', '17']) refused(text, 'no JSON object');
  for (const text of ['', '{"a":', '{"secret"']) refused(text, `not JSON (${text.length} characters)`);
});

test('numbers that are none are read as missing, and texts that look like them stay', () => {
  const text = String.raw`{"a":nan,"b":[-inf, 1],"c":"nan: NaN","d": Infinity,"e":"\"nan"}`;
  expect(parseObject(text, 'x')).toEqual({ a: null, b: [null, 1], c: 'nan: NaN', d: null, e: '"nan' });
});

test('whatever comes in is JSON or refused, and a long text without an end does not hold up the house', () => {
  const parse = (text: string) => {
    try {
      return parseJson(text, 'x');
    } catch (error) {
      return error;
    }
  };
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.stringify(parse(JSON.stringify(value)))).toBe(JSON.stringify(value));
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('"', '\\', 'nan', '{', '}', ':', '\n', '1') }), (text) => {
      const result = parse(text);
      expect(result instanceof Error).toBe(result instanceof LaresError);
    }),
  );
  // Took minutes when each quote was a new start.
  expect(parse(`{${String.raw`\"`.repeat(500_000)}`)).toMatchObject({ code: 'BAD_REPLY' });
});

test('numbers are finite and of this world; text counts where that is asked for', () => {
  const none = [Number.NaN, Number.POSITIVE_INFINITY, 1e13, null, true, {}];
  expect(none.map(finite)).toEqual(none.map(() => undefined));
  expect([finite('1'), finite(0), finite(-2.5)]).toEqual([undefined, 0, -2.5]);
  expect(['1', ' 2.5 ', '-3', '', ' ', 'nan', '1e13', '9'.repeat(40), 4].map(numeric)).toEqual([
    1,
    2.5,
    -3,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    4,
  ]);
});

test('text loses control characters and is cut between characters', () => {
  expect([label('a\u0000\u001B[31mb\u2028'), label(' Küche '), label(' \u200E '), label(7)]).toEqual([
    'a [31mb',
    'Küche',
    undefined,
    undefined,
  ]);
  expect([label('x'.repeat(99))?.length, label('abc', 2), label('a😀', 2), label('\uD83D')]).toEqual([
    64,
    'ab',
    'a',
    undefined,
  ]);
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.integer({ min: 1, max: 70 }),
      (text, max) => {
        const clean = label(text, max) ?? 'x';
        expect(clean).toMatch(/^[^\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]+$/u);
        expect(clean.length).toBeLessThanOrEqual(max);
        expect(label(clean, max)).toBe(clean);
      },
    ),
  );
});

test('a MAC address is read in every notation, and an empty one is none', () => {
  const written = ['02:00:00:00:00:AB', '02-00-00-00-00-ab', '0200000000AB', '0200.0000.00ab'];
  expect(written.map(macOf)).toEqual(written.map(() => '02:00:00:00:00:ab'));
  const none = ['00:00:00:00:00:00', '02:00:00:00:00', '02:00:00:00:00:0g', '0'.repeat(400), '', 7, null];
  expect(none.map(macOf)).toEqual(none.map(() => undefined));
});

test('a branch of another shape reads as one without leaves', () => {
  expect([record({ a: 1 }), record([1]), record(null), list([1]), list('ab')]).toEqual([
    { a: 1 },
    {},
    {},
    [1],
    [],
  ]);
  expect(present({ a: 0, b: undefined, c: '' })).toEqual({ a: 0, c: '' });
});
