/** Sound as the players take it: signed 16-bit little-endian samples, one channel. */
export interface Sound {
  /** Samples a second. */
  readonly rate: number;
  readonly samples: Buffer;
}

/** Seconds that a sound lasts. */
export const secondsOf = ({ rate, samples }: Sound): number => samples.length / 2 / rate;

/** Where the samples begin and how fast they go; `more` while the header is not complete. */
export type WavHeader =
  | { readonly kind: 'more' }
  | { readonly kind: 'header'; readonly rate: number; readonly dataAt: number }
  | { readonly kind: 'bad'; readonly reason: string };

const longestHeader = 4_096;

/**
 * Reads the head of a WAV stream (RIFF, Microsoft multimedia standards update, 1994). Lengths in it are not believed:
 * a program that writes into a pipe does not know them yet.
 */
export function readWavHeader(bytes: Buffer): WavHeader {
  const tag = (at: number) => bytes.toString('latin1', at, at + 4);
  if (bytes.length >= 12 && (tag(0) !== 'RIFF' || tag(8) !== 'WAVE')) return bad('no WAV');
  let rate: number | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const size = bytes.readUInt32LE(at + 4);
    if (tag(at) === 'data')
      return rate === undefined
        ? bad('no format before the samples')
        : { kind: 'header', rate, dataAt: at + 8 };
    if (size > longestHeader) return bad('a header without end');
    if (tag(at) === 'fmt ') {
      if (size < 16) return bad('a format that is too short');
      if (at + 24 > bytes.length) return { kind: 'more' };
      const [coding, channels, bits] = [at + 8, at + 10, at + 22].map((i) => bytes.readUInt16LE(i));
      if (coding !== 1 || channels !== 1 || bits !== 16) return bad('not 16-bit mono PCM');
      rate = bytes.readUInt32LE(at + 12);
      if (rate < 4_000 || rate > 192_000) return bad(`${rate} samples a second`);
    }
    // Chunks are padded to even lengths.
    at += 8 + size + (size % 2);
  }
  return bytes.length > longestHeader ? bad('a header without end') : { kind: 'more' };
}

const bad = (reason: string): WavHeader => ({ kind: 'bad', reason });

/** A whole WAV file. */
export function writeWav({ rate, samples }: Sound): Buffer {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}
