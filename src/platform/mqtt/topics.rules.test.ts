import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PacketSizes } from './packet-size.rules.ts';
import { covers, isFilter, isTopic, matches } from './topics.rules.ts';

test.each([
  ['#', 'a/b', true],
  ['a/#', 'a', true],
  ['a/#', 'a/b/c', true],
  ['a/+', 'a/b', true],
  ['a/+', 'a/b/c', false],
  ['a/+/c', 'a/b/c', true],
  ['a/b', 'a/b', true],
  ['a/b', 'a', false],
  ['+', '/a', false],
  ['+/+', '/a', true],
  ['#', '$SYS/x', false],
  ['+/x', '$SYS/x', false],
  ['$SYS/#', '$SYS/x', true],
])('the filter %s and the topic %s: %s', (filter, topic, means) =>
  expect(matches(filter, topic)).toBe(means),
);

test.each([
  ['a/#', 'a/+/c', true],
  ['a/#', 'a/#', true],
  ['a/+', 'a/#', false],
  ['a/+', '+/a', false],
  ['+/b', 'a/b', true],
  ['a/b', 'a/+', false],
  ['a/b/#', 'a/#', false],
  ['#', '$SYS/#', false],
])('leave to read %s covers a subscription to %s: %s', (outer, inner, means) =>
  expect(covers(outer, inner)).toBe(means),
);

test('what a permitted subscription delivers, its permission allows', () => {
  const level = fc.constantFrom('a', 'b', '');
  const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((l) => l.join('/'));
  const filter = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'));
  fc.assert(
    fc.property(filter, filter, topic, (outer, inner, t) => {
      fc.pre(covers(outer, inner) && matches(inner, t));
      expect(matches(outer, t)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test.each(['', 'a\0b', 'a#', 'a/#/b', 'a/b+', 'x'.repeat(513), '/'.repeat(64)])('%j is no filter', (text) =>
  expect(isFilter(text)).toBe(false),
);
test('topics have no wildcards', () =>
  expect(['a/b', 'a/+', '#', ''].map(isTopic)).toEqual([true, false, false, false]));

const packet = (length: number): number[] => {
  const bytes = [0x30];
  let left = length;
  do {
    bytes.push((left % 128) + (left >= 128 ? 128 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return [...bytes, ...Array<number>(length).fill(0xff)];
};

test('packets up to the limit pass however the stream is cut, and one byte more does not', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 5 }),
      fc.array(fc.nat(7), { minLength: 1 }),
      (lengths, cuts) => {
        const pass = (stream: number[]) => {
          const sizes = new PacketSizes(300);
          for (let at = 0, i = 0; at < stream.length; i += 1) {
            const step = 1 + cuts[i % cuts.length]!;
            if (!sizes.accept(Uint8Array.from(stream.slice(at, at + step)))) return false;
            at += step;
          }
          return true;
        };
        const good = lengths.flatMap(packet);
        expect(pass(good)).toBe(true);
        expect(pass([...good, ...packet(301)])).toBe(false);
      },
    ),
  );
});

test('a length of five bytes is refused', () =>
  expect(new PacketSizes(300).accept(Uint8Array.from([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]))).toBe(false));
