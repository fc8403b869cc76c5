import { Buffer } from 'node:buffer';
import { LaresError } from '#kernel/errors.ts';

const initialKey = 171;
// The largest real reply, a month of daily statistics of a strip, stays below 8 KiB.
const mostBytes = 262_144;

/** Autokey XOR of port 9999: each byte is XORed with the previous byte of the ciphertext, the first with 171. */
export function xorEncode(plain: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(plain.length);
  let key = initialKey;
  for (let i = 0; i < plain.length; i += 1) {
    key ^= plain[i]!;
    out[i] = key;
  }
  return out;
}

export function xorDecode(cipher: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(cipher.length);
  let key = initialKey;
  for (let i = 0; i < cipher.length; i += 1) {
    const byte = cipher[i]!;
    out[i] = key ^ byte;
    key = byte;
  }
  return out;
}

/** A message as it goes over TCP: its length, 32 bit big-endian, and the XORed text. Over UDP the length is left out. */
export function xorFrame(text: string): Buffer {
  const body = xorEncode(Buffer.from(text, 'utf8'));
  const frame = Buffer.allocUnsafe(4 + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, 4);
  return frame;
}

/** Puts the messages of a TCP stream together, however its segments are cut. */
export class FrameReader {
  readonly #from: string;
  #held: Buffer | undefined;
  #owned = false;

  /** `from` names the peer in errors. */
  constructor(from: string) {
    this.#from = from;
  }

  /** True while bytes wait that belong to no message yet. */
  get pending(): boolean {
    return this.#held !== undefined;
  }

  /** Adds a segment. Its memory may be used for other things after the `take` that returned undefined. */
  push(segment: Buffer): void {
    this.#owned = this.#held !== undefined;
    this.#held = this.#held === undefined ? segment : Buffer.concat([this.#held, segment]);
  }

  /** The next whole message in plain text; undefined until it is complete. Throws BAD_REPLY for a length that no device sends. */
  take(): string | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    const length = held.length < 4 ? Number.POSITIVE_INFINITY : held.readUInt32BE(0);
    if (length > mostBytes && held.length >= 4)
      throw new LaresError(
        'BAD_REPLY',
        `${this.#from} announces ${length} bytes, more than any device sends; is it a Kasa device?`,
      );
    if (held.length < 4 + length) {
      if (!this.#owned) this.#held = Buffer.from(held);
      this.#owned = true;
      return undefined;
    }
    this.#held = held.length === 4 + length ? undefined : held.subarray(4 + length);
    return xorDecode(held.subarray(4, 4 + length)).toString('utf8');
  }

  clear(): void {
    this.#held = undefined;
  }
}
