import { median } from './numbers.rules.ts';

/**
 * A short block on the whole-house power: up and down again by the same amount within minutes. With one mean per
 * minute its first and last minutes are partial, so only the minutes between show the full power.
 */
export interface Pulse {
  /** Index of its first minute. */
  readonly start: number;
  /** Minutes that it touches. */
  readonly minutes: number;
  /** W above what runs beside it: exact when `flat`, else the most that was seen. */
  readonly watts: number;
  /** A full minute was seen. */
  readonly flat: boolean;
  /** Above what runs beside it. */
  readonly wh: number;
}

const longest = 8;
const leastWatts = 500;

/** The pulse whose first minute is `start`, or undefined. `power` in W by the minute, NaN where not measured. */
function pulseAt(power: readonly number[], start: number): Pulse | undefined {
  const before = power[start - 1] ?? Number.NaN;
  if (!((power[start] ?? Number.NaN) - before >= 0.1 * leastWatts)) return undefined;
  if (!(Math.max(power[start] ?? 0, power[start + 1] ?? 0) - before >= leastWatts)) return undefined;
  for (let minutes = 1; minutes <= longest; minutes += 1) {
    const body = power.slice(start, start + minutes);
    const after = power[start + minutes] ?? Number.NaN;
    const peak = Math.max(...body);
    const [up, down] = [peak - before, peak - after];
    if (Number.isNaN(up + down)) return undefined;
    if (up < leastWatts || down < leastWatts || Math.abs(up - down) > 0.12 * Math.max(up, down) + 60)
      continue;
    const heights = body.map((w, i) => w - (before + ((after - before) * (i + 0.5)) / minutes));
    const top = Math.max(...heights);
    const inner = heights.slice(1, -1);
    if (Math.min(...heights) < 0.04 * top) return undefined;
    // Something that is not flat inside is several things at once.
    if (inner.some((h) => h < 0.85 * top)) return undefined;
    const full = inner.length > 0 ? inner : heights.filter((h) => h > 0.97 * top);
    return {
      start,
      minutes,
      watts: inner.length > 0 ? median(inner) : top,
      flat: inner.length > 0 || full.length > 1,
      wh: heights.reduce((a, b) => a + b, 0) / 60,
    };
  }
  return undefined;
}

/** Every pulse in `power`, in order and without overlaps. */
export function pulses(power: readonly number[]): Pulse[] {
  const found: Pulse[] = [];
  for (let i = 1; i < power.length - 1; i += 1) {
    const pulse = pulseAt(power, i);
    if (pulse === undefined) continue;
    found.push(pulse);
    i += pulse.minutes - 1;
  }
  return found;
}
