import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { parseCarbon } from './carbon.codec.ts';
import type { RatesOptions } from './octopus.codec.ts';
import { parseRates } from './rates.codec.ts';

const file: RatesOptions = {
  name: 'prices.csv',
  code: 'CONFIG_INVALID',
  paymentMethod: 'DIRECT_DEBIT',
  timeZone: 'Europe/London',
};
const utc = (text: string) => Date.parse(text);
const shown = (rates: readonly { from: number; to: number; perKwh: number }[]) =>
  rates.map((r) => [
    new Date(r.from).toISOString().slice(5, 16),
    r.to === Infinity ? 'open' : new Date(r.to).toISOString().slice(5, 16),
    r.perKwh,
  ]);
const octopus = (results: object[], next: string | null = null) =>
  JSON.stringify({ count: results.length, next, results });

test('Octopus prices are pence, newest first, also negative, and the next page is named', () => {
  const page = octopus(
    [
      {
        value_exc_vat: 1,
        value_inc_vat: -3.15,
        valid_from: '2026-06-01T00:30:00Z',
        valid_to: '2026-06-01T01:00:00Z',
        payment_method: null,
      },
      { value_inc_vat: 24.69, valid_from: '2026-06-01T00:00:00Z', valid_to: '2026-06-01T00:30:00Z' },
    ],
    'https://api.example/?page=2',
  );
  expect(parseRates(page, file)).toEqual({
    rates: [
      { from: utc('2026-06-01T00:00Z'), to: utc('2026-06-01T00:30Z'), perKwh: 0.2469 },
      { from: utc('2026-06-01T00:30Z'), to: utc('2026-06-01T01:00Z'), perKwh: -0.0315 },
    ],
    notes: [],
    next: 'https://api.example/?page=2',
    newestFirst: true,
  });
});

test('a price for each payment method is taken once; an open end is cut by the price that follows', () => {
  const rate = (value: number, from: string, to: string | null, method: string) => ({
    value_inc_vat: value,
    valid_from: from,
    valid_to: to,
    payment_method: method,
  });
  const page = octopus([
    rate(26, '2026-04-01T00:00:00Z', null, 'DIRECT_DEBIT'),
    rate(28, '2026-04-01T00:00:00Z', null, 'NON_DIRECT_DEBIT'),
    rate(24, '2026-01-01T00:00:00+00:00', null, 'DIRECT_DEBIT'),
  ]);
  expect(shown(parseRates(page, file).rates)).toEqual([
    ['01-01T00:00', '04-01T00:00', 0.24],
    ['04-01T00:00', 'open', 0.26],
  ]);
  expect(shown(parseRates(page, { ...file, paymentMethod: 'NON_DIRECT_DEBIT' }).rates)).toEqual([
    ['04-01T00:00', 'open', 0.28],
  ]);
  expect(parseRates(page, { ...file, paymentMethod: 'PREPAY' }).notes).toEqual([
    'no price is for payment_method "PREPAY"; there is "DIRECT_DEBIT, NON_DIRECT_DEBIT"',
  ]);
});

test('two prices for one half-hour are pointed out', () => {
  const twice = [24, 25].map((value) => ({
    value_inc_vat: value,
    valid_from: '2026-04-01T00:00:00Z',
    valid_to: '2026-04-01T00:30:00Z',
  }));
  expect(parseRates(octopus(twice), file)).toMatchObject({
    rates: [{ perKwh: 0.25 }],
    notes: [
      '1 stretches have two prices, the first at 2026-04-01T00:00:00.000Z; the one listed last is used',
    ],
  });
  expect(parseRates(octopus([twice[0]!, twice[0]!]), file).notes).toEqual([]);
});

test('CSV with a zone, with semicolons and decimal commas, newest first, and with a byte order mark', () => {
  const plain =
    'from,to,price\n2026-06-01T00:00:00Z,2026-06-01T00:30:00Z,0.2469\n2026-06-01T01:30+01:00,2026-06-01T02:00+01:00,-0.01\n';
  const rates = [
    ['06-01T00:00', '06-01T00:30', 0.2469],
    ['06-01T00:30', '06-01T01:00', -0.01],
  ];
  expect(shown(parseRates(plain, file).rates)).toEqual(rates);
  const german =
    '\uFEFFPrice;Note;From;To\r\n"-0,01";"a;b";2026-06-01 01:30;2026-06-01 02:00\r\n0,2469;;2026-06-01 01:00;2026-06-01 01:30\r\n';
  expect(shown(parseRates(german, file).rates)).toEqual(rates);
  expect(shown(parseRates(plain.replaceAll(/0\.(\d+)/g, '$1'), { ...file, divisor: 10_000 }).rates)).toEqual([
    rates[0],
    ['06-01T00:30', '06-01T01:00', -0.0001],
  ]);
});

const wallRows = (from: string, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const text = (n: number) => new Date(utc(`${from}Z`) + n * 1_800_000).toISOString().slice(0, 16);
    return `${text(i)},${text(i + 1)},${i / 100}`;
  });

test('local time: 50 rows of the day that repeats an hour are 50 half-hours, in either order', () => {
  const rows = wallRows('2026-10-25T00:00', 4);
  const again = wallRows('2026-10-25T01:00', 46).map((row) => row.replace(/[^,]*$/, '0.9'));
  // The row before the change ends at 02:00 by its own clock.
  for (const all of [[...rows, ...again], [...rows, ...again].toReversed()]) {
    const { rates } = parseRates(['from,to,price', ...all].join('\n'), file);
    expect(rates.length).toBe(50);
    expect([rates[0]!.from, rates.at(-1)!.to]).toEqual([utc('2026-10-24T23:00Z'), utc('2026-10-26T00:00Z')]);
    expect(rates.map((r) => r.to - r.from)).toEqual(Array(50).fill(1_800_000));
    expect(shown(rates.slice(2, 6))).toEqual([
      ['10-25T00:00', '10-25T00:30', 0.02],
      ['10-25T00:30', '10-25T01:00', 0.03],
      ['10-25T01:00', '10-25T01:30', 0.9],
      ['10-25T01:30', '10-25T02:00', 0.9],
    ]);
  }
});

test('local time: rows of the hour that is skipped take no time', () => {
  const text = ['from,to,price', ...wallRows('2026-03-29T00:00', 48)].join('\n');
  const { rates } = parseRates(text, file);
  expect(rates.length).toBe(46);
  expect([rates[0]!.from, rates.at(-1)!.to]).toEqual([utc('2026-03-29T00:00Z'), utc('2026-03-29T23:00Z')]);
  expect(rates[2]).toEqual({ from: utc('2026-03-29T01:00Z'), to: utc('2026-03-29T01:30Z'), perKwh: 0.04 });
});

test.each([
  ['', 'prices.csv:1: the file is empty; write a header (from,to,price) and a row for each price'],
  [
    '2026-01-01,2026-01-02,0.2',
    'prices.csv:1: expected a header with the columns from, to, price; from and to and price missing, found "2026-01-01,2026-01-02,0.2". Write from,to,price as the first line',
  ],
  [
    'from,to,price\n\n2026-01-01 00:00,2026-01-01 00:30,£0.2\n',
    'prices.csv:3: expected a price, found "£0.2"; write a number like 0.2469 and no currency sign',
  ],
  [
    'from,to,price\n2026-02-31 00:00,2026-03-01 00:30,0.2',
    'prices.csv:2: expected a time in from, found "2026-02-31 00:00"; write it like 2026-01-31T08:00:00Z, or 2026-01-31 08:00 for local time',
  ],
  [
    'from,to,price\n2026-03-01 01:00,2026-03-01 00:30,0.2',
    'prices.csv:2: expected an end after the beginning, found "2026-03-01 01:00" to "2026-03-01 00:30"; swap them or correct the dates',
  ],
  [
    '[{"from":"2026-01-01T00:00:00Z"}]',
    /prices\.csv: \[0\]: expected \{"from".*found \{"from":"2026-01-01T00:00:00Z"\}/,
  ],
  ['{"results":[{"value_inc_vat":"1"}]}', /results\[0\]\.value_inc_vat: expected a number, found "1"/],
  ['{"results":[{"value_inc_vat":1,"valid_from":"2026-01-01T00:00:00"}]}', /valid_from: expected an instant/],
  ['{"detail":"not found"}', /expected a list in results, found nothing/],
  ['{"results":', /prices\.csv: is no JSON/],
])('a mistake in %j is named with its line and a remedy', (text, message) => {
  expect(() => parseRates(text, file)).toThrow(message);
});

test('a JSON list of prices is in currency units', () => {
  const list = [{ from: '2026-01-01T00:00:00Z', to: '2026-01-01T00:30:00Z', price: 0.31 }];
  expect(parseRates(JSON.stringify(list), file).rates).toEqual([
    { from: utc('2026-01-01T00:00Z'), to: utc('2026-01-01T00:30Z'), perKwh: 0.31 },
  ]);
});

test('carbon intensity: measured before forecast, absent left out, national and regional replies', () => {
  const entry = (hour: string, intensity: object) => ({
    from: `2026-06-01T${hour}:00Z`,
    to: `2026-06-01T${hour}:30Z`,
    intensity,
  });
  const data = [
    entry('10', { forecast: 200, actual: 190, index: 'moderate' }),
    entry('11', { forecast: 210, actual: null }),
    entry('12', { forecast: null, actual: null }),
  ];
  const expected = [
    { from: utc('2026-06-01T10:00Z'), to: utc('2026-06-01T10:30Z'), gramsPerKwh: 190 },
    { from: utc('2026-06-01T11:00Z'), to: utc('2026-06-01T11:30Z'), gramsPerKwh: 210 },
  ];
  const origin = { name: 'https://carbon.example/', code: 'BAD_REPLY' } as const;
  for (const reply of [{ data }, { data: { regionid: 3, data } }, { data: [{ regionid: 3, data }] }])
    expect(parseCarbon(JSON.stringify(reply), origin).rates).toEqual(expected);
  expect(() => parseCarbon('{"data":[{"from":1}]}', origin)).toThrow(
    /carbon\.example\/: data\[0\]: expected from, to/,
  );
});

test('whatever text comes, a parser returns clean rates or a LaresError', () => {
  const pieces = fc.constantFrom(
    'from,to,price',
    '2026-10-25 01:30',
    '2026-10-25 01:00',
    '2026-03-29 01:30',
    ',',
    ';',
    '\n',
    '"',
    '0.1',
    '-1,5',
    '{"results":[',
    ']}',
    '{"data":[',
    '{"valid_from":"2026-01-01T00:00:00Z","valid_to":null,"value_inc_vat":1}',
    '{"from":',
    '[',
    'null',
    '__proto__',
    '\u0000',
  );
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 25 }).map((p) => p.join('')),
    fc.string({ maxLength: 80 }),
    fc.json(),
  );
  fc.assert(
    fc.property(text, (given) => {
      const [rates, carbon] = [() => parseRates(given, file).rates, () => parseCarbon(given, file).rates].map(
        (parse) => {
          try {
            return parse();
          } catch (error) {
            if (error instanceof LaresError) return [];
            throw error;
          }
        },
      );
      for (const list of [rates!, carbon!])
        for (const [i, r] of list.entries())
          expect(r.to > r.from && r.from >= (list[i - 1]?.to ?? -Infinity)).toBe(true);
    }),
    { numRuns: 400 },
  );
});
