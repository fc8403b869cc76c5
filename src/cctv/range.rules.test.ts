import fc from 'fast-check';
import { expect, test } from 'vitest';
import { wantedBytes } from './range.rules.ts';

test.each([
  ['bytes=0-', { from: 0, to: 100 }],
  ['bytes=0-0', { from: 0, to: 1 }],
  ['bytes=10-19', { from: 10, to: 20 }],
  ['bytes=10-999', { from: 10, to: 100 }],
  ['bytes=-5', { from: 95, to: 100 }],
  ['bytes=-500', { from: 0, to: 100 }],
  ['bytes=100-', 'none'],
  ['bytes=-0', 'none'],
  ['bytes=20-10', undefined],
  ['bytes=0-1,5-6', undefined],
  ['items=0-1', undefined],
  ['bytes=-', undefined],
  [undefined, undefined],
])('%s of 100 bytes is %j', (header, wanted) => {
  expect(wantedBytes(header, 100, '"a"')).toEqual(wanted);
});

test('a part is given only of the file that was begun', () => {
  expect(wantedBytes('bytes=5-', 100, '"a"', '"a"')).toEqual({ from: 5, to: 100 });
  expect(wantedBytes('bytes=5-', 100, '"a"', '"b"')).toBeUndefined();
});

test('whatever is asked, nothing outside the file is given', () => {
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.bigInt(), fc.bigInt()).map(([a, b]) => `bytes=${a}-${b}`),
    fc.tuple(fc.nat(200), fc.nat(200)).map(([a, b]) => `bytes=${a}-${b}`),
  );
  fc.assert(
    fc.property(header, fc.nat(150), (text, size) => {
      const wanted = wantedBytes(text, size, '"a"');
      if (wanted === undefined || wanted === 'none') return;
      expect(wanted.from).toBeGreaterThanOrEqual(0);
      expect(wanted.to).toBeGreaterThan(wanted.from);
      expect(wanted.to).toBeLessThanOrEqual(size);
    }),
  );
});
