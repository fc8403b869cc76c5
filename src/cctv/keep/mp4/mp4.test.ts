import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fragment, initSegment, type Sample } from './boxes.codec.ts';
import { readFraming, repack, splitLengths, splitStartCodes } from './nal.codec.ts';
import { boxHead, readFragment, readMovie } from './reader.codec.ts';
import { readSps } from './sps.codec.ts';

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
// Sets that libx264 and libx265 made for 320x240.
const avcSps = bytes('6764000bacb20283f6022000000300200000030281e28549');
const avcPps = bytes('68ebc3cb22c0');
const hevcSps = bytes('420101016000000300900000030000030 03ca00a080f165965292a2b80'.replaceAll(' ', ''));

const unit = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  // What stands between start codes holds none itself and ends in no zero (H.264 7.4.1).
  .map((found) => Buffer.from([0x41, ...found.map((byte) => (byte < 4 ? 0x55 : byte))]));

test('units survive both ways of dividing them', () => {
  fc.assert(
    fc.property(fc.array(unit, { minLength: 1, maxLength: 8 }), fc.boolean(), (units, long) => {
      const code = long ? [0, 0, 0, 1] : [0, 0, 1];
      const stream = Buffer.concat(units.flatMap((u) => [Buffer.from(code), u]));
      expect(splitStartCodes(stream)).toEqual(units);
      const packed = repack('h264', stream, 0)!;
      expect(splitLengths(packed.bytes, 4)).toEqual(units);
      expect(repack('h264', packed.bytes, 4)).toEqual(packed);
    }),
  );
});

test('parameter sets leave the picture, and delimiters are dropped', () => {
  const slice = Buffer.from([0x65, 1, 2, 3]);
  const packet = Buffer.concat(
    [Buffer.from([9, 0xf0]), avcSps, avcPps, slice].flatMap((u) => [Buffer.from([0, 0, 0, 1]), u]),
  );
  const repacked = repack('h264', packet, 0)!;
  expect(splitLengths(repacked.bytes, 4)).toEqual([slice]);
  expect(repacked.sets).toEqual({ vps: [], sps: [Uint8Array.from(avcSps)], pps: [Uint8Array.from(avcPps)] });
});

describe('a sequence parameter set', () => {
  test('of H.264 tells size and name', () => {
    expect(readSps('h264', avcSps)).toEqual({
      width: 320,
      height: 240,
      mime: 'avc1.64000b',
      chroma: 1,
      depthLuma: 8,
      depthChroma: 8,
    });
    // 1920x1080 is 1088 rows less a crop.
    expect(
      readSps('h264', bytes('67640028acd940780227e5c05a808080a0000003002000000651e30632c0')),
    ).toMatchObject({
      width: 1920,
      height: 1080,
      mime: 'avc1.640028',
    });
  });

  test('of H.265 tells size and name', () => {
    expect(readSps('hevc', hevcSps)).toMatchObject({ width: 320, height: 240, mime: 'hvc1.1.6.L60.90' });
  });

  test.each(['h264', 'hevc'] as const)('that is garbage is refused, never an error (%s)', (codec) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (found) => {
        const info = readSps(codec, Uint8Array.from([0x67, ...found]));
        expect(info === undefined || (info.width > 0 && info.height > 0)).toBe(true);
      }),
    );
  });
});

test('whatever a camera announces or sends, dividing it never fails', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('h264', 'hevc'), (found, codec) => {
      expect(readFraming(codec, Uint8Array.from([1, ...found])).lengthSize).toBeGreaterThan(0);
      expect(readFraming(codec, found)).toBeDefined();
      for (const size of [0, 1, 2, 3, 4]) repack(codec, found, size);
    }),
  );
});

const track = { codec: 'h264', width: 320, height: 240, mime: 'avc1', entry: new Uint8Array() } as const;

test('a fragment is read back as it was written', () => {
  const sample = fc.record({
    bytes: fc.uint8Array({ maxLength: 30 }),
    key: fc.boolean(),
    duration: fc.integer({ min: 1, max: 2 ** 31 }),
    shift: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 20 }), fc.nat(), (list, begin) => {
      let time = begin + 7;
      const samples: Sample[] = list.map((one) => {
        const found = { ...one, time };
        time += one.duration;
        return found;
      });
      const written = fragment(3, samples, 7);
      const back = readFragment(written, 1_000);
      expect(back.map(({ time: t, duration, shift, key }) => ({ t: t + 7, duration, shift, key }))).toEqual(
        samples.map(({ time: t, duration, shift, key }) => ({ t, duration, shift, key })),
      );
      for (const [i, { offset, size }] of back.entries())
        expect(Uint8Array.from(written.subarray(offset - 1_000, offset - 1_000 + size))).toEqual(
          samples[i]!.bytes,
        );
    }),
  );
});

test('damaged boxes give nothing, never an error', () => {
  const whole = fragment(1, [{ bytes: new Uint8Array(5), key: true, time: 0, duration: 1, shift: 0 }], 0);
  const init = initSegment(track, 0);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 12 }),
      fc.nat(600),
      (flips, length) => {
        for (const good of [whole, init]) {
          const bad = Buffer.from(good.subarray(0, length));
          for (const [at, value] of flips) if (at < bad.length) bad[at] = value;
          expect(Array.isArray(readFragment(bad, 0))).toBe(true);
          readMovie(bad);
          boxHead(bad);
        }
      },
    ),
  );
});
