import fc from 'fast-check';
import { expect, test } from 'vitest';
import { levelDays, levelOf, type LevelReadings } from './levels.rules.ts';

const minute = 60_000;
const now = Date.UTC(2026, 0, 31, 12, 0, 30);
const at = (minutesAgo: number) => Math.floor(now / minute) * minute - minutesAgo * minute;
const ago = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, i) => from - i);
/** A reading that was `value` in the minutes that began from so many to so many minutes ago. */
const span = (from: number, to: number, value = 1): [number, number][] =>
  ago(from, to).map((minutes) => [at(minutes), value]);

const camera = (online: [number, number][], over: Partial<LevelReadings> = {}): LevelReadings => ({
  online: new Map(online),
  running: new Map(span(200, 0)),
  written: new Map(span(200, 0)),
  ...over,
});

test('a camera that was away for a quarter of the time gave pictures for three quarters of it', () => {
  const mine = camera([...span(80, 31), ...span(30, 21, 0), ...span(20, 1, 0.5)]);
  expect(levelOf(mine, now)).toEqual({ since: at(80), live: 0.75, kept: 0.75 });
});

test('the minute that is not over does not count, and of less than an hour nothing is told', () => {
  expect(levelOf(camera([...span(60, 1), [at(0), 0]]), now)).toEqual({ since: at(60), live: 1, kept: 1 });
  expect(levelOf(camera([...span(59, 1), [at(0), 0]]), now)).toBeUndefined();
  expect(levelOf(camera([]), now)).toBeUndefined();
});

test('time in which Lares did not run is lost, and time in which the camera was switched off is not counted', () => {
  const halves = [...span(120, 91), ...span(30, 1)];
  const stopped = camera(halves, { running: new Map(halves) });
  expect(levelOf(stopped, now)).toEqual({ since: at(120), live: 0.5, kept: 0.5 });
  expect(levelOf(camera(halves), now)).toEqual({ since: at(120), live: 1, kept: 1 });
});

test('what could not be written down, or of which nothing is known, was not kept', () => {
  const full = camera(span(80, 1), {
    written: new Map([...span(80, 61), ...span(60, 41, 0), ...span(20, 1, 0.6)]),
  });
  const level = levelOf(full, now);
  expect([level?.live, level?.kept.toFixed(6)]).toEqual([1, '0.400000']);
});

test('what is older than 30 days does not count', () => {
  const days = levelDays * 24 * 60;
  const old = camera([[at(days + 1), 0], [at(days), 1], ...span(70, 1)], { running: new Map() });
  expect(levelOf(old, now)?.since).toBe(at(days));
});

test('nothing is kept of which there was no picture', () => {
  const minutes = fc.array(fc.tuple(fc.nat({ max: 90 }), fc.double({ min: 0, max: 1, noNaN: true })));
  const reading = minutes.map((all) => new Map(all.map(([n, value]) => [at(n), value])));
  fc.assert(
    fc.property(reading, reading, reading, (online, running, written) => {
      const level = levelOf({ online: new Map([...span(90, 70), ...online]), running, written }, now);
      if (level === undefined) return;
      expect(level.kept).toBeLessThanOrEqual(level.live);
      expect(level.live).toBeLessThanOrEqual(1);
      expect(level.since).toBeLessThan(now);
    }),
  );
});
