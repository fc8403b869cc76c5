import fc from 'fast-check';
import { expect, test } from 'vitest';
import { minuteOf, tariffConfig, type TariffSettings } from './config.ts';
import type { Rate } from './model.ts';
import { clip, during, gaps, merge, untangle } from './rates.rules.ts';
import { buildTariff, priceGaps, rateAt, sourceKey, type TariffParts } from './tariff.rules.ts';

const london = 'Europe/London';
const hour = 3_600_000;
const utc = (text: string) => Date.parse(text);
const parse = (settings: object): TariffSettings => tariffConfig.parse({ currency: 'GBP', ...settings });
const build = (settings: object, parts: Partial<TariffParts> = {}) =>
  buildTariff(parse(settings), { timeZone: london, ...parts });
const shown = (rates: readonly Rate[]) =>
  rates.map((r) => `${new Date(r.from).toISOString().slice(0, 16)} ${(r.to - r.from) / hour}h ${r.perKwh}`);
const night = { kind: 'day-night', bands: [{ from: '00:30', to: '05:30', price: 0.09 }], otherwise: 0.28 };

test('a night band is an hour shorter in the night that loses one and longer in the night that repeats one', () => {
  const tariff = build({ import: night });
  expect(shown(tariff.rates(utc('2026-03-29T00:00Z'), utc('2026-03-29T23:00Z')))).toEqual([
    '2026-03-29T00:00 0.5h 0.28',
    '2026-03-29T00:30 4h 0.09',
    '2026-03-29T04:30 18.5h 0.28',
  ]);
  expect(shown(tariff.rates(utc('2026-10-24T23:00Z'), utc('2026-10-26T00:00Z')))).toEqual([
    '2026-10-24T23:00 0.5h 0.28',
    '2026-10-24T23:30 6h 0.09',
    '2026-10-25T05:30 18.5h 0.28',
  ]);
});

test('both of the repeated hours have the band of that hour; a band in the hour that is skipped does not exist', () => {
  const import_ = {
    kind: 'time-of-use',
    bands: [{ from: '01:00', to: '02:00', price: 0.05 }],
    otherwise: 0.3,
  };
  const tariff = build({ import: import_ });
  const at = (text: string) => rateAt(tariff, utc(text))?.perKwh;
  expect(['23:59', '00:00', '00:59'].map((t, i) => at(`2026-10-2${i === 0 ? 4 : 5}T${t}Z`))).toEqual([
    0.3, 0.05, 0.05,
  ]);
  expect([at('2026-10-25T01:00Z'), at('2026-10-25T01:59Z'), at('2026-10-25T02:00Z')]).toEqual([
    0.05, 0.05, 0.3,
  ]);
  expect(shown(tariff.rates(utc('2026-03-29T00:00Z'), utc('2026-03-29T23:00Z')))).toEqual([
    '2026-03-29T00:00 23h 0.3',
  ]);
});

test('New York changes at two in the morning', () => {
  const tariff = build(
    { import: { ...night, bands: [{ from: '01:30', to: '02:30', price: 0.1 }] } },
    { timeZone: 'America/New_York' },
  );
  // 01:30 EST is followed by 03:00 EDT, so half an hour is left of the band.
  expect(shown(tariff.rates(utc('2026-03-08T05:00Z'), utc('2026-03-09T04:00Z')))).toEqual([
    '2026-03-08T05:00 1.5h 0.28',
    '2026-03-08T06:30 0.5h 0.1',
    '2026-03-08T07:00 21h 0.28',
  ]);
  // 01:30 to 02:00 EDT, then 01:00 EST: the band ends and comes back.
  expect(shown(tariff.rates(utc('2026-11-01T04:00Z'), utc('2026-11-02T05:00Z')))).toEqual([
    '2026-11-01T04:00 1.5h 0.28',
    '2026-11-01T05:30 0.5h 0.1',
    '2026-11-01T06:00 0.5h 0.28',
    '2026-11-01T06:30 1h 0.1',
    '2026-11-01T07:30 21.5h 0.28',
  ]);
});

test('a band over midnight belongs to the day on which it begins', () => {
  const tariff = build({
    import: {
      kind: 'time-of-use',
      bands: [{ from: '22:00', to: '06:00', days: ['sun'], price: 0.1 }],
      otherwise: 0.3,
    },
  });
  // 2026-06-07 is a Sunday; British Summer Time.
  expect(shown(tariff.rates(utc('2026-06-06T23:00Z'), utc('2026-06-08T23:00Z')))).toEqual([
    '2026-06-06T23:00 22h 0.3',
    '2026-06-07T21:00 8h 0.1',
    '2026-06-08T05:00 18h 0.3',
  ]);
});

test('prices change at local midnight and what a change does not name stays as it was', () => {
  const tariff = build({
    since: '2026-01-01',
    import: { kind: 'fixed', price: 0.24 },
    standing_charge: 0.5,
    changes: [
      { since: '2026-07-01', import: { kind: 'fixed', price: 0.26 } },
      { since: '2026-10-01', standing_charge: 0.6, export: { kind: 'fixed', price: 0.15 } },
    ],
  });
  expect(shown(tariff.rates(utc('2025-12-31T00:00Z'), utc('2026-01-01T01:00Z')))).toEqual([
    '2026-01-01T00:00 1h 0.24',
  ]);
  expect(shown(tariff.rates(utc('2026-06-30T22:00Z'), utc('2026-07-01T00:00Z')))).toEqual([
    '2026-06-30T22:00 1h 0.24',
    '2026-06-30T23:00 1h 0.26',
  ]);
  expect(shown(tariff.exportRates!(utc('2026-09-30T22:00Z'), utc('2026-10-01T00:00Z')))).toEqual([
    '2026-09-30T23:00 1h 0.15',
  ]);
  const standing = ['2025-06-01', '2026-06-01', '2026-09-30T22:59', '2026-09-30T23:00'];
  expect(standing.map((d) => tariff.standingOn!(utc(d.length > 10 ? `${d}Z` : d)))).toEqual([
    0, 0.5, 0.5, 0.6,
  ]);
  expect(tariff.standingPerDay).toBe(0.6);
});

test('without export settings nothing is paid for export', () => {
  expect(build({ import: { kind: 'fixed', price: 0.24 } })).not.toHaveProperty('exportRates');
});

test('missing half-hours have no price and are named', () => {
  const import_ = { kind: 'half-hourly', file: 'agile.csv' };
  const at = utc('2026-06-01T00:00Z');
  const rates = [0, 1, 3].map((n) => ({
    from: at + (n * hour) / 2,
    to: at + ((n + 1) * hour) / 2,
    perKwh: n / 10,
  }));
  const settings = parse({ import: import_ });
  const tariff = build({ import: import_ }, { imported: new Map([[sourceKey(settings.import)!, rates]]) });
  expect(rateAt(tariff, at + hour)).toBe(undefined);
  expect(priceGaps(tariff, at, at + 3 * hour)).toEqual([
    { from: at + hour, to: at + 1.5 * hour },
    { from: at + 2 * hour, to: at + 3 * hour },
  ]);
  expect(build({ import: import_ }).rates(at, at + hour)).toEqual([]);
});

test('what the meter shows holds until it shows something else', () => {
  const [a, b] = [utc('2026-06-02T10:00Z'), utc('2026-07-01T00:00Z')];
  const shownPrices = [
    { at: a, perKwh: 0.25, standingPerDay: 0.5 },
    { at: b, perKwh: 0.27 },
  ];
  const tariff = build({ import: { kind: 'meter' } }, { shown: shownPrices });
  expect(tariff.rates(a - hour, b + hour)).toEqual([
    { from: a, to: b, perKwh: 0.25 },
    { from: b, to: b + hour, perKwh: 0.27 },
  ]);
  expect([tariff.standingOn!(a - 10 * hour), tariff.standingPerDay]).toEqual([0.5, 0.5]);
  expect(
    build({ import: { kind: 'meter' }, standing_charge: 0.4 }, { shown: shownPrices }).standingPerDay,
  ).toBe(0.4);
});

test('of overlapping rates the one that began last wins, then the shortest, then the last', () => {
  expect(
    untangle([
      { from: 0, to: Infinity, perKwh: 1 },
      { from: 10, to: 20, perKwh: 2 },
      { from: 30, to: 40, perKwh: 3 },
      { from: 30, to: 35, perKwh: 4 },
      { from: 50, to: 60, perKwh: 5 },
      { from: 50, to: 60, perKwh: 6 },
      { from: 70, to: 70, perKwh: 7 },
    ]),
  ).toEqual([
    { from: 0, to: 10, perKwh: 1 },
    { from: 10, to: 20, perKwh: 2 },
    { from: 20, to: 30, perKwh: 1 },
    { from: 30, to: 35, perKwh: 4 },
    { from: 35, to: 40, perKwh: 3 },
    { from: 40, to: 50, perKwh: 1 },
    { from: 50, to: 60, perKwh: 6 },
    { from: 60, to: Infinity, perKwh: 1 },
  ]);
});

test('what is fetched replaces what was known; half-hours that are left out keep their price, open ends do not', () => {
  const rate = (from: number, to: number, perKwh: number) => ({ from, to, perKwh });
  const known = [rate(0, 10, 1), rate(10, 20, 2), rate(20, 30, 3), rate(30, 40, 4), rate(40, Infinity, 5)];
  expect(merge(known, [rate(15, 20, 6), rate(30, 35, 7)])).toEqual([
    rate(0, 10, 1),
    rate(10, 15, 2),
    rate(15, 20, 6),
    rate(20, 30, 3),
    rate(30, 35, 7),
    rate(35, 40, 4),
  ]);
  expect(merge(known, [])).toEqual(known);
  expect(merge([rate(0, Infinity, 1)], [rate(10, 20, 2)])).toEqual([rate(0, 10, 1), rate(10, 20, 2)]);
});

const tangled = fc.array(
  fc.record({
    from: fc.integer({ min: 0, max: 60 }),
    length: fc.integer({ min: 0, max: 30 }),
    perKwh: fc.integer(),
  }),
  { maxLength: 25 },
);

test('untangled rates never overlap, cover what was covered, and agree with the rule at every instant', () => {
  fc.assert(
    fc.property(tangled, (list) => {
      const rates = list.map(({ from, length, perKwh }) => ({ from, to: from + length, perKwh }));
      const flat = untangle(rates);
      for (const [i, r] of flat.slice(1).entries()) expect(r.from).toBeGreaterThanOrEqual(flat[i]!.to);
      for (let at = 0; at < 91; at += 1) {
        const holding = rates.filter((r) => at >= r.from && at < r.to);
        const latest = Math.max(...holding.map((r) => r.from));
        const begun = holding.filter((r) => r.from === latest);
        const shortest = Math.min(...begun.map((r) => r.to));
        const winner = begun.findLast((r) => r.to === shortest);
        expect(clip(flat, at, at + 1).map((r) => r.perKwh)).toEqual(
          winner === undefined ? [] : [winner.perKwh],
        );
      }
      const covered = flat.reduce((sum, r) => sum + r.to - r.from, 0);
      const open = gaps(flat, 0, 91).reduce((sum, r) => sum + r.to - r.from, 0);
      expect(covered + open).toBe(91);
      expect(
        during(flat, [
          { from: 0, to: 45 },
          { from: 45, to: 91 },
        ]).reduce((s, r) => s + r.to - r.from, 0),
      ).toBe(covered);
    }),
  );
});

const clockTime = fc
  .integer({ min: 0, max: 95 })
  .map((q) => `${String(Math.floor(q / 4)).padStart(2, '0')}:${String((q % 4) * 15).padStart(2, '0')}`);

test('at every instant the price is that of the band which the wall clock shows, in every zone', () => {
  const instant = fc.integer({ min: utc('2026-01-01') / 60_000, max: utc('2027-01-01') / 60_000 });
  const zone = fc.constantFrom(london, 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata');
  fc.assert(
    fc.property(clockTime, clockTime, instant, zone, (from, to, minute, timeZone) => {
      const tariff = build(
        { import: { kind: 'time-of-use', bands: [{ from, to, price: 1 }], otherwise: 2 } },
        { timeZone },
      );
      const wall = minuteOf(
        new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' }).format(
          minute * 60_000,
        ),
      );
      const [a, b] = [minuteOf(from), minuteOf(to)];
      const within = b > a ? wall >= a && wall < b : wall >= a || wall < b;
      expect(rateAt(tariff, minute * 60_000)?.perKwh).toBe(within ? 1 : 2);
      expect(priceGaps(tariff, minute * 60_000, minute * 60_000 + 50 * hour)).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test.each([
  [
    'pence',
    { import: { kind: 'fixed', price: 24.69 } },
    'import.price',
    /GBP per kWh, not hundredths of it: write 0\.2469 for 24\.69/,
  ],
  [
    'pence a day',
    { standing_charge: 60.15, import: { kind: 'fixed', price: 0.25 } },
    'standing_charge',
    /GBP per day, not hundredths of it: write 0\.6015 for 60\.15/,
  ],
  ['pence in a band', { import: { ...night, otherwise: 28 } }, 'import.otherwise', /write 0\.28 for 28/],
  [
    'overlapping bands',
    {
      import: {
        ...night,
        bands: [...night.bands, { from: '05:00', to: '06:00', days: ['tue'], price: 0.1 }],
      },
    },
    'import.bands.1',
    /band 1 already covers tue 05:00/,
  ],
  [
    'uncovered time',
    { import: { kind: 'time-of-use', bands: night.bands } },
    'import.otherwise',
    /no band covers mon 00:00/,
  ],
  ['no source', { import: { kind: 'half-hourly' } }, 'import.file', /either file or url/],
  [
    'two sources',
    { import: { kind: 'half-hourly', file: 'a', url: 'https://b' } },
    'import.file',
    /either file or url/,
  ],
  ['no currency', { currency: 'POUND', import: { kind: 'fixed', price: 1 } }, 'currency', /ISO 4217/],
  [
    'dates out of order',
    { import: night, changes: [{ since: '2026-02-01' }, { since: '2026-01-01' }] },
    'changes.1.since',
    /2026-01-01 follows 2026-02-01/,
  ],
])('%s is refused with a place and a remedy', (_, settings, place, text) => {
  const { error } = tariffConfig.safeParse({ currency: 'GBP', ...settings });
  expect(error!.issues.map((i) => i.path.join('.'))).toEqual([place]);
  expect(error!.issues[0]!.message).toMatch(text);
});

test('bands that fill the whole week need no price outside', () => {
  const bands = [
    { from: '23:00', to: '07:00', price: 0.1 },
    { from: '07:00', to: '23:00', price: 0.3 },
  ];
  expect(tariffConfig.safeParse({ currency: 'EUR', import: { kind: 'day-night', bands } }).success).toBe(
    true,
  );
});
