import { Buffer } from 'node:buffer';
import { LaresError } from '#kernel/errors.ts';

/**
 * How a request travels: `tcp` is Modbus TCP (MBAP header, "Messaging on TCP/IP Implementation Guide" V1.0b §3.1.3),
 * `rtu` is the serial frame with CRC ("Modbus over serial line" V1.02 §2.5.1), on a wire or inside a TCP stream.
 */
export type Framing = 'tcp' | 'rtu';

/** 3 reads holding registers, 4 reads input registers. */
export type ReadFunction = 3 | 4;

export interface ReadRequest {
  /** 0 to 255. */
  readonly unit: number;
  readonly fn: ReadFunction;
  /** As on the wire: register 30053 of a manual is 0x0034. */
  readonly start: number;
  /** 16-bit registers, 1 to 125. */
  readonly count: number;
}

/** One whole reply frame. */
export interface Reply {
  /** Only Modbus TCP has one. */
  readonly transaction: number | undefined;
  readonly unit: number;
  /** Without the exception bit. */
  readonly fn: number;
  readonly exception: number | undefined;
  /** The registers, two bytes each; empty with an exception. */
  readonly data: Buffer;
  /** Bytes of the frame. */
  readonly length: number;
}

/** The most registers that one request may ask for ("Modbus Application Protocol" V1.1b3 §6.3). */
export const mostRegisters = 125;
const errorBit = 0x80;
const mbapBytes = 7;
// Unit, function and exception code; unit and the longest protocol data unit of 253 bytes.
const shortestMbap = 3;
const longestMbap = 254;

const crcTable = Uint16Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  return crc;
});

/** CRC-16/MODBUS of the first `end` bytes. On the wire its low byte comes first. */
export function crc16(bytes: Uint8Array, end: number = bytes.length): number {
  let crc = 0xffff;
  for (let i = 0; i < end; i += 1) crc = (crc >>> 8) ^ (crcTable[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  return crc;
}

/** Whether the last two bytes are the CRC of the others. */
export function crcHolds(frame: Buffer): boolean {
  return frame.length >= 4 && crc16(frame, frame.length - 2) === frame.readUInt16LE(frame.length - 2);
}

/** A serial frame: what is said, and its CRC. */
export function rtuFrame(body: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(body.length + 2);
  body.copy(frame);
  frame.writeUInt16LE(crc16(body), body.length);
  return frame;
}

/** A Modbus TCP frame. `body` starts with the unit. */
export function tcpFrame(transaction: number, body: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(6 + body.length);
  frame.writeUInt16BE(transaction, 0);
  frame.writeUInt16BE(0, 2);
  frame.writeUInt16BE(body.length, 4);
  body.copy(frame, 6);
  return frame;
}

export function encodeRead(framing: Framing, transaction: number, request: ReadRequest): Buffer {
  const body = Buffer.allocUnsafe(6);
  body[0] = request.unit;
  body[1] = request.fn;
  body.writeUInt16BE(request.start, 2);
  body.writeUInt16BE(request.count, 4);
  return framing === 'tcp' ? tcpFrame(transaction, body) : rtuFrame(body);
}

/**
 * The first reply in `bytes`; undefined while it is not whole. Throws BAD_REPLY as soon as the bytes cannot be one, so that
 * garbage is never waited for: wrong protocol field, impossible length, a byte count that does not fit, a wrong CRC.
 */
export function decodeReply(framing: Framing, bytes: Buffer): Reply | undefined {
  return framing === 'tcp' ? decodeTcp(bytes) : decodeRtu(bytes);
}

function decodeTcp(bytes: Buffer): Reply | undefined {
  if (bytes.length >= 4 && bytes.readUInt16BE(2) !== 0)
    throw bad('this is no Modbus TCP (the protocol field is not 0); does the gateway speak RTU over TCP?');
  if (bytes.length < 6) return undefined;
  const rest = bytes.readUInt16BE(4);
  if (rest < shortestMbap || rest > longestMbap)
    throw bad(`a Modbus TCP frame cannot say that ${rest} bytes follow`);
  const length = 6 + rest;
  if (bytes.length < length) return undefined;
  const [transaction, unit, code] = [bytes.readUInt16BE(0), bytes.readUInt8(6), bytes.readUInt8(mbapBytes)];
  const base = { transaction, unit, fn: code & ~errorBit, length };
  if ((code & errorBit) !== 0) return { ...base, exception: bytes.readUInt8(8), data: Buffer.alloc(0) };
  const count = bytes.readUInt8(8);
  if (count !== rest - 3) throw bad(`the reply counts ${count} bytes and carries ${rest - 3}`);
  return { ...base, exception: undefined, data: bytes.subarray(9, length) };
}

function decodeRtu(bytes: Buffer): Reply | undefined {
  if (bytes.length < 2) return undefined;
  const [unit, code] = [bytes.readUInt8(0), bytes.readUInt8(1)];
  const fn = code & ~errorBit;
  if (fn !== 3 && fn !== 4) throw bad(`no RTU reply to a read begins with function ${code}`);
  if (bytes.length < 3) return undefined;
  const failed = (code & errorBit) !== 0;
  const length = failed ? 5 : 5 + bytes.readUInt8(2);
  if (bytes.length < length) return undefined;
  if (!crcHolds(bytes.subarray(0, length)))
    throw bad('the CRC of the reply is wrong; a bad line, or Modbus TCP?');
  const [exception, data] = failed
    ? [bytes.readUInt8(2), Buffer.alloc(0)]
    : [undefined, bytes.subarray(3, length - 2)];
  return { transaction: undefined, unit, fn, exception, data, length };
}

const bad = (text: string) => new LaresError('BAD_REPLY', text);

/** What a device means by an exception ("Modbus Application Protocol" V1.1b3 §7), and whether it may pass by itself. */
const exceptions: Readonly<Record<number, readonly [code: 'BAD_REPLY' | 'UNREACHABLE', text: string]>> = {
  1: ['BAD_REPLY', 'it does not know this function; the template must use the other of 3 and 4'],
  2: ['BAD_REPLY', 'it has no such register; is it the right template?'],
  3: ['BAD_REPLY', 'it refuses this number of registers; lower max_block in the template'],
  4: ['BAD_REPLY', 'it failed while it read'],
  5: ['UNREACHABLE', 'it needs longer'],
  6: ['UNREACHABLE', 'it is busy'],
  8: ['BAD_REPLY', 'its memory is damaged'],
  10: ['UNREACHABLE', 'the gateway has no path to it'],
  11: ['UNREACHABLE', 'it did not answer the gateway; are its unit id, its baud rate and the wiring right?'],
};

/** A device that said no, in words. */
export class Refusal extends LaresError {
  /** Of the Modbus standard, 1 to 255. */
  readonly exception: number;

  constructor(exception: number, who: string) {
    const [code, text] = exceptions[exception] ?? (['BAD_REPLY', 'a reason that no standard names'] as const);
    super(code, `${who} refused with exception ${exception}: ${text}`);
    this.exception = exception;
  }
}
