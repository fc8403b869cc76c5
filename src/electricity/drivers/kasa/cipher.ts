import {
  createCipheriv,
  createDecipheriv,
  generateKeyPairSync,
  hash,
  privateDecrypt,
  constants,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto';
import { LaresError } from '#kernel/errors.ts';
import { builtInLogins, type Login } from './model.ts';

export type KlapVersion = 1 | 2;
export const seedBytes = 16;
const tagBytes = 32;
const blockBytes = 16;

const sha256 = (...parts: readonly Uint8Array[]) => hash('sha256', Buffer.concat(parts), 'buffer');

/** What both sides know of the login. Version 1: MD5(MD5(user) MD5(password)); version 2: SHA-256(SHA-1(user) SHA-1(password)). */
export function authHash(version: KlapVersion, { username, password }: Login): Buffer {
  const inner = version === 1 ? 'md5' : 'sha1';
  const both = Buffer.concat([hash(inner, username, 'buffer'), hash(inner, password, 'buffer')]);
  return hash(version === 1 ? 'md5' : 'sha256', both, 'buffer');
}

/** How the device proves in handshake 1 that it knows the login. */
export function serverHash(version: KlapVersion, local: Buffer, remote: Buffer, auth: Buffer): Buffer {
  return version === 1 ? sha256(local, auth) : sha256(local, remote, auth);
}

/** How we prove it in handshake 2. */
export function clientHash(version: KlapVersion, local: Buffer, remote: Buffer, auth: Buffer): Buffer {
  return version === 1 ? sha256(remote, auth) : sha256(remote, local, auth);
}

export interface KlapMatch {
  readonly version: KlapVersion;
  readonly auth: Buffer;
  readonly remote: Buffer;
  /** The login that the device accepts; one of `builtInLogins` for a device that fell back to them. */
  readonly login: Login;
}

const hashesOf = new WeakMap<Login, readonly [KlapVersion, Buffer][]>();

function hashes(login: Login): readonly [KlapVersion, Buffer][] {
  const known = hashesOf.get(login);
  if (known !== undefined) return known;
  const fresh = ([2, 1] as const).map((version): [KlapVersion, Buffer] => [
    version,
    authHash(version, login),
  ]);
  hashesOf.set(login, fresh);
  return fresh;
}

/**
 * Reads version and login off one reply to handshake 1 (remote seed, 16 bytes, and server hash, 32 bytes): it is checked
 * offline against each login in both versions, so nothing is guessed and no wrong password is ever sent. `undefined`: none fits.
 */
export function matchHandshake(
  local: Buffer,
  reply: Buffer,
  login: Login | undefined,
): KlapMatch | undefined {
  const remote = reply.subarray(0, seedBytes);
  const proof = reply.subarray(seedBytes);
  for (const candidate of login === undefined ? builtInLogins : [login, ...builtInLogins])
    for (const [version, auth] of hashes(candidate))
      if (proof.equals(serverHash(version, local, remote, auth)))
        return { version, auth, remote, login: candidate };
  return undefined;
}

/** The keys of one KLAP session and its counter, which wraps like a signed 32-bit number. */
export class KlapSession {
  /** AES key (16), the fixed part of the IV (12), the key of the tag (28). */
  readonly #secret = Buffer.allocUnsafeSlow(56);
  #seq: number;

  constructor(local: Buffer, remote: Buffer, auth: Buffer) {
    const derive = (label: string) => sha256(Buffer.from(label), local, remote, auth);
    const iv = derive('iv');
    derive('lsk').copy(this.#secret, 0, 0, 16);
    iv.copy(this.#secret, 16, 0, 12);
    derive('ldk').copy(this.#secret, 28, 0, 28);
    this.#seq = iv.readInt32BE(28);
  }

  get seq(): number {
    return this.#seq;
  }

  /** The number of the next message. */
  next(): number {
    this.#seq = (this.#seq + 1) | 0;
    return this.#seq;
  }

  /** Tag (32 bytes) and ciphertext of a message. */
  seal(seq: number, text: string): Buffer {
    const cipher = createCipheriv('aes-128-cbc', this.#secret.subarray(0, 16), this.#iv(seq));
    const head = cipher.update(text, 'utf8');
    const sealed = Buffer.concat([head, cipher.final()]);
    return Buffer.concat([this.#tag(seq, sealed), sealed]);
  }

  /** Plain text of a message; undefined when its tag is wrong or it was cut. */
  open(seq: number, message: Buffer): string | undefined {
    const sealed = message.subarray(tagBytes);
    if (sealed.length === 0 || sealed.length % blockBytes !== 0) return undefined;
    if (!timingSafeEqual(this.#tag(seq, sealed), message.subarray(0, tagBytes))) return undefined;
    return decryptCbc(sealed, this.#secret.subarray(0, 16), this.#iv(seq));
  }

  #iv(seq: number): Buffer {
    const iv = Buffer.allocUnsafe(blockBytes);
    this.#secret.copy(iv, 0, 16, 28);
    iv.writeInt32BE(seq, 12);
    return iv;
  }

  #tag(seq: number, sealed: Buffer): Buffer {
    const input = Buffer.allocUnsafe(32 + sealed.length);
    this.#secret.copy(input, 0, 28, 56);
    input.writeInt32BE(seq, 28);
    sealed.copy(input, 32);
    return hash('sha256', input, 'buffer');
  }
}

function decryptCbc(sealed: Buffer, key: Buffer, iv: Buffer): string | undefined {
  try {
    const decipher = createDecipheriv('aes-128-cbc', key, iv);
    return decipher.update(sealed, undefined, 'utf8') + decipher.final('utf8');
  } catch {
    // Wrong padding: another key or a damaged message.
    return undefined;
  }
}

/** The fixed AES-128-CBC key and IV of a securePassthrough session; messages travel as base64. */
export class PassthroughCipher {
  readonly #key: Buffer;
  readonly #iv: Buffer;

  constructor(keyAndIv: Buffer) {
    this.#key = keyAndIv.subarray(0, 16);
    this.#iv = keyAndIv.subarray(16, 32);
  }

  seal(text: string): string {
    const cipher = createCipheriv('aes-128-cbc', this.#key, this.#iv);
    return cipher.update(text, 'utf8', 'base64') + cipher.final('base64');
  }

  /** Undefined when it cannot be decrypted. */
  open(base64: string): string | undefined {
    return decryptCbc(Buffer.from(base64, 'base64'), this.#key, this.#iv);
  }
}

/** How a login travels inside securePassthrough; `second` is the form that newer firmware asks for. */
export function passthroughLogin({ username, password }: Login, second: boolean): Record<string, string> {
  const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');
  const user = base64(hash('sha1', username, 'hex'));
  return second
    ? { username: user, password2: base64(hash('sha1', password, 'hex')) }
    : { username: user, password: base64(password) };
}

export interface RsaKey {
  readonly privateKey: KeyObject;
  /** SPKI PEM as devices want it, with a final line feed. */
  readonly pem: string;
}

let handshakeKey: RsaKey | undefined;

/** The RSA-1024 key to which devices encrypt session keys. One a process: making it costs more than all that it protects. */
export function passthroughKey(): RsaKey {
  if (handshakeKey === undefined) {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    handshakeKey = { privateKey, pem: publicKey.export({ type: 'spki', format: 'pem' }).toString() };
  }
  return handshakeKey;
}

/** The cipher that a device chose in its reply to `handshake`. Throws BAD_REPLY. */
export function openPassthrough(keyText: string, from: string): PassthroughCipher {
  const secret = unwrap(
    passthroughKey().privateKey,
    Buffer.from(keyText, 'base64'),
    constants.RSA_PKCS1_PADDING,
  );
  // A wrong ciphertext decrypts to random bytes instead of failing, so the length is the only check.
  if (secret?.length !== 32)
    throw new LaresError('BAD_REPLY', `${from} sent a session key that cannot be read`);
  return new PassthroughCipher(secret);
}

/** The encrypted part of a discovery reply, as JSON text; undefined when it is not for us. */
export function openDiscoveryInfo(privateKey: KeyObject, keyText: string, data: string): string | undefined {
  const secret = unwrap(privateKey, Buffer.from(keyText, 'base64'), constants.RSA_PKCS1_OAEP_PADDING);
  return secret?.length === 32 ? new PassthroughCipher(secret).open(data) : undefined;
}

function unwrap(key: KeyObject, sealed: Buffer, padding: number): Buffer | undefined {
  try {
    return privateDecrypt({ key, padding, oaepHash: 'sha1' }, sealed);
  } catch {
    return undefined;
  }
}
