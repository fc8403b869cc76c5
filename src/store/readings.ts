import { setImmediate as breathe } from 'node:timers/promises';
import type { Log } from '#kernel/driver.ts';
import { isSeries, type Batch } from '#kernel/reading.ts';
import type { ChartPoint, QueueStats, ReadingLog } from './model.ts';
import { WriteQueue } from './queue.ts';
import { hourMs, type Db } from './tables.ts';

// One hour of ticks.
const capacity = 720;
const rowsPerInsert = 500;

/** The readings on either database. */
export class SqlReadings implements ReadingLog {
  readonly #db: Db;
  readonly #queue: WriteQueue<Batch>;
  readonly #ids = new Map<string, number>();
  #rejected = 0;

  constructor(db: Db, log: Log) {
    this.#db = db;
    this.#queue = new WriteQueue({
      name: 'readings',
      capacity,
      batch: 20,
      log,
      write: (batches) => this.#write(batches),
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
    for (let start = from; start < to;) {
      const next = await this.#db
        .selectFrom('reading')
        .select((eb) => eb.fn.min('at').as('at'))
        .where('at', '>=', start)
        .where('at', '<', to)
        .executeTakeFirst();
      if (next?.at == null) break;
      const end = Math.min(to, (Math.floor(next.at / hourMs) + 1) * hourMs);
      const rows = await this.#db
        .selectFrom('reading')
        .selectAll()
        .where('at', '>=', next.at)
        .where('at', '<', end)
        .orderBy('at')
        .execute();
      let batch: { at: number; values: Map<string, number> } | undefined;
      for (const row of rows) {
        if (batch?.at !== row.at) {
          if (batch !== undefined) yield batch;
          batch = { at: row.at, values: new Map() };
        }
        batch.values.set(names.get(row.series) ?? '', row.value);
      }
      if (batch !== undefined) yield batch;
      await breathe();
      start = end;
    }
    for (const batch of this.#queue.pending) if (batch.at >= from && batch.at < to) yield batch;
  }

  chart(_series: string, _from: number, _to: number, _points: number): Promise<ChartPoint[]> {
    return Promise.resolve([]);
  }

  async samples(series: string, from: number, to: number): Promise<[at: number, value: number][]> {
    const found: [number, number][] = [];
    for await (const batch of this.range(from, to)) {
      const value = batch.values.get(series);
      if (value !== undefined) found.push([batch.at, value]);
    }
    return found;
  }

  async series(): Promise<string[]> {
    return [...(await this.#names()).values()].toSorted();
  }

  async count(from: number, to: number): Promise<number> {
    let n = 0;
    for await (const batch of this.range(from, to)) n += batch.values.size;
    return n;
  }

  async maintain(_now: number): Promise<void> {}

  close(): Promise<void> {
    return this.#queue.close();
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
