import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { MemoryState } from '../../../tests/servers/memory-store.ts';
import { houseId, slotMs, type EnergyBook, type Slot } from '../energy/model.ts';
import { tariffConfig } from './config.ts';
import { showMoney, showPrice, whatIfText } from './render.ts';
import { OctopusSim } from './sim.ts';
import { buildTariff } from './tariff.rules.ts';
import { readTariffFile, whatIfFiles, type WhatIfParts } from './whatif.ts';
import { whatIf } from './whatif.rules.ts';

const london = 'Europe/London';
const utc = (text: string) => Date.parse(text);
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const build = (settings: object) =>
  buildTariff(tariffConfig.parse({ currency: 'GBP', ...settings }), { timeZone: london });

/** 100 Wh in every quarter of an hour of the time in which London changes its clocks back; one day was only spread. */
const period = { from: utc('2026-10-23T23:00Z'), to: utc('2026-11-02T00:00Z') };
const slots: Slot[] = [];
for (let at = period.from; at < period.to; at += slotMs)
  slots.push({
    at,
    wh: 100,
    exportWh: 0,
    how: at < utc('2026-10-24T23:00Z') ? 'spread' : 'counter',
    coveredMs: at < utc('2026-10-24T23:00Z') ? 0 : slotMs,
  });
const book: EnergyBook = {
  slots: async (device, from, to) =>
    device === houseId || device === 'kasa:1' ? slots.filter((s) => s.at + slotMs > from && s.at < to) : [],
  devices: async () => [houseId, 'kasa:1'],
};
const present = build({ name: 'now', import: { kind: 'fixed', price: 0.25 }, standing_charge: 0.5 });
const night = {
  name: 'night',
  import: { kind: 'day-night', bands: [{ from: '01:00', to: '02:00', price: 0.05 }], otherwise: 0.25 },
  standing_charge: 0.6,
};

test('the table says what each month would have cost, to the penny, over the night that repeats an hour', () => {
  const result = whatIf({ slots, period, timeZone: london, present, others: [build(night)] });
  // 24, 25 and 7 × 24 hours of October and one day of November; 0.4 kWh an hour.
  expect(result.months).toEqual(['2026-10', '2026-11']);
  expect(result.wh.map((n) => Math.round(n))).toEqual([77_200, 9_600]);
  const [now, other] = result.tariffs;
  expect(now!.months.map((c) => c.total.toFixed(6))).toEqual(['23.300000', '2.900000']);
  // Eight nights with one cheap hour save 8p each, one with two saves 16p, and one of November 8p; standing charges cost 10p a day more.
  expect(other!.months.map((c) => c.total.toFixed(6))).toEqual(['23.380000', '2.920000']);
  expect([other!.difference!.toFixed(6), other!.compared, other!.unpriced]).toEqual(['0.100000', 1, 0]);
  expect(result.confidence.spread).toBeCloseTo(96 / 868, 8);
  expect(result.confidence.timed + result.confidence.spread).toBeCloseTo(1, 8);
  expect(result.confidence.covered).toBeCloseTo(772 / 868, 8);
});

test('the difference is over the energy that both can price, and says how much that is', () => {
  const late = build({
    name: 'late',
    since: '2026-11-01',
    import: { kind: 'fixed', price: 0.2 },
    standing_charge: 0.7,
  });
  const [now, other] = whatIf({ slots, period, timeZone: london, present, others: [late] }).tariffs;
  expect(now!.difference).toBe(undefined);
  // Only the 9.6 kWh of November: 5p less a kWh, 20p more for the day.
  expect(other!.difference).toBeCloseTo(-9.6 * 0.05 + 0.2, 9);
  expect(other!.compared).toBeCloseTo(96 / 868, 8);
  expect(other!.unpriced).toBeCloseTo(772 / 868, 8);
  const never = build({ name: 'never', since: '2030-01-01', import: { kind: 'fixed', price: 0.2 } });
  expect(whatIf({ slots, period, timeZone: london, present, others: [never] }).tariffs[1]).toMatchObject({
    compared: 0,
    unpriced: 1,
  });
});

test('currencies are not mixed', () => {
  const euros = buildTariff(tariffConfig.parse({ currency: 'EUR', import: { kind: 'fixed', price: 0.3 } }), {
    timeZone: london,
  });
  expect(() => whatIf({ slots, period, timeZone: london, present, others: [euros] })).toThrow(
    'tariffs in GBP and EUR cannot be compared; use one currency',
  );
});

test('the text has a column for each tariff and says how far to trust it', () => {
  const late = build({ name: 'late', since: '2026-11-01', import: { kind: 'fixed', price: 0.2 } });
  const result = whatIf({ slots, period, timeZone: london, present, others: [build(night), late] });
  expect(whatIfText(result, london)).toBe(
    `month             kWh     now   night      late
2026-10          77.2  £23.30  £23.38  no price
2026-11           9.6   £2.90   £2.92     £1.92
total            86.8  £26.20  £26.30   £1.92 *
difference                     +£0.10    -£0.98
without a price           0 %     0 %      89 %

* Without the energy that has no price.
From 2026-10-24 to 2026-11-01, standing charges included where they are known.
late: the difference is over the 11 % of the energy that both tariffs can price.
89 % of the energy is known with its time; of 11 % only the amount is known and it is spread over a gap. Something is known of 89 % of the time.`,
  );
});

test('money is rounded when it is shown, and nothing is not less than nothing', () => {
  expect([12.345, -0.001, -1.5, 0].map((n) => showMoney(n, 'GBP'))).toEqual([
    '£12.35',
    '£0.00',
    '-£1.50',
    '£0.00',
  ]);
  expect([showMoney(1.25, 'EUR'), showMoney(31.4, 'JPY')]).toEqual(['€1.25', 'JP¥31']);
  expect([showPrice(0.2469, 'GBP'), showPrice(-0.00001, 'GBP')]).toEqual([
    '0.2469 GBP/kWh',
    '0.0000 GBP/kWh',
  ]);
});

async function folder(files: Readonly<Record<string, string>>): Promise<(name: string) => string> {
  const made = await mkdtemp(path.join(tmpdir(), 'lares-what-if-'));
  closers.push(() => rm(made, { recursive: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(made, name), text);
  return (name) => path.join(made, name);
}

function parts(more: Partial<WhatIfParts> = {}): WhatIfParts {
  return {
    book,
    present,
    timeZone: london,
    clock: new ManualClock(period.to),
    state: new MemoryState(),
    random: () => 0,
    log: new Logger({ level: 'debug', write: () => undefined }),
    ...more,
  };
}

const signal = new AbortController().signal;

test('TARIFF.yaml files are compared with the present tariff, with prices from a file beside them and from an address', async () => {
  const sim = await new OctopusSim({
    now: () => period.to,
    price: () => 20,
    since: utc('2026-01-01'),
  }).listen();
  closers.push(() => sim.close());
  const file = await folder({
    'agile.yaml': `currency: GBP\nstanding_charge: 0.5\nimport:\n  kind: half-hourly\n  url: ${sim.ratesUrl}\n`,
    'own.yml': 'currency: GBP\nname: By file\nimport:\n  kind: half-hourly\n  file: prices.csv\n',
    'prices.csv': 'from,to,price\n2026-10-24 00:00,2026-11-02 00:00,0.30\n',
  });
  const result = await whatIfFiles([file('agile.yaml'), file('own.yml')], parts(), signal);
  expect(result.tariffs.map((t) => [t.name, showMoney(t.total.total, 'GBP'), t.unpriced])).toEqual([
    ['now', '£26.20', 0],
    ['agile', '£21.86', 0],
    ['By file', '£26.04', 0],
  ]);
  expect([result.from, result.to]).toEqual([period.from, period.to]);
});

test('a device pays no standing charge, and one without a history is named', async () => {
  const file = await folder({
    'flat.yaml': 'currency: GBP\nstanding_charge: 9\nimport: { kind: fixed, price: 0.1 }\n',
  });
  const result = await whatIfFiles([file('flat.yaml')], parts({ device: 'kasa:1' }), signal);
  expect(result.tariffs.map((t) => showMoney(t.total.total, 'GBP'))).toEqual(['£21.70', '£8.68']);
  await expect(whatIfFiles([file('flat.yaml')], parts({ device: 'kasa:2' }), signal)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: /no energy of kasa:2 is known/,
  });
});

test('a mistake in TARIFF.yaml is named with its place', async () => {
  const file = await folder({
    'bad.yaml': 'currency: GBP\nimport:\n  kind: fixed\n  price: 0.2\n  prise: 0.2\n',
  });
  expect(() => readTariffFile(file('bad.yaml'))).toThrow(
    /bad\.yaml:5:3 import\.prise: expected one of kind, price/,
  );
  expect(() => readTariffFile(file('none.yaml'))).toThrow(
    /there is no file .*none\.yaml; docs\/tariffs\.md shows/,
  );
});
