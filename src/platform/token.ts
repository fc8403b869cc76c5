import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LaresError, reason } from '#kernel/errors.ts';

/** In the data directory, readable by its owner only. */
export const tokenFile = 'api-token';

/** The secret that signs in the programs of this machine; made at the first start and kept. Throws CONFIG_UNREADABLE. */
export function ensureToken(dataDir: string): string {
  const file = path.join(dataDir, tokenFile);
  try {
    const kept = readFileSync(file, 'utf8').trim();
    if (kept.length >= 32) return kept;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new LaresError('CONFIG_UNREADABLE', `${file}: ${reason(error)}`, { cause: error });
  }
  const token = randomBytes(32).toString('base64url');
  // Written whole or not at all: half a token would lock everybody out.
  writeFileSync(`${file}.new`, `${token}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return token;
}

/** @throws LaresError AUTH_REFUSED where the token is not there or not ours to read. */
export function readToken(dataDir: string): string {
  const file = path.join(dataDir, tokenFile);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new LaresError(
      'AUTH_REFUSED',
      `cannot read ${file}: ${reason(error)}; run this as the user of the service, with --data naming its data directory`,
      { cause: error },
    );
  }
}

/** Compares in a time that does not tell how much of it was right. */
export function sameSecret(given: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return secret !== '' && timingSafeEqual(digest(given), digest(secret));
}
