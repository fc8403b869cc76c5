import { LaresError } from '#kernel/errors.ts';

/** Something from a device whose shape nobody promised. */
export type Json = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const none: Json = Object.freeze({});

/** The object that `value` is, or an empty one: a missing branch then reads as missing leaves. */
export const record = (value: unknown): Json => (isRecord(value) ? value : none);

export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Beyond this nothing in a house is a measurement. */
const largest = 1e12;

/** A number that can be one; text, NaN and nothing are undefined. */
export const finite = (value: unknown): number | undefined =>
  typeof value === 'number' && Math.abs(value) <= largest ? value : undefined;

/** A number, also one that is written as text. */
export function numeric(value: unknown): number | undefined {
  if (typeof value !== 'string') return finite(value);
  return value.length > 32 || value.trim() === '' ? undefined : finite(Number(value));
}

/** Text from outside without control characters, at most `max` long; undefined where there is none. */
export function label(value: unknown, max = 64): string | undefined {
  if (typeof value !== 'string') return undefined;
  const clean = value
    .slice(0, 4 * max)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, max)
    // The cut may have gone through a character of two halves.
    .replace(/\p{Cs}$/u, '')
    .trimEnd();
  return clean === '' ? undefined : clean;
}

/** A MAC address in any usual notation as `02:00:00:00:00:01`; undefined for anything else and for an empty one. */
export function macOf(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 17) return undefined;
  const digits = value.toLowerCase().replaceAll(/[:.-]/g, '');
  return /^(?!0+$)[0-9a-f]{12}$/.test(digits) ? digits.match(/../g)?.join(':') : undefined;
}

/** Drops what is undefined, so that absent never looks like 0. */
export function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

// Some firmware prints C's idea of a number that is none, which JSON does not know. Texts are stepped over, and one that
// does not end goes to the end: starting again at each quote in it would take the square of its length.
const notNumbers = /"(?:[^"\\]|\\.)*(?:"|\\?$)|[+-]?\b(?:nan|inf(?:inity)?)\b/gis;

/** JSON of a device, where NaN and infinities become null. Throws BAD_REPLY, naming `from` and never the content. */
export function parseJson(text: string, from: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replaceAll(notNumbers, (token) => (token.startsWith('"') ? token : 'null')));
    } catch {
      throw new LaresError(
        'BAD_REPLY',
        `${from} sent something that is not JSON (${text.length} characters)`,
      );
    }
  }
}

/** A reply that is a JSON object. Throws BAD_REPLY like `parseJson`. */
export function parseObject(text: string, from: string): Json {
  const value = parseJson(text, from);
  if (!isRecord(value)) throw new LaresError('BAD_REPLY', `${from} sent something that is no JSON object`);
  return value;
}
