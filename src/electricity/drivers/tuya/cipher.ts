import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** AES-128 in ECB mode, which Tuya uses from 3.1 to 3.4; PKCS7 padding unless told otherwise. */
export function encryptEcb(key: Buffer, clear: Buffer, padding = true): Buffer {
  const cipher = createCipheriv('aes-128-ecb', key, null);
  if (!padding) cipher.setAutoPadding(false);
  return joined(cipher.update(clear), cipher.final());
}

/** Throws when the padding is wrong, which is how a wrong key shows. */
export function decryptEcb(key: Buffer, sealed: Buffer): Buffer {
  const cipher = createDecipheriv('aes-128-ecb', key, null);
  return joined(cipher.update(sealed), cipher.final());
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
