import fc from 'fast-check';
import { expect, test } from 'vitest';
import { offset } from '#platform/local-time.ts';
import { evenStretches, instantsOf, localDate, localDays, startOfDate } from './wall.rules.ts';

const hour = 3_600_000;
const utc = (text: string) => Date.parse(text);
const shown = (days: { date: string; from: number; to: number }[]) =>
  days.map((d) => [d.date, new Date(d.from).toISOString(), (d.to - d.from) / hour]);

test('days around the changes in London have 23 and 25 hours', () => {
  expect(shown(localDays(utc('2026-03-28T12:00Z'), utc('2026-03-30T12:00Z'), 'Europe/London'))).toEqual([
    ['2026-03-28', '2026-03-28T00:00:00.000Z', 24],
    ['2026-03-29', '2026-03-29T00:00:00.000Z', 23],
    ['2026-03-30', '2026-03-29T23:00:00.000Z', 24],
  ]);
  expect(shown(localDays(utc('2026-10-25T12:00Z'), utc('2026-10-26T12:00Z'), 'Europe/London'))).toEqual([
    ['2026-10-25', '2026-10-24T23:00:00.000Z', 25],
    ['2026-10-26', '2026-10-26T00:00:00.000Z', 24],
  ]);
});

test('days are right where clocks change at midnight, by half an hour, or skip a date', () => {
  // Havana skips from 00:00 to 01:00, and goes back from 01:00 to 00:00.
  expect(shown(localDays(utc('2026-03-08T12:00Z'), utc('2026-03-08T13:00Z'), 'America/Havana'))).toEqual([
    ['2026-03-08', '2026-03-08T05:00:00.000Z', 23],
  ]);
  expect(shown(localDays(utc('2026-11-01T12:00Z'), utc('2026-11-01T13:00Z'), 'America/Havana'))).toEqual([
    ['2026-11-01', '2026-11-01T04:00:00.000Z', 25],
  ]);
  // São Paulo went back from 24:00 to 23:00: the older date lasts longer and shows its last hour twice.
  expect(shown(localDays(utc('2018-02-18T02:30Z'), utc('2018-02-18T03:30Z'), 'America/Sao_Paulo'))).toEqual([
    ['2018-02-17', '2018-02-17T02:00:00.000Z', 25],
    ['2018-02-18', '2018-02-18T03:00:00.000Z', 24],
  ]);
  expect(shown(localDays(utc('2026-04-04T18:00Z'), utc('2026-04-04T19:00Z'), 'Australia/Lord_Howe'))).toEqual(
    [['2026-04-05', '2026-04-04T13:00:00.000Z', 24.5]],
  );
  expect(shown(localDays(utc('2011-12-30T00:00Z'), utc('2011-12-31T00:00Z'), 'Pacific/Apia'))).toEqual([
    ['2011-12-29', '2011-12-29T10:00:00.000Z', 24],
    ['2011-12-31', '2011-12-30T10:00:00.000Z', 24],
  ]);
});

test('a wall time is one instant, two in the repeated hour, and the change itself where it is skipped', () => {
  const at = (text: string) =>
    instantsOf(utc(`${text}Z`), 'Europe/London').map((i) => new Date(i).toISOString());
  expect(at('2026-07-01T12:00')).toEqual(['2026-07-01T11:00:00.000Z']);
  expect(at('2026-10-25T01:30')).toEqual(['2026-10-25T00:30:00.000Z', '2026-10-25T01:30:00.000Z']);
  expect(at('2026-03-29T01:30')).toEqual(['2026-03-29T01:00:00.000Z']);
  expect(at('2026-03-29T02:00')).toEqual(['2026-03-29T01:00:00.000Z']);
});

const zones = [
  'Europe/London',
  'America/New_York',
  'Asia/Kolkata',
  'Pacific/Apia',
  'Australia/Lord_Howe',
  'UTC',
];
const spans = fc
  .tuple(
    fc.integer({ min: utc('2005-01-01'), max: utc('2030-01-01') }),
    fc.integer({ min: 1, max: 40 * 24 * hour }),
    fc.constantFrom(...zones),
  )
  .map(([from, length, zone]) => ({ from, to: from + length, zone }));

test('stretches and days cover a span without holes, and agree with the calendar', () => {
  fc.assert(
    fc.property(spans, ({ from, to, zone }) => {
      const even = evenStretches(from, to, zone);
      expect([even[0]!.from, even.at(-1)!.to]).toEqual([from, to]);
      expect(even.slice(1).map((s) => s.from)).toEqual(even.slice(0, -1).map((s) => s.to));
      for (const s of even) {
        expect([offset(s.from, zone), offset(s.to - 1, zone)]).toEqual([s.offset, s.offset]);
      }
      const days = localDays(from, to, zone);
      expect(days[0]!.from).toBeLessThanOrEqual(from);
      expect(days.at(-1)!.to).toBeGreaterThanOrEqual(to);
      expect(days.slice(1).map((d) => d.from)).toEqual(days.slice(0, -1).map((d) => d.to));
      for (const day of days) {
        expect([localDate(day.from, zone), startOfDate(day.date, zone)]).toEqual([day.date, day.from]);
        expect(localDate(day.from - 1, zone)).not.toBe(day.date);
      }
    }),
    { numRuns: 60 },
  );
});
