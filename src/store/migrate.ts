import { sql, type Kysely } from 'kysely';
import type { Log } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import type { NamedMigration, StoreKind } from './model.ts';
import type { StoreTables } from './tables.ts';

// Two programs that create the same tables at once disturb each other in PostgreSQL; any constant will do.
const advisoryKey = 0x1a2e5;

export interface MigrationOptions {
  readonly db: Kysely<StoreTables>;
  readonly kind: StoreKind;
  readonly migrations: readonly NamedMigration[];
  readonly now: () => number;
  readonly log: Log;
  /** Called once before the first pending step of a database that holds something already. */
  readonly backup: (before: string) => Promise<void>;
}

/**
 * Brings the database forward, each step in a transaction of its own together with its record.
 * Throws STORE_NEWER, with the database untouched, when it holds a step that this version does not know.
 */
export async function migrate(options: MigrationOptions): Promise<void> {
  if (options.kind === 'sqlite') return forward(options);
  await options.db.connection().execute(async (db) => {
    await sql`select pg_advisory_lock(${advisoryKey})`.execute(db);
    try {
      await forward({ ...options, db });
    } finally {
      await sql`select pg_advisory_unlock(${advisoryKey})`.execute(db);
    }
  });
}

async function forward(options: MigrationOptions): Promise<void> {
  const { db, kind, log, now } = options;
  const steps = ordered(options.migrations);
  const tables = await db.introspection.getTables({ withInternalKyselyTables: false });
  const recorded = tables.some((table) => table.name === 'lares_migration')
    ? (await db.selectFrom('lares_migration').select('name').execute()).map((row) => row.name)
    : [];
  const known = new Set(steps.map((step) => step.name));
  const newer = recorded.filter((name) => !known.has(name));
  if (newer.length > 0)
    throw new LaresError(
      'STORE_NEWER',
      `the database was written by a newer version of Lares (it knows ${newer.join(', ')}); ` +
        'install that version again, or restore the backup that was taken before the upgrade',
    );
  const done = new Set(recorded);
  const pending = steps.filter((step) => !done.has(step.name));
  const [first] = pending;
  if (first === undefined) return;
  if (recorded.length > 0) await options.backup(first.name);
  else
    await db.schema
      .createTable('lares_migration')
      .ifNotExists()
      .addColumn('name', 'text', (c) => c.primaryKey())
      .addColumn('at', 'bigint', (c) => c.notNull())
      .execute();
  for (const step of pending) {
    await db.transaction().execute(async (trx) => {
      // Inserted first, so that a second process that migrates at the same moment waits here, then finds it done.
      const { numInsertedOrUpdatedRows } = await trx
        .insertInto('lares_migration')
        .values({ name: step.name, at: now() })
        .onConflict((c) => c.doNothing())
        .executeTakeFirstOrThrow();
      if (numInsertedOrUpdatedRows === 1n) await step.up(trx, kind);
    });
    log.debug('database migrated', { step: step.name });
  }
  log.info('database migrated', { steps: pending.length, last: pending.at(-1)?.name });
}

/** By name; two areas must not bring the same name. */
function ordered(migrations: readonly NamedMigration[]): NamedMigration[] {
  const steps = migrations.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const twice = steps.find((step, i) => steps[i + 1]?.name === step.name);
  if (twice !== undefined) throw new LaresError('INTERNAL', `two migrations are called ${twice.name}`);
  return steps;
}
