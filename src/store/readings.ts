import { setImmediate as breathe } from 'node:timers/promises';
import type { Log } from '#kernel/driver.ts';
import { isSeries, type Batch } from '#kernel/reading.ts';
import { Buckets, merge, plan } from './chart.rules.ts';
import { decodeMinutes, decodeSamples, minuteMs, type Samples } from './codec.ts';
import type { ChartPoint, QueueStats, ReadingLog, Retention } from './model.ts';
import { WriteQueue } from './queue.ts';
import { cutoffs, horizons, prune, sealHour, slowed } from './seal.ts';
import { hourMs, type Db, type StoreTables } from './tables.ts';
import { Columns, portions, type Column } from './ticks.ts';

// One hour of ticks.
const capacity = 720;
const rowsPerInsert = 500;
// Ticks read at one go: a few milliseconds of the event loop.
const portionMs = 10 * minuteMs;
// What comes later than this after the end of its hour is merged into the sealed chunk.
const latenessMs = 5 * minuteMs;

type ChunkPart = Omit<StoreTables['chunk'], 'series'>;

const noSamples: Samples = { at: new Float64Array(0), value: new Float64Array(0) };

const toSamples = (rows: readonly { at: number; value: number }[]): Samples => ({
  at: Float64Array.from(rows, (row) => row.at),
  value: Float64Array.from(rows, (row) => row.value),
});

function byHour({ at, value }: Samples): Map<number, Samples> {
  const hours = new Map<number, Samples>();
  for (let i = 0; i < at.length;) {
    const start = Math.floor(at[i]! / hourMs) * hourMs;
    let end = i;
    while (end < at.length && at[end]! < start + hourMs) end += 1;
    hours.set(start, { at: at.subarray(i, end), value: value.subarray(i, end) });
    i = end;
  }
  return hours;
}

/** The readings on either database. */
export class SqlReadings implements ReadingLog {
  readonly #db: Db;
  readonly #queue: WriteQueue<Batch>;
  readonly #ids = new Map<string, number>();
  readonly #retention: Retention;
  #last: Promise<unknown> = Promise.resolve();
  #rejected = 0;

  constructor(db: Db, log: Log, retention: Retention) {
    this.#db = db;
    this.#retention = retention;
    this.#queue = new WriteQueue({
      name: 'readings',
      capacity,
      batch: 20,
      log,
      write: (batches) => this.#alone(() => this.#write(batches)),
    });
  }

  get stats(): QueueStats {
    return this.#queue.stats;
  }

  get rejected(): number {
    return this.#rejected;
  }

  append(batch: Batch): Promise<void> {
    const values = new Map<string, number>();
    for (const [series, value] of batch.values) {
      // -0 is 0 to every reader, and SQLite keeps no sign of zero.
      if (Number.isFinite(value) && isSeries(series)) values.set(series, value === 0 ? 0 : value);
      else this.#rejected += 1;
    }
    const at = Math.round(batch.at);
    if (!Number.isSafeInteger(at)) {
      this.#rejected += values.size;
      return Promise.resolve();
    }
    return values.size === 0 ? Promise.resolve() : this.#queue.push({ at, values });
  }

  async *range(from: number, to: number): AsyncIterable<Batch> {
    const names = await this.#names();
    for (let cursor = from; cursor < to;) {
      const found = await this.#nextHour(cursor, to);
      if (found === undefined) return;
      const end = Math.min(found + hourMs, to);
      const begin = Math.max(cursor, found);
      for (const portion of portions(await this.#columns(begin, end, names), begin, end, portionMs)) {
        yield* portion;
        await breathe();
      }
      cursor = end;
    }
  }

  async chart(series: string, from: number, to: number, points: number): Promise<ChartPoint[]> {
    if (!(to > from)) return [];
    const of = plan(from, to, points);
    const buckets = new Buckets(of);
    // In this order a sample that moves on meanwhile is met at least once.
    const waiting = this.#waiting(series, of.from, of.to);
    const id = await this.#id(series);
    const loose = id === undefined ? waiting : merge(await this.#loose(id, of.from, of.to), waiting);
    if (id === undefined) {
      buckets.addSamples(loose);
      return buckets.points();
    }
    const looseOf = byHour(loose);
    const chunks = await this.#chunks(id, of.from, of.to, of.tier !== 'hour');
    for (const chunk of chunks) {
      const late = looseOf.get(chunk.start);
      if (of.tier === 'hour' && late === undefined) {
        buckets.add({ ...chunk, at: chunk.start });
        continue;
      }
      const [full] =
        of.tier === 'hour' ? await this.#chunks(id, chunk.start, chunk.start + 1, true) : [chunk];
      if (full?.raw != null) {
        buckets.addSamples(merge(decodeSamples(chunk.start, full.raw), late ?? noSamples));
        looseOf.delete(chunk.start);
      } else if (full?.minutes != null && of.tier !== 'hour')
        for (const minute of decodeMinutes(chunk.start, full.minutes)) {
          if (minute.at >= of.from - minuteMs) buckets.add(minute);
        }
      else buckets.add({ ...chunk, at: chunk.start });
    }
    for (const samples of looseOf.values()) buckets.addSamples(samples);
    return buckets.points();
  }

  async samples(series: string, from: number, to: number): Promise<[at: number, value: number][]> {
    const waiting = this.#waiting(series, from, to);
    const id = await this.#id(series);
    const parts: Samples[] = [waiting];
    if (id !== undefined) {
      parts.unshift(await this.#loose(id, from, to));
      for (const { start, raw } of await this.#chunks(id, from, to, true))
        if (raw !== null) parts.unshift(decodeSamples(start, raw));
    }
    const newest = new Map<number, number>();
    for (const { at, value } of parts)
      for (let i = 0; i < at.length; i += 1) if (at[i]! >= from && at[i]! < to) newest.set(at[i]!, value[i]!);
    return [...newest].toSorted((a, b) => a[0] - b[0]);
  }

  async series(): Promise<string[]> {
    const waiting = this.#queue.pending.flatMap((batch) => [...batch.values.keys()]);
    return [...new Set([...(await this.#names()).values(), ...waiting])].toSorted();
  }

  async count(from: number, to: number): Promise<number> {
    const waitingFrom = Math.min(to, ...this.#queue.pending.map((batch) => batch.at));
    const looseFrom = (await this.#firstLoose(from, to)) ?? to;
    // Whole hours that lie in chunks alone are counted by their summaries, the rest one by one.
    const first = Math.ceil(from / hourMs) * hourMs;
    const last = Math.floor(Math.min(to, waitingFrom, looseFrom) / hourMs) * hourMs;
    if (last <= first) return this.#countEach(from, to);
    const row = await this.#db
      .selectFrom('chunk')
      .select((eb) => eb.fn.sum<number | null>('n').as('n'))
      .where('series', 'in', (eb) => eb.selectFrom('series').select('id'))
      .where('start', '>=', first)
      .where('start', '<', last)
      .where('raw', 'is not', null)
      .executeTakeFirst();
    return (row?.n ?? 0) + (await this.#countEach(from, first)) + (await this.#countEach(last, to));
  }

  /** `mostMs`: how much of each resolution may be let go at most; all that is old enough unless given. */
  async maintain(now: number, mostMs = Infinity): Promise<void> {
    const cut = slowed(cutoffs(now, this.#retention), await horizons(this.#db), mostMs);
    const full = Math.floor((now - latenessMs) / hourMs) * hourMs;
    for (;;) {
      const at = await this.#firstLoose(0, full);
      if (at === undefined) break;
      await this.#alone(() => sealHour(this.#db, Math.floor(at / hourMs) * hourMs, cut));
      await breathe();
    }
    await prune(this.#db, cut);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #countEach(from: number, to: number): Promise<number> {
    let n = 0;
    for await (const batch of this.range(from, to)) n += batch.values.size;
    return n;
  }

  /** The start of the first hour from `cursor` on that has a sample anywhere. */
  async #nextHour(cursor: number, to: number): Promise<number | undefined> {
    const waiting = Math.min(...this.#queue.pending.map((b) => b.at).filter((at) => at >= cursor && at < to));
    const loose = await this.#firstLoose(cursor, to);
    const tier = await this.#db
      .selectFrom('tier')
      .select('since')
      .where('name', '=', 'raw')
      .executeTakeFirst();
    const from = Math.max(Math.floor(cursor / hourMs) * hourMs, tier?.since ?? Infinity);
    // One seek per series: the key begins with the series.
    const chunk = Number.isFinite(from)
      ? await this.#db
          .selectFrom('series')
          .select((eb) =>
            eb.fn
              .min(
                eb
                  .selectFrom('chunk')
                  .select((inner) => inner.fn.min('chunk.start').as('start'))
                  .whereRef('chunk.series', '=', 'series.id')
                  .where('chunk.start', '>=', from)
                  .where('chunk.start', '<', to)
                  .where('chunk.raw', 'is not', null),
              )
              .as('start'),
          )
          .executeTakeFirst()
      : undefined;
    const first = Math.min(waiting, loose ?? Infinity, chunk?.start ?? Infinity);
    return Number.isFinite(first) ? Math.floor(first / hourMs) * hourMs : undefined;
  }

  /** Everything known of one hour, or of a part of it, older layers first: chunks, then loose rows, then memory. */
  async #columns(from: number, to: number, names: Map<number, string>): Promise<Column[]> {
    // Read in the order in which samples move on, so that one that moves meanwhile is met at least once.
    const waiting = new Columns();
    for (const { at, values } of this.#queue.pending.toSorted((a, b) => a.at - b.at))
      if (at >= from && at < to) for (const [name, value] of values) waiting.add(name, at, value);
    const loose = new Columns();
    for (let start = from; start < to; start += portionMs) {
      const rows = await this.#db
        .selectFrom('reading')
        .selectAll()
        .where('at', '>=', start)
        .where('at', '<', Math.min(to, start + portionMs))
        .orderBy('at')
        .execute();
      if (rows.some((row) => !names.has(row.series)))
        for (const [id, name] of await this.#names()) names.set(id, name);
      for (const { at, series, value } of rows) loose.add(names.get(series)!, at, value);
      if (rows.length > 0) await breathe();
    }
    const start = Math.floor(from / hourMs) * hourMs;
    const chunks = await this.#db
      .selectFrom('chunk')
      .select(['series', 'raw'])
      .where('series', 'in', (eb) => eb.selectFrom('series').select('id'))
      .where('start', '=', start)
      .where('raw', 'is not', null)
      .execute();
    if (chunks.some((row) => !names.has(row.series)))
      for (const [id, name] of await this.#names()) names.set(id, name);
    const sealed = chunks.map(({ series, raw }) => ({
      series: names.get(series)!,
      ...decodeSamples(start, raw!),
    }));
    return [...sealed, ...loose.columns(), ...waiting.columns()];
  }

  async #id(series: string): Promise<number | undefined> {
    const known = this.#ids.get(series);
    if (known !== undefined) return known;
    const row = await this.#db
      .selectFrom('series')
      .select('id')
      .where('name', '=', series)
      .executeTakeFirst();
    return row?.id;
  }

  #waiting(series: string, from: number, to: number): Samples {
    const newest = new Map<number, number>();
    for (const { at, values } of this.#queue.pending) {
      const value = values.get(series);
      if (value !== undefined && at >= from && at < to) newest.set(at, value);
    }
    return toSamples([...newest].toSorted((a, b) => a[0] - b[0]).map(([at, value]) => ({ at, value })));
  }

  async #loose(series: number, from: number, to: number): Promise<Samples> {
    const rows = await this.#db
      .selectFrom('reading')
      .select(['at', 'value'])
      .where('at', '>=', from)
      .where('at', '<', to)
      .where('series', '=', series)
      .orderBy('at')
      .execute();
    return toSamples(rows);
  }

  async #firstLoose(from: number, to: number): Promise<number | undefined> {
    const row = await this.#db
      .selectFrom('reading')
      .select('at')
      .where('at', '>=', from)
      .where('at', '<', to)
      .orderBy('at')
      .limit(1)
      .executeTakeFirst();
    return row?.at;
  }

  /** Chunks of one series that have a part in the span, oldest first; their samples only where they are needed. */
  #chunks(series: number, from: number, to: number, withSamples: boolean): Promise<ChunkPart[]> {
    const select = this.#db
      .selectFrom('chunk')
      .select(['start', 'n', 'sum', 'min', 'max'])
      .where('series', '=', series)
      .where('start', '>=', Math.floor(from / hourMs) * hourMs)
      .where('start', '<', to)
      .orderBy('start');
    return withSamples
      ? select.select(['raw', 'minutes']).execute()
      : select.select((eb) => [eb.lit(null).as('raw'), eb.lit(null).as('minutes')]).execute();
  }

  /** Writing and sealing take turns: PostgreSQL would let a late row slip in between a seal's reading and deleting. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async #names(): Promise<Map<number, string>> {
    const rows = await this.#db.selectFrom('series').selectAll().execute();
    return new Map(rows.map((row) => [row.id, row.name]));
  }

  async #write(batches: readonly Batch[]): Promise<void> {
    const unknown = new Set(batches.flatMap((b) => [...b.values.keys()]).filter((s) => !this.#ids.has(s)));
    if (unknown.size > 0) await this.#learn([...unknown]);
    const last = new Map<string, { at: number; series: number; value: number }>();
    for (const { at, values } of batches)
      for (const [name, value] of values) {
        const series = this.#ids.get(name)!;
        last.set(`${at} ${series}`, { at, series, value });
      }
    const rows = [...last.values()];
    await this.#db.transaction().execute(async (trx) => {
      for (let i = 0; i < rows.length; i += rowsPerInsert)
        await trx
          .insertInto('reading')
          .values(rows.slice(i, i + rowsPerInsert))
          .onConflict((c) =>
            c.columns(['at', 'series']).doUpdateSet((eb) => ({ value: eb.ref('excluded.value') })),
          )
          .execute();
    });
  }

  async #learn(names: readonly string[]): Promise<void> {
    await this.#db
      .insertInto('series')
      .values(names.map((name) => ({ name })))
      .onConflict((c) => c.doNothing())
      .execute();
    const rows = await this.#db.selectFrom('series').selectAll().where('name', 'in', names).execute();
    for (const row of rows) this.#ids.set(row.name, row.id);
  }
}
