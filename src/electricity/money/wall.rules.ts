import { offset } from '#platform/local-time.ts';
import { localDay, periods, startOfDay } from '../energy/calendar.rules.ts';
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

const offsets = new Map<string, Map<number, number>>();
const mostKept = 40_000;

/** The offset at the start of a UTC day, remembered because a year of prices asks for the same days again and again. */
function offsetOnDay(day: number, timeZone: string): number {
  let known = offsets.get(timeZone);
  if (known === undefined || known.size > mostKept) offsets.set(timeZone, (known = new Map()));
  let ahead = known.get(day);
  if (ahead === undefined) known.set(day, (ahead = offset(day * dayMs, timeZone)));
  return ahead;
}

/** The instant in `low`..`high` from which on the offset is another one than at `low`. */
function changeBetween(low: number, high: number, timeZone: string): number {
  const before = offset(low, timeZone);
  while (high - low > 1000) {
    const middle = Math.floor((low + high) / 2000) * 1000;
    if (offset(middle, timeZone) === before) low = middle;
    else high = middle;
  }
  return high;
}

/** A span cut where the clocks change. No zone changes its clocks twice within one UTC day. */
export function evenStretches(from: number, to: number, timeZone: string): Even[] {
  const stretches: { from: number; to: number; offset: number }[] = [];
  const add = (start: number, end: number, ahead: number) => {
    const [a, b] = [Math.max(start, from), Math.min(end, to)];
    if (a >= b) return;
    const last = stretches.at(-1);
    if (last?.offset === ahead) last.to = b;
    else stretches.push({ from: a, to: b, offset: ahead });
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
  return [skipped?.from ?? wall - offset(wall, timeZone)];
}

const dateOf = (day: number) => new Date(day * dayMs).toISOString().slice(0, 10);

/** First instant of a local date (`2026-03-29`); where midnight is skipped, the first that exists. */
export function startOfDate(date: string, timeZone: string): number {
  return startOfDay(Date.parse(date) / dayMs, timeZone);
}

/** Local date of an instant. */
export function localDate(at: number, timeZone: string): string {
  return dateOf(localDay(at, timeZone));
}

/** The local days that overlap a span, whole, oldest first; a date that a zone skipped is absent. */
export function localDays(from: number, to: number, timeZone: string): LocalDay[] {
  return periods('today', from, to, timeZone).map((day) => ({ date: localDate(day.from, timeZone), ...day }));
}
