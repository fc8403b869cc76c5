import type { Track } from './boxes.codec.ts';

/** A picture of a file, times in ticks, `offset` in bytes from the beginning of the file. */
export interface Indexed {
  readonly offset: number;
  readonly size: number;
  readonly time: number;
  readonly duration: number;
  readonly shift: number;
  readonly key: boolean;
}

interface Found {
  readonly name: string;
  /** Of the content. */
  readonly from: number;
  readonly to: number;
}

/** The length of a box and where its content begins, from its first 16 bytes; undefined when it is none. */
export function boxHead(bytes: Buffer): { name: string; length: number; head: number } | undefined {
  if (bytes.length < 8) return undefined;
  const short = bytes.readUInt32BE(0);
  const name = bytes.toString('latin1', 4, 8);
  const long = short === 1 && bytes.length >= 16 ? Number(bytes.readBigUInt64BE(8)) : 0;
  if (long >= 16) return { name, length: long, head: 16 };
  return short >= 8 ? { name, length: short, head: 8 } : undefined;
}

function* boxes(bytes: Buffer, from: number, to: number): Generator<Found> {
  for (let at = from; at < to;) {
    const head = boxHead(bytes.subarray(at, Math.min(to, at + 16)));
    if (head === undefined || at + head.length > to) return;
    yield { name: head.name, from: at + head.head, to: at + head.length };
    at += head.length;
  }
}

function inside(bytes: Buffer, ...path: readonly string[]): Found | undefined {
  let found: Found = { name: '', from: 0, to: bytes.length };
  for (const name of path) {
    const next = boxes(bytes, found.from, found.to).find((box) => box.name === name);
    if (next === undefined) return undefined;
    found = next;
  }
  return found;
}

const codecs: Readonly<Record<string, Track['codec']>> = { avc1: 'h264', hvc1: 'hevc' };

/** What the `moov` of one of our recordings says of its pictures; undefined when it is not ours. */
export function readMovie(moov: Buffer): Track | undefined {
  const stsd = inside(moov, 'moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd');
  if (stsd === undefined) return undefined;
  const [entry] = boxes(moov, stsd.from + 8, stsd.to);
  if (entry === undefined || entry.to - entry.from < 78) return undefined;
  const codec = codecs[entry.name];
  if (codec === undefined) return undefined;
  return {
    codec,
    width: moov.readUInt16BE(entry.from + 24),
    height: moov.readUInt16BE(entry.from + 26),
    // Only browsers want it, and a file is not shown as a stream.
    mime: entry.name,
    entry: Uint8Array.from(moov.subarray(entry.from - 8, entry.to)),
  };
}

/** The pictures of one fragment of ours, whose `moof` begins at `offset` of the file. */
export function readFragment(moof: Buffer, offset: number): Indexed[] {
  const tfdt = inside(moof, 'moof', 'traf', 'tfdt');
  const trun = inside(moof, 'moof', 'traf', 'trun');
  if (tfdt === undefined || trun === undefined) return [];
  try {
    let time = Number(moof.readBigUInt64BE(tfdt.from + 4));
    const count = moof.readUInt32BE(trun.from + 4);
    let at = offset + moof.readInt32BE(trun.from + 8);
    const samples: Indexed[] = [];
    for (let i = 0, row = trun.from + 12; i < count; i += 1, row += 16) {
      const duration = moof.readUInt32BE(row);
      const size = moof.readUInt32BE(row + 4);
      const key = (moof.readUInt32BE(row + 8) & 0x10000) === 0;
      samples.push({ offset: at, size, time, duration, shift: moof.readInt32BE(row + 12), key });
      time += duration;
      at += size;
    }
    return samples;
  } catch (error) {
    // A number that lies outside the box: the file is cut off or not ours.
    if (error instanceof RangeError) return [];
    throw error;
  }
}
