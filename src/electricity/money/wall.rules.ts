import type { Period } from '../energy/model.ts';

/** A stretch of time in which the wall clock runs evenly: wall = instant + `offset`. */
export interface Even extends Period {
  /** ms to add to UTC. */
  readonly offset: number;
}

export interface LocalDay extends Period {
  /** `2026-03-29` */
  readonly date: string;
}

export const dayMs = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, Map<number, number>>();
const mostKept = 40_000;

/** ms that the wall clock of a zone is ahead of UTC at an instant. Throws RangeError for an unknown zone. */
export function offsetAt(at: number, timeZone: string): number {
  let format = formats.get(timeZone);
  if (format === undefined) {
    const number = 'numeric';
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'iso8601',
      hourCycle: 'h23',
      year: number,
      month: number,
      day: number,
      hour: number,
      minute: number,
      second: number,
    });
    formats.set(timeZone, format);
  }
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) part[type] = Number(value);
  const wall = Date.UTC(
    part['year']!,
    part['month']! - 1,
    part['day'],
    part['hour'],
    part['minute'],
    part['second'],
  );
  return wall - Math.floor(at / 1000) * 1000;
}

/** The offset at the start of a UTC day, remembered because a year of prices asks for the same days again and again. */
function offsetOnDay(day: number, timeZone: string): number {
  let known = offsets.get(timeZone);
  if (known === undefined || known.size > mostKept) offsets.set(timeZone, (known = new Map()));
  let offset = known.get(day);
  if (offset === undefined) known.set(day, (offset = offsetAt(day * dayMs, timeZone)));
  return offset;
}

/** The instant in `low`..`high` from which on the offset is another one than at `low`. */
function changeBetween(low: number, high: number, timeZone: string): number {
  const before = offsetAt(low, timeZone);
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (offsetAt(middle, timeZone) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** A span cut where the clocks change. No zone changes its clocks twice within one UTC day. */
export function evenStretches(from: number, to: number, timeZone: string): Even[] {
  const stretches: { from: number; to: number; offset: number }[] = [];
  const add = (start: number, end: number, offset: number) => {
    const [a, b] = [Math.max(start, from), Math.min(end, to)];
    if (a >= b) return;
    const last = stretches.at(-1);
    if (last?.offset === offset) last.to = b;
    else stretches.push({ from: a, to: b, offset });
  };
  for (let day = Math.floor(from / dayMs); day * dayMs < to; day += 1) {
    const [start, end] = [day * dayMs, (day + 1) * dayMs];
    const [before, after] = [offsetOnDay(day, timeZone), offsetOnDay(day + 1, timeZone)];
    const change = before === after ? end : changeBetween(start, end, timeZone);
    add(start, change, before);
    add(change, end, after);
  }
  return stretches;
}

/**
 * The instants at which the wall clock shows `wall` (ms as if it were UTC): two in the hour that is repeated. For a
 * time that the clocks skip, the instant of the change.
 */
export function instantsOf(wall: number, timeZone: string): number[] {
  const around = evenStretches(wall - 2 * dayMs, wall + 2 * dayMs, timeZone);
  const found = around
    .map((s) => ({ s, at: wall - s.offset }))
    .filter(({ s, at }) => at >= s.from && at < s.to);
  if (found.length > 0) return found.map(({ at }) => at);
  const skipped = around.find((s, i) => i > 0 && s.from + s.offset > wall);
  return [skipped?.from ?? wall - offsetAt(wall, timeZone)];
}

const dateOf = (day: number) => new Date(day * dayMs).toISOString().slice(0, 10);

/** First instant of a local date (`2026-03-29`); where midnight is skipped, the first that exists. */
export function startOfDate(date: string, timeZone: string): number {
  return instantsOf(Date.parse(`${date}T00:00:00Z`), timeZone)[0]!;
}

/** Local date of an instant. */
export function localDate(at: number, timeZone: string): string {
  return dateOf(Math.floor((at + offsetAt(at, timeZone)) / dayMs));
}

/** The local days that overlap a span, whole, oldest first; a date that a zone skipped is absent. */
export function localDays(from: number, to: number, timeZone: string): LocalDay[] {
  if (to <= from) return [];
  const days: LocalDay[] = [];
  // One day early, because a clock that goes back over midnight shows the older date twice.
  let day = Math.floor((from + offsetAt(from, timeZone)) / dayMs) - 1;
  for (let start = startOfDate(dateOf(day), timeZone); start < to; day += 1) {
    const end = startOfDate(dateOf(day + 1), timeZone);
    if (end > from && end > start) days.push({ date: dateOf(day), from: start, to: end });
    start = end;
  }
  return days;
}
