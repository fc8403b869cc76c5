import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { openOrRepair } from '#store/recover.ts';
import { explain, openFile } from '#store/sqlite.ts';
import { Deliveries } from './deliveries.ts';
import { BookFile, marks, type Said } from './file.ts';
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
  SegmentRow,
  StoredAlert,
  StoredEvent,
  SuppressedRow,
} from './model.ts';
import { PathBuffer, readPaths, type PathChunk } from './paths.ts';
import { listing, pageAfter } from './query.rules.ts';
import {
  alertValues,
  boxText,
  eventValues,
  segmentValues,
  toAlert,
  toEvent,
  toMs,
  toSeconds,
  toSegment,
  toSuppressed,
  type Row,
  type Value,
} from './rows.codec.ts';

const touchEveryMs = 1_000;
const deletedAtOnce = 2_000;
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

export interface PruneBefore {
  /** Epoch milliseconds: events, alerts, deliveries and suppressed alerts that began before go. */
  readonly events: number;
  readonly paths: number;
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
  readonly #file: BookFile;
  readonly #deliveries: Deliveries;
  readonly #options: BookOptions;
  readonly #touches = new Map<string, EventTouch>();
  readonly #paths = new PathBuffer();
  #flushedAt = -Infinity;

  private constructor(file: BookFile, options: BookOptions, recovered: string | undefined) {
    this.#file = file;
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

  /** The best picture of an event; its alerts that had none get it too. */
  attachSnapshot(event: string, file: string): Promise<void> {
    return this.#write(
      true,
      ['update events set snapshot = ?, snapshot_gone = 0 where id = ?', [file, event]],
      ['update alerts set snapshot = ? where event = ? and snapshot is null', [file, event]],
    );
  }

  /** Pictures whose files are no more. */
  snapshotsGone(files: readonly string[]): Promise<void> {
    return this.#write(
      false,
      ...files.map((file): Said => ['update events set snapshot_gone = 1 where snapshot = ?', [file]]),
    );
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

  /** A file of video that grows or was finished. */
  segment(row: SegmentRow): Promise<void> {
    return this.#write(row.closed, [
      `insert into segments values (${marks(7)}) on conflict (file) do update set
         ended = excluded.ended, bytes = excluded.bytes, closed = excluded.closed, events = excluded.events`,
      segmentValues(row),
    ]);
  }

  segmentsGone(files: readonly string[]): Promise<void> {
    return this.#write(false, ...files.map((file): Said => ['delete from segments where file = ?', [file]]));
  }

  /** Video of one camera that overlaps `from` to `to` (epoch ms), oldest first. */
  segments(camera: string, from: number, to: number): SegmentRow[] {
    return this.#file
      .all(
        'select * from segments where camera = ? and started < ? and ended > ? order by started',
        camera,
        toSeconds(to),
        toSeconds(from),
      )
      .map(toSegment);
  }

  /** All video, oldest first; `clip` tells whether it holds an event or the `marginMs` before one. */
  segmentsOf(marginMs: number): (SegmentRow & { readonly clip: boolean })[] {
    return this.#file
      .all(
        `select *, events <> '[]' or exists (select 1 from events as e where e.camera = segments.camera
           and e.timestamp between segments.started and segments.ended + ?) as clip
         from segments order by started`,
        toSeconds(marginMs),
      )
      .map((row) => ({ ...toSegment(row), clip: row['clip'] === 1 }));
  }

  /** Files of all snapshots that should exist. */
  snapshotFiles(): string[] {
    return this.#file
      .all('select distinct snapshot as file from events where snapshot is not null and snapshot_gone = 0')
      .map((row) => String(row['file']));
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
      this.#file.number(`select count(*) as n from ${table} where timestamp >= ${at / 1000}`);
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
    const old = toSeconds(before.events);
    const steps: Said[] = [
      [
        `delete from paths where rowid in (select rowid from paths where ended < ? limit ?)`,
        [toSeconds(before.paths), deletedAtOnce],
      ],
      [
        `delete from deliveries where alert in (select id from alerts where timestamp < ? order by timestamp limit ?)`,
        [old, deletedAtOnce],
      ],
      [
        `delete from alerts where id in (select id from alerts where timestamp < ? order by timestamp limit ?)`,
        [old, deletedAtOnce],
      ],
      [
        `delete from suppressed where rowid in (select rowid from suppressed where timestamp < ? limit ?)`,
        [old, deletedAtOnce],
      ],
      [
        `delete from events where id in (select id from events where timestamp < ? and closed = 1 limit ?)`,
        [old, deletedAtOnce],
      ],
    ];
    const rows = () =>
      this.#file.number(
        'select (select count(*) from paths) + (select count(*) from alerts) + (select count(*) from suppressed) + (select count(*) from events) as n',
      );
    const had = rows();
    await this.#write(false, ...steps);
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

function touched(id: string, touch: EventTouch): Said {
  const { seenAt, confidence, label, box, identity, data } = touch;
  const set: [string, Value][] = [['last_seen = max(last_seen, ?)', toSeconds(seenAt)]];
  if (confidence !== undefined) set.push(['confidence = max(confidence, ?)', confidence]);
  if (label !== undefined) set.push(['label = ?', label]);
  if (box !== undefined) set.push(['box = ?', boxText(box)]);
  if (identity !== undefined) set.push(['identity = ?', JSON.stringify(identity)]);
  if (data !== undefined) set.push(['data = ?', JSON.stringify(data)]);
  return [
    `update events set ${set.map(([sql]) => sql).join(', ')} where id = ?`,
    [...set.map(([, value]) => value), id],
  ];
}

const chunkChange = ({ event, started, ended, points }: PathChunk): Said => [
  `insert into paths values (?, ?, ?, ?)
   on conflict (event, started) do update set ended = excluded.ended, points = excluded.points`,
  [event, toSeconds(started), toSeconds(ended), points],
];

function openGuest(file: string): DatabaseSync {
  if (!existsSync(file))
    throw new LaresError('NOT_FOUND', `there is no ${file} yet; it is made when the cameras run first`);
  const database = new DatabaseSync(file, { readOnly: true, timeout: 2_000 });
  const mine = database.prepare(`select 1 from sqlite_schema where name = 'lares_book'`).get();
  if (mine !== undefined) return database;
  database.close();
  throw new LaresError('NOT_FOUND', `${file} is of another system; take it over with migrate_database`);
}
