/** Codecs whose packets can be kept and shown as they come. */
export type VideoCodec = 'h264' | 'hevc';

/** Parameter sets, without start codes. `vps` is empty for H.264. */
export interface ParameterSets {
  readonly vps: readonly Uint8Array[];
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
}

export const noSets: ParameterSets = { vps: [], sps: [], pps: [] };

/** Where the type of a NAL unit stands, and which types matter (H.264 table 7-1, H.265 table 7-1). */
const kinds = {
  h264: {
    type: (unit: Uint8Array) => unit[0]! & 0x1f,
    sets: { 7: 'sps', 8: 'pps' } as Readonly<Record<number, keyof ParameterSets>>,
    // Access unit delimiters and filling say nothing in MP4, where a sample is a whole picture.
    left: new Set([9, 12]),
  },
  hevc: {
    type: (unit: Uint8Array) => (unit[0]! >> 1) & 0x3f,
    sets: { 32: 'vps', 33: 'sps', 34: 'pps' } as Readonly<Record<number, keyof ParameterSets>>,
    left: new Set([35, 38]),
  },
} as const;

const startCode = Buffer.from([0, 0, 1]);
const view = (data: Uint8Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

/** The units of a byte stream with start codes (H.264 annex B). */
export function splitStartCodes(data: Uint8Array): Buffer[] {
  const buffer = view(data);
  const units: Buffer[] = [];
  let at = buffer.indexOf(startCode);
  while (at >= 0) {
    const begin = at + 3;
    at = buffer.indexOf(startCode, begin);
    let end = at < 0 ? buffer.length : at;
    // The zero before a start code of four bytes, and trailing zeros, belong to no unit.
    while (end > begin && buffer[end - 1] === 0) end -= 1;
    if (end > begin) units.push(buffer.subarray(begin, end));
  }
  return units;
}

/** The units of a sample in which each is preceded by its length in `size` bytes. Stops at damage. */
export function splitLengths(data: Uint8Array, size: number): Buffer[] {
  const buffer = view(data);
  const units: Buffer[] = [];
  for (let at = 0; at + size < buffer.length;) {
    const length = buffer.readUIntBE(at, size);
    at += size;
    if (length === 0) continue;
    if (at + length > buffer.length) break;
    units.push(buffer.subarray(at, at + length));
    at += length;
  }
  return units;
}

/** How the packets of a stream are divided: bytes of the length before each unit; 0 for start codes. */
export interface Framing {
  readonly lengthSize: 0 | 1 | 2 | 3 | 4;
  readonly sets: ParameterSets;
}

/** Reads what a stream announces about itself (`extradata`): start codes, `avcC` or `hvcC`. */
export function readFraming(codec: VideoCodec, extradata: Uint8Array | null | undefined): Framing {
  if (extradata === null || extradata === undefined || extradata[0] !== 1)
    return {
      lengthSize: 0,
      sets: collect(codec, extradata === null || extradata === undefined ? [] : splitStartCodes(extradata)),
    };
  const buffer = view(extradata);
  const at = codec === 'h264' ? 4 : 21;
  const lengthSize = (((buffer[at] ?? 3) & 3) + 1) as Framing['lengthSize'];
  return { lengthSize, sets: collect(codec, codec === 'h264' ? avcUnits(buffer) : hevcUnits(buffer)) };
}

/** The parameter sets among units. */
function collect(codec: VideoCodec, units: readonly Uint8Array[]): ParameterSets {
  const { type, sets } = kinds[codec];
  const found: Record<keyof ParameterSets, Uint8Array[]> = { vps: [], sps: [], pps: [] };
  for (const unit of units) {
    const kind = sets[type(unit)];
    // Bytes of a packet are freed with it.
    if (kind !== undefined) found[kind].push(Uint8Array.from(unit));
  }
  return found;
}

/** ISO 14496-15, 5.3.3.1. */
function avcUnits(buffer: Buffer): Buffer[] {
  const units: Buffer[] = [];
  let at = 5;
  for (const mask of [0x1f, 0xff]) {
    const count = (buffer[at] ?? 0) & mask;
    at += 1;
    for (let i = 0; i < count && at + 2 <= buffer.length; i += 1) {
      const length = buffer.readUInt16BE(at);
      if (length > 0) units.push(buffer.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return units;
}

/** ISO 14496-15, 8.3.3.1. */
function hevcUnits(buffer: Buffer): Buffer[] {
  const units: Buffer[] = [];
  let at = 23;
  for (let array = buffer[22] ?? 0; array > 0 && at + 3 <= buffer.length; array -= 1) {
    const count = buffer.readUInt16BE(at + 1);
    at += 3;
    for (let i = 0; i < count && at + 2 <= buffer.length; i += 1) {
      const length = buffer.readUInt16BE(at);
      if (length > 0) units.push(buffer.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return units;
}

/** A packet as MP4 wants it: units preceded by four bytes of length, and the parameter sets that it carried. */
export interface Repacked {
  readonly bytes: Uint8Array;
  readonly sets: ParameterSets | undefined;
}

/** Brings a packet into MP4's form. The bytes are a copy. Undefined when it holds no picture. */
export function repack(codec: VideoCodec, data: Uint8Array, lengthSize: number): Repacked | undefined {
  const { type, sets, left } = kinds[codec];
  const units = lengthSize === 0 ? splitStartCodes(data) : splitLengths(data, lengthSize);
  const carried = units.filter((unit) => sets[type(unit)] !== undefined);
  const kept = units.filter((unit) => sets[type(unit)] === undefined && !left.has(type(unit) as never));
  if (kept.length === 0) return undefined;
  const bytes = Buffer.allocUnsafe(kept.reduce((n, unit) => n + 4 + unit.length, 0));
  let at = 0;
  for (const unit of kept) {
    bytes.writeUInt32BE(unit.length, at);
    unit.copy(bytes, at + 4);
    at += 4 + unit.length;
  }
  return { bytes, sets: carried.length === 0 ? undefined : collect(codec, carried) };
}
