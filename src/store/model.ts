import type { Kysely } from 'kysely';
import type { HouseEvent, NewEvent } from '#kernel/event.ts';
import type { Batch } from '#kernel/reading.ts';

export type StoreKind = 'sqlite' | 'postgres';

/**
 * One forward step of one area's tables. `name` sorts: `0001_presence_person`. Written once, never changed after
 * release. `kind` is for the few types that differ; `bigint` (epoch ms), `integer`, `double precision` and `text`
 * are the same on both, so are Kysely's `insertInto … onConflict` and `returning`.
 */
export interface NamedMigration {
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any
  up(db: Kysely<any>, kind: StoreKind): Promise<void>;
}

/** What happened, for good. Appending also announces the event on the bus. */
export interface Journal {
  /**
   * Keeps an event and returns it with its id: a version 7 UUID whose text sorts by `at`, then by order of arrival.
   * Never throws: while the database cannot be written the event waits in memory, bounded, and `list` shows it.
   */
  append(event: NewEvent): Promise<HouseEvent>;
  list(query: EventQuery): Promise<HouseEvent[]>;
  get(id: string): Promise<HouseEvent | undefined>;
}

export interface EventQuery {
  /** Kinds, each exact or with a trailing `*`: `presence.*`. */
  readonly kinds?: readonly string[] | undefined;
  readonly subject?: string | undefined;
  /** Epoch ms, inclusive. */
  readonly from?: number | undefined;
  /** Epoch ms, exclusive. */
  readonly to?: number | undefined;
  /** Newest first unless `asc`. */
  readonly order?: 'asc' | 'desc' | undefined;
  /** 1000 unless told otherwise. */
  readonly limit?: number | undefined;
}

/** One point of a chart: all samples of its bucket. */
export interface ChartPoint {
  /** Epoch ms of the start of the bucket. */
  readonly at: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** Every reading ever taken, at the resolution that its age deserves. Also the spool of the sinks. */
export interface ReadingLog {
  /**
   * Keeps one tick. Never throws and never loses order: while the database cannot be written (disk full,
   * server away) batches wait in memory, bounded, and are written as soon as it can be again.
   * Resolves when this batch is durable, or has been put aside in memory. A value that is not finite and a
   * name that is no series are left out and counted.
   */
  append(batch: Batch): Promise<void>;
  /** Raw batches with `from <= at < to` (epoch ms), oldest first, in-memory ones included. */
  range(from: number, to: number): AsyncIterable<Batch>;
  /**
   * At most `points` buckets of one series between `from` and `to`, from the finest tier that covers the span;
   * buckets without a sample are absent. From one minute per bucket on, the span is widened to whole minutes,
   * from one hour on to whole hours.
   */
  chart(series: string, from: number, to: number, points: number): Promise<ChartPoint[]>;
  /** Every sample kept raw of one series, `[at, value]`, oldest first. */
  samples(series: string, from: number, to: number): Promise<[at: number, value: number][]>;
  series(): Promise<string[]>;
  /** Number of samples kept raw with `from <= at < to`; for the backlog gauges. */
  count(from: number, to: number): Promise<number>;
  /** Seals full hours into chunks and lets go what is older than the retention. Called by the store's own timer. */
  maintain(now: number): Promise<void>;
}

/** Small documents that must survive a crash: cursors, last-known states, rotated tokens. Each `set` is atomic and durable. */
export interface StateStore {
  get<T>(key: string): Promise<T | undefined>;
  /** Throws STORE_UNAVAILABLE when the database cannot be written; the old value then still stands. */
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
}

/** How long each resolution is kept, in days. */
export interface Retention {
  /** Every sample. */
  readonly rawDays: number;
  /** One mean, minimum and maximum per minute. */
  readonly minuteDays: number;
  /** One mean, minimum and maximum per hour. */
  readonly hourDays: number;
}

/** What waits in memory because the database cannot be written, and what it cost so far. */
export interface QueueStats {
  readonly pending: number;
  /** Let go for good since the start because memory for them ran out. */
  readonly dropped: number;
  /** Failed tries to write since the start. */
  readonly errors: number;
  /** Milliseconds that the newest successful write took. */
  readonly lastWriteMs: number;
  /** Why the newest try failed; undefined while writing works. */
  readonly problem: string | undefined;
}

export interface StoreStats {
  /** In batches. */
  readonly readings: QueueStats;
  readonly events: QueueStats;
  /** Values left out since the start: not finite, or under a name that is no series. */
  readonly rejected: number;
}

export interface Store {
  readonly kind: StoreKind;
  /** For repositories: `store.db.withTables<MyTables>()`. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly db: Kysely<any>;
  readonly readings: ReadingLog;
  readonly journal: Journal;
  readonly state: StateStore;
  /** What recovery did on opening, for health and the log: moved-aside corrupt files, salvaged rows. */
  readonly recovered: string | undefined;
  /** Counters for metrics and health; asks no database. */
  stats(): StoreStats;
  /** Bytes on disk: main file and write-ahead log, or `pg_database_size`. */
  sizeBytes(): Promise<number>;
  /** Writes what still waits in memory, if it can, and lets go of the database. */
  close(): Promise<void>;
}
