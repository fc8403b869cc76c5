import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import {
  crc16,
  crcHolds,
  decodeReply,
  encodeRead,
  Refusal,
  rtuFrame,
  tcpFrame,
  type Framing,
} from './codec.ts';
import { decodeValue, encodeValue, orders, types, type ValueType } from './value.codec.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const framings: Framing[] = ['tcp', 'rtu'];

test('a read of two input registers is the frame of the maker’s manual', () => {
  expect(encodeRead('rtu', 0, { unit: 1, fn: 4, start: 0, count: 2 })).toEqual(
    hex('01 04 00 00 00 02 71 CB'),
  );
  expect(encodeRead('tcp', 0x1234, { unit: 1, fn: 4, start: 0x34, count: 2 })).toEqual(
    hex('12 34 00 00 00 06 01 04 00 34 00 02'),
  );
});

test('the reply of the maker’s manual is 230.2 V', () => {
  const reply = decodeReply('rtu', hex('01 04 04 43 66 33 34 1B 38'));
  expect(reply).toEqual({
    transaction: undefined,
    unit: 1,
    fn: 4,
    exception: undefined,
    data: hex('43 66 33 34'),
    length: 9,
  });
  // The maker's bytes are the float next to the one nearest to 230.2.
  expect(decodeValue('float32', 'ABCD', hex('43 66 33 34'))).toBe(230.20001);
  expect(decodeValue('float32', 'ABCD', hex('43 66 33 33'))).toBe(230.2);
});

test('a refusal is read in both framings, and says what to do', () => {
  expect(decodeReply('rtu', rtuFrame(hex('07 84 02')))).toMatchObject({
    unit: 7,
    fn: 4,
    exception: 2,
    length: 5,
  });
  expect(decodeReply('tcp', tcpFrame(9, hex('07 84 0B')))).toMatchObject({
    transaction: 9,
    unit: 7,
    fn: 4,
    exception: 11,
    length: 9,
  });
  const refusal = new Refusal(2, 'unit 7 at 192.0.2.7:502');
  expect([refusal.code, refusal.remedy, refusal.message]).toEqual([
    'BAD_REPLY',
    'fix-device',
    'unit 7 at 192.0.2.7:502 refused with exception 2: it has no such register; is it the right template?',
  ]);
  expect(new Refusal(11, 'it').remedy).toBe('retry');
  expect(new Refusal(200, 'it').message).toBe(
    'it refused with exception 200: a reason that no standard names',
  );
});

test.each<[string, Framing, string, RegExp]>([
  ['a wrong CRC', 'rtu', '01 04 04 43 66 33 34 1B 39', /CRC of the reply is wrong/],
  ['a function that was never asked', 'rtu', '01 10 00', /no RTU reply to a read begins with function 16/],
  ['an MBAP header read as RTU', 'rtu', '00 01 00 00 00 07', /no RTU reply/],
  [
    'an RTU frame read as Modbus TCP',
    'tcp',
    '01 04 04 43 66 33 34 1B 38',
    /does the gateway speak RTU over TCP/,
  ],
  ['an oversized length', 'tcp', '00 01 00 00 FF FF', /cannot say that 65535 bytes follow/],
  ['a length of nothing', 'tcp', '00 01 00 00 00 00', /cannot say that 0 bytes follow/],
  [
    'a byte count that does not fit',
    'tcp',
    '00 01 00 00 00 07 01 04 02 43 66 33 34',
    /counts 2 bytes and carries 4/,
  ],
])('%s is refused at once', (_name, framing, bytes, text) => {
  expect(() => decodeReply(framing, hex(bytes))).toThrow(text);
});

test('a frame is whole at its last byte and not before, and what follows is left alone', () => {
  const arbitrary = fc.record({
    framing: fc.constantFrom(...framings),
    unit: fc.integer({ min: 0, max: 255 }),
    fn: fc.constantFrom(3, 4),
    words: fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 125 }),
    transaction: fc.integer({ min: 0, max: 0xffff }),
    after: fc.uint8Array({ maxLength: 20 }),
  });
  fc.assert(
    fc.property(arbitrary, ({ framing, unit, fn, words, transaction, after }) => {
      const data = Buffer.concat(words.map((w) => Buffer.from([w >> 8, w & 0xff])));
      const body = Buffer.concat([Buffer.from([unit, fn, data.length]), data]);
      const frame = framing === 'tcp' ? tcpFrame(transaction, body) : rtuFrame(body);
      for (let length = 0; length < frame.length; length += 1)
        expect(decodeReply(framing, frame.subarray(0, length))).toBeUndefined();
      expect(decodeReply(framing, Buffer.concat([frame, after]))).toEqual({
        transaction: framing === 'tcp' ? transaction : undefined,
        unit,
        fn,
        exception: undefined,
        data,
        length: frame.length,
      });
    }),
    { numRuns: 60 },
  );
});

function outcome(framing: Framing, bytes: Buffer): string {
  try {
    const reply = decodeReply(framing, bytes);
    if (reply === undefined) return 'nothing yet';
    return reply.length <= bytes.length ? 'a frame' : 'a frame longer than the bytes';
  } catch (error) {
    return error instanceof LaresError ? error.code : `${String(error)}`;
  }
}

test('no bytes from a network do more than a BAD_REPLY, and a frame never claims more than there is', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    // Noise behind a sound beginning goes deeper.
    fc.uint8Array({ maxLength: 300 }).map((b) => Uint8Array.from([0, 1, 0, 0, 0, 7, 1, 4, ...b])),
    fc.uint8Array({ maxLength: 300 }).map((b) => Uint8Array.from([1, 4, ...b])),
  );
  fc.assert(
    fc.property(fc.constantFrom(...framings), noise, (framing, bytes) => {
      expect(['nothing yet', 'a frame', 'BAD_REPLY']).toContain(outcome(framing, Buffer.from(bytes)));
    }),
    { numRuns: 2000 },
  );
});

test('the CRC finds every single flipped bit', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 60 }), fc.nat(), (body, where) => {
      const frame = rtuFrame(Buffer.from(body));
      expect(crcHolds(frame)).toBe(true);
      const bit = where % (frame.length * 8);
      frame[bit >> 3] = frame[bit >> 3]! ^ (1 << (bit & 7));
      expect(crcHolds(frame)).toBe(false);
    }),
  );
  expect(crc16(Buffer.from('123456789'))).toBe(0x4b37);
});

test('the four byte orders are those of the manuals', () => {
  const bytes = { ABCD: '43 66 32 33', CDAB: '32 33 43 66', BADC: '66 43 33 32', DCBA: '33 32 66 43' };
  for (const order of orders) expect(decodeValue('float32', order, hex(bytes[order]))).toBe(230.19609);
  expect(decodeValue('uint16', 'CDAB', hex('01 02'))).toBe(0x0102);
  expect(decodeValue('uint16', 'DCBA', hex('01 02'))).toBe(0x0201);
  expect(decodeValue('uint64', 'CDAB', hex('00 04 00 03 00 02 00 01'))).toBe(0x0001_0002_0003_0004);
});

test('every type survives the way through registers in every order', () => {
  const numbers: Record<ValueType, fc.Arbitrary<number>> = {
    int16: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }),
    uint16: fc.integer({ min: 0, max: 2 ** 16 - 1 }),
    int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    float32: fc.float({ noNaN: true, noDefaultInfinity: true }),
    int64: fc.maxSafeInteger(),
    uint64: fc.maxSafeNat(),
  };
  for (const type of Object.keys(types) as ValueType[])
    fc.assert(
      fc.property(numbers[type], fc.constantFrom(...orders), (value, order) => {
        const bytes = encodeValue(type, order, value);
        expect(bytes).toHaveLength(types[type] * 2);
        const back = decodeValue(type, order, bytes);
        expect(type === 'float32' ? Math.fround(back) + 0 : back).toBe(value + 0);
      }),
      { numRuns: 100 },
    );
});
