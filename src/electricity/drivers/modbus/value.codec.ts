import { Buffer } from 'node:buffer';

/** How many 16-bit registers each type takes. */
export const types = { int16: 1, uint16: 1, int32: 2, uint32: 2, float32: 2, int64: 4, uint64: 4 } as const;
export type ValueType = keyof typeof types;

/**
 * Where the bytes of a 32-bit value ABCD lie: `CDAB` has the low word first, `BADC` swaps the bytes of each word, `DCBA` both.
 * 16-bit and 64-bit values follow the same two rules.
 */
export const orders = ['ABCD', 'CDAB', 'BADC', 'DCBA'] as const;
export type Order = (typeof orders)[number];

/** To the order in which a number is written, high byte first; it is its own inverse. */
function arrange(bytes: Buffer, order: Order): Buffer {
  if (order === 'ABCD') return bytes;
  const out = Buffer.from(bytes);
  if (order === 'BADC' || order === 'DCBA') out.swap16();
  if (order === 'BADC' || out.length === 2) return out;
  const words = out.length / 2;
  const turned = Buffer.allocUnsafe(out.length);
  for (let word = 0; word < words; word += 1)
    out.copy(turned, (words - 1 - word) * 2, word * 2, word * 2 + 2);
  return turned;
}

const readers: Readonly<Record<ValueType, (bytes: Buffer) => number>> = {
  int16: (b) => b.readInt16BE(),
  uint16: (b) => b.readUInt16BE(),
  int32: (b) => b.readInt32BE(),
  uint32: (b) => b.readUInt32BE(),
  float32: (b) => shortest(b.readFloatBE()),
  int64: (b) => Number(b.readBigInt64BE()),
  uint64: (b) => Number(b.readBigUInt64BE()),
};

const writers: Readonly<Record<ValueType, (value: number, bytes: Buffer) => unknown>> = {
  int16: (v, b) => b.writeInt16BE(v),
  uint16: (v, b) => b.writeUInt16BE(v),
  int32: (v, b) => b.writeInt32BE(v),
  uint32: (v, b) => b.writeUInt32BE(v),
  float32: (v, b) => b.writeFloatBE(v),
  int64: (v, b) => b.writeBigInt64BE(BigInt(v)),
  uint64: (v, b) => b.writeBigUInt64BE(BigInt(v)),
};

/** The fewest digits that mean the same 32-bit float: 230.2, not 230.1999969482422. */
function shortest(value: number): number {
  if (!Number.isFinite(value)) return value;
  for (let digits = 6; digits < 9; digits += 1) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}

/** The number in these registers. NaN and the infinities are what a meter sends for "not measured". */
export function decodeValue(type: ValueType, order: Order, bytes: Buffer): number {
  return readers[type](arrange(bytes, order));
}

/** The registers that hold this number. Throws RangeError when it does not fit. */
export function encodeValue(type: ValueType, order: Order, value: number): Buffer {
  const bytes = Buffer.alloc(types[type] * 2);
  writers[type](value, bytes);
  return arrange(bytes, order);
}
