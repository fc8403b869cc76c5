import { table } from '#platform/table.ts';
import type { Cost } from './model.ts';
import type { WhatIf } from './whatif.rules.ts';
import { localDate } from './wall.rules.ts';

const formats = new Map<string, Intl.NumberFormat>();

/** An amount as people read it, rounded here and nowhere else: `£12.34`, `-€0.05`. `currency` is ISO 4217. */
export function showMoney(amount: number, currency: string): string {
  let format = formats.get(currency);
  if (format === undefined) {
    format = new Intl.NumberFormat('en-GB', { style: 'currency', currency, signDisplay: 'negative' });
    formats.set(currency, format);
  }
  return format.format(amount);
}

/** A price as people read it: `0.2469 GBP/kWh`. */
export function showPrice(perKwh: number, currency: string): string {
  return `${(Math.round(perKwh * 1e4) / 1e4 || 0).toFixed(4)} ${currency}/kWh`;
}

const percent = (share: number) => {
  const rounded = Math.round(share * 100);
  // What is not whole must not look whole, and what is not nothing must not look like nothing.
  if (rounded === 100 && share < 1) return '> 99 %';
  if (rounded === 0 && share > 0) return '< 1 %';
  return `${rounded} %`;
};

const kwh = (wh: number) => (wh / 1000).toFixed(1);

/** The comparison as a table with a column for each tariff, and the sentences that say how far to trust it. */
export function whatIfText(result: WhatIf, timeZone: string): string {
  const { tariffs, currency, confidence } = result;
  const cell = (cost: Cost, wh: number) => {
    if (cost.unpricedWh === 0) return showMoney(cost.total, currency);
    // What nobody can price is not free.
    return cost.unpricedWh > wh * 0.999_999 && cost.import === 0
      ? 'no price'
      : `${showMoney(cost.total, currency)} *`;
  };
  const rows = [
    ...result.months.map((month, i) => [
      month,
      kwh(result.wh[i]!),
      ...tariffs.map((t) => cell(t.months[i]!, result.wh[i]!)),
    ]),
    ['total', kwh(result.totalWh), ...tariffs.map((t) => cell(t.total, result.totalWh))],
    ...(result.tariffs.some((t) => t.compared !== undefined)
      ? [
          [
            'difference',
            '',
            ...tariffs.map((t) => (t.difference === undefined ? '' : signed(t.difference, currency))),
          ],
        ]
      : []),
    ...(tariffs.some((t) => t.unpriced > 0)
      ? [['without a price', '', ...tariffs.map((t) => percent(t.unpriced))]]
      : []),
  ];
  const head = ['month', 'kWh', ...tariffs.map((t) => t.name)];
  const partial = tariffs.filter((t) => t.compared !== undefined && t.compared < 1);
  const sentences = [
    ...(tariffs.some((t) => t.unpriced > 0) ? ['* Without the energy that has no price.'] : []),
    `From ${localDate(result.from, timeZone)} to ${localDate(result.to - 1, timeZone)}, standing charges included where they are known.`,
    ...partial.map((t) =>
      t.difference === undefined
        ? `${t.name}: no time has a price both in it and in the present tariff, so there is no difference.`
        : `${t.name}: the difference is over the ${percent(t.compared!)} of the energy that both tariffs can price.`,
    ),
    `${percent(confidence.timed)} of the energy is known with its time; of ${percent(confidence.spread)} only the amount is known and it is spread over a gap. Something is known of ${percent(confidence.covered)} of the time.`,
  ];
  const [top, ...body] = alignRight([head, ...rows]);
  return `${table(top!, body)}\n\n${sentences.join('\n')}`;
}

const signed = (amount: number, currency: string) =>
  Math.abs(amount) >= 0.005 && amount > 0 ? `+${showMoney(amount, currency)}` : showMoney(amount, currency);

/** Numbers under each other: every column but the first is padded on the left. */
function alignRight(rows: readonly (readonly string[])[]): string[][] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell : cell.padStart(widths[i]!))));
}
