import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LaresError } from '#kernel/errors.ts';
import { makePrivate } from './folder.ts';
import { explain, resultCode } from './sqlite.ts';

const busy = 5;
// A lock whose handle nobody keeps must not be collected, and so released, by accident.
const locks = new Set<DatabaseSync>();

/**
 * Makes this process the only service of the data directory until it is released or the process ends.
 * The lock is an open exclusive SQLite transaction, which is a kernel lock on the file: it dies with its
 * holder even by SIGKILL, so there is nothing stale to clean up. The file beside it only names the holder.
 * Throws ALREADY_RUNNING, or STORE_UNAVAILABLE when the folder cannot be written.
 */
export function lockDataDir(dataDir: string): { release(): void } {
  makePrivate(dataDir);
  const file = path.join(dataDir, 'lock.db');
  const holder = path.join(dataDir, 'lock.pid');
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 0 });
    database.exec('begin exclusive');
    chmodSync(file, 0o600);
    writeFileSync(holder, `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    database?.close();
    if (resultCode(error) !== busy) throw explain(error, file);
    throw new LaresError(
      'ALREADY_RUNNING',
      `another Lares (process ${pidIn(holder)}) uses the data directory ${dataDir}; stop it first, or use another data directory`,
    );
  }
  const held = database;
  locks.add(held);
  return {
    release() {
      if (!locks.delete(held)) return;
      rmSync(holder, { force: true });
      held.close();
    },
  };
}

function pidIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim() || 'unknown';
  } catch {
    return 'unknown';
  }
}
