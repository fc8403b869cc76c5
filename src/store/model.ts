import type { Kysely } from 'kysely';
import type { HouseEvent, NewEvent } from '#kernel/event.ts';
import type { Batch } from '#kernel/reading.ts';

/** One forward step of one area's tables. `name` sorts: `0001_presence_person`. Written once, never changed after release. */
export interface NamedMigration {
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any
  up(db: Kysely<any>): Promise<void>;
}

/** What happened, for good. Appending also announces the event on the bus. */
export interface Journal {
  append(event: NewEvent): Promise<HouseEvent>;
  list(query: EventQuery): Promise<HouseEvent[]>;
  get(id: string): Promise<HouseEvent | undefined>;
}

export interface EventQuery {
  /** Kinds, each exact or with a trailing `*`: `presence.*`. */
  readonly kinds?: readonly string[];
  readonly subject?: string;
  /** Epoch ms, inclusive. */
  readonly from?: number;
  /** Epoch ms, exclusive. */
  readonly to?: number;
  /** Newest first unless `asc`. */
  readonly order?: 'asc' | 'desc';
  readonly limit?: number;
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
   * Resolves when this batch is durable, or has been put aside in memory.
   */
  append(batch: Batch): Promise<void>;
  /** Raw batches with `from <= at < to` (epoch ms), oldest first, in-memory ones included. */
  range(from: number, to: number): AsyncIterable<Batch>;
  /** At most `points` buckets of one series between `from` and `to`, from the finest tier that covers the span. */
  chart(series: string, from: number, to: number, points: number): Promise<ChartPoint[]>;
  /** Every sample kept raw of one series, `[at, value]`, oldest first. */
  samples(series: string, from: number, to: number): Promise<[at: number, value: number][]>;
  series(): Promise<string[]>;
  /** Number of samples with `from <= at < to`; for the backlog gauges. */
  count(from: number, to: number): Promise<number>;
  /** Seals full hours into chunks and lets go what is older than the retention. Called by the store's own timer. */
  maintain(now: number): Promise<void>;
}

/** Small documents that must survive a crash: cursors, last-known states, rotated tokens. Each `set` is atomic and durable. */
export interface StateStore {
  get<T>(key: string): Promise<T | undefined>;
  set(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<void>;
}

export interface Store {
  readonly kind: 'sqlite' | 'postgres';
  /** For repositories: `store.db.withTables<MyTables>()`. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly db: Kysely<any>;
  readonly readings: ReadingLog;
  readonly journal: Journal;
  readonly state: StateStore;
  /** What recovery did on opening, for health and the log: moved-aside corrupt files, salvaged rows. */
  readonly recovered: string | undefined;
  close(): Promise<void>;
}
