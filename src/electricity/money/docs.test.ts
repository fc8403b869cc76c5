import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadConfig } from '#config/load.ts';
import { tariffConfig } from './config.ts';
import { parseRates } from './import/rates.codec.ts';
import { buildTariff } from './tariff.rules.ts';

const text = readFileSync('docs/tariffs.md', 'utf8');
const blocks = (language: string) =>
  [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter((m) => m[1] === language).map((m) => m[2]!);
const utc = (instant: string) => Date.parse(instant);

const load = (block: string) => loadConfig(tariffConfig, { file: 'TARIFF.yaml', text: block });

test.each(blocks('yaml').map((block) => [block.split('\n')[0], block]))(
  'the example %j is a tariff',
  (_, block) => {
    expect(load(block).warnings).toEqual([]);
  },
);

test('the page has an example of every kind', () => {
  const kinds = blocks('yaml').flatMap((block) => [...block.matchAll(/kind: ([a-z-]+)/g)].map((m) => m[1]));
  expect(new Set(kinds)).toEqual(new Set(['day-night', 'fixed', 'half-hourly', 'meter', 'time-of-use']));
});

test('the CSV of the page is read as it says', () => {
  const options = {
    name: 'page',
    code: 'CONFIG_INVALID',
    paymentMethod: '',
    timeZone: 'Europe/London',
  } as const;
  expect(parseRates(blocks('csv')[0]!, options).rates).toEqual([
    { from: utc('2026-10-25T00:00Z'), to: utc('2026-10-25T00:30Z'), perKwh: 0.1834 },
    { from: utc('2026-10-25T00:30Z'), to: utc('2026-10-25T01:00Z'), perKwh: -0.021 },
  ]);
});

test('the night band of the page lasts six hours and four hours when clocks change, as it says', () => {
  const block = blocks('yaml').find((b) => b.includes('Night saver'))!;
  const tariff = buildTariff(load(block).config, { timeZone: 'Europe/London' });
  const hours = (from: string, to: string) =>
    tariff
      .rates(utc(from), utc(to))
      .filter((r) => r.perKwh === 0.09)
      .map((r) => (r.to - r.from) / 3_600_000);
  expect(hours('2026-10-24T23:00Z', '2026-10-26T00:00Z')).toEqual([6]);
  expect(hours('2026-03-29T00:00Z', '2026-03-29T23:00Z')).toEqual([4]);
});
