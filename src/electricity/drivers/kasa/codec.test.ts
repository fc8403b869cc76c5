import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader, xorDecode, xorEncode, xorFrame } from './codec.ts';
import { localProbe } from './discovery-packet.ts';

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((a) => Buffer.from(a));

describe('the scrambling of port 9999', () => {
  test('gives the bytes that devices expect for the question for sysinfo', () => {
    expect(xorFrame('{"system":{"get_sysinfo":{}}}').toString('hex')).toBe(
      '0000001dd0f281f88bff9af7d5ef94b6d1b4c09fec95e68fe187e8caf08bf68bf6',
    );
    expect(localProbe).toEqual(xorFrame('{"system":{"get_sysinfo":{}}}').subarray(4));
  });

  test('is undone by its inverse', () => {
    fc.assert(
      fc.property(bytes(300), (plain) => {
        expect(xorDecode(xorEncode(plain))).toEqual(plain);
      }),
    );
  });

  test('messages come out whole and in order however the stream is cut', () => {
    const messages = fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { maxLength: 6 });
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(messages, cuts, (sent, sizes) => {
        const stream = Buffer.concat(sent.map(xorFrame));
        const reader = new FrameReader('x');
        const heard: string[] = [];
        const lent = Buffer.alloc(16);
        for (let at = 0, i = 0; at < stream.length; i += 1) {
          const size = sizes[i % sizes.length]!;
          // As sockets do: the memory of one segment holds the next one a moment later.
          const segment = lent.subarray(0, stream.copy(lent, 0, at, at + size));
          at += segment.length;
          reader.push(segment);
          for (let m = reader.take(); m !== undefined; m = reader.take()) heard.push(m);
        }
        expect(heard).toEqual(sent);
        expect(reader.pending).toBe(false);
      }),
    );
  });

  test('a length that no device sends is refused before memory is taken for it', () => {
    const reader = new FrameReader('192.0.2.7:9999');
    reader.push(Buffer.from('7fffffff', 'hex'));
    expect(() => reader.take()).toThrow(/192\.0\.2\.7:9999 announces 2147483647 bytes/);
  });
});
