import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { openOrRepair } from '#store/recover.ts';
import { explain, openFile } from '#store/sqlite.ts';
import { chunkChange, pruning, touched, type PruneBefore } from './changes.ts';
import { Deliveries } from './deliveries.ts';
import { BookFile, marks, openGuest, type Said } from './file.ts';
import { FilePages } from './files.ts';
import { copyBook, migrateBook } from './migrate.ts';
import type {
  AlertRow,
  BookCounts,
  BookQuery,
  DeliveryChange,
  DeliveryRow,
  DeliveryState,
  EventRow,
  EventTouch,
  Page,
  PathPoint,
  StoredAlert,
  StoredEvent,
  SuppressedRow,
} from './model.ts';
import { PathBuffer, readPaths } from './paths.ts';
import { listing, pageAfter } from './query.rules.ts';
import {
  alertValues,
  eventValues,
  toAlert,
  toEvent,
  toMs,
  toSeconds,
  toSuppressed,
  type Row,
} from './rows.codec.ts';

const touchEveryMs = 1_000;
/** Appended to the message of an alert, where the original's query looks for it. */
const falseMark = ' [false positive]';

export interface BookOptions {
  /** The folder of `events.db`. */
  readonly dataDir: string;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
  /** True for a command that runs beside the service: reads only, repairs and migrates nothing. */
  readonly guest?: boolean;
}

/**
 * The book of what the cameras saw: `events.db`. One process writes; `sqlite3` and guests may read and VACUUM beside it.
 * A change is on disk when a writing method returns. While the file cannot be written (disk full, locked) changes wait in
 * memory, in order, deliveries are given out from there all the same, and `counts().problem` says why; the promise then
 * resolves when it is written, or after a second. Writing methods never reject.
 */
export class EventBook {
  /** What recovery did on opening, for health; undefined when the file was sound. */
  readonly recovered: string | undefined;
  /** Pictures and video. */
  readonly files: FilePages;
  readonly #file: BookFile;
  readonly #deliveries: Deliveries;
  readonly #options: BookOptions;
  readonly #touches = new Map<string, EventTouch>();
  readonly #paths = new PathBuffer();
  #flushedAt = -Infinity;

  private constructor(file: BookFile, options: BookOptions, recovered: string | undefined) {
    this.#file = file;
    this.files = new FilePages(file);
    this.#deliveries = new Deliveries(file);
    this.#options = options;
    this.recovered = recovered;
  }

  /**
   * Opens the book, repaired and brought to this version's layout, and made when it is missing.
   * Throws STORE_UNAVAILABLE, STORE_NEWER, and for a guest NOT_FOUND when there is no book yet.
   */
  static async open(options: BookOptions): Promise<EventBook> {
    const { dataDir, clock, log, guest = false } = options;
    const file = path.join(dataDir, 'events.db');
    try {
      if (guest) return new EventBook(new BookFile(openGuest(file), file, log), options, undefined);
      mkdirSync(dataDir, { recursive: true, mode: 0o700 });
      // The house's own backups are of another database; none of them may stand in for this one.
      const { database, recovered } = openOrRepair(file, path.join(dataDir, 'no-backups'), clock.now(), log);
      database.close();
      await migrateBook({ file, now: clock.now(), log });
      return new EventBook(new BookFile(openFile(file), file, log), options, recovered);
    } catch (error) {
      throw explain(error, file);
    }
  }

  openEvent(row: EventRow): Promise<void> {
    return this.#write(true, [
      `insert into events values (${marks(13)}) on conflict (id) do update set closed = excluded.closed,
         last_seen = max(last_seen, excluded.last_seen), confidence = max(confidence, excluded.confidence)`,
      eventValues(row),
    ]);
  }

  /** Last sight, best score and data of an open event; written at most once a second. */
  touchEvent(id: string, touch: EventTouch): void {
    const before = this.#touches.get(id);
    this.#touches.set(id, { ...before, ...touch });
    this.#flushSometimes();
  }

  /** Ends an event at its true last sight. */
  closeEvent(id: string, touch: EventTouch): Promise<void> {
    const last = { ...this.#touches.get(id), ...touch };
    this.#touches.delete(id);
    const [sql, values] = touched(id, last);
    const chunk = this.#paths.end(id);
    return this.#write(
      true,
      [sql.replace('update events set', 'update events set closed = 1,'), values],
      ...(chunk === undefined ? [] : [chunkChange(chunk)]),
    );
  }

  /** Events that no one has closed: those of a process that was killed, to be resumed or closed at `seenAt`. */
  openEvents(): StoredEvent[] {
    return this.#file.all('select * from events where closed = 0 order by timestamp').map(toEvent);
  }

  /** An alert with everything that is to be sent for it, together or not at all. */
  alert(row: AlertRow, deliveries: readonly DeliveryRow[] = []): Promise<void> {
    const { changes, settled } = this.#deliveries.added(deliveries);
    const insert = `insert or ignore into alerts values (${marks(12)})`;
    return this.#file.write({ durable: true, changes: [[insert, alertValues(row)], ...changes], settled });
  }

  suppressed(row: SuppressedRow): Promise<void> {
    return this.#write(false, [
      `insert or ignore into suppressed values (${marks(5)})`,
      [toSeconds(row.at), row.rule, row.camera, row.event, row.reason],
    ]);
  }

  /** Says of an alert that it was a false alarm, or that it was none. Throws NOT_FOUND. */
  setFalsePositive(alert: string, on: boolean): Promise<void> {
    if (this.findAlert(alert) === undefined)
      throw new LaresError('NOT_FOUND', `there is no alert ${alert.slice(0, 80)}`);
    return this.#write(
      true,
      on
        ? [
            'update alerts set false_positive = 1, message = message || ? where id = ? and false_positive = 0',
            [falseMark, alert],
          ]
        : [
            `update alerts set false_positive = 0, message = case when message like '%' || ?
               then substr(message, 1, length(message) - ${falseMark.length}) else message end
               where id = ? and false_positive = 1`,
            [falseMark, alert],
          ],
    );
  }

  /** A point of an object's path. Kept at most twice a second, and every ten seconds while it stands still. */
  addPath(point: PathPoint): void {
    this.#paths.add(point);
    this.#flushSometimes();
  }

  event(id: string): StoredEvent | undefined {
    return this.#file.all('select * from events where id = ?', id).map(toEvent)[0];
  }

  findAlert(id: string): StoredAlert | undefined {
    return this.#file.all('select * from alerts where id = ?', id).map(toAlert)[0];
  }

  events(query: BookQuery = {}): Page<StoredEvent> {
    return this.#page('events', 'id', { ...query, rule: undefined, event: undefined }, toEvent);
  }

  alerts(query: BookQuery = {}): Page<StoredAlert> {
    return this.#page('alerts', 'id', query, toAlert);
  }

  suppressions(query: BookQuery = {}): Page<SuppressedRow> {
    return this.#page('suppressed', 'rowid', { ...query, label: undefined }, toSuppressed);
  }

  /** All kept points with `from <= at < to` (epoch ms) in order of time, over all events. For replay. */
  *paths(from: number, to: number): Generator<PathPoint> {
    this.flush();
    yield* readPaths(from, to, (after, limit) =>
      this.#file
        .all(
          `select event, started, ended, points from paths
         where ended >= ? and started < ? and (started, event) > (?, ?) order by started, event limit ?`,
          toSeconds(from),
          toSeconds(to),
          after === undefined ? -1 : toSeconds(after.started),
          after?.event ?? '',
          limit,
        )
        .map((row) => ({
          event: String(row['event']),
          started: toMs(row['started']),
          ended: toMs(row['ended']),
          points: row['points'] as Uint8Array,
        })),
    );
  }

  /** Deliveries that wait and whose time has come, the longest waiting first: of each action the `limit` most severe. */
  due(now: number, limit: number): DeliveryRow[] {
    return this.#deliveries.due(now, limit);
  }

  /** Everything that waits is due at `now` (epoch ms) at the latest. */
  hasten(now: number): Promise<void> {
    return this.#deliveries.hasten(now);
  }

  /** What became of a try. Says nothing of a delivery that is not known. */
  mark(id: string, state: DeliveryState, change: DeliveryChange = {}): Promise<void> {
    return this.#deliveries.mark(id, state, change);
  }

  /** Everything that was to be sent for an alert. */
  deliveriesOf(alert: string): DeliveryRow[] {
    return this.#deliveries.of(alert);
  }

  /** Number of deliveries that are not over, of one channel or of all. */
  waiting(channel?: string): number {
    const counts = this.#deliveries.waiting();
    return channel === undefined
      ? counts.values().reduce((sum, n) => sum + n, 0)
      : (counts.get(channel) ?? 0);
  }

  /** How many events and alerts began at or after `at` (epoch ms). */
  countSince(at: number): { readonly events: number; readonly alerts: number } {
    const count = (table: string) =>
      this.#file.number(`select count(*) as n from ${table} where timestamp >= ?`, toSeconds(at));
    return { events: count('events'), alerts: count('alerts') };
  }

  /** Why changes wait in memory; undefined while they are written. */
  get problem(): string | undefined {
    return this.#file.stats.problem;
  }

  counts(): BookCounts {
    const { pending, dropped, problem } = this.#file.stats;
    return {
      events: this.#file.number('select count(*) as n from events'),
      openEvents: this.#file.number('select count(*) as n from events where closed = 0'),
      alerts: this.#file.number('select count(*) as n from alerts'),
      suppressed: this.#file.number('select count(*) as n from suppressed'),
      deliveriesWaiting: this.waiting(),
      segments: this.#file.number('select count(*) as n from segments'),
      segmentBytes: this.#file.number('select coalesce(sum(bytes), 0) as n from segments'),
      pathBytes: this.#file.number('select coalesce(sum(length(points)), 0) as n from paths'),
      bytes: this.#file.bytes(),
      pending,
      dropped,
      problem,
    };
  }

  /** Lets go of what is older, a few thousand rows a call and table, and gives the room back. Returns the rows gone. */
  async prune(before: PruneBefore): Promise<number> {
    const rows = () =>
      this.#file.number(
        'select (select count(*) from paths) + (select count(*) from alerts) + (select count(*) from suppressed) + (select count(*) from events) as n',
      );
    const had = rows();
    await this.#write(false, ...pruning(before));
    this.#file.try('pragma incremental_vacuum(1000)');
    return Math.max(0, had - rows());
  }

  /** What SQLite finds wrong with the file; undefined when it is sound. Reads all of it. */
  integrity(): string | undefined {
    const rows = this.#file.all('pragma integrity_check(5)');
    const text = rows.map((row) => String(row['integrity_check'])).join('; ');
    return text === 'ok' ? undefined : text;
  }

  /** A consistent copy while all goes on. Throws STORE_UNAVAILABLE. */
  async backup(target: string): Promise<void> {
    this.flush();
    try {
      await copyBook(this.#file.db, target);
    } catch (error) {
      throw explain(error, target);
    }
  }

  /** Writes what was held back for a moment: last sights and paths. */
  flush(): void {
    this.#flushedAt = this.#options.clock.now();
    const changes = [...this.#touches].map(([id, touch]) => touched(id, touch));
    this.#touches.clear();
    void this.#write(false, ...changes, ...this.#paths.changed().map(chunkChange));
  }

  /** Writes everything and lets go of the file, complete without its write-ahead log. */
  async close(): Promise<void> {
    if (this.#options.guest !== true) this.flush();
    await this.#file.close();
  }

  #flushSometimes(): void {
    const now = this.#options.clock.now();
    // Also when the clock was set back.
    if (Math.abs(now - this.#flushedAt) >= touchEveryMs) this.flush();
  }

  #write(durable: boolean, ...changes: readonly Said[]): Promise<void> {
    return this.#file.write({ durable, changes });
  }

  #page<T>(table: string, key: string, query: BookQuery, map: (row: Row) => T): Page<T> {
    const { text, values, limit } = listing(table, key, query);
    const found = this.#file.all(text, ...values);
    const rows = found.slice(0, limit);
    const last = rows.at(-1);
    const more = found.length > limit && last !== undefined;
    return {
      rows: rows.map(map),
      ...(more && { next: pageAfter(Number(last['timestamp']), String(last['page_key'])) }),
    };
  }
}
