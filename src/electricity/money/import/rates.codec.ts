import { LaresError } from '#kernel/errors.ts';
import type { Imported, Rate } from '../model.ts';
import { tidy } from '../rates.rules.ts';
import {
  found,
  instant,
  isRecord,
  listOf,
  parseJson,
  parseOctopus,
  type RatesOptions,
} from './octopus.codec.ts';
import { parseRatesCsv } from './rates-csv.codec.ts';

/** Rates from a file or reply: the JSON of Octopus, a JSON list of `{from, to, price}`, or CSV. Throws `options.code`. */
export function parseRates(text: string, options: RatesOptions): Imported<Rate> {
  // A server that is down likes to send a page about it.
  if (/^\s*</.test(text))
    throw new LaresError(options.code, `${options.name}: is a web page and no prices; check the address`);
  if (!/^\s*[{[]/.test(text)) return parseRatesCsv(text, options);
  const document = parseJson(text, options);
  return Array.isArray(document) ? parseList(document, options) : parseOctopus(document, options);
}

function parseList(document: unknown, options: RatesOptions): Imported<Rate> {
  const { name, code } = options;
  const listed = listOf(document, 'the file', options).map((entry, index): Rate => {
    const { from: start, to: end, price } = isRecord(entry) ? entry : {};
    const [from, to] = [instant(start), instant(end)];
    if (
      from !== undefined &&
      to !== undefined &&
      to > from &&
      typeof price === 'number' &&
      Number.isFinite(price)
    )
      return { from, to, perKwh: price / (options.divisor ?? 1) };
    throw new LaresError(
      code,
      `${name}: [${index}]: expected {"from": "2026-01-31T08:00:00Z", "to": "2026-01-31T08:30:00Z", "price": 0.2469}, found ${found(entry)}`,
    );
  });
  return tidy(listed);
}
