import { existsSync, statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { QueueStats } from '#store/model.ts';
import { WriteQueue } from '#store/queue.ts';
import { explain, resultCode } from '#store/sqlite.ts';
import type { Row, Value } from './rows.codec.ts';

// Far more than a house makes while somebody frees the disk; an item is some hundred bytes.
const mostWaiting = 50_000;
const writesAtOnce = 500;
/** SQLite's result codes for trouble with the file, not with the statement: https://www.sqlite.org/rescode.html */
const trouble = new Set([5, 6, 8, 10, 11, 13, 14, 26]);

/** A statement with its values. */
export type Said = readonly [sql: string, values: readonly Value[]];

/** Changes that happen together or not at all. May be carried out twice. */
export interface Write {
  readonly changes: readonly Said[];
  /** Must survive a power cut once acknowledged; what is not survives the end of the process only. */
  readonly durable: boolean;
  /** Told when it is on disk, or was refused for good. */
  readonly settled?: () => void;
}

export const marks = (n: number): string => Array.from({ length: n }, () => '?').join(', ');

/** The open file of the book: statements, and writes that wait in memory while they cannot be made. */
export class BookFile {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #log: Log;
  readonly #queue: WriteQueue<Write>;
  readonly #statements = new Map<string, StatementSync>();
  #durable = true;

  constructor(db: DatabaseSync, file: string, log: Log) {
    this.#db = db;
    this.#file = file;
    this.#log = log;
    this.#queue = new WriteQueue<Write>({
      name: 'camera records',
      capacity: mostWaiting,
      batch: writesAtOnce,
      // A failed write must reject, not throw: the queue keeps what it could not write.
      write: async (writes) => this.#commit(writes),
      log,
    });
  }

  get db(): DatabaseSync {
    return this.#db;
  }

  get stats(): QueueStats {
    return this.#queue.stats;
  }

  /**
   * Written when this returns, unless it could not be: then it resolves when it is written, or after a second in which
   * it still could not. Never rejects.
   */
  write(write: Write): Promise<void> {
    if (write.changes.length === 0) return Promise.resolve();
    if (this.#queue.pending.length === 0) {
      try {
        this.#commit([write]);
        return Promise.resolve();
      } catch {
        // The queue tries again and says what is wrong.
      }
    }
    return this.#queue.push(write);
  }

  /** Throws STORE_UNAVAILABLE or STORE_CORRUPT. */
  all(sql: string, ...values: readonly Value[]): Row[] {
    try {
      return this.#prepare(sql).all(...values);
    } catch (error) {
      throw explain(error, this.#file);
    }
  }

  /** The column `n` of the one row. */
  number(sql: string, ...values: readonly Value[]): number {
    return Number(this.all(sql, ...values)[0]?.['n'] ?? 0);
  }

  /** Main file and write-ahead log. */
  bytes(): number {
    return ['', '-wal']
      .map((suffix) => statSync(this.#file + suffix, { throwIfNoEntry: false })?.size ?? 0)
      .reduce((a, b) => a + b);
  }

  /** Does what helps but need not succeed, as while another program holds the file. */
  try(pragma: string): void {
    try {
      this.#db.exec(pragma);
    } catch (error) {
      this.#log.debug(`events.db: ${pragma} waits: ${reason(error)}`);
    }
  }

  async close(): Promise<void> {
    await this.#queue.close();
    // Leaves the file complete without its write-ahead log, so that a plain copy of a stopped house is whole.
    this.try('pragma wal_checkpoint(truncate)');
    this.#db.close();
  }

  #commit(writes: readonly Write[]): void {
    try {
      this.#transaction(writes);
    } catch (error) {
      if (trouble.has(resultCode(error) ?? 0)) throw explain(error, this.#file);
      // One change that SQLite will never take must not hold up all others.
      for (const write of writes) this.#alone(write);
    }
    for (const write of writes) write.settled?.();
  }

  #alone(write: Write): void {
    try {
      this.#transaction([write]);
    } catch (error) {
      if (trouble.has(resultCode(error) ?? 0)) throw explain(error, this.#file);
      this.#log.error(`store error: a camera record was refused: ${reason(error)}`, {
        statement: write.changes[0]?.[0].slice(0, 60),
      });
    }
  }

  #transaction(writes: readonly Write[]): void {
    const durable = writes.some((write) => write.durable);
    if (durable !== this.#durable) this.#db.exec(`pragma synchronous = ${durable ? 'full' : 'normal'}`);
    this.#durable = durable;
    this.#db.exec('begin immediate');
    try {
      for (const { changes } of writes)
        for (const [sql, values] of changes) this.#prepare(sql).run(...values);
      this.#db.exec('commit');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('rollback');
      throw error;
    }
  }

  #prepare(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/** Opens the book beside the process that writes it, for reading. Throws NOT_FOUND. */
export function openGuest(file: string): DatabaseSync {
  if (!existsSync(file))
    throw new LaresError('NOT_FOUND', `there is no ${file} yet; it is made when the cameras run first`);
  const database = new DatabaseSync(file, { readOnly: true, timeout: 2_000 });
  const mine = database.prepare(`select 1 from sqlite_schema where name = 'lares_book'`).get();
  if (mine !== undefined) return database;
  database.close();
  throw new LaresError('NOT_FOUND', `${file} is of another system; take it over with migrate_database`);
}
