import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isRandomised, normaliseMac } from './mac.ts';

const octets = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => bytes.map((byte, i) => (i === 0 ? byte & 0xfe : byte)))
  .filter((bytes) => bytes.some((byte) => byte !== 0));

test('every usual notation of an address is the same address', () => {
  fc.assert(
    fc.property(octets, fc.boolean(), (bytes, upper) => {
      const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'));
      const digits = hex.join('');
      const quads = digits.match(/.{4}/g)?.join('.') ?? '';
      for (const text of [hex.join(':'), hex.join('-'), digits, quads])
        expect(normaliseMac(upper ? text.toUpperCase() : text)).toBe(hex.join(':'));
    }),
  );
});

test.each([
  '',
  'AA:BB:CC:DD:EE',
  'AA:BB:CC:DD:EE:GG',
  'aa:bb-cc:dd:ee:ff',
  'ff:ff:ff:ff:ff:ff',
  '01:00:5e:00:00:fb',
  '00:00:00:00:00:00',
  'aa:bb:cc:dd:ee:ff:00',
])('%j is not the address of a device', (text) => expect(normaliseMac(text)).toBeUndefined());

test('a phone that made up its address is told from a burnt-in one', () => {
  expect(['da:a1:19:00:00:01', '02:00:00:00:00:01', '3c:22:fb:00:00:01'].map(isRandomised)).toEqual([
    true,
    true,
    false,
  ]);
});
