import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clockText, wallAt, within } from './wall.rules.ts';

const zone = 'Europe/London';
const inForce = (instant: string, from: string, to: string, days?: ('mon' | 'sat' | 'sun')[]) =>
  within({ from, to, ...(days === undefined ? {} : { days }) }, wallAt(Date.parse(instant), zone));

test.each([
  ['2026-06-15T11:30:00Z', 'mon 12:30'],
  ['2026-06-14T23:00:00Z', 'mon 00:00'],
  ['2026-12-31T23:59:00Z', 'thu 23:59'],
  // Clocks go forward at 01:00 UTC and back at 01:00 UTC.
  ['2026-03-29T00:59:00Z', 'sun 00:59'],
  ['2026-03-29T01:00:00Z', 'sun 02:00'],
  ['2026-10-25T00:30:00Z', 'sun 01:30'],
  ['2026-10-25T01:30:00Z', 'sun 01:30'],
  ['1969-12-31T12:00:00Z', 'wed 13:00'],
])('the wall in London at %s shows %s', (instant, shown) => {
  const wall = wallAt(Date.parse(instant), zone);
  expect(`${wall.day} ${clockText(wall)}`).toBe(shown);
});

test('property: the wall clock is that of the calendar of the runtime, in every kind of zone', () => {
  const zones = ['Europe/London', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'UTC'];
  const formats = new Map(
    zones.map((timeZone) => [
      timeZone,
      new Intl.DateTimeFormat('en-GB', {
        timeZone,
        weekday: 'short',
        hour: '2-digit',
        minute: '2-digit',
        hourCycle: 'h23',
      }),
    ]),
  );
  const instant = fc.integer({ min: Date.UTC(1990, 0), max: Date.UTC(2040, 0) });
  fc.assert(
    fc.property(instant, fc.constantFrom(...zones), (at, timeZone) => {
      const wall = wallAt(at, timeZone);
      expect(`${wall.day} ${clockText(wall)}`).toBe(
        formats.get(timeZone)!.format(at).toLowerCase().replace(',', ''),
      );
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  // Within a day.
  ['2026-06-15T07:59:00Z', '09:00', '17:00', undefined, false],
  ['2026-06-15T08:00:00Z', '09:00', '17:00', undefined, true],
  ['2026-06-15T15:59:00Z', '09:00', '17:00', undefined, true],
  ['2026-06-15T16:00:00Z', '09:00', '17:00', undefined, false],
  // Over midnight; the days are those on which the hours begin.
  ['2026-06-14T21:30:00Z', '22:00', '06:00', ['sun'], true],
  ['2026-06-15T04:59:00Z', '22:00', '06:00', ['sun'], true],
  ['2026-06-15T05:00:00Z', '22:00', '06:00', ['sun'], false],
  ['2026-06-15T21:30:00Z', '22:00', '06:00', ['sun'], false],
  ['2026-06-14T04:00:00Z', '22:00', '06:00', ['sun'], false],
  // Whole days.
  ['2026-06-15T03:00:00Z', '00:00', '24:00', ['mon'], true],
  ['2026-06-14T22:59:00Z', '00:00', '24:00', ['mon'], false],
  ['2026-06-16T05:59:00Z', '07:00', '07:00', ['mon'], true],
  ['2026-06-16T06:00:00Z', '07:00', '07:00', ['mon'], false],
  // The hour that does not exist, and the one that exists twice.
  ['2026-03-29T00:59:59Z', '01:15', '02:00', undefined, false],
  ['2026-03-29T01:00:00Z', '01:15', '02:00', undefined, false],
  ['2026-03-29T01:00:00Z', '01:30', '03:00', undefined, true],
  ['2026-10-25T00:45:00Z', '01:30', '02:00', undefined, true],
  ['2026-10-25T01:10:00Z', '01:30', '02:00', undefined, false],
  ['2026-10-25T01:45:00Z', '01:30', '02:00', undefined, true],
  // The night of the change is in force from its evening to its morning.
  ['2026-10-25T05:59:00Z', '22:00', '06:00', ['sat'], true],
  ['2026-10-25T06:00:00Z', '22:00', '06:00', ['sat'], false],
] as const)('at %s hours from %s to %s on %s: %s', (instant, from, to, days, expected) => {
  expect(inForce(instant, from, to, days === undefined ? undefined : [...days])).toBe(expected);
});
