import { Buffer } from 'node:buffer';
import { LaresError } from '#kernel/errors.ts';

/** Reads a tar archive (POSIX ustar, GNU and pax names) from pieces, keeping only the files that are wanted. */

const block = 512;
const longestName = 4_096;

interface Entry {
  readonly name: string;
  readonly size: number;
  readonly type: string;
}

const field = (head: Buffer, from: number, to: number) => head.toString('utf8', from, to).split('\0')[0]!;

function parseHead(head: Buffer): Entry {
  const size = Number.parseInt(field(head, 124, 136).trim() || '0', 8);
  const stated = Number.parseInt(field(head, 148, 156).trim(), 8);
  // The sum of all bytes, those of the sum itself counted as spaces.
  let sum = 0;
  for (let i = 0; i < block; i += 1) sum += i >= 148 && i < 156 ? 32 : head[i]!;
  if (sum !== stated || !(size >= 0)) throw new LaresError('BAD_REPLY', 'this is no tar archive');
  const prefix = field(head, 345, 500);
  const name = field(head, 0, 100);
  const posix = field(head, 257, 262) === 'ustar';
  return {
    name: posix && prefix !== '' ? `${prefix}/${name}` : name,
    size,
    type: String.fromCharCode(head[156]!),
  };
}

/** `path` of a pax header: lines `length key=value`. */
function paxPath(text: string): string | undefined {
  return /(?:^|\n)\d+ path=([^\n]*)/.exec(text)?.[1];
}

/**
 * One pass over an archive. `wanted` says whether a file of that name and size is kept; `onFile` gets each kept one
 * whole. Throws BAD_REPLY where the bytes are no archive.
 */
export class TarReader {
  readonly #wanted: (name: string, size: number) => boolean;
  readonly #onFile: (name: string, data: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);
  #entry: Entry | undefined;
  #kept: Buffer | undefined;
  #read = 0;
  #longName: string | undefined;

  constructor(wanted: (name: string, size: number) => boolean, onFile: (name: string, data: Buffer) => void) {
    this.#wanted = wanted;
    this.#onFile = onFile;
  }

  push(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      if (this.#entry === undefined) {
        if (data.length < block) break;
        this.#begin(data.subarray(0, block));
        data = data.subarray(block);
        continue;
      }
      const padded = Math.ceil(this.#entry.size / block) * block;
      const part = data.subarray(0, padded - this.#read);
      if (this.#kept !== undefined && this.#read < this.#kept.length) part.copy(this.#kept, this.#read);
      this.#read += part.length;
      data = data.subarray(part.length);
      if (this.#read < padded) break;
      this.#end(this.#entry);
    }
    this.#rest = data;
  }

  #begin(head: Buffer): void {
    // Blocks of zeros end the archive; more may follow them.
    if (head.every((byte) => byte === 0)) return;
    const entry = parseHead(head);
    const isName = ['L', 'x'].includes(entry.type);
    if (isName && entry.size > longestName)
      throw new LaresError('BAD_REPLY', 'a name in the archive is too long');
    const name = this.#longName ?? entry.name;
    this.#entry = isName ? entry : { ...entry, name };
    this.#read = 0;
    const isFile = ['0', '\0'].includes(entry.type);
    this.#kept = isName || (isFile && this.#wanted(name, entry.size)) ? Buffer.alloc(entry.size) : undefined;
    if (!isName) this.#longName = undefined;
  }

  #end(entry: Entry): void {
    const kept = this.#kept;
    this.#entry = undefined;
    this.#kept = undefined;
    if (kept === undefined) return;
    if (entry.type === 'L') this.#longName = field(kept, 0, kept.length);
    else if (entry.type === 'x') this.#longName = paxPath(kept.toString('utf8'));
    else this.#onFile(entry.name, kept);
  }
}
