import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';

const kept = 5;

const folder = (dataDir: string) => path.join(dataDir, 'backups');

/** `2026-03-01T12-00-00-000Z`: an instant that may stand in a file name, and sorts. */
export const fileTime = (now: number): string => new Date(now).toISOString().replaceAll(/[:.]/g, '-');

/** Backups of this data directory, newest first. */
export function backups(dataDir: string): string[] {
  if (!existsSync(folder(dataDir))) return [];
  return readdirSync(folder(dataDir))
    .filter((name) => /^lares-.*\.db$/.test(name))
    .toSorted()
    .toReversed()
    .map((name) => path.join(folder(dataDir), name));
}

/**
 * Copies a live database page by page, consistently, into `backups/` and keeps the newest five. Returns the path.
 * The copy gets its name only when it is complete.
 */
export async function backUp(file: string, dataDir: string, why: string, now: number): Promise<string> {
  mkdirSync(folder(dataDir), { recursive: true, mode: 0o700 });
  const target = path.join(folder(dataDir), `lares-${fileTime(now)}-${why}.db`);
  const source = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  try {
    await backup(source, `${target}.part`);
  } finally {
    source.close();
  }
  chmodSync(`${target}.part`, 0o600);
  renameSync(`${target}.part`, target);
  for (const old of backups(dataDir).slice(kept)) rmSync(old, { force: true });
  return target;
}
