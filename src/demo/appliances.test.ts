import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applianceNames, appliances, type PowerAt } from './appliances.ts';
import { awakeSpans, household, whereabouts, type Calendar } from './schedule.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
// Monday 2026-01-05 00:00 UTC.
const monday = Date.UTC(2026, 0, 5);
const calendar: Calendar = { seed: 'test', offsetMs: 0 };
const people = household(6);
const home = appliances(people, calendar);

/** Wh between two instants, in steps of five seconds. */
function energy(power: PowerAt, from: number, to: number): number {
  let wh = 0;
  for (let at = from; at < to; at += 5_000) wh += power(at) / 720;
  return wh;
}

test('the same seed gives the same watts in whatever order they are asked for, another seed gives others', () => {
  const again = appliances(people, calendar);
  const other = appliances(people, { ...calendar, seed: 'other' });
  const instants = Array.from({ length: 400 }, (_, i) => monday + i * 37 * minute);
  const backwards = new Map(instants.toReversed().map((at) => [at, again.house(at)]));
  expect(instants.map((at) => backwards.get(at))).toEqual(instants.map((at) => home.house(at)));
  expect(instants.filter((at) => other.house(at) !== home.house(at)).length).toBeGreaterThan(300);
});

test('the house is the sum of its appliances at every instant, and nothing but panels feeds in', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 400 * day }), fc.boolean(), (offset, solar) => {
      const at = monday + offset;
      const { power, house } = appliances(people, calendar, { solar });
      const drawn = applianceNames.map((name) => power[name](at));
      expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
      expect(house(at)).toBeCloseTo(drawn.reduce((a, b) => a + b, 0) + power.solar(at), 6);
      expect(power.solar(at)).toBeLessThanOrEqual(0);
    }),
    { numRuns: 150 },
  );
});

test('a day takes 5 to 25 kWh in every season, more in winter', () => {
  const days = Array.from({ length: 52 }, (_, week) => {
    const from = monday + week * 7 * day + (week % 7) * day;
    return energy(home.house, from, from + day) / 1000;
  });
  expect(Math.min(...days)).toBeGreaterThan(5);
  expect(Math.max(...days)).toBeLessThan(25);
  const mean = (some: number[]) => some.reduce((a, b) => a + b, 0) / some.length;
  expect(mean(days.slice(0, 8))).toBeGreaterThan(mean(days.slice(24, 32)) * 1.4);
});

test('the kettle boils a handful of times a day for two to four minutes, and only while somebody is at home and up', () => {
  let [boils, asleep] = [0, 0];
  for (let d = 0; d < 60; d += 1) {
    const from = monday + d * day;
    const awake = awakeSpans(people, { from, to: from + day }, calendar);
    let since: number | undefined;
    for (let at = from; at < from + day; at += 5_000) {
      const on = home.power.kettle(at) > 0;
      if (on && !awake.some((s) => at >= s.from && at < s.to)) asleep += 1;
      if (on && since === undefined) since = at;
      if (on || since === undefined) continue;
      expect(at - since).toBeGreaterThanOrEqual(2 * minute - 5_000);
      expect(at - since).toBeLessThanOrEqual(4 * minute + 5_000);
      since = undefined;
      boils += 1;
    }
  }
  expect(asleep).toBe(0);
  expect(boils / 60).toBeGreaterThan(3);
  expect(boils / 60).toBeLessThan(8);
});

test('in an empty house no kettle, oven, television or lamp is used', () => {
  const empty = appliances([], calendar);
  const used = energy(
    (at) =>
      empty.power.kettle(at) +
      (empty.power.oven(at) - 2) +
      (empty.power.television(at) - 7) +
      empty.power.lights(at),
    monday,
    monday + 7 * day,
  );
  expect(used).toBeCloseTo(0, 6);
});

test('the fridge cools for about a third of the time in a cycle of three quarters of an hour, with the spike of its motor', () => {
  let [runs, cooling, spikes, before] = [0, 0, 0, 0];
  for (let at = monday; at < monday + 7 * day; at += 500) {
    const watts = home.power.fridge(at);
    if (watts > 50) cooling += 500;
    if (watts > 50 && before <= 50) runs += 1;
    if (watts > 400 && before <= 400) spikes += 1;
    before = watts;
  }
  expect(runs).toBeGreaterThan(7 * 30);
  expect(runs).toBeLessThanOrEqual(7 * 32);
  expect(spikes).toBe(7 * 32);
  expect(cooling / (7 * day)).toBeGreaterThan(0.3);
  expect(cooling / (7 * day)).toBeLessThan(0.4);
});

test('panels feed in around noon and nothing at night', () => {
  const sunny = appliances(people, calendar, { solar: true });
  const july = Date.UTC(2026, 6, 6);
  const [night, noon] = [0, 12].map((h) => energy(sunny.power.solar, july + h * hour, july + (h + 2) * hour));
  expect(night).toBe(0);
  expect(noon).toBeLessThan(-700);
});

test('the spans of being up are in order, apart, and exactly when somebody is at home and not asleep', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: day - 1 }), (d, within) => {
      const from = monday + d * day;
      const spans = awakeSpans(people, { from, to: from + day }, calendar);
      for (const [i, span] of spans.entries()) {
        expect(span.to).toBeGreaterThan(span.from);
        expect(span.from).toBeGreaterThan(spans[i - 1]?.to ?? 0);
      }
      const at = from + within;
      const up = people.some((person) => whereabouts(person, at, calendar).place === 'home');
      expect(spans.some((s) => at >= s.from && at < s.to)).toBe(up);
    }),
    { numRuns: 100 },
  );
});
