import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slotMs, type Slot } from '../energy/model.ts';
import { addCosts, carbonOf, costByDay, costOf } from './cost.rules.ts';
import type { Rate, Tariff } from './model.ts';
import { clip } from './rates.rules.ts';
import { Sum } from './sum.rules.ts';

const london = 'Europe/London';
const utc = (text: string) => Date.parse(text);
const halfHour = 2 * slotMs;
const slot = (at: number, wh: number, exportWh = 0): Slot => ({
  at,
  wh,
  exportWh,
  how: 'counter',
  coveredMs: slotMs,
});
const tariffOf = (rates: readonly Rate[], more: Partial<Tariff> = {}): Tariff => ({
  name: 'test',
  currency: 'GBP',
  rates: (from, to) => clip(rates, from, to),
  standingPerDay: 0,
  ...more,
});
const day = { from: utc('2026-06-01T23:00Z'), to: utc('2026-06-02T23:00Z') };

test('a day of two rates, export and standing charge, by hand', () => {
  const noon = utc('2026-06-02T12:00Z');
  const tariff = tariffOf(
    [
      { from: day.from, to: noon, perKwh: 0.25 },
      { from: noon, to: day.to, perKwh: -0.0625 },
    ],
    { standingPerDay: 0.5, exportRates: (from, to) => [{ from, to, perKwh: 0.15 }] },
  );
  const slots = [slot(noon - slotMs, 1000), slot(noon, 2000, 100), slot(day.to, 9999)];
  // 1 kWh at 25p, 2 kWh at -6.25p, 0.1 kWh fed back at 15p, 50p for the day.
  expect(costOf(slots, tariff, day, london)).toEqual({
    total: 0.61,
    import: 0.125,
    export: 0.015,
    standing: 0.5,
    unpricedWh: 0,
  });
  expect(costOf(slots, tariff, day, london, { standing: false }).total).toBe(0.11);
});

test('a slot that a rate cuts is shared in proportion to time', () => {
  const at = day.from;
  const cut = tariffOf([
    { from: at, to: at + slotMs / 3, perKwh: 0.3 },
    { from: at + slotMs / 3, to: at + slotMs, perKwh: 0.6 },
  ]);
  expect(costOf([slot(at, 900)], cut, day, london).total).toBeCloseTo(0.3 * 0.3 + 0.6 * 0.6, 12);
});

test('energy without a price is reported and never free', () => {
  const at = day.from;
  const tariff = tariffOf([{ from: at, to: at + slotMs * 1.5, perKwh: 0.2 }], { exportRates: () => [] });
  expect(
    costOf([slot(at, 100), slot(at + slotMs, 100, 40), slot(at + 4 * slotMs, 30)], tariff, day, london),
  ).toEqual({
    total: 0.03,
    import: 0.03,
    export: 0,
    standing: 0,
    unpricedWh: 50 + 40 + 30,
  });
});

test('the standing charge falls due once at the start of each local day, also of 23 and 25 hours', () => {
  const tariff = tariffOf([], { standingPerDay: 0.4 });
  const charge = (from: string, to: string) =>
    costOf([], tariff, { from: utc(from), to: utc(to) }, london).standing;
  expect(charge('2026-03-29T00:00Z', '2026-03-29T23:00Z')).toBe(0.4);
  expect(charge('2026-10-24T23:00Z', '2026-10-26T00:00Z')).toBe(0.4);
  expect(charge('2026-06-01T23:00Z', '2026-06-01T23:01Z')).toBe(0.4);
  expect(charge('2026-06-01T23:01Z', '2026-06-02T23:00Z')).toBe(0);
  expect(charge('2026-01-01T00:00Z', '2027-01-01T00:00Z')).toBeCloseTo(146, 12);
});

test('a standing charge that changes is the one of its day', () => {
  const tariff = tariffOf([], { standingPerDay: 9, standingOn: (at) => (at < day.from ? 0.4 : 0.5) });
  const cost = costByDay([], tariff, { from: day.from - 86_400_000, to: day.to }, london);
  expect(cost.map((d) => [d.date, d.cost.total])).toEqual([
    ['2026-06-01', 0.4],
    ['2026-06-02', 0.5],
  ]);
});

/** A year of Agile half-hours, prices in millionths of a pound, energy in whole Wh per quarter, from a fixed seed. */
function agileYear() {
  let seed = 7;
  const next = (n: number) => (seed = (seed * 48_271) % 2_147_483_647) % n;
  const [from, to] = [utc('2026-01-01T00:00Z'), utc('2027-01-01T00:00Z')];
  const micro: number[] = [];
  for (let at = from; at < to; at += halfHour) micro.push(next(450_000) - 120_000);
  const rates = micro.map((m, i) => ({
    from: from + i * halfHour,
    to: from + (i + 1) * halfHour,
    perKwh: m / 1e6,
  }));
  const slots = micro.flatMap((_, i) =>
    [0, 1].map((half) => slot(from + i * halfHour + half * slotMs, next(900), next(5) === 0 ? next(700) : 0)),
  );
  return { from, to, micro, rates, slots };
}

test('a year of half-hours with negative prices and both time changes equals integer arithmetic', () => {
  const { from, to, micro, rates, slots } = agileYear();
  expect(micro.filter((m) => m < 0).length).toBeGreaterThan(3000);
  const tariff = tariffOf(rates, { standingPerDay: 0.4123, exportRates: (a, b) => clip(rates, a, b) });
  // Nanopounds: Wh × millionths per kWh.
  const exact = slots.reduce(
    (sum, s, i) => sum + BigInt(s.wh - s.exportWh) * BigInt(micro[Math.floor(i / 2)]!),
    365n * 412_300_000n,
  );
  const total = costOf(slots, tariff, { from, to }, london).total;
  expect(BigInt(Math.round(total * 1e9))).toBe(exact);
  const days = costByDay(slots, tariff, { from, to }, london);
  expect(days).toHaveLength(365);
  expect(days.map((d) => (d.to - d.from) / halfHour).filter((n) => n !== 48)).toEqual([46, 50]);
  const byDay = addCosts(days.map((d) => d.cost));
  expect(byDay.total).toBeCloseTo(total, 10);
  expect(byDay.unpricedWh).toBe(0);
});

const slots = fc.uniqueArray(
  fc.record({
    n: fc.integer({ min: -4, max: 250 }),
    wh: fc.integer({ min: 0, max: 3000 }),
    exportWh: fc.integer({ min: 0, max: 500 }),
  }),
  { selector: (s) => s.n, maxLength: 60 },
);
// Around the hour that New York repeats.
const origin = utc('2026-10-31T00:00Z');
const at = (n: number) => origin + n * slotMs;
const rateList = fc
  .array(
    fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: -500_000, max: 900_000 }), fc.boolean()),
    { maxLength: 20 },
  )
  .map((list) => {
    let n = -4;
    return list.flatMap(([length, micro, known]): Rate[] => {
      const from = n;
      n += length;
      // Boundaries beside the grid of the slots.
      return known ? [{ from: at(from) + 60_000, to: at(n) + 60_000, perKwh: micro / 1e6 }] : [];
    });
  });
const newYork = 'America/New_York';
const parts = ['total', 'import', 'export', 'standing', 'unpricedWh'] as const;

test('cost adds up over any split of the period, and the order of slots does not matter', () => {
  const cuts = fc.array(fc.integer({ min: 0, max: 220 * slotMs }), { maxLength: 5 });
  fc.assert(
    fc.property(slots, rateList, cuts, (list, rates, at3) => {
      const tariff = tariffOf(rates, { standingPerDay: 0.37, exportRates: (a, b) => clip(rates, a, b) });
      const given = list.map((s) => slot(at(s.n), s.wh, s.exportWh));
      const edges = [0, ...at3.toSorted((a, b) => a - b), 220 * slotMs].map((ms) => origin + ms);
      const whole = costOf(given, tariff, { from: edges[0]!, to: edges.at(-1)! }, newYork);
      const split = addCosts(
        edges.slice(1).map((to, i) => costOf(given.toReversed(), tariff, { from: edges[i]!, to }, newYork)),
      );
      for (const part of parts) expect(split[part]).toBeCloseTo(whole[part], 9);
      expect(costOf(given.toReversed(), tariff, { from: edges[0]!, to: edges.at(-1)! }, newYork)).toEqual(
        whole,
      );
    }),
  );
});

test('the devices together cost what the house costs without its standing charge, day by day', () => {
  fc.assert(
    fc.property(slots, slots, rateList, (a, b, rates) => {
      const tariff = tariffOf(rates, { standingPerDay: 0.37 });
      const period = { from: origin, to: at(240) };
      const [one, two] = [a, b].map((list) => list.map((s) => slot(at(s.n), s.wh)));
      const house = new Map<number, number>();
      for (const s of [...one!, ...two!]) house.set(s.at, (house.get(s.at) ?? 0) + s.wh);
      const all = [...house].map(([start, wh]) => slot(start, wh));
      const days = (list: readonly Slot[]) => costByDay(list, tariff, period, newYork, { standing: false });
      const sums = days(one!).map((d, i) => addCosts([d.cost, days(two!)[i]!.cost]));
      for (const [i, d] of days(all).entries())
        for (const part of parts) expect(sums[i]![part]).toBeCloseTo(d.cost[part], 9);
    }),
    { numRuns: 40 },
  );
});

test('a sum keeps what plain addition loses', () => {
  expect(Sum.of([1e16, 1, -1e16])).toBe(1);
  expect(Sum.of([1, 1e100, 1, -1e100])).toBe(2);
});

test('carbon is energy times intensity, and energy of unknown intensity is reported', () => {
  const intensities = [{ from: day.from, to: day.from + halfHour, gramsPerKwh: 200 }];
  expect(
    carbonOf([slot(day.from, 500), slot(day.from + slotMs, 500), slot(day.from + halfHour, 70)], intensities),
  ).toEqual({
    grams: 200,
    unknownWh: 70,
  });
});
