import { afterAll, afterEach, expect, test } from 'vitest';
import { batch, Stores } from '../../../tests/servers/stores.ts';
import { Levels } from './levels.ts';

const now = Date.UTC(2026, 2, 31, 12, 0, 30);
const minute = 60_000;
const day = 1_440 * minute;
const stores = new Stores(now);
afterEach(() => stores.clear());
afterAll(() => stores.end());

/** A minute of readings, six of them, that begins so long before the last whole minute ended. */
const minuteOf = (agoMs: number, values: Readonly<Record<string, number>>) =>
  Array.from({ length: 6 }, (_, i) => batch(now - (now % minute) - agoMs + i * 10_000, values));
const house = { 'home.cctv.cameras_enabled': 2, 'home.cctv.events_written': 1 };

test('levels come from the readings of 30 days, raw, as minutes and in memory', async () => {
  const { store } = await stores.fresh('sqlite');
  const on = { ...house, 'home.cctv.front_gate.online': 1 };
  const off = { ...house, 'home.cctv.front_gate.online': 0 };
  const ticks = [
    ...minuteOf(40 * day, off),
    // Both sides of the edge between two charts.
    ...minuteOf(6 * day + minute, on),
    ...minuteOf(6 * day, off),
    ...minuteOf(2 * minute, { ...on, 'home.cctv.events_written': 0 }),
    ...Array.from({ length: 60 }, (_, i) =>
      minuteOf((70 - i) * minute, { 'home.cctv.yard.online': 1 }),
    ).flat(),
    ...minuteOf(minute, on),
    // The minute that is not over.
    batch(now, off),
  ];
  for (const tick of ticks) await store.readings.append(tick);
  const levels = new Levels(store.readings);
  expect(levels.of('yard')).toBeUndefined();
  const check = async () => {
    await levels.refresh(['front-gate', 'yard', 'new'], 'home.cctv', now);
    const minutes = (6 * day) / minute + 1;
    const front = levels.of('front-gate')!;
    expect([front.since, front.live * minutes, front.kept * minutes].map(Math.round)).toEqual([
      now - (now % minute) - 6 * day - minute,
      3,
      2,
    ]);
    // Nothing is known of whether that was written down.
    expect(levels.of('yard')).toEqual({ since: now - (now % minute) - 70 * minute, live: 60 / 68, kept: 0 });
    expect(levels.of('new')).toBeUndefined();
  };
  await check();
  await store.readings.maintain(now + day);
  await check();
});
