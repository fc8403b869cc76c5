import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anomalyKinds, baseLoadAnomaly, deviceAnomalies, energyAnomaly, spoken } from './anomaly.rules.ts';
import type { Night } from './baseload.rules.ts';
import { type Habit, newHabit, observe, runsAbove } from './habit.rules.ts';
import { makeHome, minutesOf, seeded } from './home.fixture.ts';
import { leftOn } from './lefton.rules.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
const monday = Date.UTC(2026, 0, 5);

function watched(samples: readonly (readonly [number, number])[], start?: Habit): Habit {
  let habit = start ?? newHabit(samples[0]?.[0] ?? 0);
  for (const [at, watts] of samples) habit = observe(habit, at, watts);
  return habit;
}

/** What a device draws for so many minutes after what is known of it. */
const then = (habit: Habit, minutes: number, watts: (i: number) => number): Habit =>
  watched(
    Array.from({ length: minutes }, (_, i) => [habit.last + (i + 1) * minuteMs, watts(i)] as const),
    habit,
  );

const home = makeHome({ days: 60, seed: 11 });
const freezer = { id: 'kasa:1', name: 'Freezer' };
const iron = { id: 'kasa:2', name: 'Iron' };

test('sixty days of a home with realistic noise give no alarm', () => {
  const alarms: string[] = [];
  for (const [name, power] of Object.entries({
    freezer: home.freezer,
    fridge: home.fridge,
    tv: home.tv,
    iron: home.iron,
  })) {
    let habit = newHabit(home.from);
    for (const [at, watts] of minutesOf(home, power)) {
      habit = observe(habit, at, watts);
      if ((at / minuteMs) % 10 !== 0) continue;
      for (const a of deviceAnomalies({ id: name, name }, habit, at)) alarms.push(a.text);
      const left = leftOn({ id: name, name }, habit, at);
      if (left !== undefined) alarms.push(left.text);
    }
  }
  expect(alarms).toEqual([]);
});

const known = watched(minutesOf(home, home.freezer).slice(0, 20 * 1_440));

test('a freezer that does not stop is found, with what it usually does', () => {
  const habit = then(known, 9 * 60, () => 97);
  const [found, ...others] = deviceAnomalies(freezer, habit, habit.last);
  expect(others).toEqual([]);
  expect(found).toMatchObject({ kind: 'runs-too-long', subject: 'kasa:1', severity: 'warning' });
  expect(found?.text).toMatch(/^Freezer has run 9 h without a pause \(usual: 2\d min\)$/);
  expect(found?.evidence).toHaveLength(2);
  expect(found?.evidence[1]?.text).toMatch(/^its last \d+ runs took 2\d min as a rule and at most [\w ]+$/);
});

test('a freezer that does not start is found', () => {
  const habit = then(known, 6 * 60, () => 0);
  const [found, ...others] = deviceAnomalies(freezer, habit, habit.last);
  expect(others).toEqual([]);
  expect(found).toMatchObject({ kind: 'does-not-run', severity: 'urgent' });
  expect(found?.text).toMatch(/^Freezer has not run for (5 h 5\d min|6 h) \(usual pause: [34]\d min\)$/);
});

test('both ends of an episode are seen: nothing is said before it is long and after it ends', () => {
  const short = then(known, 60, () => 97);
  const long = then(short, 240, () => 97);
  const over = then(long, 20, () => 1);
  expect([short, long, over].map((h) => deviceAnomalies(freezer, h, h.last).length)).toEqual([0, 1, 0]);
});

test('more power than ever is found, once the device is known for a week', () => {
  const young = then(watched(minutesOf(home, home.freezer).slice(0, 3 * 1_440)), 30, () => 400);
  const old = then(known, 30, () => 400);
  expect(deviceAnomalies(freezer, young, young.last).map((a) => a.kind)).not.toContain('power-too-high');
  expect(deviceAnomalies(freezer, old, old.last)[0]?.text).toMatch(
    /^Freezer drew 400 W today, more than ever \(until now at most 12\d W\)$/,
  );
});

test('a device that nobody hears of is not judged', () => {
  const habit = then(known, 9 * 60, () => 97);
  expect(deviceAnomalies(freezer, habit, habit.last + 60 * minuteMs)).toEqual([]);
});

test('a clock that was set back by days does not stop the learning for days', () => {
  const back = observe(known, known.last - 9 * dayMs, 1);
  expect([back.last, back.runs]).toEqual([known.last - 9 * dayMs, known.runs]);
  const habit = then(back, 9 * 60, () => 97);
  expect(deviceAnomalies(freezer, habit, habit.last).map((a) => a.kind)).toEqual(['runs-too-long']);
});

const days = (count: number, wh: (day: number) => number, end = 20_462) =>
  Array.from({ length: count }, (_, i) => ({ day: end - count + i, wh: wh(end - count + i) }));

test('three times the usual energy is found on the kind of day it is', () => {
  // Day 20462 is a Friday.
  const weekend = (day: number) => (day + 3) % 7 >= 5;
  const before = days(28, (day) => (weekend(day) ? 2_000 : 500));
  const judge = (day: number, wh: number) =>
    energyAnomaly(freezer, before, { day, wh }, monday, monday + dayMs);
  expect([judge(20_462, 2_400)?.kind, judge(20_463, 2_600), judge(20_462, 1_200)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(judge(20_462, 2_600)?.text).toBe(
    'Freezer has used 2.60 kWh today, 5.2 times its usual energy (0.50 kWh)',
  );
  expect(
    energyAnomaly(freezer, before.slice(-10), { day: 20_462, wh: 9_000 }, monday, monday),
  ).toBeUndefined();
});

test('what is used now and then is compared with the days on which it was used', () => {
  const weekly = days(28, (day) => (day % 4 === 0 ? 400 : 0));
  const judge = (wh: number) =>
    energyAnomaly(iron, weekly, { day: 20_462, wh }, monday, monday + dayMs)?.text;
  expect([judge(900), judge(1_300)]).toEqual([
    undefined,
    'Iron has used 1.30 kWh today, 3.3 times its usual energy (0.40 kWh)',
  ]);
  const rare = days(28, (day) => (day % 14 === 0 ? 400 : 0));
  expect(energyAnomaly(iron, rare, { day: 20_462, wh: 3_000 }, monday, monday + dayMs)).toBeUndefined();
});

const nights = (watts: readonly number[]): Night[] =>
  watts.map((w, i) => ({ at: monday + i * dayMs, watts: w }));
const weekday = (at: number) =>
  new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' }).format(at);

test('a step of the base load is found, with the night of the step', () => {
  const random = seeded(3);
  const before = Array.from({ length: 15 }, () => 118 + 6 * random());
  const list = nights([...before, 201, 198, 203]);
  const found = baseLoadAnomaly(list, monday + 18 * dayMs, weekday);
  expect(found?.text).toMatch(
    /^The base load has risen by (79|80|81) W since Tuesday: 201 W instead of 12\d W$/,
  );
  expect(found?.since).toBe(monday + 15 * dayMs);
});

test('a base load that wavers, one bad night, and a fall are no step', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 60, max: 400 }), (seed, level) => {
      const random = seeded(seed);
      const calm = Array.from({ length: 40 }, () => level * (0.95 + 0.1 * random()));
      expect(baseLoadAnomaly(nights(calm), monday + 40 * dayMs, weekday)).toBeUndefined();
      expect(baseLoadAnomaly(nights([...calm, level + 300]), monday + 41 * dayMs, weekday)).toBeUndefined();
      expect(
        baseLoadAnomaly(nights([...calm, level / 2, level / 2]), monday + 42 * dayMs, weekday),
      ).toBeUndefined();
    }),
  );
});

const ironed = watched(minutesOf(home, home.iron).slice(0, 40 * 1_440));
const ironing = (minutes: number) => then(ironed, minutes, (i) => (i % 3 === 0 ? 2_000 : 400));

test('an iron that is on for hours is found, with its usual time', () => {
  expect(leftOn(iron, ironing(25), ironing(25).last)).toBeUndefined();
  const habit = ironing(120);
  const found = leftOn(iron, habit, habit.last, { watts: 2_000 });
  expect(found?.severity).toBe('warning');
  expect(found?.text).toMatch(/^Iron has been on for (1 h 5\d min|2 h) \(usually [12]\d min\)$/);
  expect(found?.evidence.map((e) => e.text)).toEqual([
    'on since then, 2000 W now',
    expect.stringMatching(/^its last \d+ times took at most [23]\d min$/) as string,
  ]);
});

test('an iron that stays on when everybody has left is found within the hour', () => {
  const habit = ironing(45);
  const gone = habit.last - 20 * minuteMs;
  expect(leftOn(iron, habit, habit.last)).toBeUndefined();
  const found = leftOn(iron, habit, habit.last, { nobodyHomeSince: gone });
  expect(found?.severity).toBe('urgent');
  expect(found?.text).toMatch(
    /^Iron has been on for 4\d min \(usually [12]\d min\) and nobody has been home for 20 min$/,
  );
});

test('what runs by itself is never left on, nobody home or not', () => {
  const habit = then(known, 40, () => 97);
  const options = { nobodyHomeSince: habit.last - 12 * 60 * minuteMs };
  expect(leftOn(freezer, habit, habit.last, options)).toBeUndefined();
});

test('a limit from the settings holds without any habit', () => {
  let habit = newHabit(monday);
  habit = then(habit, 120, () => 0);
  habit = then(habit, 61, () => 900);
  expect(leftOn(iron, habit, habit.last, { limitMin: 90 })).toBeUndefined();
  habit = then(habit, 33, () => 900);
  expect(leftOn(iron, habit, habit.last, { limitMin: 90 })?.text).toMatch(
    /^Iron has been on for 1 h 3\d min$/,
  );
});

test('a lamp at one level is told from a machine with two by its levels', () => {
  const level = (values: readonly number[]) =>
    runsAbove(watched(values.map((w, i) => [monday + (i + 1) * minuteMs, w] as const)).levels);
  expect(level(Array.from({ length: 600 }, (_, i) => 8 + (i % 2)))).toBeUndefined();
  const limit = level(Array.from({ length: 600 }, (_, i) => (i % 50 < 10 ? 90 : 1)));
  expect(limit !== undefined && limit > 3 && limit < 60).toBe(true);
});

test('whatever a device says, its habit stays bounded, in order and fit for JSON', () => {
  const step = fc.tuple(fc.double({ min: 0, max: 20_000, noNaN: true }), fc.integer({ min: -5, max: 60 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (list) => {
      let habit = newHabit(monday);
      let at = monday;
      for (const [watts, minutes] of list) habit = observe(habit, (at += minutes * minuteMs), watts);
      expect(JSON.parse(JSON.stringify(habit))).toEqual(JSON.parse(JSON.stringify({ ...habit })));
      expect(Math.max(0, ...habit.runs, ...habit.pauses)).toBeLessThan(60 * 400);
      expect(Math.min(1, ...habit.runs, ...habit.pauses)).toBeGreaterThan(0);
      expect(habit.runs.length <= 200 && habit.pauses.length <= 200 && habit.peaks.length <= 60).toBe(true);
      for (const a of deviceAnomalies(iron, habit, habit.last)) expect(anomalyKinds).toHaveProperty(a.kind);
    }),
  );
});

test.each([
  [25, '25 min'],
  [100, '1 h 40 min'],
  [60, '1 h'],
  [540, '9 h'],
  [4_400, '3 days'],
])('%d minutes are %s', (minutes, text) => expect(spoken(minutes)).toBe(text));
