import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Slot, slotMs } from '../energy/model.ts';
import { baseLoad, nightLoads } from './baseload.rules.ts';
import { makeHome } from './home.fixture.ts';
import { type PowerSample, slotPower, standbyOf } from './standby.rules.ts';

const from = Date.UTC(2026, 0, 5);
const fiveMin = 300_000;

const history = (hours: number, watts: (minute: number) => number): PowerSample[] =>
  Array.from({ length: hours * 12 }, (_, i) => ({
    at: from + i * fiveMin,
    ms: fiveMin,
    watts: watts(i * 5),
  }));
const evening = (minute: number) => minute % 1_440 >= 19 * 60 && minute % 1_440 < 22 * 60;

test('a television is idle for 21 hours a day, and that has a price', () => {
  const found = standbyOf(
    history(7 * 24, (m) => (evening(m) ? 95 : 6)),
    { perKwh: 0.3, typicalWatts: 0.5 },
  );
  expect(found).toEqual({
    kind: 'standby',
    watts: 6,
    hoursPerDay: 21,
    kwhPerYear: 45.99,
    costPerYear: expect.closeTo(13.797, 9) as number,
    timesTypical: 12,
    hoursSeen: 168,
    note: 'draws power while it does nothing',
  });
});

test('hours at which it is switched off at the plug cost nothing', () => {
  const found = standbyOf(history(4 * 24, (m) => (evening(m) ? 95 : m % 1_440 < 12 * 60 ? 0 : 6)));
  expect([found?.kind, found?.watts, found?.hoursPerDay, found?.costPerYear]).toEqual([
    'standby',
    6,
    9,
    undefined,
  ]);
});

test('a router is always on, a fridge cycles, and a lamp draws nothing: none of them is on standby', () => {
  const fridge = makeHome({ days: 7, seed: 21 }).fridge;
  const kinds = [
    history(48, (m) => 8 + (m % 20) / 20),
    fridge.flatMap((watts, i) => (i % 5 === 0 ? [{ at: from + i * 60_000, ms: fiveMin, watts }] : [])),
    history(48, (m) => (evening(m) ? 40 : 0)),
    history(48, () => 0),
  ].map((samples) => standbyOf(samples)?.kind);
  expect(kinds).toEqual(['always-on', 'cycling', 'none', 'none']);
});

test('less than a day says nothing', () => {
  expect(standbyOf(history(23, () => 6))).toBeUndefined();
});

test('a few wild samples do not move the level', () => {
  const wild = history(7 * 24, (m) => (m % 700 === 0 ? 0.5 : evening(m) ? 95 : 6 + (m % 3) * 0.1));
  expect(standbyOf(wild)?.watts).toBeCloseTo(6.1, 1);
});

test('whatever the history, nothing is negative and idle hours fit into a day', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: -50, max: 3_000, noNaN: true }), { minLength: 288, maxLength: 600 }),
      (list) => {
        const found = standbyOf(list.map((watts, i) => ({ at: from + i * fiveMin, ms: fiveMin, watts })));
        expect(found).toBeDefined();
        expect(found!.watts).toBeGreaterThanOrEqual(0);
        expect(found!.hoursPerDay >= 0 && found!.hoursPerDay <= 24 + 1e-9).toBe(true);
      },
    ),
  );
});

const slots = (days: number, watts: (quarter: number) => number): Slot[] =>
  Array.from({ length: days * 96 }, (_, i) => ({
    at: from + i * slotMs,
    wh: watts(i) / 4,
    exportWh: 0,
    how: 'counter' as const,
    coveredMs: slotMs,
  }));
const utc = () => 0;

test('the base load is what the nights draw, and the known devices explain a part of it', () => {
  // A fridge runs in every third quarter of an hour; by day the house draws more.
  const fridge = (i: number) => (i % 3 === 0 ? 80 : 2);
  const house = slots(7, (i) => (i % 96 < 24 ? 60 : 500) + fridge(i));
  const devices = new Map([
    ['router', slots(7, () => 9)],
    ['fridge', slots(7, fridge)],
    ['lamp', slots(7, () => 0)],
  ]);
  const found = baseLoad(house, devices, utc);
  expect(found).toEqual({
    watts: 62,
    kwhPerYear: expect.closeTo(543.12, 6) as number,
    nights: 7,
    explained: [
      { id: 'router', watts: 9 },
      { id: 'fridge', watts: 2 },
    ],
    unexplainedWatts: 51,
  });
});

test('nights are local: an offset moves them', () => {
  const house = slots(3, (i) => (i % 96 >= 52 && i % 96 < 68 ? 50 : 500));
  expect(nightLoads(house, () => 12 * 3_600_000).map((n) => Math.round(n.watts))).toEqual([50, 50, 50]);
  expect(nightLoads(house, utc).map((n) => Math.round(n.watts))).toEqual([500, 500, 500]);
});

test('what nobody measured is not counted as 0 W', () => {
  const holes = slots(3, () => 60).map((s, i) =>
    i % 4 === 0 ? { ...s, wh: 0, how: 'missing' as const } : s,
  );
  expect(baseLoad(holes, new Map(), utc)?.watts).toBe(60);
  expect(
    baseLoad(
      slots(1, () => 60).map((s) => ({ ...s, coveredMs: 0 })),
      new Map(),
      utc,
    ),
  ).toBeUndefined();
  expect(slotPower(holes.slice(0, 2))).toEqual([{ at: from + slotMs, ms: slotMs, watts: 60 }]);
});
