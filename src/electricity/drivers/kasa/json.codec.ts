import { LaresError } from '#kernel/errors.ts';

/** Something from a device whose shape nobody promised. */
export type Loose = Readonly<Record<string, unknown>>;

const none: Loose = Object.freeze({});
// Some firmware prints C's idea of a number that is none, which JSON does not know; texts are stepped over.
const notNumbers = /"(?:[^"\\]|\\.)*"|[+-]?\b(?:nan|inf(?:inity)?)\b/gi;

/** The object that `value` is, or an empty one: a missing branch then reads as missing leaves. */
export function loose(value: unknown): Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : none;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A number that is finite; text, NaN and nothing are undefined. */
export function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** Text of at most `max` characters without control characters; undefined where there is none. */
export function words(value: unknown, max = 64): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  const clean = value.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '').trim();
  return clean === '' ? undefined : clean.slice(0, max);
}

/** A reply as JSON object. NaN and infinities become null. Throws BAD_REPLY, naming `from` and never the content. */
export function parseReply(text: string, from: string): Loose {
  const value =
    parse(text) ?? parse(text.replaceAll(notNumbers, (token) => (token.startsWith('"') ? token : 'null')));
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new LaresError(
      'BAD_REPLY',
      `${from} sent something that is no JSON object (${text.length} characters)`,
    );
  return value as Loose;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
