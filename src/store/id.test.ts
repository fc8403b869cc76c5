import fc from 'fast-check';
import { expect, test } from 'vitest';
import { uuid7 } from './id.ts';

const random = fc.uint8Array({ minLength: 8, maxLength: 8 });

test('an id is a version 7 UUID that carries its millisecond, as in the example of RFC 9562', () => {
  // RFC 9562 A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F, 2022-02-22T19:22:22Z.
  const bytes = Uint8Array.from(Buffer.from('18c4dc0c0c07398f', 'hex'));
  expect(uuid7(Date.parse('2022-02-22T19:22:22Z'), 0xcc3, bytes)).toBe(
    '017f22e2-79b0-7cc3-98c4-dc0c0c07398f',
  );
});

test('ids sort by time, then by sequence', () => {
  const parts = fc.tuple(fc.nat(2 ** 41), fc.nat(0xfff), random);
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const order = Math.sign(a[0] - b[0] || a[1] - b[1]);
      const [x, y] = [uuid7(...a), uuid7(...b)];
      expect(x).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(order === 0 || (x < y ? -1 : 1) === order).toBe(true);
    }),
  );
});
