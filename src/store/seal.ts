import { setImmediate as breathe } from 'node:timers/promises';
import type { Insertable, Selectable } from 'kysely';
import { addUp, merge, summarise } from './chart.rules.ts';
import {
  decodeMinutes,
  decodeSamples,
  encodeMinutes,
  encodeSamples,
  minuteMs,
  type Samples,
} from './codec.ts';
import type { Retention } from './model.ts';
import { hourMs, type Db, type StoreTables, type Tier } from './tables.ts';

const dayMs = 24 * hourMs;
// Slices small enough that one takes a few milliseconds of the event loop.
const readSliceMs = 5 * minuteMs;
const seriesPerSlice = 12;
const chunksPerSlice = 64;

type Chunk = Selectable<StoreTables['chunk']>;
type NewChunk = Insertable<StoreTables['chunk']>;

/** Before these instants (epoch ms, whole hours) a resolution is let go. */
export type Cutoffs = Readonly<Record<Tier, number>>;

export function cutoffs(now: number, { rawDays, minuteDays, hourDays }: Retention): Cutoffs {
  const before = (days: number) => Math.floor((now - days * dayMs) / hourMs) * hourMs;
  const raw = before(rawDays);
  const minute = Math.min(raw, before(minuteDays));
  return { raw, minute, hour: Math.min(minute, before(hourDays)) };
}

/** Where each resolution begins, as noted in `tier`. */
export async function horizons(db: Db): Promise<ReadonlyMap<Tier, number>> {
  return new Map((await db.selectFrom('tier').selectAll().execute()).map((row) => [row.name, row.since]));
}

/** Cutoffs that let go at most `mostMs` of each resolution, and nothing of one that nobody knows the beginning of. */
export function slowed(cut: Cutoffs, since: ReadonlyMap<Tier, number>, mostMs: number): Cutoffs {
  if (mostMs === Infinity) return cut;
  const raw = Math.min(cut.raw, (since.get('raw') ?? -Infinity) + mostMs);
  const minute = Math.min(raw, cut.minute, (since.get('minute') ?? -Infinity) + mostMs);
  return { raw, minute, hour: Math.min(minute, cut.hour, (since.get('hour') ?? -Infinity) + mostMs) };
}

/**
 * Moves the samples of one hour from `reading` into chunks, in one transaction: after a crash either all or nothing
 * has moved. Chunks that exist already take the late samples in; the newest value of an instant wins.
 */
export async function sealHour(db: Db, hour: number, cut: Cutoffs): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const loose = await takeHour(trx, hour);
    const ids = [...loose.keys()];
    for (let i = 0; i < ids.length && hour >= cut.hour; i += seriesPerSlice) {
      const slice = ids.slice(i, i + seriesPerSlice);
      const known = await trx
        .selectFrom('chunk')
        .selectAll()
        .where('start', '=', hour)
        .where('series', 'in', slice)
        .execute();
      const existing = new Map(known.map((chunk) => [chunk.series, chunk]));
      const rows = slice.map((series) =>
        combine(series, hour, loose.get(series)!, existing.get(series), cut),
      );
      await trx
        .insertInto('chunk')
        .values(rows)
        .onConflict((c) =>
          c.columns(['series', 'start']).doUpdateSet((eb) => ({
            n: eb.ref('excluded.n'),
            min: eb.ref('excluded.min'),
            max: eb.ref('excluded.max'),
            sum: eb.ref('excluded.sum'),
            raw: eb.ref('excluded.raw'),
            minutes: eb.ref('excluded.minutes'),
          })),
        )
        .execute();
      await breathe();
    }
    for (const tier of ['raw', 'minute', 'hour'] as const)
      if (hour >= cut[tier]) await lower(trx, tier, hour);
  });
}

/** Reads and deletes, slice by slice, inside the caller's transaction. */
async function takeHour(trx: Db, hour: number): Promise<Map<number, Samples>> {
  const lists = new Map<number, { at: number[]; value: number[] }>();
  for (let from = hour; from < hour + hourMs; from += readSliceMs) {
    const rows = await trx
      .selectFrom('reading')
      .selectAll()
      .where('at', '>=', from)
      .where('at', '<', from + readSliceMs)
      .orderBy('at')
      .execute();
    for (const { at, series, value } of rows) {
      const list = lists.get(series) ?? { at: [], value: [] };
      if (list.at.length === 0) lists.set(series, list);
      list.at.push(at);
      list.value.push(value);
    }
    await trx
      .deleteFrom('reading')
      .where('at', '>=', from)
      .where('at', '<', from + readSliceMs)
      .execute();
    await breathe();
  }
  return new Map(
    [...lists].map(([series, { at, value }]) => [
      series,
      { at: Float64Array.from(at), value: Float64Array.from(value) },
    ]),
  );
}

function combine(
  series: number,
  hour: number,
  loose: Samples,
  existing: Chunk | undefined,
  cut: Cutoffs,
): NewChunk {
  if (existing === undefined || existing.raw !== null) {
    const older = existing?.raw == null ? emptySamples : decodeSamples(hour, existing.raw);
    const samples = merge(older, loose);
    const raw = encodeSamples(hour, samples.at, samples.value);
    const { n, sum, min, max } = summarise(samples, hourMs)[0]!;
    const summary = { series, start: hour, n, sum, min, max };
    if (hour >= cut.raw) return { ...summary, raw, minutes: null };
    return {
      ...summary,
      raw: null,
      minutes: hour >= cut.minute ? toMinutes(hour, samples, raw.length) : null,
    };
  }
  // The samples themselves are gone: what came late can only be added to their summaries.
  const { n, sum, min, max, minutes } = existing;
  const whole = addUp([{ at: hour, n, sum, min, max }], summarise(loose, hourMs))[0]!;
  return {
    series,
    start: hour,
    n: whole.n,
    sum: whole.sum,
    min: whole.min,
    max: whole.max,
    raw: null,
    minutes:
      minutes === null
        ? null
        : encodeMinutes(hour, addUp(decodeMinutes(hour, minutes), summarise(loose, minuteMs)), true),
  };
}

const emptySamples: Samples = { at: new Float64Array(0), value: new Float64Array(0) };

/** Minimum and maximum of each minute stay where they cost no more room than the samples did. */
function toMinutes(hour: number, samples: Samples, rawBytes: number): Uint8Array {
  const minutes = summarise(samples, minuteMs);
  const full = encodeMinutes(hour, minutes, true);
  return full.length <= rawBytes ? full : encodeMinutes(hour, minutes, false);
}

/** Lets each resolution go that is older than its cut, in small transactions that each finish what they began. */
export async function prune(db: Db, cut: Cutoffs): Promise<void> {
  const ids = (await db.selectFrom('series').select('id').orderBy('id').execute()).map((row) => row.id);
  const since = await horizons(db);
  for (const tier of ['raw', 'minute', 'hour'] as const) {
    for (let from = since.get(tier) ?? Infinity; from < cut[tier];) {
      const to = Math.min(cut[tier], from + dayMs);
      const hours = (to - from) / hourMs;
      const group = Math.max(1, Math.floor(chunksPerSlice / hours));
      for (let i = 0; i < ids.length; i += group) {
        await letGo[tier](db, ids.slice(i, i + group), from, to, cut);
        await breathe();
      }
      await db.updateTable('tier').set({ since: to }).where('name', '=', tier).execute();
      from = to;
    }
  }
}

type LetGo = (db: Db, series: readonly number[], from: number, to: number, cut: Cutoffs) => Promise<void>;

const letGo: Readonly<Record<Tier, LetGo>> = {
  raw: (db, series, from, to, cut) =>
    db.transaction().execute(async (trx) => {
      const chunks = await trx
        .selectFrom('chunk')
        .select(['series', 'start', 'raw'])
        .where('series', 'in', series)
        .where('start', '>=', from)
        .where('start', '<', to)
        .where('raw', 'is not', null)
        .execute();
      for (const { series: id, start, raw } of chunks) {
        const minutes = start < cut.minute ? null : toMinutes(start, decodeSamples(start, raw!), raw!.length);
        await trx
          .updateTable('chunk')
          .set({ raw: null, minutes })
          .where('series', '=', id)
          .where('start', '=', start)
          .execute();
      }
      if (chunks.length > 0) await lower(trx, 'minute', from);
    }),

  async minute(db, series, from, to) {
    await db
      .updateTable('chunk')
      .set({ minutes: null })
      .where('series', 'in', series)
      .where('start', '>=', from)
      .where('start', '<', to)
      .where('minutes', 'is not', null)
      .execute();
  },

  async hour(db, series, from, to) {
    await db
      .deleteFrom('chunk')
      .where('series', 'in', series)
      .where('start', '>=', from)
      .where('start', '<', to)
      .execute();
  },
};

/** Notes that chunks of this resolution exist from `start` on. */
async function lower(trx: Db, tier: Tier, start: number): Promise<void> {
  const row = await trx.selectFrom('tier').select('since').where('name', '=', tier).executeTakeFirst();
  if (row !== undefined && row.since <= start) return;
  await trx
    .insertInto('tier')
    .values({ name: tier, since: start })
    .onConflict((c) => c.column('name').doUpdateSet({ since: start }))
    .execute();
}
