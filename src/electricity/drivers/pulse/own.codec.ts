import { LaresError } from '#kernel/errors.ts';
import type { Addressed } from './model.ts';

const mostMessages = 1_000;
const mostPulses = 1_000;

/** The rules of our own JSON, one a field: [required, what it must be, check]. */
const rules: Readonly<Record<string, readonly [boolean, string, (value: unknown) => boolean]>> = {
  id: [true, 'a text of 1 to 64 characters', (v) => typeof v === 'string' && v !== '' && v.length <= 64],
  total_pulses: [true, 'a whole number from 0', (v) => Number.isSafeInteger(v) && (v as number) >= 0],
  uptime_ms: [true, 'a number from 0', isAmount],
  imp_per_kwh: [false, 'a number from 10 to 100000', (v) => isAmount(v) && v >= 10 && v <= 100_000],
  sequence: [false, 'a whole number from 0', (v) => Number.isSafeInteger(v) && (v as number) >= 0],
  boot: [
    false,
    'a text or number of at most 64 characters',
    (v) => (typeof v === 'string' && v !== '' && v.length <= 64) || Number.isSafeInteger(v),
  ],
  since_boot: [false, 'a whole number from 0', (v) => Number.isSafeInteger(v) && (v as number) >= 0],
  at: [
    false,
    'epoch seconds or milliseconds, or an ISO 8601 instant with a zone',
    (v) => instant(v) !== undefined,
  ],
  age_ms: [false, 'a number from 0', isAmount],
  pulses: [false, `at most ${mostPulses} rising uptimes in ms, none after uptime_ms`, isRising],
};

/** Names of all fields of a message. */
export const ownFields: readonly string[] = Object.keys(rules);

/**
 * The JSON of `POST /api/electricity/pulse` and of `lares/pulse/<id>`: one message, or a list of kept ones, oldest
 * first. Unknown fields are ignored. Throws BAD_REPLY with a sentence for whoever writes the firmware.
 */
export function parseOwn(text: string): Addressed[] {
  const value = parseJson(text);
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > mostMessages)
    throw new LaresError('BAD_REPLY', `expected one message or a list of 1 to ${mostMessages}`);
  return list.map((item, i) => message(item, list.length === 1 ? '' : `message ${i + 1}: `));
}

/** Throws BAD_REPLY. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new LaresError('BAD_REPLY', 'the body is not JSON');
  }
}

function message(item: unknown, place: string): Addressed {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw new LaresError('BAD_REPLY', `${place}expected an object with id, total_pulses and uptime_ms`);
  const get = (key: string): unknown => (Object.hasOwn(item, key) ? Reflect.get(item, key) : undefined);
  for (const [key, [required, what, good]] of Object.entries(rules)) {
    const value = get(key);
    if (value === undefined ? required : !good(value))
      throw new LaresError(
        'BAD_REPLY',
        `${place}${key} must be ${what}${value === undefined ? '; it is missing' : ''}`,
      );
  }
  const number = (key: string) => get(key) as number | undefined;
  const [total, sinceBoot, uptimeMs] = [number('total_pulses')!, number('since_boot'), number('uptime_ms')!];
  const pulses = get('pulses') as readonly number[] | undefined;
  if ((pulses?.at(-1) ?? 0) > uptimeMs)
    throw new LaresError('BAD_REPLY', `${place}pulses must be ${rules['pulses']![1]}`);
  const boot = get('boot') as string | number | undefined;
  return {
    id: get('id') as string,
    report: {
      total,
      uptimeMs,
      impPerKwh: number('imp_per_kwh'),
      sequence: number('sequence'),
      boot: boot === undefined ? undefined : String(boot),
      // More than the total: the total has wrapped since.
      sinceBoot: sinceBoot !== undefined && sinceBoot <= total ? sinceBoot : undefined,
      at: instant(get('at')),
      ageMs: number('age_ms'),
      pulses,
    },
  };
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isRising(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length <= mostPulses &&
    value.every((at: unknown, i) => isAmount(at) && (i === 0 || at >= (value[i - 1] as number)))
  );
}

// Below this a number can only mean seconds: as milliseconds it would lie before March 1973.
const smallestMs = 1e11;

function instant(value: unknown): number | undefined {
  if (isAmount(value)) return value < smallestMs ? value * 1_000 : value;
  if (typeof value !== 'string' || value.length > 40 || !/(Z|[+-]\d{2}:?\d{2})$/i.test(value))
    return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : at;
}
