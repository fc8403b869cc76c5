import { LaresError } from '#kernel/errors.ts';
import type { Imported, Rate } from '../model.ts';
import { tidy } from '../rates.rules.ts';
import { instantsOf } from '../wall.rules.ts';
import { found, instant, type RatesOptions } from './octopus.codec.ts';

const columns = ['from', 'to', 'price'] as const;
type Column = (typeof columns)[number];

interface Row {
  readonly line: number;
  readonly cells: Readonly<Record<Column, string>>;
}

const local = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)$/;
const header = 'from,to,price';

/**
 * Rates as a table: a header with the columns `from`, `to` and `price` in any order (others are ignored), separated by
 * comma, semicolon or tab. Times are ISO 8601, with a zone or else in the home's local time: of the hour that clocks
 * repeat, the first and the second occurrence follow from the order of the rows, and rows of the hour that they skip
 * take no time. With semicolons the price may have a decimal comma. Throws `options.code` with the line and a remedy.
 */
export function parseRatesCsv(text: string, options: RatesOptions): Imported<Rate> {
  const rows = rowsOf(text, options);
  const reader = new TimeReader(options);
  const newestFirst = rows.length > 1 && rows[0]!.cells.from > rows.at(-1)!.cells.from;
  const listed = (newestFirst ? rows.toReversed() : rows).flatMap((row): Rate[] => {
    const from = reader.start(row);
    const to = reader.end(row, from);
    const perKwh = priceOf(row, options) / (options.divisor ?? 1);
    return to > from ? [{ from, to, perKwh }] : [];
  });
  return { ...tidy(listed), newestFirst };
}

function fault({ name, code }: RatesOptions, line: number, sentence: string): LaresError {
  return new LaresError(code, `${name}:${line}: ${sentence}`);
}

function rowsOf(text: string, options: RatesOptions): Row[] {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .map((content, index) => ({ content, line: index + 1 }))
    .filter(({ content }) => content.trim() !== '');
  const [top] = lines;
  if (top === undefined)
    throw fault(options, 1, `the file is empty; write a header (${header}) and a row for each price`);
  const separator = [';', '\t', ','].find((s) => top.content.includes(s)) ?? ',';
  const names = split(top.content, separator).map((cell) => cell.toLowerCase());
  const at = columns.map((column) => names.indexOf(column));
  const missing = columns.filter((_, i) => at[i] === -1);
  if (missing.length > 0)
    throw fault(
      options,
      top.line,
      `expected a header with the columns ${columns.join(', ')}; ${missing.join(' and ')} missing, found ${found(top.content)}. Write ${header} as the first line`,
    );
  return lines.slice(1).map(({ content, line }) => {
    const cells = split(content, separator);
    const [from, to, price] = at.map((index) => cells[index] ?? '');
    return { line, cells: { from: from!, to: to!, price: price! } };
  });
}

/** Cells of one line; quotes may hold the separator. */
function split(line: string, separator: string): string[] {
  const cells = [''];
  let quoted = false;
  for (const char of line)
    if (char === '"') quoted = !quoted;
    else if (char === separator && !quoted) cells.push('');
    else cells[cells.length - 1] += char;
  return cells.map((cell) => cell.trim());
}

function priceOf({ line, cells }: Row, options: RatesOptions): number {
  const text = cells.price.replace(/^(-?\d*),(\d+)$/, '$1.$2');
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,2})?$/i.test(text)) return Number(text);
  throw fault(
    options,
    line,
    `expected a price, found ${found(cells.price)}; write a number like 0.2469 and no currency sign`,
  );
}

/** Reads times in the order of the rows, oldest first. */
class TimeReader {
  #last = -Infinity;
  readonly #options: RatesOptions;

  constructor(options: RatesOptions) {
    this.#options = options;
  }

  /** Where the clock shows a time twice, the one that comes after the row before. */
  start({ line, cells }: Row): number {
    const candidates = this.#read(line, 'from', cells.from);
    this.#last = candidates.find((at) => at > this.#last) ?? candidates[0]!;
    return this.#last;
  }

  end({ line, cells }: Row, from: number): number {
    const candidates = this.#read(line, 'to', cells.to);
    const to = candidates.find((at) => at > from) ?? candidates.at(-1)!;
    // Both may be the same instant: a row of the hour that the clocks skip.
    if (to < from || (to === from && cells.to <= cells.from))
      throw fault(
        this.#options,
        line,
        `expected an end after the beginning, found ${found(cells.from)} to ${found(cells.to)}; swap them or correct the dates`,
      );
    return to;
  }

  #read(line: number, column: Column, text: string): number[] {
    const exact = instant(text.replace(' ', 'T'));
    if (exact !== undefined) return [exact];
    const [, date, time] = local.exec(text) ?? [];
    const wall = Date.parse(`${date}T${time}Z`);
    // Date.parse turns 31 February into March.
    if (date !== undefined && !Number.isNaN(wall) && new Date(wall).toISOString().startsWith(date))
      return instantsOf(wall, this.#options.timeZone);
    throw fault(
      this.#options,
      line,
      `expected a time in ${column}, found ${found(text)}; write it like 2026-01-31T08:00:00Z, or 2026-01-31 08:00 for local time`,
    );
  }
}
