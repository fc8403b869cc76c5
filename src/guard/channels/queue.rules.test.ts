import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { byUrgency, consequence, quantile, retryMs, spell } from './queue.rules.ts';

test('the waits double from a second to ten minutes, with jitter that never leaves half to all of it', () => {
  expect([0, 1, 2, 9, 10, 1_000].map((n) => retryMs(n, 1))).toEqual([
    1_000, 2_000, 4_000, 512_000, 600_000, 600_000,
  ]);
  fc.assert(
    fc.property(fc.nat(100), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
      const all = retryMs(attempt, 1);
      const wait = retryMs(attempt, random);
      return wait >= all / 2 && wait <= all;
    }),
  );
});

test('each kind of failure has its consequence', () => {
  const none = { lane: 0, row: 0 };
  const of = (...args: ConstructorParameters<typeof LaresError>) =>
    consequence(new LaresError(...args), none, 1);
  expect(of('UNREACHABLE', 'x')).toEqual({ rest: 'lane', waitMs: 1_000, counts: true, parked: false });
  expect(of('UNREACHABLE', 'x', { retryAfterMs: 7_000 }).waitMs).toBe(7_000);
  expect(of('RATE_LIMITED', 'x')).toEqual({ rest: 'lane', waitMs: 1_000, counts: true, parked: false });
  // A peer that says "at once" for ever is not asked in a loop.
  expect(of('RATE_LIMITED', 'x', { retryAfterMs: 0 })).toEqual({
    rest: 'lane',
    waitMs: 1_000,
    counts: false,
    parked: false,
  });
  expect(of('AUTH_REFUSED', 'x')).toEqual({ rest: 'lane', waitMs: 3_600_000, counts: true, parked: true });
  expect(of('BAD_REPLY', 'x')).toEqual({ rest: 'row', waitMs: 1_000, counts: true, parked: false });
});

test('urgency is an order: severity, then fewer failures, then age', () => {
  const rows = [
    { severity: 'info', attempts: 0, dueAt: 1 },
    { severity: 'warning', attempts: 3, dueAt: 1 },
    { severity: 'warning', attempts: 0, dueAt: 5 },
    { severity: 'warning', attempts: 0, dueAt: 2 },
    { severity: 'critical', attempts: 9, dueAt: 9 },
  ] as const;
  expect(rows.toSorted(byUrgency)).toEqual([rows[4], rows[3], rows[2], rows[1], rows[0]]);
});

test('quantiles are values that were measured, and spans are spelled for people', () => {
  expect(quantile([], 0.5)).toBeUndefined();
  expect(quantile([3, 1, 2, 4], 0.5)).toBe(2);
  expect(quantile([3, 1, 2, 4], 0.95)).toBe(4);
  expect([0, 59_600, 119_000, 121_000, 7_300_000].map(spell)).toEqual([
    '0 s',
    '60 s',
    '119 s',
    '2 min',
    '2 h',
  ]);
});
