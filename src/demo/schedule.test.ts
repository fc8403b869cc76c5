import fc from 'fast-check';
import { expect, test } from 'vitest';
import { homeSpans, household, visits, whereabouts, type Calendar } from './schedule.ts';

const hour = 3_600_000;
// Monday 2026-01-05 00:00 UTC.
const monday = Date.UTC(2026, 0, 5);
const calendar: Calendar = { seed: 'test', offsetMs: 0 };

test('the household has its six names and then numbers', () => {
  expect(household(8)).toEqual(['alex', 'sam', 'jo', 'kit', 'max', 'robin', 'person7', 'person8']);
});

test('at every instant the state holds from since until until, and changes right there', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...household(9)),
      fc.integer({ min: 0, max: 400 * 24 * hour }),
      fc.constantFrom(0, 2 * hour, -5 * hour),
      fc.string(),
      (person, offset, offsetMs, seed) => {
        const at = monday + offset;
        const here = whereabouts(person, at, { seed, offsetMs });
        expect(here.since).toBeLessThanOrEqual(at);
        expect(here.until).toBeGreaterThan(at);
        expect(whereabouts(person, here.since, { seed, offsetMs })).toEqual(here);
        expect(whereabouts(person, here.until - 1, { seed, offsetMs })).toEqual(here);
        const next = whereabouts(person, here.until, { seed, offsetMs });
        expect(next.since).toBe(here.until);
        expect(next.place).not.toBe(here.place);
      },
    ),
    { numRuns: 300 },
  );
});

test('everybody sleeps at home at three in the morning, in the local time of the calendar', () => {
  const local: Calendar = { seed: 'night', offsetMs: -8 * hour };
  for (const person of household(12))
    for (let d = 0; d < 30; d += 1)
      expect(whereabouts(person, monday + d * 24 * hour + 11 * hour, local).place).toBe('asleep');
});

test('school keeps the pupils out on weekday mornings and not at the weekend', () => {
  const awayAt = (person: string, dayOffset: number) =>
    Array.from({ length: 40 }, (_, week) =>
      whereabouts(person, monday + (week * 7 + dayOffset) * 24 * hour + 11 * hour, calendar),
    ).filter((w) => w.place === 'away').length;
  expect(awayAt('jo', 2)).toBeGreaterThan(34);
  expect(awayAt('jo', 6)).toBe(0);
});

test('the spans at home are the complement of the times away', () => {
  const week = { from: monday, to: monday + 7 * 24 * hour };
  const spans = homeSpans('alex', week, calendar);
  expect(spans.length).toBeGreaterThan(5);
  for (let at = week.from; at < week.to; at += 7 * 60_000) {
    const home = spans.some((s) => at >= s.from && at < s.to);
    expect(home).toBe(whereabouts('alex', at, calendar).place !== 'away');
  }
});

test('guests come on some evenings and stay for one to four hours', () => {
  const evenings = Array.from({ length: 200 }, (_, d) => visits(monday + d * 24 * hour + hour, calendar));
  const busy = evenings.filter((e) => e.length > 0);
  expect(busy.length).toBeGreaterThan(50);
  expect(busy.length).toBeLessThan(120);
  for (const visit of busy.flat()) {
    expect(visit.to - visit.from).toBeGreaterThanOrEqual(hour);
    expect(visit.to - visit.from).toBeLessThanOrEqual(4 * hour);
  }
  expect(visits(monday + 5 * hour, calendar)).toEqual(visits(monday + 20 * hour, calendar));
});
