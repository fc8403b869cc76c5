import { chmodSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import type { Log } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { explain, openFile } from '#store/sqlite.ts';
import { alertFrom, eventFrom, type OriginalRow } from './original.rules.ts';
import { bookVersion, layout, tableNames, type TableName } from './schema.ts';

export interface MigrateOptions {
  /** `<data>/events.db`. */
  readonly file: string;
  /** Epoch milliseconds, for the name of the copy. */
  readonly now: number;
  readonly log: Log;
  /** Says what would be done and touches nothing. */
  readonly dryRun?: boolean;
  /** Told before each step; tests end the process here. */
  readonly step?: (what: string) => void;
}

export interface Migrated {
  /** 0 for a file that is missing, empty or another system's. */
  readonly from: number;
  readonly to: number;
  /** What was done, or with `dryRun` would be; empty when nothing was to do. */
  readonly steps: readonly string[];
  /** The copy of what was there before. */
  readonly copy?: string;
}

const takers = { events: eventFrom, alerts: alertFrom } as const;

/**
 * Brings the book to this version's layout: one transaction, after a copy into `backups/` of what was there. A book of
 * the original system is taken over: its tables stay as `original_<name>`, its events and alerts become ours as well.
 * Safe to repeat, and to be killed at any moment. Throws STORE_NEWER, STORE_UNAVAILABLE or STORE_CORRUPT.
 */
export async function migrateBook(options: MigrateOptions): Promise<Migrated> {
  const { file, dryRun = false } = options;
  if (dryRun && !existsSync(file)) return { from: 0, to: bookVersion, steps: layout };
  let database: DatabaseSync | undefined;
  try {
    database = dryRun ? new DatabaseSync(file, { readOnly: true, timeout: 5_000 }) : openFile(file);
    database.exec('pragma busy_timeout = 5000');
    return await forward(database, options, dryRun);
  } catch (error) {
    throw explain(error, file);
  } finally {
    database?.close();
  }
}

async function forward(db: DatabaseSync, options: MigrateOptions, dryRun: boolean): Promise<Migrated> {
  const found = existing(db);
  const from = versionOf(db, found);
  if (from > bookVersion)
    throw new LaresError(
      'STORE_NEWER',
      `events.db was written by a newer version of Lares (layout ${from}, this one knows ${bookVersion}); ` +
        'install that version again, or restore the copy in backups/ that was made before the upgrade',
    );
  const steps = from === bookVersion ? [] : [...takeAway(found), ...layout, ...takeOver(found)];
  const compact = db.prepare('pragma auto_vacuum').get()?.['auto_vacuum'] !== 2;
  const titles = [...steps, ...(compact ? ['pragma auto_vacuum = incremental', 'vacuum'] : [])];
  if (dryRun || titles.length === 0) return { from, to: bookVersion, steps: titles };
  const copy = steps.length > 0 && found.length > 0 ? await copyAway(db, options) : undefined;
  if (steps.length > 0) inOneTransaction(db, steps, options);
  if (compact) {
    // Must be so before pages can be given back without rewriting the file; takes effect by VACUUM.
    options.step?.('vacuum');
    db.exec('pragma auto_vacuum = incremental');
    db.exec('vacuum');
  }
  if (copy !== undefined)
    options.log.info('events.db migrated', { from, to: bookVersion, copy: path.basename(copy) });
  return { from, to: bookVersion, steps: titles, ...(copy !== undefined && { copy }) };
}

const existing = (db: DatabaseSync): string[] =>
  db
    .prepare(`select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'`)
    .all()
    .map((row) => String(row['name']));

function versionOf(db: DatabaseSync, found: readonly string[]): number {
  if (!found.includes('lares_book')) return 0;
  const version = db.prepare('select max(version) as v from lares_book').get()?.['v'];
  // Rows of this table can be lost to damage; its being there says that the layout is ours.
  return typeof version === 'number' ? version : bookVersion;
}

const ours = (found: readonly string[]): TableName[] => tableNames.filter((name) => found.includes(name));

function originalName(found: readonly string[], name: string): string {
  let free = `original_${name}`;
  while (found.includes(free)) free += '_';
  return free;
}

/** Tables of another system under our names step aside. */
const takeAway = (found: readonly string[]): string[] =>
  ours(found).map((name) => `alter table ${name} rename to ${originalName(found, name)}`);

const takeOver = (found: readonly string[]): string[] =>
  ours(found)
    .filter((name) => name in takers)
    .map((name) => `take over ${name} from ${originalName(found, name)}`);

function inOneTransaction(db: DatabaseSync, steps: readonly string[], { step, log }: MigrateOptions): void {
  db.exec('begin immediate');
  try {
    for (const what of steps) {
      step?.(what);
      const match = /^take over (events|alerts) from (\w+)$/.exec(what);
      if (match === null) db.exec(what);
      else takeRows(db, match[1] as keyof typeof takers, match[2]!, log);
    }
    step?.('commit');
    db.exec('commit');
  } catch (error) {
    if (db.isTransaction) db.exec('rollback');
    throw error;
  }
}

function takeRows(db: DatabaseSync, name: keyof typeof takers, from: string, log: Log): void {
  const columns = db.prepare('select count(*) as n from pragma_table_info(?)').get(name)!['n'] as number;
  const insert = db.prepare(
    `insert into ${name} values (${Array.from({ length: columns }, () => '?').join(', ')})`,
  );
  const select = db.prepare(`select * from ${from}`);
  select.setReadBigInts(true);
  const named = hasOwnIds(db, from);
  let number = 0;
  let taken = 0;
  let left = 0;
  for (const row of select.iterate()) {
    number += 1;
    const values = takers[name](row as OriginalRow, named ? String(row['id']) : String(number));
    if (values === undefined) left += 1;
    else taken += Number(insert.run(...values).changes);
  }
  log.info(`events.db: ${taken} ${name} of the earlier system were taken over`, {
    table: from,
    without_time: left,
  });
}

/** Whether each row has an id of its own, by which other tables may know it. */
function hasOwnIds(db: DatabaseSync, table: string): boolean {
  const columns = db.prepare('select name from pragma_table_info(?)').all(table);
  if (!columns.some((column) => column['name'] === 'id')) return false;
  return db.prepare(`select count(*) = count(distinct id) as own from ${table}`).get()?.['own'] === 1;
}

/** `backups/events-YYYYMMDD-HHMMSS.db` (UTC), complete or not there. */
async function copyAway(db: DatabaseSync, { file, now, step }: MigrateOptions): Promise<string> {
  const folder = path.join(path.dirname(file), 'backups');
  const stamp = new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
  const target = path.join(folder, `events-${stamp}.db`);
  step?.(`copy to backups/${path.basename(target)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await copyBook(db, target);
  return target;
}

/** Copies a live book page by page, consistently. The copy gets its name only when it is complete. */
export async function copyBook(db: DatabaseSync, target: string): Promise<void> {
  const part = `${target}.part`;
  rmSync(part, { force: true });
  await backup(db, part);
  chmodSync(part, 0o600);
  renameSync(part, target);
}
