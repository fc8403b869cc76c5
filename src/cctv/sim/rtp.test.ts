import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clipOf, sortNals, splitAnnexB, type VideoCodec } from './clip.ts';
import { payloads, rtpPacket, senderReport } from './rtp.ts';

/** Puts NAL units together again, written from the RFCs apart from the code under test. */
function reassembled(codec: VideoCodec, parts: readonly Buffer[]): Buffer[] {
  const nals: Buffer[] = [];
  let open: Buffer[] = [];
  for (const part of parts) {
    const first = part[0] ?? 0;
    const isFragment = codec === 'h264' ? (first & 0x1f) === 28 : ((first >> 1) & 0x3f) === 49;
    if (!isFragment) {
      nals.push(part);
      continue;
    }
    const header = codec === 'h264' ? (part[1] ?? 0) : (part[2] ?? 0);
    if ((header & 0x80) !== 0)
      open =
        codec === 'h264'
          ? [Buffer.from([(first & 0xe0) | (header & 0x1f)])]
          : [Buffer.from([(first & 0x81) | ((header & 0x3f) << 1), part[1] ?? 0])];
    open.push(part.subarray(codec === 'h264' ? 2 : 3));
    if ((header & 0x40) !== 0) nals.push(Buffer.concat(open));
  }
  return nals;
}

// A first byte that is a plain NAL unit of both codecs: type 1 of H.264, type 1 of H.265.
const nal = fc
  .tuple(fc.constantFrom(0x61, 0x41, 0x02), fc.uint8Array({ minLength: 3, maxLength: 5000 }))
  .map(([first, rest]) => Buffer.from([first, ...rest]));

describe('packets', () => {
  test.each(['h264', 'h265'] as const)('of %s carry every NAL unit whole and fit the limit', (codec) => {
    fc.assert(
      fc.property(
        fc.array(nal, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 50, max: 1400 }),
        (nals, limit) => {
          const parts = payloads(codec, nals, limit);
          expect(Math.max(...parts.map(({ length }) => length))).toBeLessThanOrEqual(limit);
          expect(reassembled(codec, parts)).toEqual(nals);
        },
      ),
    );
  });

  test('have the header of RFC 3550', () => {
    const packet = rtpPacket(
      { type: 96, marker: true, sequence: 65_537, timestamp: 2 ** 32 - 1, source: 0x01020304 },
      Buffer.from([9]),
    );
    expect(packet.toString('hex')).toBe('80e00001ffffffff0102030409');
    // 2026-11-21 10:05:00.5 UTC is 4002869100.5 s of NTP.
    const report = senderReport(1, Date.UTC(2026, 10, 21, 10, 5, 0, 500), 2, 3, 4);
    expect(report.readUInt32BE(8) + report.readUInt32BE(12) / 2 ** 32).toBe(
      Date.UTC(2026, 10, 21, 10, 5, 0, 500) / 1000 + 2_208_988_800,
    );
    expect([report.length, report[1], report.readUInt16BE(2)]).toEqual([28, 200, 6]);
  });
});

describe('a byte string of video', () => {
  test('falls into its NAL units, with start codes of three and four bytes', () => {
    const bytes = Buffer.from('00000001 6742 000001 68ce 0000000001 6588 0000'.replaceAll(' ', ''), 'hex');
    expect(splitAnnexB(bytes).map((part) => part.toString('hex'))).toEqual(['6742', '68ce', '6588']);
  });

  test('falls into pictures: several slices of one, parameter sets and delimiters apart', () => {
    const nals = ['09f0', '6742', '68ce', '6588', '6508', '0600', '4188', '4108', '4199'].map((hex) =>
      Buffer.from(hex, 'hex'),
    );
    const { sets, pictures } = sortNals('h264', nals);
    expect(sets.map((part) => part.toString('hex'))).toEqual(['6742', '68ce']);
    expect(pictures.map((one) => [one.key, one.nals.map((part) => part.toString('hex'))])).toEqual([
      [true, ['6588', '6508']],
      [false, ['0600', '4188', '4108']],
      [false, ['4199']],
    ]);
  });

  test('of any bytes never throws but for a start without a keyframe', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.constantFrom<VideoCodec>('h264', 'h265'),
        (bytes, codec) => {
          sortNals(codec, splitAnnexB(Buffer.from(bytes)));
        },
      ),
    );
    expect(() => clipOf('h264', Buffer.from('000001418800', 'hex'), 10)).toThrow(RangeError);
  });
});
