import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readWavHeader, writeWav } from './wav.codec.ts';

test('a WAV that is written is read again; whatever else comes is refused or waited for, never believed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 4_000, max: 192_000 }),
      fc.uint8Array({ maxLength: 200 }),
      (rate, bytes) => {
        const wav = writeWav({ rate, samples: Buffer.from(bytes) });
        expect(readWavHeader(wav)).toEqual({ kind: 'header', rate, dataAt: 44 });
        for (let cut = 0; cut < 44; cut += 1) expect(readWavHeader(wav.subarray(0, cut)).kind).toBe('more');
      },
    ),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, riff) => {
      const head = riff ? Buffer.from('RIFF\0\0\0\0WAVE', 'latin1') : Buffer.alloc(0);
      expect(['more', 'header', 'bad']).toContain(readWavHeader(Buffer.concat([head, bytes])).kind);
    }),
    { numRuns: 2_000 },
  );
  expect(readWavHeader(Buffer.from('<html><body>no sound here'))).toMatchObject({ kind: 'bad' });
});
