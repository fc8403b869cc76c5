import { LaresError } from '#kernel/errors.ts';
import type { Imported, Rate } from '../model.ts';
import { tidy } from '../rates.rules.ts';

/** Where imported text came from, for messages. */
export interface Origin {
  /** File name or address without secrets. */
  readonly name: string;
  /** What kind of error a mistake in it is: of the user's file or of a server. */
  readonly code: 'CONFIG_INVALID' | 'BAD_REPLY';
}

export interface RatesOptions extends Origin {
  /** By what prices are divided to be currency units per kWh; as the format says unless set. */
  readonly divisor?: number | undefined;
  readonly paymentMethod: string;
  /** For times without a zone. */
  readonly timeZone: string;
}

const mostRates = 500_000;
const zoned = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/;

/** Epoch ms of an ISO 8601 instant that names its zone; undefined for anything else. */
export function instant(text: unknown): number | undefined {
  if (typeof text !== 'string' || !zoned.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** Shows a little of what was found instead of what was expected. */
export const found = (value: unknown) => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function parseJson(text: string, { name, code }: Origin): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new LaresError(code, `${name}: is no JSON (${(error as Error).message.slice(0, 120)})`);
  }
}

/** A list that must not be endless. */
export function listOf(value: unknown, what: string, { name, code }: Origin): readonly unknown[] {
  if (!Array.isArray(value))
    throw new LaresError(code, `${name}: expected a list in ${what}, found ${found(value)}`);
  if (value.length > mostRates)
    throw new LaresError(code, `${name}: ${what} has more than ${mostRates} entries`);
  return value;
}

interface Listed extends Rate {
  readonly method: string | undefined;
}

/**
 * Unit rates in the JSON of the Octopus API: `results[{value_inc_vat, valid_from, valid_to, payment_method}]` in pence
 * per kWh, newest first, `next` for the older page. An unknown end is null. A price without a payment method is for
 * everybody; of the others only those of `paymentMethod` count. Throws `options.code`.
 */
export function parseOctopus(document: unknown, options: RatesOptions): Imported<Rate> {
  const { name, code } = options;
  const results = listOf(isRecord(document) ? document['results'] : undefined, 'results', options);
  const divisor = options.divisor ?? 100;
  const listed = results.map((entry, index): Listed => {
    const wrong = (key: string, expected: string, value: unknown) =>
      new LaresError(code, `${name}: results[${index}].${key}: expected ${expected}, found ${found(value)}`);
    if (!isRecord(entry)) throw wrong('', 'an object', entry);
    const { value_inc_vat: price, valid_from: start, valid_to: end, payment_method: method } = entry;
    const from = instant(start);
    const to = end === null || end === undefined ? Infinity : instant(end);
    if (typeof price !== 'number' || !Number.isFinite(price)) throw wrong('value_inc_vat', 'a number', price);
    if (from === undefined) throw wrong('valid_from', 'an instant like 2026-01-31T08:00:00Z', start);
    if (to === undefined) throw wrong('valid_to', 'an instant like 2026-01-31T08:30:00Z or null', end);
    return { from, to, perKwh: price / divisor, method: typeof method === 'string' ? method : undefined };
  });
  const ours = listed.filter((l) => l.method === undefined || l.method === options.paymentMethod);
  const { rates, notes } = tidy(ours.map(({ from, to, perKwh }) => ({ from, to, perKwh })));
  const others = [...new Set(listed.map((l) => l.method).filter((m) => m !== undefined))].slice(0, 8);
  if (listed.length > 0 && ours.length === 0)
    notes.push(
      `no price is for payment_method ${found(options.paymentMethod)}; there is ${found(others.join(', '))}`,
    );
  const next = isRecord(document) && typeof document['next'] === 'string' ? document['next'] : undefined;
  return { rates, notes, next, newestFirst: (listed[0]?.from ?? 0) > (listed.at(-1)?.from ?? 0) };
}
