import fc from 'fast-check';
import { expect, test } from 'vitest';
import { closed, failed, nextPollAt, phase } from './schedule.rules.ts';

test('a hundred devices are spread over the interval with no gap above three even shares', () => {
  const phases = Array.from({ length: 100 }, (_, i) => phase(i, 30_000)).toSorted((a, b) => a - b);
  const gaps = phases.map((p, i) => (phases[i + 1] ?? 30_000) - p);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(900);
  expect(new Set(phases).size).toBe(100);
});

test('the next poll lies in the future, at the place of the device, within one interval', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2e12 }),
      fc.integer({ min: 500, max: 3_600_000 }),
      fc.nat(1_000),
      (now, intervalMs, index) => {
        const phaseMs = phase(index, intervalMs);
        const at = nextPollAt(now, intervalMs, phaseMs, closed);
        return at > now && at <= now + intervalMs && (at - phaseMs) % intervalMs === 0;
      },
    ),
  );
});

test('two failures change nothing, later ones double the rest up to five minutes', () => {
  const rests: number[] = [];
  let breaker = closed;
  for (let i = 0; i < 8; i += 1) {
    breaker = failed(breaker, 0, 30_000, 0);
    rests.push(breaker.restUntil);
  }
  expect(rests).toEqual([0, 0, 60_000, 120_000, 240_000, 300_000, 300_000, 300_000]);
});

test('what only a person can mend rests the longest at once, and chance spreads the return', () => {
  expect(failed(closed, 0, 30_000, 0, true).restUntil).toBe(300_000);
  expect(failed(closed, 0, 30_000, 1, true).restUntil).toBe(225_000);
});

test('a device with a longer interval than the longest rest is never asked more often than usual', () => {
  let breaker = closed;
  for (let i = 0; i < 9; i += 1) breaker = failed(breaker, 0, 900_000, 1);
  expect(breaker.restUntil).toBe(900_000);
});
