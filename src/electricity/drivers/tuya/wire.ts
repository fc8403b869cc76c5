import { randomBytes } from 'node:crypto';
import { LaresError } from '#kernel/errors.ts';
import { Ecb, encryptGcm, hmacSha256, md5, sameBytes } from './cipher.ts';
import { is66, pack55, pack66, unpack55, unpack66 } from './frame.ts';
import { commands, hasSession, type Message, type Version } from './model.ts';

// These travel without the version header, in either direction.
const headless = new Set<number>([
  commands.query,
  commands.queryNew,
  commands.refresh,
  commands.heartbeat,
  commands.sessionStart,
  commands.sessionAnswer,
  commands.sessionFinish,
  commands.extension,
]);
const sessionCommands = new Set<number>([
  commands.sessionStart,
  commands.sessionAnswer,
  commands.sessionFinish,
]);
const headerLength = 15;
const empty = Buffer.alloc(0);

export interface Sending {
  /** The next one of this side unless given. */
  readonly sequence?: number;
  /** Only devices send one. */
  readonly retcode?: number;
  /** 12 random bytes unless given; for test vectors only. */
  readonly iv?: Buffer;
}

/** Both directions of one connection in one version: framing, integrity, encryption and the session key. */
export class Wire {
  readonly version: Version;
  readonly #localKey: Buffer;
  readonly #header: Buffer;
  readonly #readsDevice: boolean;
  #key: Buffer;
  #ecb: Ecb;
  #sequence = 0;

  /** `side` is who speaks through it: a client reads what devices write, and the other way round. */
  constructor(version: Version, localKey: Buffer, side: 'client' | 'device') {
    this.version = version;
    this.#localKey = localKey;
    this.#key = localKey;
    this.#ecb = new Ecb(localKey);
    this.#header = Buffer.concat([Buffer.from(version, 'latin1'), Buffer.alloc(12)]);
    this.#readsDevice = side === 'client';
  }

  encode(command: number, clear: Buffer, sending: Sending = {}): Buffer {
    const { sequence = ++this.#sequence, retcode, iv } = sending;
    const { version } = this;
    const headed = !headless.has(command) && clear.length > 0;
    if (version === '3.5')
      return pack66(
        { sequence, command, retcode, body: headed ? this.#withHeader(clear) : clear },
        this.#key,
        iv,
      );
    const body = this.#sealed(command, clear, headed);
    return pack55({ sequence, command, retcode, body }, version === '3.4' ? this.#key : undefined);
  }

  /** Throws BAD_REPLY for a damaged frame and AUTH_REFUSED for one that the local key does not open. */
  decode(frame: Buffer): Message {
    if (is66(frame) !== (this.version === '3.5'))
      throw new LaresError(
        'BAD_REPLY',
        `the device does not speak version ${this.version}, but ${is66(frame) ? '3.5' : 'an older one'}`,
      );
    const message =
      this.version === '3.5'
        ? unpack66(frame, this.#key, this.#readsDevice)
        : unpack55(frame, {
            hmacKey: this.version === '3.4' ? this.#key : undefined,
            encrypted: this.version !== '3.1',
            fromDevice: this.#readsDevice,
          });
    if (message.body.length === 0) return message;
    return { ...message, body: this.#opened(message) };
  }

  /** From now on the key that both sides derived from their nonces. */
  agree(clientNonce: Buffer, deviceNonce: Buffer): void {
    this.#key = sessionKey(this.version, this.#localKey, clientNonce, deviceNonce);
    this.#ecb = new Ecb(this.#key);
  }

  /** Proves to the other side that we know the local key. */
  proof(nonce: Buffer): Buffer {
    return hmacSha256(this.#localKey, nonce);
  }

  proves(nonce: Buffer, proof: Buffer): boolean {
    return sameBytes(this.proof(nonce), proof);
  }

  #withHeader(clear: Buffer): Buffer {
    return Buffer.concat([this.#header, clear]);
  }

  #sealed(command: number, clear: Buffer, headed: boolean): Buffer {
    if (clear.length === 0) return clear;
    if (this.version === '3.4') return this.#ecb.encrypt(headed ? this.#withHeader(clear) : clear);
    if (this.version !== '3.1') {
      const sealed = this.#ecb.encrypt(clear);
      return headed ? this.#withHeader(sealed) : sealed;
    }
    return command === commands.control || command === commands.status
      ? signed31(this.#key, this.#ecb.encrypt(clear).toString('base64'))
      : clear;
  }

  #opened({ command, body }: Message): Buffer {
    if (sessionCommands.has(command)) return this.version === '3.4' ? this.#decrypted(body) : body;
    if (this.version === '3.5') return withoutHeader(body);
    if (this.version === '3.4') return withoutHeader(this.#decrypted(body));
    if (this.version === '3.1') return startsWithVersion(body) ? this.#opened31(body) : body;
    const sealed = (body.length - headerLength) % 16 === 0 ? withoutHeader(body) : body;
    return sealed.length === 0 ? empty : this.#decrypted(sealed);
  }

  #opened31(body: Buffer): Buffer {
    return this.#decrypted(Buffer.from(body.toString('latin1', 19), 'base64'));
  }

  #decrypted(sealed: Buffer): Buffer {
    const clear = this.#ecb.decrypt(sealed);
    if (clear !== undefined) return clear;
    if (sealed[0] === 0x7b)
      throw new LaresError(
        'BAD_REPLY',
        `the device answers in clear text, as version 3.1 does, not ${this.version}`,
      );
    if (isText(sealed)) return sealed;
    throw new LaresError(
      'AUTH_REFUSED',
      'the local key does not open what the device sends; pairing a device again changes its key: lares tuya wizard',
    );
  }
}

export const newNonce = (): Buffer => randomBytes(16);

/** The session key of 3.4 and 3.5: both nonces XORed, encrypted with the local key. */
export function sessionKey(
  version: Version,
  localKey: Buffer,
  clientNonce: Buffer,
  deviceNonce: Buffer,
): Buffer {
  if (!hasSession(version)) return localKey;
  const mixed = Buffer.from(clientNonce.map((byte, i) => byte ^ (deviceNonce[i] ?? 0)));
  return version === '3.4'
    ? new Ecb(localKey).encryptBlocks(mixed)
    : encryptGcm(localKey, clientNonce.subarray(0, 12), mixed).ciphertext;
}

/** The body of a 3.1 command: version, the middle of an MD5 over text and key, and the ciphertext in base64. */
function signed31(key: Buffer, text: string): Buffer {
  const digest = md5(Buffer.concat([Buffer.from(`data=${text}||lpv=3.1||`), key])).toString('hex');
  return Buffer.from(`3.1${digest.slice(8, 24)}${text}`, 'latin1');
}

// 51 is '3', 46 is '.'; the twelve bytes behind the version are zeros, or checksum, sequence and source.
const startsWithVersion = (body: Buffer) =>
  body.length >= headerLength && body[0] === 51 && body[1] === 46 && body[2]! >= 49 && body[2]! <= 53;
const withoutHeader = (body: Buffer) => (startsWithVersion(body) ? body.subarray(headerLength) : body);
const isText = (bytes: Buffer) => bytes.every((byte) => byte >= 32 && byte < 127);
