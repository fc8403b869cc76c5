import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { all, batch, kinds, Stores } from '../../tests/servers/stores.ts';
import type { ChartPoint, Store } from './model.ts';
import { hourMs } from './tables.ts';

const start = Date.parse('2026-03-01T00:00:00Z');
const dayMs = 24 * hourMs;
const stores = new Stores(start);
afterEach(() => stores.clear());
afterAll(() => stores.end());

type Sample = [at: number, value: number];

async function fill(store: Store, series: string, samples: readonly Sample[]) {
  for (const [at, value] of samples) await store.readings.append(batch(at, { [series]: value }));
}

/** The slow and obvious way. */
function naive(samples: readonly Sample[], from: number, bucketMs: number, count: number): ChartPoint[] {
  return Array.from({ length: count }, (_, i) => from + i * bucketMs).flatMap((at) => {
    const values = samples.filter(([t]) => t >= at && t < at + bucketMs).map(([, value]) => value);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return values.length === 0 ? [] : [{ at, mean, min: Math.min(...values), max: Math.max(...values) }];
  });
}

const close = (points: readonly ChartPoint[]) =>
  points.map((p) => ({ ...p, mean: Math.round(p.mean * 1e6) / 1e6 }));

/** A sample each minute with two decimals, `hours` long. */
const wave = (hours: number, from = start): Sample[] =>
  Array.from({ length: hours * 60 }, (_, i) => [
    from + i * 60_000 + 7,
    Math.round(1000 * Math.sin(i / 9)) / 100,
  ]);

describe.each(kinds)('on %s', (kind) => {
  test('sealing changes nothing that can be read, and doing it again neither', async () => {
    const { store } = await stores.fresh(kind);
    const ticks = Array.from({ length: 180 }, (_, i) =>
      batch(start + i * 60_000, {
        'home.a': i % 7,
        'home.b': Math.sin(i),
        ...(i > 100 ? { 'home.late': 0.1 * i } : {}),
      }),
    );
    for (const tick of ticks) await store.readings.append(tick);
    for (const now of [start, start + 2.5 * hourMs, start + 2.5 * hourMs, start + 4 * hourMs]) {
      await store.readings.maintain(now);
      expect(await all(store.readings.range(start + 1, start + 170 * 60_000))).toEqual(ticks.slice(1, 170));
      expect(await store.readings.samples('home.late', 0, start + dayMs)).toEqual(
        ticks.slice(101).map((t) => [t.at, t.values.get('home.late')]),
      );
      expect(await store.readings.count(start, start + dayMs)).toBe(2 * 180 + 79);
      expect(await store.readings.count(start + 60_000, start + 61 * 60_000)).toBe(120);
    }
    expect(await store.db.selectFrom('reading').selectAll().execute()).toEqual([]);
  });

  test('a late sample and one that came twice are merged into the sealed hour, and the newest value stands', async () => {
    const { store } = await stores.fresh(kind);
    await fill(store, 'home.a', [
      [start + 1000, 1],
      [start + 3000, 3],
    ]);
    await store.readings.maintain(start + 2 * hourMs);
    await fill(store, 'home.a', [
      [start + 2000, 2],
      [start + 3000, 30],
      [start + 3000, 33],
    ]);
    const expected = [
      [start + 1000, 1],
      [start + 2000, 2],
      [start + 3000, 33],
    ];
    const point = { at: start, mean: 12, min: 1, max: 33 };
    for (const now of [start, start + 2 * hourMs]) {
      await store.readings.maintain(now);
      expect(await store.readings.samples('home.a', start, start + hourMs)).toEqual(expected);
      expect(await store.readings.count(start, start + hourMs)).toBe(3);
      expect(await store.readings.chart('home.a', start, start + hourMs, 1)).toEqual([point]);
      expect(await store.readings.chart('home.a', start, start + 10_000, 1)).toEqual([point]);
    }
  });

  test('values that are not finite and names that are no series are left out and counted', async () => {
    const { store } = await stores.fresh(kind);
    await store.readings.append(
      batch(start, { 'home.a': Number.NaN, 'home.b': Infinity, 'home a\n': 1, 'home.c': -0 }),
    );
    expect(await all(store.readings.range(start, start + 1))).toEqual([batch(start, { 'home.c': 0 })]);
    expect(store.stats()).toMatchObject({ rejected: 3, readings: { pending: 0, dropped: 0, errors: 0 } });
  });

  test('raw samples, minutes and hours are let go at their age, and a chart takes the finest that is left', async () => {
    const retention = { rawDays: 1, minuteDays: 2, hourDays: 3 };
    const { store } = await stores.fresh(kind, { retention });
    const samples = wave(4);
    await fill(store, 'home.a', samples);
    const minutes = naive(samples, start, 60_000, 240);
    const hours = naive(samples, start, hourMs, 4);
    const fine = () => store.readings.chart('home.a', start, start + 4 * hourMs, 240);
    const coarse = () => store.readings.chart('home.a', start, start + 4 * hourMs, 4);

    await store.readings.maintain(start + 6 * hourMs);
    expect([close(await fine()), close(await coarse())]).toEqual([close(minutes), close(hours)]);
    expect(await store.readings.samples('home.a', 0, start + dayMs)).toEqual(samples);

    await store.readings.maintain(start + 4 * hourMs + dayMs);
    expect([close(await fine()), close(await coarse())]).toEqual([close(minutes), close(hours)]);
    expect(await store.readings.samples('home.a', 0, start + dayMs)).toEqual([]);

    await store.readings.maintain(start + 4 * hourMs + 2 * dayMs);
    expect([close(await fine()), close(await coarse())]).toEqual([close(hours), close(hours)]);

    await store.readings.maintain(start + 2 * hourMs + 3 * dayMs);
    expect(close(await coarse())).toEqual(close(hours.slice(2)));
  });

  test('what comes after its raw hour was let go is added to the minutes and the hour', async () => {
    const { store } = await stores.fresh(kind, { retention: { rawDays: 1, minuteDays: 9, hourDays: 30 } });
    const samples = wave(1);
    await fill(store, 'home.a', samples);
    await store.readings.maintain(start + 2 * dayMs);
    const late: Sample[] = [
      [start + 90_000, 50.5],
      [start + 91_000, -50.25],
    ];
    await fill(store, 'home.a', late);
    await store.readings.maintain(start + 2 * dayMs);
    const together = [...samples, ...late].toSorted((a, b) => a[0] - b[0]);
    const chart = (points: number) => store.readings.chart('home.a', start, start + hourMs, points);
    expect(close(await chart(60))).toEqual(close(naive(together, start, 60_000, 60)));
    expect(close(await chart(1))).toEqual(close(naive(together, start, hourMs, 1)));
  });

  test('a clock that is set back an hour loses and doubles nothing', async () => {
    const { store } = await stores.fresh(kind);
    const before = wave(3);
    await fill(store, 'home.a', before);
    await store.readings.maintain(start + 3 * hourMs + 10 * 60_000);
    const after = wave(1, start + 2 * hourMs + 13).map(([at, value]): Sample => [at, value + 1]);
    await fill(store, 'home.a', after);
    await store.readings.maintain(start + 3 * hourMs);
    await store.readings.maintain(start + 5 * hourMs);
    const all3 = [...before, ...after].toSorted((a, b) => a[0] - b[0]);
    expect(await store.readings.samples('home.a', 0, start + dayMs)).toEqual(all3);
  });

  test('a clock that runs a month ahead for a while costs an hour of samples, not all of them', async () => {
    const place = await stores.place(kind);
    /** Opens the store with a clock that is `aheadMs` further, lets its own maintenance run once, and closes it. */
    const minute = async (aheadMs: number, work: (store: Store) => Promise<void> = async () => {}) => {
      const { store, clock } = await stores.open(place);
      await work(store);
      clock.jump(aheadMs);
      await clock.advance(60_000);
      await store.close();
    };
    await minute(3 * dayMs, async (store) => {
      for (let at = start; at < start + 3 * dayMs; at += hourMs)
        await store.readings.append(batch(at, { 'home.a': 1 }));
    });
    await minute(33 * dayMs);
    const { store } = await stores.open(place);
    expect((await all(store.readings.range(start, start + 4 * dayMs))).map(({ at }) => at)).toEqual(
      Array.from({ length: 71 }, (_, i) => start + (i + 1) * hourMs),
    );
  });

  test('a chart equals the naive computation at any span, resolution and state of sealing', async () => {
    const { store } = await stores.fresh(kind);
    const samples: Sample[] = [];
    for (let at = start; at < start + 5 * hourMs; at += 17_000 + ((at / 1000) % 13) * 1000)
      samples.push([at, Math.round(Math.sin(at / 1e5) * 1e4) / 10]);
    await fill(store, 'home.a', samples);
    await store.readings.maintain(start + 3.5 * hourMs);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -hourMs, max: 5 * hourMs }),
        fc.integer({ min: 1, max: 6 * hourMs }),
        fc.integer({ min: 1, max: 400 }),
        async (offset, span, points) => {
          const [from, to] = [start + offset, start + offset + span];
          const unit = span / points >= hourMs ? hourMs : span / points >= 60_000 ? 60_000 : 1;
          const first = Math.floor(from / unit) * unit;
          const last = Math.ceil(to / unit) * unit;
          const bucketMs = Math.max(unit, Math.ceil((last - first) / points / unit) * unit);
          const inside = samples.filter(([at]) => at >= first && at < last);
          const chart = await store.readings.chart('home.a', from, to, points);
          expect(chart.length).toBeLessThanOrEqual(points);
          expect(close(chart)).toEqual(
            close(naive(inside, first, bucketMs, Math.ceil((last - first) / bucketMs))),
          );
        },
      ),
      { numRuns: 60 },
    );
  });
});
