import fc from 'fast-check';
import { expect, test } from 'vitest';
import { localDay, period, periods, startOfDay } from './calendar.rules.ts';
import { slotMs } from './model.ts';

const iso = (at: number) => new Date(at).toISOString();

test.each([
  ['Europe/London', '2026-03-29T12:00Z', '2026-03-29T00:00:00.000Z', 23],
  ['Europe/London', '2026-10-25T12:00Z', '2026-10-24T23:00:00.000Z', 25],
  ['America/New_York', '2026-03-08T12:00Z', '2026-03-08T05:00:00.000Z', 23],
  ['America/New_York', '2026-11-01T12:00Z', '2026-11-01T04:00:00.000Z', 25],
  ['Asia/Kathmandu', '2026-05-05T12:00Z', '2026-05-04T18:15:00.000Z', 24],
  ['Australia/Lord_Howe', '2026-04-05T03:00Z', '2026-04-04T13:00:00.000Z', 24.5],
  // Midnight is skipped: the day begins at one o'clock.
  ['Africa/Cairo', '2026-04-24T12:00Z', '2026-04-23T22:00:00.000Z', 23],
  // The hour before midnight comes twice: it is all of the day before.
  ['America/Sao_Paulo', '2018-02-17T12:00Z', '2018-02-17T02:00:00.000Z', 25],
])('today in %s at %s begins at %s and has %d hours', (zone, now, from, hours) => {
  const today = period('today', Date.parse(now), zone);
  expect([iso(today.from), (today.to - today.from) / 3_600_000]).toEqual([from, hours]);
});

test('weeks begin on Monday, months and years on the first', () => {
  const now = Date.parse('2026-03-01T10:00:00Z');
  const span = (name: 'week' | 'month' | 'year') => {
    const { from, to } = period(name, now, 'Europe/London');
    return [iso(from), iso(to)];
  };
  expect([span('week'), span('month'), span('year')]).toEqual([
    ['2026-02-23T00:00:00.000Z', '2026-03-02T00:00:00.000Z'],
    ['2026-03-01T00:00:00.000Z', '2026-03-31T23:00:00.000Z'],
    ['2026-01-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
  ]);
});

test('a day that a country skipped is none', () => {
  const days = periods(
    'today',
    Date.parse('2011-12-29T12:00Z'),
    Date.parse('2011-12-31T12:00Z'),
    'Pacific/Apia',
  );
  expect(days.map(({ from }) => iso(from))).toEqual([
    '2011-12-29T10:00:00.000Z',
    '2011-12-30T10:00:00.000Z',
    '2011-12-31T10:00:00.000Z',
  ]);
});

test('in every zone days follow each other without holes, lie on the grid of slots and hold their instants', () => {
  const zones = Intl.supportedValuesOf('timeZone');
  const from = Date.parse('2015-01-01T00:00Z');
  fc.assert(
    fc.property(
      fc.constantFrom(...zones),
      fc.integer({ min: from, max: Date.parse('2030-01-01T00:00Z') }),
      (zone, now) => {
        const today = period('today', now, zone);
        expect(today.from <= now && now < today.to).toBe(true);
        expect([today.from % slotMs, today.to % slotMs]).toEqual([0, 0]);
        const number = localDay(now, zone);
        expect([startOfDay(number, zone), startOfDay(number + 1, zone)]).toEqual([today.from, today.to]);
        const days = periods('today', now - 40 * 86_400_000, now + 40 * 86_400_000, zone);
        for (let i = 1; i < days.length; i += 1) expect(days[i]!.from).toBe(days[i - 1]!.to);
        const parts = ['week', 'month', 'year'] as const;
        for (const name of parts) {
          const whole = period(name, now, zone);
          expect(whole.from <= today.from && today.to <= whole.to).toBe(true);
        }
      },
    ),
    { numRuns: 150 },
  );
});
