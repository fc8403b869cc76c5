import type { Report } from './model.ts';

// Over this span a jitter of a few milliseconds at both ends is a tenth of a percent.
const preciseSpanMs = 3_000;
// Where only messages have instants, the count at their edges is off by one: many pulses or a long span make up for it.
const coarseSpanMs = 60_000;
const coarsePulses = 100;
const mostPoints = 256;
// A pulse that is late by less than this is not late: its instant jitters.
const patienceMs = 50;

/** W of one pulse in each `ms`: P = 3 600 000 / (imp/kWh × s). */
export const spacingPower = (impPerKwh: number, ms: number): number => 3.6e9 / (impPerKwh * ms);

/** A pulse: which one it was, and when, in ms of the clock that gave it. */
interface Point {
  readonly n: number;
  readonly at: number;
}

/** What is known about the power of one meter. */
export interface Power {
  /** W by the newest pulses; undefined before there are two. */
  readonly watts: number | undefined;
  /** Epoch ms of the newest pulse, or of the first message where none came yet. */
  readonly pulseAt: number;
  readonly impPerKwh: number;
  /** The device measures power itself: silence of its light says nothing. */
  readonly measured: boolean;
  /** Newest pulses, oldest first. */
  readonly points: readonly Point[];
  /** The newest count; where only messages have instants, a pulse lies between two that differ. */
  readonly seen: number | undefined;
  /** Which clock gave them: a start of the device for its own, `ours` where messages are all there is. */
  readonly timedBy: string;
}

/** Adds a message that came at `at` (epoch ms of our clock; of the message itself where it was late). */
export function advance(before: Power | undefined, report: Report, at: number, impPerKwh: number): Power {
  const start = { ...nothing, pulseAt: before?.pulseAt ?? at, impPerKwh };
  // A count of its own message says nothing new about a power that the device measures.
  if (before?.measured === true && report.watts === undefined && at - before.pulseAt < coarseSpanMs)
    return before;
  if (report.watts !== undefined) return { ...start, watts: report.watts, pulseAt: at, measured: true };
  const held = before?.measured === true ? undefined : before?.watts;
  if (report.spacingWatts !== undefined)
    // A sender that says 0 has only waited for long enough: the bound knows better.
    return report.spacingWatts > 0
      ? {
          ...start,
          watts: report.spacingWatts,
          pulseAt: report.scheduled === true && report.spacingWatts === held ? start.pulseAt : at,
        }
      : { ...start, watts: held };
  const total =
    report.total ?? (report.totalWh === undefined ? undefined : (report.totalWh * impPerKwh) / 1_000);
  if (total === undefined) return before ?? start;
  const precise = report.pulses !== undefined && report.uptimeMs !== undefined;
  const clockNow = precise ? report.uptimeMs! : at;
  const timedBy = precise ? `device ${report.boot ?? ''}` : 'ours';
  const same = before?.timedBy === timedBy && goesOn(before, total, clockNow);
  const points = [...(same ? before.points : [])];
  for (const point of precise
    ? pulsePoints(report.pulses!, total)
    : edge(same ? before : undefined, total, at)) {
    const last = points.at(-1);
    if (last === undefined || (point.n > last.n && point.at > last.at)) points.push(point);
  }
  const newest = points.at(-1);
  if (newest === undefined) return { ...start, watts: held, seen: total, timedBy };
  const first =
    points.findLast((p) =>
      precise
        ? newest.at - p.at >= preciseSpanMs
        : newest.at - p.at >= coarseSpanMs || newest.n - p.n >= coarsePulses,
    ) ?? points[0]!;
  const spacing = (newest.at - first.at) / (newest.n - first.n);
  return {
    watts: newest.n > first.n ? spacingPower(impPerKwh, spacing) : held,
    pulseAt: at - (clockNow - newest.at),
    impPerKwh,
    measured: false,
    points: points.slice(points.indexOf(first)).slice(-mostPoints),
    seen: total,
    timedBy,
  };
}

const nothing = {
  watts: undefined,
  measured: false,
  points: [],
  seen: undefined,
  timedBy: 'nothing',
} as const;

/** False when count or clock went back: the points are of another start of the device. */
const goesOn = ({ points, seen }: Power, total: number, clockNow: number): boolean =>
  (seen ?? 0) <= total && (points.at(-1)?.at ?? 0) <= clockNow;

const pulsePoints = (pulses: readonly number[], total: number): Point[] =>
  pulses.map((at, i) => ({ n: total - (pulses.length - 1 - i), at }));

/** A message whose count has grown came just after a pulse; the first one of all may have come any time after one. */
const edge = (before: Power | undefined, total: number, at: number): Point[] =>
  before?.seen !== undefined && total > before.seen ? [{ n: total, at }] : [];

/**
 * W at `now` (epoch ms), an upper bound while the light is silent: had more been drawn, a pulse would have come.
 * Never a sudden 0; below 1 W it is called 0. Undefined before two pulses were seen and silence says something.
 */
export function powerAt(power: Power, now: number): number | undefined {
  if (power.measured) return power.watts;
  const silentMs = now - power.pulseAt - patienceMs;
  const bound = silentMs > 0 ? spacingPower(power.impPerKwh, silentMs) : Number.POSITIVE_INFINITY;
  if (power.watts === undefined) return bound < 1 ? 0 : undefined;
  const watts = Math.min(power.watts, bound);
  return watts < 1 ? 0 : watts;
}
