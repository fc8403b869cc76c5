import { LaresError } from '#kernel/errors.ts';
import type { Span } from '#devices/lan/phone-model.ts';

/** When somebody was home, as recorded: samples in order of time. */
export interface Schedule {
  readonly name: string;
  /** `at` in epoch ms; `home` from there until the next sample. */
  readonly samples: readonly { readonly at: number; readonly home: boolean }[];
}

/** When somebody really was home, to the millisecond. */
export interface Truth extends Span {
  readonly name: string;
  readonly home: readonly Span[];
}

const timeNames = ['time', 'timestamp', 'date', 'datetime', 'at', 'hour'];
const homeNames = ['occupied', 'home', 'is_home', 'occupancy', 'present', 'occ'];
const truthy = new Map([
  ['true', true],
  ['yes', true],
  ['home', true],
  ['false', false],
  ['no', false],
  ['away', false],
]);

/**
 * Reads a recorded schedule: CSV with a header (`time,occupied` or usual names for these), separated by comma,
 * semicolon or tab. Times are `YYYY-MM-DD HH:MM[:SS]` or ISO 8601, read as UTC where they name no zone, or epoch
 * seconds; occupancy is a number (more than 0 is home) or a word. Rows without a value are left out, so the state
 * before them holds. Throws CONFIG_INVALID with the line for anything else, and for times out of order.
 */
export function parseSchedule(text: string, name: string): Schedule {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const separator = [',', ';', '\t'].find((s) => lines[0]?.includes(s)) ?? ',';
  const cells = (line: string) => line.split(separator).map((c) => c.trim().replaceAll(/^"|"$/g, ''));
  const head = cells(lines[0] ?? '').map((c) => c.toLowerCase());
  const column = (names: readonly string[]) => head.findIndex((c) => names.includes(c));
  const [timeAt, homeAt] = [column(timeNames), column(homeNames)];
  const refuse = (line: number, message: string): never => {
    throw new LaresError('CONFIG_INVALID', `${name}, line ${line}: ${message}`);
  };
  if (timeAt < 0 || homeAt < 0)
    refuse(
      1,
      `expected a header with the columns time and occupied, found ${JSON.stringify(lines[0] ?? '')}`,
    );
  const samples: { at: number; home: boolean }[] = [];
  for (const [i, line] of lines.entries()) {
    if (i === 0 || line.trim() === '') continue;
    const row = cells(line);
    const value = (row[homeAt] ?? '').toLowerCase();
    if (value === '' || value === 'nan' || value === 'null') continue;
    const at =
      parseTime(row[timeAt] ?? '') ?? refuse(i + 1, `${JSON.stringify(row[timeAt] ?? '')} is not a time`);
    const home = truthy.get(value) ?? (Number.isFinite(Number(value)) ? Number(value) > 0 : undefined);
    if (home === undefined) refuse(i + 1, `expected 0 or 1 for occupied, found ${JSON.stringify(value)}`);
    const before = samples.at(-1);
    if (before !== undefined && at <= before.at)
      refuse(i + 1, 'its time is not later than that of the line before');
    samples.push({ at, home: home === true });
  }
  if (samples.length < 2) refuse(lines.length, 'expected at least two rows with a time and a value');
  return { name, samples };
}

function parseTime(text: string): number | undefined {
  if (/^\d{9,11}(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const zoned = /(z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text.replace(' ', 'T')}Z`;
  const at = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}/.test(text)
    ? Date.parse(zoned.replace(' ', 'T'))
    : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}

/**
 * A possible truth behind a schedule: each change happened at a random instant between the sample before it and
 * the sample that shows it. The last sample ends it.
 */
export function truthOf({ name, samples }: Schedule, random: () => number): Truth {
  const home: Span[] = [];
  let since: number | undefined;
  for (const [i, sample] of samples.entries()) {
    const before = samples[i - 1];
    if (before?.home === sample.home) continue;
    const at = before === undefined ? sample.at : Math.round(before.at + random() * (sample.at - before.at));
    if (sample.home) since = at;
    else if (since !== undefined) {
      home.push({ from: since, to: at });
      since = undefined;
    }
  }
  const from = samples[0]?.at ?? 0;
  const to = samples.at(-1)?.at ?? from;
  if (since !== undefined && since < to) home.push({ from: since, to });
  return { name, from, to, home };
}
