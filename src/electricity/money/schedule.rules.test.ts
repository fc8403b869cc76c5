import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextFetchAt, type FetchState } from './schedule.rules.ts';

const london = 'Europe/London';
const utc = (text: string) => Date.parse(text);
const next = (okAt: string, knownUntil: string, random = 0, zone = london) =>
  new Date(
    nextFetchAt(
      { okAt: utc(okAt), triedAt: utc(okAt), failures: 0, knownUntil: utc(knownUntil) },
      zone,
      random,
    ),
  )
    .toISOString()
    .slice(0, 16);

test('the first fetch is due at once', () => {
  expect(
    nextFetchAt({ okAt: undefined, triedAt: undefined, failures: 0, knownUntil: -Infinity }, london, 0.5),
  ).toBe(0);
});

test('prices are fetched after four in the afternoon of the home, summer and winter', () => {
  expect(next('2026-06-02T08:00Z', '2026-06-02T22:00Z')).toBe('2026-06-02T15:00');
  expect(next('2026-12-02T08:00Z', '2026-12-02T23:00Z')).toBe('2026-12-02T16:00');
  expect(next('2026-12-02T08:00Z', '2026-12-02T23:00Z', 0.9)).toBe('2026-12-02T16:09');
  expect(next('2026-12-02T08:00Z', '2026-12-02T23:00Z', 0, 'America/New_York')).toBe('2026-12-02T21:00');
});

test('once tomorrow is priced the next fetch is tomorrow; until then every half an hour, and not beyond midnight', () => {
  expect(next('2026-06-02T15:05Z', '2026-06-03T22:00Z')).toBe('2026-06-03T15:00');
  expect(next('2026-06-02T15:05Z', '2026-06-02T22:00Z')).toBe('2026-06-02T15:35');
  expect(next('2026-06-02T22:45Z', '2026-06-02T22:00Z')).toBe('2026-06-03T15:00');
});

test('the day of a time change is no exception', () => {
  expect(next('2026-10-24T15:05Z', '2026-10-25T23:00Z')).toBe('2026-10-25T16:00');
  expect(next('2026-03-28T16:05Z', '2026-03-29T22:00Z')).toBe('2026-03-29T15:00');
});

test('failures wait longer each time, at most an hour and a half, and at least as long as the server asks', () => {
  const failed = (failures: number, retryAfterMs?: number): FetchState => ({
    okAt: undefined,
    triedAt: 1000,
    failures,
    retryAfterMs,
    knownUntil: -Infinity,
  });
  const minutes = (state: FetchState, random = 0) => (nextFetchAt(state, london, random) - 1000) / 60_000;
  expect([1, 2, 3, 7, 50].map((n) => minutes(failed(n)))).toEqual([1, 2, 4, 60, 60]);
  expect(minutes(failed(50), 1)).toBe(90);
  expect(minutes(failed(1, 600_000))).toBe(10);
});

test('the last hour of the day before the clocks change leads to the next day, not over it', () => {
  for (const [okAt, timeZone] of [
    [1_679_785_200_000, london],
    [1_772_942_400_000, 'America/New_York'],
  ] as const) {
    const next = nextFetchAt(
      { okAt, triedAt: okAt, failures: 0, knownUntil: okAt + 158_400_000 },
      timeZone,
      0,
    );
    expect(next - okAt).toBeLessThan(24 * 3_600_000);
  }
});

test('after a success the next fetch is later, within a day and a half', () => {
  const any = fc.integer({ min: utc('2020-01-01'), max: utc('2040-01-01') });
  const zone = fc.constantFrom(london, 'America/New_York', 'Pacific/Apia', 'Asia/Kolkata');
  fc.assert(
    fc.property(
      any,
      any,
      fc.double({ min: 0, max: 1, noNaN: true }),
      zone,
      (okAt, knownUntil, random, timeZone) => {
        const wait = nextFetchAt({ okAt, triedAt: okAt, failures: 0, knownUntil }, timeZone, random) - okAt;
        expect(wait > 0 && wait <= 36 * 3_600_000).toBe(true);
      },
    ),
  );
});
