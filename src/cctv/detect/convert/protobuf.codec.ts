import { Buffer } from 'node:buffer';

/** Protocol Buffers as far as ONNX needs them (https://protobuf.dev/programming-guides/encoding). */

const bytesWire = 2;
const floatWire = 5;

function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** One message. Fields come out in the order in which they were put in. */
export class ProtoWriter {
  readonly #parts: Uint8Array[] = [];

  integer(field: number, value: number | bigint): this {
    this.#parts.push(varint(field << 3), varint(value));
    return this;
  }

  float(field: number, value: number): this {
    const data = Buffer.alloc(4);
    data.writeFloatLE(value);
    this.#parts.push(varint((field << 3) | floatWire), data);
    return this;
  }

  bytes(field: number, value: Uint8Array | string | ProtoWriter): this {
    const data =
      value instanceof ProtoWriter ? value.done() : typeof value === 'string' ? Buffer.from(value) : value;
    this.#parts.push(varint((field << 3) | bytesWire), varint(data.length), data);
    return this;
  }

  done(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}

/** One field of a message: a number for varints and fixed widths, bytes for everything with a length. */
export interface ProtoField {
  readonly field: number;
  readonly number?: bigint;
  readonly bytes?: Uint8Array;
}

const fixedWidths: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** The fields of a message, without copying. Throws RangeError where the bytes are no message. */
export function* readFields(data: Uint8Array): Generator<ProtoField> {
  let at = 0;
  const number = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = data[at];
      if (byte === undefined) throw new RangeError('a number is cut off');
      at += 1;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new RangeError('a number is too long');
  };
  const take = (length: number): Uint8Array => {
    if (length > data.length - at) throw new RangeError('a field is cut off');
    at += length;
    return data.subarray(at - length, at);
  };
  while (at < data.length) {
    const key = Number(number());
    const field = Math.floor(key / 8);
    const wire = key % 8;
    const width = fixedWidths[wire];
    if (wire === 0) yield { field, number: number() };
    else if (wire === bytesWire) yield { field, bytes: take(Number(number())) };
    else if (width !== undefined) yield { field, bytes: take(width) };
    else throw new RangeError(`wire type ${wire} is not known`);
  }
}
