import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { LaresError } from '#kernel/errors.ts';
import { decryptGcm, encryptGcm, hmacSha256, sameBytes } from './cipher.ts';
import { commands, type Message } from './model.ts';

const prefix55 = 0x000055aa;
const suffix55 = 0x0000aa55;
const prefix66 = 0x00006699;
const suffix66 = 0x00009966;

export interface Frame {
  readonly sequence: number;
  readonly command: number;
  /** Only devices send one. */
  readonly retcode?: number | undefined;
  readonly body: Buffer;
}

/** A frame of 3.1 to 3.3 with its CRC32, or of 3.4 with an HMAC-SHA256 when `hmacKey` is given. All numbers big-endian. */
export function pack55(frame: Frame, hmacKey?: Buffer): Buffer {
  const { sequence, command, retcode, body } = frame;
  const start = retcode === undefined ? 16 : 20;
  const end = start + body.length;
  const check = hmacKey === undefined ? 4 : 32;
  const out = Buffer.allocUnsafe(end + check + 4);
  out.writeUInt32BE(prefix55, 0);
  out.writeUInt32BE(sequence >>> 0, 4);
  out.writeUInt32BE(command, 8);
  out.writeUInt32BE(out.length - 16, 12);
  if (retcode !== undefined) out.writeUInt32BE(retcode, 16);
  body.copy(out, start);
  if (hmacKey === undefined) out.writeUInt32BE(crc32(out.subarray(0, end)), end);
  else hmacSha256(hmacKey, out.subarray(0, end)).copy(out, end);
  out.writeUInt32BE(suffix55, end + check);
  return out;
}

/** A frame of 3.5: AES-128-GCM over return code and body, the head authenticated. The nonce is random unless given. */
export function pack66(frame: Frame, key: Buffer, iv: Buffer = randomBytes(12)): Buffer {
  const { sequence, command, retcode, body } = frame;
  const clear = retcode === undefined ? body : Buffer.concat([Buffer.alloc(4), body]);
  if (retcode !== undefined) clear.writeUInt32BE(retcode, 0);
  const head = Buffer.alloc(18);
  head.writeUInt32BE(prefix66, 0);
  head.writeUInt32BE(sequence >>> 0, 6);
  head.writeUInt32BE(command, 10);
  head.writeUInt32BE(12 + clear.length + 16, 14);
  const { ciphertext, tag } = encryptGcm(key, iv, clear, head.subarray(4));
  const suffix = Buffer.allocUnsafe(4);
  suffix.writeUInt32BE(suffix66, 0);
  return Buffer.concat([head, iv, ciphertext, tag, suffix]);
}

export const is66 = (frame: Buffer): boolean => frame.length >= 4 && frame.readUInt32BE(0) === prefix66;

/** How a 55AA frame is checked and whether its body is made of AES blocks; both depend on the version. */
export interface Reading55 {
  readonly hmacKey?: Buffer | undefined;
  /** True where every body is ciphertext, so that a return code shows in the length. */
  readonly encrypted: boolean;
  /** False for what clients send: they never send a return code. */
  readonly fromDevice: boolean;
}

/** Checks and opens a whole 55AA frame. Throws BAD_REPLY when its end, CRC or HMAC is wrong. The body stays encrypted. */
export function unpack55(frame: Buffer, { hmacKey, encrypted, fromDevice }: Reading55): Message {
  const end = frame.length - (hmacKey === undefined ? 8 : 36);
  if (end < 16 || frame.readUInt32BE(0) !== prefix55) throw bad('is too short');
  if (frame.readUInt32BE(frame.length - 4) !== suffix55) throw bad('has a wrong end');
  const checked = frame.subarray(0, end);
  if (hmacKey === undefined) {
    if (crc32(checked) !== frame.readUInt32BE(end)) throw bad('has a wrong CRC');
  } else if (!sameBytes(hmacSha256(hmacKey, checked), frame.subarray(end, end + 32)))
    throw bad('has a wrong HMAC; if that stays so, the local key has changed: lares tuya wizard');
  const retcode =
    fromDevice && retcodeInFront(frame, 16, end, encrypted) ? frame.readUInt32BE(16) : undefined;
  return {
    sequence: frame.readUInt32BE(4),
    command: frame.readUInt32BE(8),
    retcode,
    body: frame.subarray(retcode === undefined ? 16 : 20, end),
  };
}

/** Checks and decrypts a whole 6699 frame. Throws BAD_REPLY when its end or tag is wrong. */
export function unpack66(frame: Buffer, key: Buffer, fromDevice: boolean): Message {
  const end = frame.length - 20;
  if (end < 30 || frame.readUInt32BE(0) !== prefix66) throw bad('is too short');
  if (frame.readUInt32BE(frame.length - 4) !== suffix66) throw bad('has a wrong end');
  const clear = opened(frame, end, key);
  const command = frame.readUInt32BE(10);
  // A nonce may begin with zeros too, but then the length tells.
  const bareNonce = command === commands.sessionAnswer && clear.length === 48;
  const hasRetcode = fromDevice && !bareNonce && retcodeInFront(clear, 0, clear.length, false);
  return {
    sequence: frame.readUInt32BE(6),
    command,
    retcode: hasRetcode ? clear.readUInt32BE(0) : undefined,
    body: hasRetcode ? clear.subarray(4) : clear,
  };
}

function opened(frame: Buffer, end: number, key: Buffer): Buffer {
  try {
    const sealed = { ciphertext: frame.subarray(30, end), tag: frame.subarray(end, end + 16) };
    return decryptGcm(key, frame.subarray(18, 30), sealed, frame.subarray(4, 18));
  } catch {
    throw bad('has a wrong tag; if that stays so, the local key has changed: lares tuya wizard');
  }
}

/** A return code is a small number; ciphertext without one is a multiple of 16 bytes long. */
function retcodeInFront(bytes: Buffer, start: number, end: number, encrypted: boolean): boolean {
  const length = end - start;
  if (length < 4 || (encrypted && length % 16 === 0)) return false;
  return (bytes.readUInt32BE(start) & 0xffffff00) === 0;
}

const bad = (what: string) => new LaresError('BAD_REPLY', `a Tuya frame ${what}; the connection is dropped`);
