/**
 * Samples and minutes of one hour of one series as bytes. Home values are decimals, so a column of them is a column
 * of integers over a power of ten; integers are stored as differences, small ones in one byte. Exact: every double
 * comes back bit for bit, in the worst case as itself.
 *
 *     samples = version, count, column of instants (second differences), values
 *     minutes = version, count, minutes of the hour (second differences), counts, sums, has-extremes, [minima, maxima]
 *     values  = scale k, column of value × 10^k (first differences)  |  255, doubles  |  254, doubles with repeats
 *     column  = 0, zigzag varints  |  1, zigzag varints where a zero is followed by how many more zeros come
 */
export interface Samples {
  /** Epoch ms, ascending, no two equal. */
  readonly at: Float64Array;
  readonly value: Float64Array;
}

/** All samples of one minute. */
export interface Minute {
  /** Epoch ms of its start. */
  readonly at: number;
  readonly n: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

export const minuteMs = 60_000;

const version = 1;
const largestScale = 9;
const rawDoubles = 255;
const repeatedDoubles = 254;
const tens = Array.from({ length: largestScale + 1 }, (_, k) => 10 ** k);
// Second differences of such integers, doubled by zigzag, still are exact doubles.
const largestInt = 2 ** 50;
// More than one sample per millisecond of an hour cannot be; protects against a damaged count.
const largestCount = 3_600_000;

export function encodeSamples(start: number, at: ArrayLike<number>, value: ArrayLike<number>): Uint8Array {
  const out = new Writer();
  out.byte(version);
  out.varint(at.length);
  out.ints(
    Float64Array.from(at, (t) => t - start),
    2,
  );
  writeValues(out, value);
  return out.bytes();
}

/** Throws RangeError when the bytes are no samples. */
export function decodeSamples(start: number, bytes: Uint8Array): Samples {
  const from = new Reader(bytes);
  const count = from.header();
  const at = from.ints(count, 2);
  for (let i = 0; i < count; i += 1) at[i]! += start;
  return { at, value: readValues(from, count) };
}

/** `extremes`: whether each minute keeps its own minimum and maximum; without, its mean stands for both. */
export function encodeMinutes(start: number, minutes: readonly Minute[], extremes: boolean): Uint8Array {
  const out = new Writer();
  out.byte(version);
  out.varint(minutes.length);
  out.ints(
    Float64Array.from(minutes, (m) => (m.at - start) / minuteMs),
    2,
  );
  out.ints(
    Float64Array.from(minutes, (m) => m.n),
    1,
  );
  writeValues(out, snapped(minutes.map((m) => m.sum)));
  out.byte(extremes ? 1 : 0);
  if (extremes) {
    writeValues(
      out,
      minutes.map((m) => m.min),
    );
    writeValues(
      out,
      minutes.map((m) => m.max),
    );
  }
  return out.bytes();
}

/** Throws RangeError when the bytes are no minutes. */
export function decodeMinutes(start: number, bytes: Uint8Array): Minute[] {
  const from = new Reader(bytes);
  const count = from.header();
  const index = from.ints(count, 2);
  const n = from.ints(count, 1);
  const sum = readValues(from, count);
  const extremes = from.byte() === 1;
  const min = extremes ? readValues(from, count) : sum.map((s, i) => s / n[i]!);
  const max = extremes ? readValues(from, count) : min;
  return Array.from(index, (minute, i) => ({
    at: start + minute * minuteMs,
    n: n[i]!,
    sum: sum[i]!,
    min: min[i]!,
    max: max[i]!,
  }));
}

/** Sums of decimals miss their decimal by a few units in the last place; put them back on it. */
function snapped(sums: number[]): number[] {
  for (let k = 0; k <= largestScale; k += 1) {
    const near = sums.map((sum) => Math.round(sum * tens[k]!) / tens[k]!);
    if (near.every((value, i) => Math.abs(value - sums[i]!) <= Math.abs(value) * 2 ** -46)) return near;
  }
  return sums;
}

/** The integers of the smallest decimal scale at which every value is the same double; undefined when there is none. */
function scaled(value: ArrayLike<number>): { scale: number; ints: Float64Array } | undefined {
  const ints = new Float64Array(value.length);
  let scale = 0;
  for (let i = 0; i < value.length; i += 1) {
    const v = value[i]!;
    let int = Math.round(v * tens[scale]!);
    while (int / tens[scale]! !== v || Object.is(int, -0)) {
      scale += 1;
      if (scale > largestScale || Object.is(v, -0)) return undefined;
      // A finer scale for one value makes all before it finer too.
      for (let j = 0; j < i; j += 1) ints[j] = Math.round(value[j]! * tens[scale]!);
      int = Math.round(v * tens[scale]!);
    }
    ints[i] = int;
  }
  const exact = ints.every((int, i) => Math.abs(int) <= largestInt && int / tens[scale]! === value[i]);
  return exact ? { scale, ints } : undefined;
}

function writeValues(out: Writer, value: ArrayLike<number>): void {
  const decimals = scaled(value);
  if (decimals !== undefined) {
    out.byte(decimals.scale);
    out.ints(decimals.ints, 1);
    return;
  }
  const runs: { value: number; n: number }[] = [];
  for (let i = 0; i < value.length; i += 1) {
    const last = runs.at(-1);
    if (last !== undefined && Object.is(last.value, value[i])) last.n += 1;
    else runs.push({ value: value[i]!, n: 1 });
  }
  const repeated = runs.length * 9 < value.length * 8;
  out.byte(repeated ? repeatedDoubles : rawDoubles);
  for (const run of runs) {
    if (repeated) out.varint(run.n);
    for (let i = repeated ? 1 : run.n; i > 0; i -= 1) out.double(run.value);
  }
}

function readValues(from: Reader, count: number): Float64Array {
  const scale = from.byte();
  if (scale <= largestScale) {
    const value = from.ints(count, 1);
    const ten = tens[scale]!;
    for (let i = 0; i < count; i += 1) value[i]! /= ten;
    return value;
  }
  if (scale !== rawDoubles && scale !== repeatedDoubles) throw new RangeError('damaged chunk');
  const value = new Float64Array(count);
  for (let i = 0; i < count;) {
    const end = i + (scale === repeatedDoubles ? from.varint() : 1);
    if (end > count || end === i) throw new RangeError('damaged chunk');
    value.fill(from.double(), i, end);
    i = end;
  }
  return value;
}

class Writer {
  #buffer = new Uint8Array(256);
  #length = 0;

  byte(value: number): void {
    if (this.#length === this.#buffer.length) this.#grow();
    this.#buffer[this.#length] = value;
    this.#length += 1;
  }

  /** Seven bits a byte, lowest first; up to 2^53. */
  varint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  double(value: number): void {
    while (this.#length + 8 > this.#buffer.length) this.#grow();
    new DataView(this.#buffer.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  ints(values: Float64Array, order: 1 | 2): void {
    let signals = zigzag(differences(values));
    if (order === 2) signals = zigzag(differences(differences(values)));
    const mark = this.#length;
    this.byte(1);
    for (let i = 0; i < signals.length; i += 1) {
      this.varint(signals[i]!);
      if (signals[i] !== 0) continue;
      let more = 0;
      while (signals[i + 1] === 0) {
        more += 1;
        i += 1;
      }
      this.varint(more);
    }
    const withRuns = this.#length - mark;
    const plain = 1 + signals.reduce((n, signal) => n + varintLength(signal), 0);
    if (withRuns <= plain) return;
    this.#length = mark;
    this.byte(0);
    for (const signal of signals) this.varint(signal);
  }

  bytes(): Uint8Array {
    return this.#buffer.slice(0, this.#length);
  }

  #grow(): void {
    const larger = new Uint8Array(this.#buffer.length * 2);
    larger.set(this.#buffer);
    this.#buffer = larger;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  header(): number {
    const count = this.byte() === version ? this.varint() : Infinity;
    if (count > largestCount) throw new RangeError('damaged chunk');
    return count;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new RangeError('damaged chunk');
    this.#at += 1;
    return byte;
  }

  varint(): number {
    let value = 0;
    let unit = 1;
    for (let i = 0; i < 8; i += 1) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
      unit *= 0x80;
    }
    throw new RangeError('damaged chunk');
  }

  double(): number {
    if (this.#at + 8 > this.#bytes.length) throw new RangeError('damaged chunk');
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, 8);
    this.#at += 8;
    return view.getFloat64(0, true);
  }

  ints(count: number, order: 1 | 2): Float64Array {
    const runs = this.byte() === 1;
    const values = new Float64Array(count);
    let zeros = 0;
    let step = 0;
    let value = 0;
    for (let i = 0; i < count; i += 1) {
      let difference = 0;
      if (zeros > 0) zeros -= 1;
      else {
        const signal = this.varint();
        if (signal === 0 && runs) zeros = this.varint();
        difference = signal % 2 === 0 ? signal / 2 : -(signal + 1) / 2;
      }
      if (order === 2) {
        step += difference;
        value += step;
      } else value += difference;
      values[i] = value;
    }
    return values;
  }
}

const differences = (values: Float64Array) => values.map((v, i) => (i === 0 ? v : v - values[i - 1]!));
const zigzag = (values: Float64Array) => values.map((v) => (v < 0 ? -2 * v - 1 : 2 * v));

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}
