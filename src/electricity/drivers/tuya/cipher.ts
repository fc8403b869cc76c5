import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  timingSafeEqual,
  type Cipheriv,
  type Decipheriv,
} from 'node:crypto';

const block = 16;

/**
 * AES-128 in ECB mode with PKCS7 padding, which Tuya uses from 3.1 to 3.4. Blocks do not depend on each other, so one
 * cipher serves a whole connection: setting one up costs more than encrypting a message.
 */
export class Ecb {
  readonly #encryption: Cipheriv;
  readonly #decryption: Decipheriv;

  constructor(key: Buffer) {
    this.#encryption = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
    this.#decryption = createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false);
  }

  encrypt(clear: Buffer): Buffer {
    const length = clear.length - (clear.length % block) + block;
    const padded = Buffer.alloc(length, length - clear.length);
    clear.copy(padded);
    return this.#encryption.update(padded);
  }

  /** Of whole blocks, without padding. */
  encryptBlocks(clear: Buffer): Buffer {
    return this.#encryption.update(clear);
  }

  /** Undefined when the padding is wrong, which is how a wrong key shows. */
  decrypt(sealed: Buffer): Buffer | undefined {
    if (sealed.length === 0 || sealed.length % block !== 0) return undefined;
    const padded = this.#decryption.update(sealed);
    const padding = padded[padded.length - 1] ?? 0;
    if (padding < 1 || padding > block) return undefined;
    const end = padded.length - padding;
    for (let at = end; at < padded.length; at += 1) if (padded[at] !== padding) return undefined;
    return padded.subarray(0, end);
  }
}

export interface Sealed {
  readonly ciphertext: Buffer;
  readonly tag: Buffer;
}

export function encryptGcm(key: Buffer, iv: Buffer, clear: Buffer, aad?: Buffer): Sealed {
  const cipher = createCipheriv('aes-128-gcm', key, iv);
  if (aad !== undefined) cipher.setAAD(aad);
  const ciphertext = joined(cipher.update(clear), cipher.final());
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** Throws when the tag does not fit. */
export function decryptGcm(key: Buffer, iv: Buffer, sealed: Sealed, aad: Buffer): Buffer {
  const cipher = createDecipheriv('aes-128-gcm', key, iv, { authTagLength: 16 });
  cipher.setAAD(aad);
  cipher.setAuthTag(sealed.tag);
  return joined(cipher.update(sealed.ciphertext), cipher.final());
}

export const hmacSha256 = (key: Buffer, data: Buffer): Buffer =>
  createHmac('sha256', key).update(data).digest();
export const md5 = (data: Buffer | string): Buffer => createHash('md5').update(data).digest();

/** Compares in constant time; false for different lengths. */
export const sameBytes = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

/** The key of every UDP broadcast: a constant of the vendor, known to all. */
export const broadcastKey = md5('yGAdlopoPVldABfn');

const joined = (a: Buffer, b: Buffer) => (b.length === 0 ? a : a.length === 0 ? b : Buffer.concat([a, b]));
