import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Appliance,
  type ApplianceEvent,
  type ApplianceState,
  appliances,
  onlyLearned,
  unwatched,
  watchAll,
  watchMinute,
} from './appliances.rules.ts';
import { type Home, makeHome, minutesOf } from './home.fixture.ts';

const minuteMs = 60_000;

/** Share of the uses that were found, and of the finds that are uses. */
function score(home: Home, events: readonly ApplianceEvent[], appliance: Appliance) {
  // What ends with the record has not settled.
  const end = home.from + (home.house.length - 90) * minuteMs;
  const real = home.uses.filter((u) => u.appliance === appliance && u.to < end);
  const found = events.filter((e) => e.appliance === appliance);
  const right = real.filter((u) => found.some((e) => e.from < u.to + minuteMs && u.from < e.to + minuteMs));
  return { recall: right.length / real.length, precision: right.length / Math.max(1, found.length) };
}

test('a home that was watched for two weeks is understood: nearly every use is found and nearly every find is one', () => {
  const home = makeHome({ days: 15, seed: 1 });
  const learned = watchAll(minutesOf(home, home.house)).state;
  const { events } = watchAll(minutesOf(home, home.house), onlyLearned(learned));
  for (const appliance of Object.keys(appliances) as Appliance[]) {
    const { recall, precision } = score(home, events, appliance);
    expect([appliance, recall >= 0.9, precision >= 0.9]).toEqual([appliance, true, true]);
  }
});

test('it works for homes with other heaters', () => {
  for (const [seed, kettleWatts, machineWatts, dishwasherWatts] of [
    [2, 2_000, 2_300, 2_150],
    [3, 3_000, 1_800, 2_200],
    [4, 2_350, 2_200, 1_750],
  ] as const) {
    const home = makeHome({ days: 15, seed, kettleWatts, machineWatts, dishwasherWatts });
    const learned = watchAll(minutesOf(home, home.house)).state;
    const { events } = watchAll(minutesOf(home, home.house), onlyLearned(learned));
    for (const appliance of Object.keys(appliances) as Appliance[]) {
      const { recall, precision } = score(home, events, appliance);
      expect([seed, appliance, recall >= 0.8, precision >= 0.8]).toEqual([seed, appliance, true, true]);
    }
  }
});

/** Six quiet hours with `parts` on top: `[from minute, minutes, W]`. */
function evening(parts: readonly (readonly [number, number, number])[], hours = 6): [number, number][] {
  const from = Date.UTC(2026, 0, 5, 18);
  const power = Array.from({ length: hours * 60 }, (_, i) => 150 + (i % 3));
  for (const [start, minutes, watts] of parts)
    for (let i = start; i < start + minutes; i += 1) power[i] = (power[i] ?? 0) + watts;
  return power.map((w, i) => [from + i * minuteMs, w]);
}

const knows: ApplianceState = { ...unwatched, loads: Array.from({ length: 20 }, (_, i) => 2_700 + 5 * i) };

test('a boil is told with its time, its energy and the reason', () => {
  const { events } = watchAll(evening([[100, 3, 2_750]]), knows);
  expect(events).toEqual([
    {
      appliance: 'kettle',
      from: Date.UTC(2026, 0, 5, 19, 40),
      to: Date.UTC(2026, 0, 5, 19, 43),
      wh: expect.closeTo(137.5, 0) as number,
      confidence: 0.95,
      text: "up by 2.8 kW for 3 min and down by as much, like this home's kettle of 2.7 kW",
    },
  ]);
});

test('a boil is found while a heater runs and while something else switches with it', () => {
  const on = [
    [60, 90, 2_000],
    [100, 3, 2_750],
    [200, 4, 2_750],
    [201, 10, 600],
  ] as const;
  const { events } = watchAll(evening(on), knows);
  expect(events.map((e) => [e.appliance, (e.from - Date.UTC(2026, 0, 5, 18)) / minuteMs])).toEqual([
    ['kettle', 100],
    ['kettle', 200],
  ]);
});

test.each([
  ['an electric shower', [[100, 6, 8_500]]],
  ['a minute of a microwave oven', [[100, 1, 1_250]]],
  ['an immersion heater', [[60, 120, 2_750]]],
  ['a fan heater that keeps a room warm', Array.from({ length: 10 }, (_, i) => [20 + i * 25, 12, 2_000])],
  ['a hob that clicks', Array.from({ length: 12 }, (_, i) => [100 + 3 * i, 1, 2_100])],
  ['nothing', []],
] as [string, [number, number, number][]][])('%s is none of the three', (_, parts) => {
  expect(watchAll(evening(parts, 8), knows).events).toEqual([]);
});

test('a dishwasher is told by two heatings with a steady pause, once', () => {
  const parts = [
    [60, 15, 2_000],
    [75, 25, 70],
    [100, 13, 2_000],
  ] as const;
  const { events } = watchAll(evening(parts, 8), knows);
  expect(events).toEqual([
    {
      appliance: 'dishwasher',
      from: Date.UTC(2026, 0, 5, 19),
      to: Date.UTC(2026, 0, 5, 19, 53),
      wh: expect.closeTo(933, -2) as number,
      confidence: 0.7,
      text: 'heated 2 times at 2.0 kW (15 min, 13 min) with a steady pause of 25 min',
    },
  ]);
});

test('the state survives being written down after every minute', () => {
  const home = makeHome({ days: 4, seed: 5 });
  const samples = minutesOf(home, home.house);
  let state = unwatched;
  const events: ApplianceEvent[] = [];
  for (const [at, watts] of samples) {
    const step = watchMinute(JSON.parse(JSON.stringify(state)) as ApplianceState, at, watts);
    state = step.state;
    events.push(...step.events);
  }
  expect(events).toEqual(watchAll(samples).events);
});

test('a meter that misses single minutes costs no machine', () => {
  const home = makeHome({ days: 10, seed: 6 });
  const samples = minutesOf(home, home.house);
  const lossy = samples.filter((_, i) => i % 47 !== 0);
  const count = (list: readonly (readonly [number, number])[]) =>
    watchAll(list).events.filter((e) => e.appliance !== 'kettle').length;
  expect(count(lossy)).toBeGreaterThanOrEqual(count(samples) - 1);
});

test('whatever a meter says, events are whole, in order for each appliance, and the state stays bounded', () => {
  const watts = fc.oneof(
    fc.double({ min: -20_000, max: 20_000 }),
    fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0, 2_800, 2_000, 150),
  );
  const piece = fc.tuple(watts, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 3 }));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      let at = Date.UTC(2026, 0, 5);
      const samples: [number, number][] = [];
      for (const [w, minutes, skip] of pieces) {
        for (let i = 0; i < minutes; i += 1) samples.push([(at += minuteMs), w]);
        at += skip * 50 * minuteMs;
      }
      const { state, events } = watchAll(samples);
      expect(state.power.length).toBeLessThanOrEqual(420);
      const last: Partial<Record<Appliance, number>> = {};
      for (const e of events) {
        expect(e.to).toBeGreaterThan(e.from);
        expect(e.from).toBeGreaterThanOrEqual(last[e.appliance] ?? 0);
        expect(e.wh).toBeGreaterThan(0);
        expect(e.confidence > 0 && e.confidence <= 1 && e.text.length > 10).toBe(true);
        last[e.appliance] = e.to;
      }
    }),
    { numRuns: 60 },
  );
});

test('a minute that comes twice or late changes nothing', () => {
  const { state } = watchAll(evening([]), knows);
  const again = watchMinute(state, Date.UTC(2026, 0, 5, 20), 9_000);
  expect([again.state, again.events]).toEqual([state, []]);
});

test('a clock that was set back by days does not stop it for days', () => {
  const later = evening([]).map(([at, w]): [number, number] => [at + 9 * 86_400_000, w]);
  const { state } = watchAll(later, knows);
  expect(watchAll(evening([[100, 3, 2_750]]), state).events).toHaveLength(1);
});
