import { chmodSync, mkdirSync } from 'node:fs';
import { LaresError, reason } from '#kernel/errors.ts';

/** Creates a missing data directory for its owner alone. Throws STORE_UNAVAILABLE when that is refused. */
export function makePrivate(dir: string): void {
  try {
    if (mkdirSync(dir, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(dir, 0o700);
  } catch (error) {
    throw new LaresError(
      'STORE_UNAVAILABLE',
      `the data directory ${dir} cannot be created: ${reason(error)}; create it and let this user write in it`,
      { cause: error },
    );
  }
}
