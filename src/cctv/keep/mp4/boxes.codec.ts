import type { ParameterSets, VideoCodec } from './nal.codec.ts';
import type { SpsInfo } from './sps.codec.ts';

/** Ticks a second of all our files: that of RTP video, so that no time is rounded. */
export const ticks = 90_000;

/** One kind of picture: what a decoder must know before the first one. */
export interface Track {
  readonly codec: VideoCodec;
  readonly width: number;
  readonly height: number;
  /** RFC 6381. */
  readonly mime: string;
  /** The sample entry: `avc1` with `avcC`, or `hvc1` with `hvcC`. */
  readonly entry: Uint8Array;
}

/** One picture, times in ticks. */
export interface Sample {
  /** Units preceded by four bytes of length. */
  readonly bytes: Uint8Array;
  readonly key: boolean;
  readonly time: number;
  readonly duration: number;
  /** Of the instant of display after that of decoding; not 0 only with B-frames. */
  readonly shift: number;
}

type Part = Uint8Array | readonly number[];

const u8 = (...values: number[]): Part => values;
const u16 = (...values: number[]): Part => values.flatMap((v) => [(v >> 8) & 255, v & 255]);
const u32 = (...values: number[]): Part =>
  values.flatMap((v) => [(v >>> 24) & 255, (v >>> 16) & 255, (v >>> 8) & 255, v & 255]);
const u64 = (value: number): Part => [
  ...(u32(Math.floor(value / 2 ** 32)) as number[]),
  ...(u32(value % 2 ** 32) as number[]),
];
const zeros = (n: number): Part => Array.from({ length: n }, () => 0);

/** A box (ISO 14496-12, 4.2): length, name, content. */
function box(name: string, ...parts: Part[]): Buffer {
  const length = parts.reduce((n, part) => n + part.length, 8);
  const out = Buffer.allocUnsafe(length);
  out.writeUInt32BE(length, 0);
  out.write(name, 4, 'latin1');
  let at = 8;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const full = (name: string, version: number, flags: number, ...parts: Part[]): Buffer =>
  box(name, [version, (flags >> 16) & 255, (flags >> 8) & 255, flags & 255], ...parts);

const matrix = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);
const sized = (units: readonly Uint8Array[]): Part[] => units.flatMap((unit) => [u16(unit.length), unit]);

/** AVCDecoderConfigurationRecord, ISO 14496-15, 5.3.3.1. */
function avcC({ sps, pps }: ParameterSets, info: SpsInfo): Buffer {
  const [first] = sps;
  const [, profile = 0, flags = 0, level = 0] = first ?? [];
  const high = [100, 110, 122, 244].includes(profile)
    ? [u8(0xfc | info.chroma, 0xf8 | (info.depthLuma - 8), 0xf8 | (info.depthChroma - 8), 0)]
    : [];
  return box(
    'avcC',
    u8(1, profile, flags, level, 0xff, 0xe0 | sps.length),
    ...sized(sps),
    u8(pps.length),
    ...sized(pps),
    ...high,
  );
}

/** HEVCDecoderConfigurationRecord, ISO 14496-15, 8.3.3.1. The profile stands in the set as it must stand here. */
function hvcC({ vps, sps, pps }: ParameterSets, info: SpsInfo): Buffer {
  const profile = withoutGuards(sps[0] ?? new Uint8Array()).subarray(3, 15);
  const arrays: [number, readonly Uint8Array[]][] = [
    [32, vps],
    [33, sps],
    [34, pps],
  ];
  return box(
    'hvcC',
    u8(1),
    profile,
    u8(0xf0, 0, 0xfc, 0xfc | info.chroma, 0xf8 | (info.depthLuma - 8), 0xf8 | (info.depthChroma - 8)),
    u8(0, 0, 0x0f, arrays.length),
    ...arrays.flatMap(([type, units]) => [u8(0x80 | type), u16(units.length), ...sized(units)]),
  );
}

function withoutGuards(unit: Uint8Array): Uint8Array {
  return unit.filter((byte, i) => !(byte === 3 && i >= 2 && unit[i - 1] === 0 && unit[i - 2] === 0));
}

/** The sample entry of a stream. */
export function sampleEntry(codec: VideoCodec, sets: ParameterSets, info: SpsInfo): Buffer {
  return box(
    codec === 'h264' ? 'avc1' : 'hvc1',
    zeros(6),
    u16(1),
    zeros(16),
    u16(info.width, info.height),
    u32(0x480000, 0x480000, 0),
    u16(1),
    zeros(32),
    u16(0x18, 0xffff),
    codec === 'h264' ? avcC(sets, info) : hvcC(sets, info),
  );
}

interface MovieOptions {
  readonly tracks: readonly Track[];
  /** Ticks; 0 for a file that grows. */
  readonly duration: number;
  /** Epoch milliseconds of the first picture. */
  readonly at: number;
  /** The tables of samples: empty for a file of fragments. */
  readonly tables: readonly Uint8Array[];
  readonly fragmented: boolean;
}

// Seconds from 1904, in which MP4 counts, to 1970.
const epoch1904 = 2_082_844_800;

/** The `moov` box. Several tracks of pictures become one, with a sample entry each. */
function movie({ tracks, duration, at, tables, fragmented }: MovieOptions): Buffer {
  const made = Math.floor(at / 1000) + epoch1904;
  const [first] = tracks;
  const { width, height } = first!;
  const times = [...(u64(made) as number[]), ...(u64(made) as number[])];
  return box(
    'moov',
    full(
      'mvhd',
      1,
      0,
      times,
      u32(ticks),
      u64(duration),
      u32(0x10000),
      u16(0x100),
      zeros(10),
      matrix,
      zeros(24),
      u32(2),
    ),
    box(
      'trak',
      full('tkhd', 1, 3, times, u32(1, 0), u64(duration), zeros(16), matrix, u32(width << 16, height << 16)),
      box(
        'mdia',
        full('mdhd', 1, 0, times, u32(ticks), u64(duration), u16(0x55c4, 0)),
        full('hdlr', 0, 0, zeros(4), Buffer.from('vide'), zeros(12), Buffer.from('Lares\0')),
        box(
          'minf',
          full('vmhd', 0, 1, zeros(8)),
          box('dinf', full('dref', 0, 0, u32(1), full('url ', 0, 1))),
          box(
            'stbl',
            full('stsd', 0, 0, u32(tracks.length), ...tracks.map((track) => track.entry)),
            ...tables,
          ),
        ),
      ),
    ),
    ...(fragmented ? [box('mvex', full('trex', 0, 0, u32(1, 1, 0, 0, 0)))] : []),
  );
}

/** Tables of a file of fragments: what there is stands in the fragments. */
const noTables = [
  full('stts', 0, 0, u32(0)),
  full('stsc', 0, 0, u32(0)),
  full('stsz', 0, 0, u32(0, 0)),
  full('stco', 0, 0, u32(0)),
];

/** What a file of fragments, or a stream to a browser, begins with. `at`: epoch milliseconds of the first picture. */
export function initSegment(track: Track, at: number): Buffer {
  return Buffer.concat([
    box('ftyp', Buffer.from('iso5'), u32(512), Buffer.from('iso5iso6mp41')),
    movie({ tracks: [track], duration: 0, at, tables: noTables, fragmented: true }),
  ]);
}

/** Flags of a sample (ISO 14496-12, 8.8.3.1): depends on none and is a keyframe, or depends on others. */
const sampleFlags = (key: boolean) => (key ? 0x02000000 : 0x01010000);

/** One fragment: `moof` and `mdat`. `base` (ticks) is taken off all times. */
export function fragment(sequence: number, samples: readonly Sample[], base: number): Buffer {
  const run = samples.flatMap((sample) => [
    ...(u32(sample.duration, sample.bytes.length, sampleFlags(sample.key), sample.shift) as number[]),
  ]);
  // Known beforehand: the run must say how far behind it the pictures begin.
  const moofLength = 8 + 16 + (8 + 16 + 20 + (20 + run.length));
  const moof = box(
    'moof',
    full('mfhd', 0, 0, u32(sequence)),
    box(
      'traf',
      full('tfhd', 0, 0x020000, u32(1)),
      full('tfdt', 1, 0, u64(samples[0]!.time - base)),
      full('trun', 1, 0x000f01, u32(samples.length, moofLength + 8), run),
    ),
  );
  // Pictures are large: they are copied once.
  const content = samples.reduce((n, sample) => n + sample.bytes.length, 8);
  const out = Buffer.allocUnsafe(moof.length + content);
  out.set(moof);
  out.writeUInt32BE(content, moof.length);
  out.write('mdat', moof.length + 4, 'latin1');
  let at = moof.length + 8;
  for (const { bytes } of samples) {
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

/** Runs of equal values: `[value, value]` becomes `[[2, value]]`. */
function runs(values: readonly number[]): number[][] {
  const out: number[][] = [];
  for (const value of values) {
    const last = out.at(-1);
    if (last?.[1] === value) last[0]! += 1;
    else out.push([1, value]);
  }
  return out;
}

/** One sample of a whole file: `entry` is the index of its track. */
export interface Placed extends Omit<Sample, 'bytes' | 'time'> {
  readonly size: number;
  readonly entry: number;
}

/**
 * The head of a file whose pictures follow in one piece: `ftyp`, `moov` and the beginning of `mdat`. Plays everywhere
 * and from the first byte.
 */
export function fileHead(tracks: readonly Track[], samples: readonly Placed[], at: number): Buffer {
  const content = samples.reduce((n, sample) => n + sample.size, 0);
  const duration = samples.reduce((n, sample) => n + sample.duration, 0);
  const ftyp = box('ftyp', Buffer.from('isom'), u32(512), Buffer.from('isomiso2mp41'));
  const head = (offset: number) =>
    Buffer.concat([
      ftyp,
      movie({ tracks, duration, at, tables: tablesOf(samples, offset), fragmented: false }),
      Buffer.from([0, 0, 0, 1, ...Buffer.from('mdat'), ...(u64(content + 16) as number[])]),
    ]);
  // The length of the head does not depend on the offsets in it.
  return head(head(0).length);
}

function tablesOf(samples: readonly Placed[], offset: number): Buffer[] {
  // A chunk ends where the kind of picture changes.
  const chunks: { entry: number; count: number; offset: number }[] = [];
  let at = offset;
  for (const { entry, size } of samples) {
    const last = chunks.at(-1);
    if (last?.entry === entry) last.count += 1;
    else chunks.push({ entry, count: 1, offset: at });
    at += size;
  }
  const keys = samples.flatMap(({ key }, i) => (key ? [[i + 1]] : []));
  return [
    full('stts', 0, 0, table(runs(samples.map((sample) => sample.duration)))),
    full('ctts', 1, 0, table(runs(samples.map((sample) => sample.shift)))),
    full('stss', 0, 0, table(keys)),
    full('stsc', 0, 0, table(chunks.map(({ count, entry }, i) => [i + 1, count, entry + 1]))),
    full('stsz', 0, 0, u32(0), table(samples.map(({ size }) => [size]))),
    full('co64', 0, 0, table(chunks.map((chunk) => [Math.floor(chunk.offset / 2 ** 32), chunk.offset]))),
  ];
}

/** The number of rows, and their numbers of 32 bits. Hours of pictures are more than a call takes as arguments. */
function table(rows: readonly (readonly number[])[]): Buffer {
  const out = Buffer.allocUnsafe(4 + rows.reduce((n, row) => n + row.length * 4, 0));
  out.writeUInt32BE(rows.length);
  let at = 4;
  for (const row of rows) for (const value of row) at = out.writeInt32BE(value | 0, at);
  return out;
}
