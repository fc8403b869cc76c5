/** What a sequence parameter set says that a file or a browser must know. */
export interface SpsInfo {
  readonly width: number;
  readonly height: number;
  /** What a browser calls the codec (RFC 6381): `avc1.64001f`, `hvc1.1.6.L93.90`. */
  readonly mime: string;
  /** 0 grey, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chroma: number;
  readonly depthLuma: number;
  readonly depthChroma: number;
}

/** Reads bits, most significant first, past the bytes that keep start codes out (H.264 7.4.1). */
class Bits {
  readonly #bytes: readonly number[];
  #at = 0;

  constructor(unit: Uint8Array, skip: number) {
    const bytes: number[] = [];
    for (let i = skip, zeros = 0; i < unit.length; i += 1) {
      const byte = unit[i]!;
      if (zeros >= 2 && byte === 3) {
        zeros = 0;
        continue;
      }
      zeros = byte === 0 ? zeros + 1 : 0;
      bytes.push(byte);
    }
    this.#bytes = bytes;
  }

  read(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i += 1) {
      const byte = this.#bytes[this.#at >> 3];
      if (byte === undefined) throw new RangeError('the parameter set ends too early');
      value = value * 2 + ((byte >> (7 - (this.#at & 7))) & 1);
      this.#at += 1;
    }
    return value;
  }

  skip(count: number): void {
    this.#at += count;
  }

  /** Exponential Golomb code (H.264 9.1). */
  golomb(): number {
    let zeros = 0;
    while (this.read(1) === 0) {
      zeros += 1;
      if (zeros > 31) throw new RangeError('a number of the parameter set is too long');
    }
    return 2 ** zeros - 1 + this.read(zeros);
  }

  signedGolomb(): number {
    const value = this.golomb();
    return value % 2 === 1 ? (value + 1) / 2 : -value / 2;
  }
}

const hex = (byte: number) => byte.toString(16).padStart(2, '0');
/** Profiles whose parameter set tells of chroma and scaling (H.264 7.3.2.1.1). */
const rich = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
/** Pixels of luma per sample of chroma, across and down, by chroma format. */
const across = [1, 2, 2, 1];
const down = [1, 2, 1, 1];

/** Undefined when the bytes are no such set. */
export function readSps(codec: 'h264' | 'hevc', unit: Uint8Array): SpsInfo | undefined {
  try {
    const info = codec === 'h264' ? readAvc(unit) : readHevc(unit);
    return info.width > 0 && info.height > 0 && info.width <= 16_384 && info.height <= 16_384
      ? info
      : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readAvc(unit: Uint8Array): SpsInfo {
  const [profile, flags, level] = [unit[1] ?? 0, unit[2] ?? 0, unit[3] ?? 0];
  const bits = new Bits(unit, 4);
  bits.golomb();
  let chroma = 1;
  let depthLuma = 8;
  let depthChroma = 8;
  if (rich.has(profile)) {
    chroma = bits.golomb();
    if (chroma === 3) bits.skip(1);
    depthLuma = 8 + bits.golomb();
    depthChroma = 8 + bits.golomb();
    bits.skip(1);
    if (bits.read(1) === 1)
      for (let i = 0; i < (chroma === 3 ? 12 : 8); i += 1) skipScaling(bits, i < 6 ? 16 : 64);
  }
  bits.golomb();
  skipOrder(bits);
  bits.golomb();
  bits.skip(1);
  const columns = bits.golomb() + 1;
  const rows = bits.golomb() + 1;
  const frames = bits.read(1);
  if (frames === 0) bits.skip(1);
  bits.skip(1);
  const crop =
    bits.read(1) === 1 ? [bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()] : [0, 0, 0, 0];
  const [left = 0, right = 0, top = 0, bottom = 0] = crop;
  return {
    width: columns * 16 - (left + right) * (across[chroma] ?? 1),
    height: rows * 16 * (2 - frames) - (top + bottom) * (down[chroma] ?? 1) * (2 - frames),
    mime: `avc1.${hex(profile)}${hex(flags)}${hex(level)}`,
    chroma,
    depthLuma,
    depthChroma,
  };
}

function skipScaling(bits: Bits, size: number): void {
  if (bits.read(1) === 0) return;
  for (let i = 0, last = 8, next = 8; i < size; i += 1) {
    if (next !== 0) next = (last + bits.signedGolomb() + 256) % 256;
    if (next !== 0) last = next;
  }
}

/** Picture order count (H.264 7.3.2.1.1). */
function skipOrder(bits: Bits): void {
  const type = bits.golomb();
  if (type === 0) bits.golomb();
  if (type !== 1) return;
  bits.skip(1);
  bits.signedGolomb();
  bits.signedGolomb();
  const cycle = bits.golomb();
  if (cycle > 255) throw new RangeError('the parameter set is not possible');
  for (let i = 0; i < cycle; i += 1) bits.signedGolomb();
}

/** H.265 7.3.2.2 and 7.3.3; the name by ISO 14496-15 annex E. */
function readHevc(unit: Uint8Array): SpsInfo {
  const bits = new Bits(unit, 2);
  bits.skip(4);
  const layers = bits.read(3);
  bits.skip(1);
  const space = bits.read(2);
  const tier = bits.read(1);
  const profile = bits.read(5);
  let compatible = 0;
  // Written backwards: the flag of profile 0 is the lowest bit of the name.
  for (let i = 0; i < 32; i += 1) compatible += bits.read(1) * 2 ** i;
  const constraints = Array.from({ length: 6 }, () => bits.read(8));
  const level = bits.read(8);
  skipLayers(bits, layers);
  bits.golomb();
  const chroma = bits.golomb();
  if (chroma === 3) bits.skip(1);
  const width = bits.golomb();
  const height = bits.golomb();
  const crop =
    bits.read(1) === 1 ? [bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()] : [0, 0, 0, 0];
  const [left = 0, right = 0, top = 0, bottom = 0] = crop;
  while (constraints.length > 0 && constraints.at(-1) === 0) constraints.pop();
  const parts = [
    `${['', 'A', 'B', 'C'][space]}${profile}`,
    compatible.toString(16),
    `${tier === 1 ? 'H' : 'L'}${level}`,
    ...constraints.map((byte) => byte.toString(16)),
  ];
  return {
    width: width - (left + right) * (across[chroma] ?? 1),
    height: height - (top + bottom) * (down[chroma] ?? 1),
    mime: `hvc1.${parts.join('.')}`,
    chroma,
    depthLuma: 8 + bits.golomb(),
    depthChroma: 8 + bits.golomb(),
  };
}

function skipLayers(bits: Bits, layers: number): void {
  const present = Array.from({ length: layers }, () => [bits.read(1), bits.read(1)]);
  if (layers > 0) bits.skip((8 - layers) * 2);
  for (const [profile, level] of present) bits.skip((profile === 1 ? 88 : 0) + (level === 1 ? 8 : 0));
}
