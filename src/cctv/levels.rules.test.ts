import fc from 'fast-check';
import { expect, test } from 'vitest';
import { levelDays, levelOf, type LevelReadings } from './levels.rules.ts';

const minute = 60_000;
const now = Date.UTC(2026, 0, 31, 12, 0, 30);
const at = (minutesAgo: number) => Math.floor(now / minute) * minute - minutesAgo * minute;
/** A reading by minutes before now: `{ 3: 1 }` was 1 in the minute that began 3 minutes ago. */
const readings = (values: Record<number, number>) =>
  new Map(Object.entries(values).map(([ago, value]) => [at(Number(ago)), value]));
const same = (ago: number[], value: number) => readings(Object.fromEntries(ago.map((a) => [a, value])));

const camera = (online: Record<number, number>, over: Partial<LevelReadings> = {}): LevelReadings => ({
  online: readings(online),
  running: same([1, 2, 3, 4, 5], 1),
  written: same([1, 2, 3, 4, 5], 1),
  ...over,
});

test('a camera that was away for one minute of four gave pictures for three quarters of the time', () => {
  expect(levelOf(camera({ 4: 1, 3: 0.5, 2: 0.5, 1: 1 }), now)).toEqual({
    since: at(4),
    live: 0.75,
    kept: 0.75,
  });
});

test('the minute that is not over does not count, and a camera that came within it has no level yet', () => {
  expect(levelOf(camera({ 1: 1, 0: 0 }), now)).toEqual({ since: at(1), live: 1, kept: 1 });
  expect(levelOf(camera({ 0: 1 }), now)).toBeUndefined();
  expect(levelOf(camera({}), now)).toBeUndefined();
});

test('time in which Lares did not run is lost, and time in which the camera was switched off is not counted', () => {
  const stopped = camera({ 4: 1, 1: 1 }, { running: same([4, 1], 1) });
  expect(levelOf(stopped, now)).toEqual({ since: at(4), live: 0.5, kept: 0.5 });
  expect(levelOf(camera({ 4: 1, 1: 1 }), now)).toEqual({ since: at(4), live: 1, kept: 1 });
});

test('what could not be written down, or of which nothing is known, was not kept', () => {
  const full = camera({ 4: 1, 3: 1, 2: 1, 1: 1 }, { written: readings({ 4: 1, 3: 0, 1: 0.6 }) });
  expect(levelOf(full, now)).toEqual({ since: at(4), live: 1, kept: 0.4 });
});

test('what is older than 30 days does not count', () => {
  const days = levelDays * 24 * 60;
  const old = camera({ [days + 1]: 0, [days]: 1, 1: 1 }, { running: same([days, 1], 1) });
  expect(levelOf(old, now)?.since).toBe(at(days));
});

test('nothing is kept of which there was no picture', () => {
  const share = fc.dictionary(fc.nat({ max: 40 }).map(String), fc.double({ min: 0, max: 1, noNaN: true }));
  fc.assert(
    fc.property(share, share, share, (online, running, written) => {
      const level = levelOf(
        { online: readings(online), running: readings(running), written: readings(written) },
        now,
      );
      if (level === undefined) return;
      expect(level.kept).toBeLessThanOrEqual(level.live);
      expect(level.live).toBeLessThanOrEqual(1);
      expect(level.since).toBeLessThan(now);
    }),
  );
});
