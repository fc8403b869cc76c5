import { LaresError } from '#kernel/errors.ts';

// The largest frames seen hold about 1.4 KB; what claims to be much longer is no frame.
const longestBody = 16_384;
const mostGarbage = 65_536;
const prefix55 = 0x000055aa;
const prefix66 = 0x00006699;

/** Bytes from the start of a frame to the end of its length field, and what follows the counted bytes. */
const shapes = { 55: { head: 16, lengthAt: 12, tail: 0 }, 66: { head: 18, lengthAt: 14, tail: 4 } } as const;

/**
 * Cuts a TCP stream into frames, however it was split or merged, and skips bytes in front of a frame.
 * Throws BAD_REPLY for a frame of impossible length and for a stream that is nothing but garbage.
 */
export class FrameStream {
  #rest: Buffer | undefined;
  #skipped = 0;

  /** The frames that are complete with `chunk`, whole and unchecked. They may share memory with it. */
  push(chunk: Buffer): Buffer[] {
    let buffer = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    const frames: Buffer[] = [];
    for (;;) {
      const start = frameStart(buffer);
      this.#skip(start);
      if (start > 0) buffer = buffer.subarray(start);
      const length = frameLength(buffer);
      if (length === undefined || buffer.length < length) break;
      frames.push(buffer.subarray(0, length));
      this.#skipped = 0;
      if (buffer.length === length) return frames;
      buffer = buffer.subarray(length);
    }
    if (buffer.length > 0) this.#rest = buffer;
    return frames;
  }

  #skip(bytes: number): void {
    this.#skipped += bytes;
    if (this.#skipped > mostGarbage)
      throw new LaresError('BAD_REPLY', `${this.#skipped} bytes without a Tuya frame; is it a Tuya device?`);
  }
}

/** Where the first frame begins; where none does, how many bytes can surely be dropped. */
function frameStart(buffer: Buffer): number {
  // Nearly always a frame begins at once.
  if (buffer.length >= 4 && isPrefix(buffer.readUInt32BE(0))) return 0;
  for (let at = buffer.indexOf(0); at !== -1; at = buffer.indexOf(0, at + 1)) {
    if (buffer.length - at < 4) {
      if (couldBegin(buffer, at)) return at;
    } else if (isPrefix(buffer.readUInt32BE(at))) return at;
  }
  return buffer.length;
}

const isPrefix = (word: number) => word === prefix55 || word === prefix66;

/** The last one to three bytes may be the beginning of a prefix whose end has not come yet. */
function couldBegin(buffer: Buffer, at: number): boolean {
  const left = buffer.length - at;
  return [prefix55, prefix66].some((prefix) =>
    Array.from({ length: left }, (_, i) => (prefix >>> (24 - 8 * i)) & 0xff).every(
      (byte, i) => buffer[at + i] === byte,
    ),
  );
}

/** Bytes of the whole frame at the start of the buffer; undefined while its head is not complete. */
function frameLength(buffer: Buffer): number | undefined {
  if (buffer.length < 4) return undefined;
  const { head, lengthAt, tail } = buffer.readUInt32BE(0) === prefix66 ? shapes[66] : shapes[55];
  if (buffer.length < head) return undefined;
  const counted = buffer.readUInt32BE(lengthAt);
  if (counted > longestBody || counted < 8)
    throw new LaresError(
      'BAD_REPLY',
      `a Tuya frame of ${counted} bytes cannot be; the connection is dropped`,
    );
  return head + counted + tail;
}
