import { offset } from '#platform/local-time.ts';
import type { Period } from './model.ts';

export type PeriodName = 'today' | 'week' | 'month' | 'year';

const dayMs = 86_400_000;
const minuteMs = 60_000;
// Offsets from UTC lie between -12 and +14 hours.
const [earliest, latest] = [15 * 3_600_000, 13 * 3_600_000];
/** A few years of a few zones. */
const keptDays = 10_000;

const starts = new Map<string, Map<number, number>>();

/**
 * First instant of a local day, epoch ms; `day` counts days since 1970-01-01 of the local calendar. Where the clock
 * skips midnight the day begins at the skip, where it repeats it at the first of both unless that still belongs to the day before.
 */
export function startOfDay(day: number, timeZone: string): number {
  let known = starts.get(timeZone);
  if (known === undefined || known.size >= keptDays) starts.set(timeZone, (known = new Map()));
  let start = known.get(day);
  if (start === undefined) known.set(day, (start = findStart(day, timeZone)));
  return start;
}

function findStart(day: number, timeZone: string): number {
  const midnight = day * dayMs;
  const [low, high] = [midnight - earliest, midnight + latest];
  const [before, after] = [offset(low, timeZone), offset(high, timeZone)];
  if (before === after) return midnight - before;
  // The one minute between both at which the clock is changed.
  let [a, b] = [low / minuteMs, high / minuteMs];
  while (b - a > 1) {
    const middle = Math.floor((a + b) / 2);
    if (offset(middle * minuteMs, timeZone) === before) a = middle;
    else b = middle;
  }
  const change = b * minuteMs;
  return midnight - before < change ? midnight - before : Math.max(change, midnight - after);
}

/** The local day of an instant, counted from 1970-01-01 of the local calendar. */
export function localDay(at: number, timeZone: string): number {
  return Math.floor((at + offset(at, timeZone)) / dayMs);
}

/** First and last day + 1 of what a day lies in. Day 0 was a Thursday; weeks begin on Monday. */
const bounds: Readonly<Record<PeriodName, (day: number) => readonly [number, number]>> = {
  today: (day) => [day, day + 1],
  week: (day) => [day - ((day + 3) % 7), day - ((day + 3) % 7) + 7],
  month: (day) => {
    const date = new Date(day * dayMs);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    return [Date.UTC(year, month, 1) / dayMs, Date.UTC(year, month + 1, 1) / dayMs];
  },
  year: (day) => {
    const year = new Date(day * dayMs).getUTCFullYear();
    return [Date.UTC(year, 0, 1) / dayMs, Date.UTC(year + 1, 0, 1) / dayMs];
  },
};

/** The local day, week (from Monday), month or year that `now` (epoch ms) lies in. */
export function period(name: PeriodName, now: number, timeZone: string): Period {
  const [first, end] = bounds[name](localDay(now, timeZone));
  return { from: startOfDay(first, timeZone), to: startOfDay(end, timeZone) };
}

/** Every local day, week, month or year that overlaps `from`..`to`, whole, oldest first. */
export function periods(name: PeriodName, from: number, to: number, timeZone: string): Period[] {
  const found: Period[] = [];
  if (to <= from) return found;
  let day = bounds[name](localDay(from, timeZone))[0];
  for (let start = startOfDay(day, timeZone); start < to;) {
    [, day] = bounds[name](day);
    const end = startOfDay(day, timeZone);
    // A day that the calendar skipped has no length.
    if (end > start) found.push({ from: start, to: end });
    start = end;
  }
  return found;
}
