import { statSync } from 'node:fs';
import path from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { Kysely, sql, type Dialect } from 'kysely';
import type { Bus } from '#kernel/bus.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import { makePrivate } from './folder.ts';
import { SqlJournal } from './journal.ts';
import { migrate } from './migrate.ts';
import type { NamedMigration, Retention, Store } from './model.ts';
import { SqlReadings } from './readings.ts';
import { backUp } from './backup.ts';
import { openOrRepair } from './recover.ts';
import { explain, openFile, sqliteDialect } from './sqlite.ts';
import { sqlState } from './state.ts';
import { hourMs, storeMigrations, type Db } from './tables.ts';

const maintainEveryMs = 60_000;
// A clock that runs ahead for a while makes everything look old. Letting go slowly, six hours an hour, limits the loss.
const pruneEveryMs = 600_000;

export const defaultRetention: Retention = { rawDays: 7, minuteDays: 90, hourDays: 1826 };

export interface StoreOptions {
  /** Created with mode 0700 when missing. */
  readonly dataDir: string;
  /** `postgres://user:password@host/database`; SQLite in the data directory when absent. */
  readonly databaseUrl?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly bus: Pick<Bus, 'emit'>;
  /** Of all areas; the store adds its own. */
  readonly migrations: readonly NamedMigration[];
  readonly retention?: Retention;
  /** True for a command that runs beside the service: it neither repairs nor maintains. */
  readonly guest?: boolean;
}

/**
 * Opens the database, repaired and migrated. Throws STORE_UNAVAILABLE, AUTH_REFUSED or STORE_NEWER;
 * once open, readings and events survive an unavailable database in memory.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { clock, bus, databaseUrl, dataDir } = options;
  const log = options.log.child('store');
  makePrivate(dataDir);
  const file = path.join(dataDir, 'lares.db');
  const kind = databaseUrl === undefined ? 'sqlite' : 'postgres';
  const opened = databaseUrl === undefined ? openSqlite(file, options, log) : undefined;
  const db: Db = new Kysely({
    dialect:
      opened === undefined ? await openPostgres(databaseUrl!, log) : sqliteDialect(opened.database, file),
  });
  try {
    await migrate({
      db,
      kind,
      migrations: [...storeMigrations, ...options.migrations],
      now: () => clock.now(),
      log,
      backup: async (step) => {
        if (kind === 'sqlite') await backUp(file, dataDir, `before-${step}`, clock.now());
        else log.info('database is migrated without a file backup; each step is one transaction');
      },
    });
  } catch (error) {
    await db.destroy();
    throw error;
  }
  const readings = new SqlReadings(db, log, options.retention ?? defaultRetention);
  const journal = new SqlJournal(db, bus, log);
  const stop = new AbortController();
  const maintenance = options.guest === true ? undefined : keepMaintained(readings, clock, log, stop.signal);
  return {
    kind,
    db,
    readings,
    journal,
    state: sqlState(db),
    recovered: opened?.recovered,
    stats: () => ({ readings: readings.stats, events: journal.stats, rejected: readings.rejected }),
    sizeBytes: () => (kind === 'sqlite' ? Promise.resolve(fileBytes(file)) : databaseBytes(db)),
    async close() {
      stop.abort();
      await maintenance;
      await readings.close();
      await journal.close();
      await db.destroy();
    },
  };
}

/** A command beside the service must not move files from under it, so only the service repairs. */
function openSqlite(
  file: string,
  { guest, dataDir, clock }: StoreOptions,
  log: Log,
): { database: DatabaseSync; recovered: string | undefined } {
  try {
    return guest === true
      ? { database: openFile(file), recovered: undefined }
      : openOrRepair(file, dataDir, clock.now(), log);
  } catch (error) {
    throw explain(error, file);
  }
}

async function keepMaintained(
  readings: SqlReadings,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let failing = false;
  let prunedAt = -Infinity;
  while (!signal.aborted) {
    await clock.sleep(maintainEveryMs, signal);
    if (signal.aborted) return;
    try {
      const due = clock.monotonic() - prunedAt >= pruneEveryMs;
      await readings.maintain(clock.now(), due ? hourMs : 0);
      if (due) prunedAt = clock.monotonic();
      failing = false;
    } catch (error) {
      if (!failing) log.warn(`store error: maintenance waits: ${reason(error)}`, { error });
      failing = true;
    }
  }
}

function fileBytes(file: string): number {
  return ['', '-wal']
    .map((suffix) => statSync(file + suffix, { throwIfNoEntry: false })?.size ?? 0)
    .reduce((a, b) => a + b);
}

async function databaseBytes(db: Db): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`select pg_database_size(current_database()) as bytes`.execute(
    db,
  );
  return rows[0]?.bytes ?? 0;
}

/** Loaded only where it is used: most homes run on SQLite, and the client takes 10 MiB of memory. */
async function openPostgres(url: string, log: Log): Promise<Dialect> {
  const { postgresDialect } = await import('./postgres.ts');
  return postgresDialect(url, log);
}
