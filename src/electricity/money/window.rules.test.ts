import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slotMs, type Slot } from '../energy/model.ts';
import type { Rate, Tariff } from './model.ts';
import { clip } from './rates.rules.ts';
import { cheapestWindow, shiftRuns } from './window.rules.ts';

const london = 'Europe/London';
const halfHour = 2 * slotMs;
const utc = (text: string) => Date.parse(text);
const tariffOf = (rates: readonly Rate[]): Tariff => ({
  name: 'test',
  currency: 'GBP',
  rates: (from, to) => clip(rates, from, to),
  standingPerDay: 0,
});
const halfHours = (start: number, prices: readonly (number | undefined)[]): Rate[] =>
  prices.flatMap((perKwh, i) =>
    perKwh === undefined ? [] : [{ from: start + i * halfHour, to: start + (i + 1) * halfHour, perKwh }],
  );

test('the cheapest window may lie across half-hours, take negative prices, and is the earliest of equals', () => {
  const tariff = tariffOf(halfHours(0, [0.3, 0.1, -0.2, 0.4, 0.1, -0.2]));
  expect(cheapestWindow(tariff, 0, 6 * halfHour, halfHour)).toEqual({
    from: 2 * halfHour,
    to: 3 * halfHour,
    perKwh: -0.2,
  });
  const longer = cheapestWindow(tariff, 0, 6 * halfHour, 1.5 * halfHour);
  expect([longer!.from, longer!.to]).toEqual([1.5 * halfHour, 3 * halfHour]);
  expect(longer!.perKwh).toBeCloseTo((-0.2 * 2 + 0.1) / 3, 12);
  expect(cheapestWindow(tariff, 2.5 * halfHour, 6 * halfHour, halfHour)!.from).toBe(5 * halfHour);
});

test('a window never lies over a half-hour without a price', () => {
  const tariff = tariffOf(halfHours(0, [0.1, undefined, 0.1, 0.3, 0.3]));
  expect(cheapestWindow(tariff, 0, 5 * halfHour, 2 * halfHour)!.from).toBe(2 * halfHour);
  expect(cheapestWindow(tariff, 0, 5 * halfHour, 4 * halfHour)).toBe(undefined);
  expect(cheapestWindow(tariff, 0, halfHour, 2 * halfHour)).toBe(undefined);
});

test('no minute of the span begins a cheaper window', () => {
  const prices = fc.array(fc.option(fc.integer({ min: -30, max: 60 }), { nil: undefined, freq: 8 }), {
    minLength: 1,
    maxLength: 14,
  });
  fc.assert(
    fc.property(prices, fc.integer({ min: 1, max: 240 }), (list, minutes) => {
      const tariff = tariffOf(
        halfHours(
          0,
          list.map((p) => (p === undefined ? p : p / 100)),
        ),
      );
      const [end, length] = [list.length * 30, minutes];
      let least = Infinity;
      for (let start = 0; start + length <= end; start += 1) {
        let sum = 0;
        for (let minute = start; minute < start + length; minute += 1)
          sum += list[Math.floor(minute / 30)] ?? Number.NaN;
        if (sum < least) least = sum;
      }
      const best = cheapestWindow(tariff, 0, end * 60_000, length * 60_000);
      const found = best === undefined ? Infinity : best.perKwh * length * 100;
      expect(found === least || Math.abs(found - least) < 1e-6).toBe(true);
    }),
  );
});

const slot = (at: number, wh: number, how: Slot['how'] = 'counter'): Slot => ({
  at,
  wh,
  exportWh: 0,
  how,
  coveredMs: slotMs,
});

test('a dishwasher that had run at night costs the night price, with its own course of power', () => {
  const midnight = utc('2026-06-01T23:00Z');
  const night = { from: midnight, to: midnight + 4 * 3_600_000, perKwh: 0.1 };
  const tariff = tariffOf([night, { from: night.to, to: midnight + 2 * 86_400_000, perKwh: 0.3 }]);
  const evening = midnight + 20 * 3_600_000;
  // Heats, pauses, heats: 1.5 kWh at 30p were 45p, at 10p they are 15p.
  const run = [
    slot(evening, 500),
    slot(evening + slotMs, 2),
    slot(evening + 2 * slotMs, 1),
    slot(evening + 3 * slotMs, 1000),
  ];
  const shift = shiftRuns(run, tariff, london);
  expect([shift.runs, shift.wh]).toEqual([1, 1500]);
  expect([shift.actual, shift.best].map((n) => n.toFixed(6))).toEqual(['0.450000', '0.150000']);
});

test('what runs all day, and what only fills a gap, is no run that could be moved', () => {
  const midnight = utc('2026-06-01T23:00Z');
  const tariff = tariffOf([{ from: midnight, to: midnight + 9 * 86_400_000, perKwh: 0.3 }]);
  const fridge = Array.from({ length: 96 }, (_, i) => slot(midnight + i * slotMs, 20));
  const gap = [slot(midnight + 200 * slotMs, 700, 'spread')];
  expect(shiftRuns([...fridge, ...gap], tariff, london)).toEqual({ runs: 0, wh: 0, actual: 0, best: 0 });
  expect(shiftRuns([slot(midnight - slotMs, 700)], tariff, london).runs).toBe(0);
});

test('moving never costs more, and two runs of a day are two', () => {
  const midnight = utc('2026-10-24T23:00Z');
  const wh = fc.array(fc.constantFrom(0, 0, 0, 2, 40, 500), { minLength: 100, maxLength: 100 });
  const prices = fc.array(fc.integer({ min: -20, max: 50 }), { minLength: 100, maxLength: 100 });
  fc.assert(
    fc.property(wh, prices, (list, pence) => {
      const slots = list.map((n, i) => slot(midnight + i * slotMs, n)).filter((s) => s.wh > 0);
      const shift = shiftRuns(
        slots,
        tariffOf(
          halfHours(
            midnight,
            pence.map((p) => p / 100),
          ),
        ),
        london,
      );
      expect(shift.best).toBeLessThanOrEqual(shift.actual + 1e-12);
    }),
    { numRuns: 50 },
  );
  const two = [slot(midnight, 100), slot(midnight + 4 * slotMs, 100)];
  expect(shiftRuns(two, tariffOf([{ from: 0, to: Infinity, perKwh: 1 }]), london).runs).toBe(2);
});
