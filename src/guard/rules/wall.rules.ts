import { offset } from '#platform/local-time.ts';
import { weekdays, type Hours, type Weekday } from './conditions.config.ts';

const quarterMs = 900_000;
const dayMs = 86_400_000;
const dayMinutes = 1_440;

/** The last quarter of an hour that was asked for, by zone, and by what local time is ahead of UTC in it. */
const lately = new Map<string, { quarter: number; offsetMs: number }>();

/** Milliseconds that local time is ahead of UTC. Clocks only ever change at quarters of an hour of UTC. */
function offsetAt(at: number, timeZone: string): number {
  const quarter = Math.floor(at / quarterMs);
  const known = lately.get(timeZone);
  if (known?.quarter === quarter) return known.offsetMs;
  const offsetMs = offset(quarter * quarterMs, timeZone);
  lately.set(timeZone, { quarter, offsetMs });
  return offsetMs;
}

/** What clock and calendar on the wall show. */
export interface Wall {
  readonly day: Weekday;
  /** Minutes since midnight. */
  readonly minute: number;
}

/** The wall clock of a time zone (IANA name) at an instant (epoch ms). */
export function wallAt(at: number, timeZone: string): Wall {
  const local = at + offsetAt(at, timeZone);
  const days = Math.floor(local / dayMs);
  // The epoch was a Thursday.
  return { day: weekdays[(((days + 3) % 7) + 7) % 7]!, minute: Math.floor((local - days * dayMs) / 60_000) };
}

const two = (n: number) => String(n).padStart(2, '0');

/** `22:05` */
export const clockText = ({ minute }: Wall) => `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;

/** Minutes since midnight of `22:30`; `24:00` is 1440. */
export const minuteOf = (text: string) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));

/**
 * Whether a wall clock stands within hours. They may cross midnight and belong to the day on which they begin; equal
 * ends are a whole day. Where clocks are turned forward, hours that do not exist are skipped; where back, they count twice.
 */
export function within({ days, from, to }: Hours, wall: Wall): boolean {
  const start = minuteOf(from);
  const end = minuteOf(to);
  const length = end > start ? end - start : end + dayMinutes - start;
  const begun = (back: number) =>
    (days ?? weekdays).includes(weekdays[(weekdays.indexOf(wall.day) + 7 - back) % 7]!) &&
    wall.minute + back * dayMinutes >= start &&
    wall.minute + back * dayMinutes < start + length;
  return begun(0) || begun(1);
}
