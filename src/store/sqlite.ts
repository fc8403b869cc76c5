import { chmodSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CompiledQuery,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
} from 'kysely';
import { LaresError, reason } from '#kernel/errors.ts';

// SQLite's own waiting would stop the event loop, so it gets little and the driver waits between tries.
const blockingWaitMs = 50;
const longestWaitMs = 5_000;
const keptStatements = 200;

/** SQLite's primary result codes: https://www.sqlite.org/rescode.html */
const busy = 5;
const corrupt = [11, 26];
const unavailable: Readonly<Record<number, string>> = {
  5: 'is locked by another program; end that program or wait',
  6: 'is locked by another program; end that program or wait',
  8: 'is read-only; make it and its folder writable',
  10: 'cannot be read or written (input/output error); check the disk',
  13: 'cannot grow because the disk is full; free some space',
  14: 'cannot be opened; check that its folder exists and is writable',
};

/** The primary SQLite result code of an error from node:sqlite, or undefined for any other error. */
export function resultCode(error: unknown): number | undefined {
  const extended = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof extended === 'number' ? extended & 0xff : undefined;
}

export const isCorruption = (error: unknown): boolean =>
  corrupt.includes(resultCode(error instanceof LaresError ? error.cause : error) ?? 0);

/** STORE_UNAVAILABLE or STORE_CORRUPT for trouble with the file; mistakes in a statement stay as they are. */
export function explain(error: unknown, file: string): unknown {
  const code = resultCode(error);
  if (code === undefined) return error;
  if (corrupt.includes(code))
    return new LaresError(
      'STORE_CORRUPT',
      `the database ${file} is damaged (${reason(error)}); restart to repair it`,
      {
        cause: error,
      },
    );
  const what = unavailable[code];
  return what === undefined
    ? error
    : new LaresError('STORE_UNAVAILABLE', `the database ${file} ${what}`, { cause: error });
}

/**
 * Opens (and creates, mode 0600) a database in WAL with every commit on disk before it is acknowledged.
 * Throws what node:sqlite throws.
 */
export function openFile(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: blockingWaitMs });
  try {
    chmodSync(file, 0o600);
    database.exec('pragma journal_mode = wal');
    // FULL syncs each commit: NORMAL lost up to 340 acknowledged rows when the power was cut.
    database.exec('pragma synchronous = full');
    database.exec('pragma foreign_keys = on');
    database.exec('pragma journal_size_limit = 8388608');
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

// node:sqlite binds every JavaScript number as REAL, which breaks integer division and grouping; bigint stays an integer.
function bound(value: unknown): SQLInputValue {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return (value ?? null) as SQLInputValue;
}

class Connection implements DatabaseConnection {
  readonly #database: DatabaseSync;
  readonly #file: string;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#file = file;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const end = performance.now() + longestWaitMs;
    for (let wait = 5; ; wait = Math.min(wait * 2, 200)) {
      try {
        return this.#run(query);
      } catch (error) {
        if (resultCode(error) !== busy || performance.now() > end) throw explain(error, this.#file);
      }
      await sleep(wait);
    }
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    for (const row of this.#prepare(query.sql).iterate(...query.parameters.map(bound)))
      yield { rows: [row as R] };
  }

  #run<R>(query: CompiledQuery): QueryResult<R> {
    const statement = this.#prepare(query.sql);
    const parameters = query.parameters.map(bound);
    if (statement.columns().length > 0) return { rows: statement.all(...parameters) as R[] };
    const { changes, lastInsertRowid } = statement.run(...parameters);
    return { insertId: BigInt(lastInsertRowid), numAffectedRows: BigInt(changes), rows: [] };
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    if (this.#statements.size >= keptStatements) this.#statements.clear();
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** One connection; Kysely itself lets one user at a time have it, because the adapter allows no more. */
class NodeSqliteDriver implements Driver {
  readonly #database: DatabaseSync;
  readonly #connection: Connection;

  constructor(database: DatabaseSync, file: string) {
    this.#database = database;
    this.#connection = new Connection(database, file);
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection;
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    // Immediate: only the first statement can then find the file busy, and that one can be tried again.
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    // A full disk makes SQLite roll back by itself; a second time would be an error.
    if (this.#database.isTransaction) await connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    if (!this.#database.isOpen) return;
    try {
      this.#database.exec('pragma optimize');
    } catch {
      // Only advice for the query planner: a file that cannot be written now may go without.
    }
    this.#database.close();
  }
}

/** Kysely on node:sqlite. `file` is for error sentences. */
export function sqliteDialect(database: DatabaseSync, file: string): Dialect {
  return {
    createDriver: () => new NodeSqliteDriver(database, file),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new SqliteAdapter(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
}
