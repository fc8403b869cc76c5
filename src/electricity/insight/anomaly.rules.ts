import type { Evidence } from '#kernel/event.ts';
import type { Night } from './baseload.rules.ts';
import { type Habit, typical } from './habit.rules.ts';
import { median, quantile } from './numbers.rules.ts';

export const anomalyKinds = {
  'runs-too-long': 'Runs without a pause',
  'does-not-run': 'Has stopped running',
  'uses-too-much': 'Uses far more energy than usual',
  'power-too-high': 'Draws more power than ever',
  'base-load-risen': 'The base load has risen',
} as const;

export type AnomalyKind = keyof typeof anomalyKinds;
export type Severity = 'info' | 'warning' | 'urgent';

/** Something electric that is not as usual, and why that is believed. */
export interface Anomaly {
  readonly kind: AnomalyKind;
  /** Device id, or `house`. */
  readonly subject: string;
  /** Epoch ms since when it is so. */
  readonly since: number;
  /** For people: `The freezer has run 9 h without a pause (usual: 25 min)`. */
  readonly text: string;
  readonly evidence: readonly Evidence[];
  readonly severity: Severity;
}

/** Whom an anomaly is about. */
export interface Subject {
  readonly id: string;
  /** `Freezer` */
  readonly name: string;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** A length of time in words: `9 h`, `1 h 40 min`, `25 min`. */
export function spoken(minutes: number): string {
  const whole = Math.max(0, Math.round(minutes));
  const [h, min] = [Math.floor(whole / 60), whole % 60];
  if (whole >= 48 * 60) return `${Math.round(whole / 1440)} days`;
  if (h === 0) return `${min} min`;
  return min === 0 || h >= 6 ? `${Math.round(whole / 60)} h` : `${h} h ${min} min`;
}

const watt = (w: number) => (w < 10 ? `${w.toFixed(1)} W` : `${Math.round(w)} W`);
const kwh = (wh: number) => `${(wh / 1000).toFixed(wh < 10_000 ? 2 : 1)} kWh`;

/** Runs and pauses that must be known, and for how long a device must have been watched, before it can be judged. */
const cycle = {
  least: 40,
  leastDays: 3,
  times: 3,
  leastRunMin: 120,
  leastPauseMin: 150,
  startsPerDay: 6,
} as const;

/** A device that turns itself on and off around the clock: fridge, freezer, pump. */
function isCycling(habit: Habit): boolean {
  const days = (habit.last - habit.since) / dayMs;
  const pause = typical(habit.pauses, cycle.least);
  const run = typical(habit.runs, cycle.least);
  if (days < cycle.leastDays || pause === undefined || run === undefined) return false;
  return 1_440 / (pause.usual + run.usual) >= cycle.startsPerDay && pause.longest <= 6 * 60;
}

function stuck(subject: Subject, habit: Habit, now: number): Anomaly | undefined {
  if (habit.running === undefined || !isCycling(habit)) return undefined;
  const usual = typical(habit.running ? habit.runs : habit.pauses, cycle.least);
  if (usual === undefined) return undefined;
  const since = habit.quietSince ?? habit.changedAt;
  const minutes = (now - since) / minuteMs;
  const least = habit.running ? cycle.leastRunMin : cycle.leastPauseMin;
  if (habit.quietSince !== undefined || minutes < Math.max(least, cycle.times * usual.longest))
    return undefined;
  const seen = habit.running ? 'runs' : 'pauses';
  const evidence: Evidence[] = [
    { at: since, source: 'electricity', text: `${habit.running ? 'on' : 'off'} since then` },
    {
      at: now,
      source: 'electricity',
      text: `its last ${usual.seen} ${seen} took ${spoken(usual.usual)} as a rule and at most ${spoken(usual.longest)}`,
    },
  ];
  return habit.running
    ? {
        kind: 'runs-too-long',
        subject: subject.id,
        since,
        text: `${subject.name} has run ${spoken(minutes)} without a pause (usual: ${spoken(usual.usual)})`,
        evidence,
        severity: 'warning',
      }
    : {
        kind: 'does-not-run',
        subject: subject.id,
        since,
        text: `${subject.name} has not run for ${spoken(minutes)} (usual pause: ${spoken(usual.usual)})`,
        evidence,
        severity: 'urgent',
      };
}

/** Days that must be known, and days on which it came near its highest: a rare programme is no fault. */
const peak = { leastDays: 7, nearDays: 5, near: 0.7, times: 1.3, watts: 60 } as const;

function tooStrong(subject: Subject, habit: Habit, now: number): Anomaly | undefined {
  const today = habit.peaks.at(-1);
  const before = habit.peaks.slice(0, -1);
  if (today === undefined || before.length < peak.leastDays || Math.floor(now / dayMs) !== habit.peakDay)
    return undefined;
  const highest = Math.max(...before);
  // Power that was never seen at all is no base for a comparison.
  const near = before.filter((w) => w >= peak.near * highest).length;
  if (highest < 5 || near < peak.nearDays || today < Math.max(peak.times * highest, highest + peak.watts))
    return undefined;
  return {
    kind: 'power-too-high',
    subject: subject.id,
    since: habit.peakDay * dayMs,
    text: `${subject.name} drew ${watt(today)} today, more than ever (until now at most ${watt(highest)})`,
    evidence: [
      { at: now, source: 'electricity', text: `highest power today ${watt(today)}` },
      {
        at: now,
        source: 'electricity',
        text: `highest power of ${before.length} days before ${watt(highest)}`,
      },
    ],
    severity: 'warning',
  };
}

/** What a device does wrong right now, by its own habits; `now` epoch ms. */
export function deviceAnomalies(subject: Subject, habit: Habit, now: number): Anomaly[] {
  // A device that is not heard of may be doing anything.
  if (now - habit.last > 30 * minuteMs) return [];
  return [stuck(subject, habit, now), tooStrong(subject, habit, now)].filter((a) => a !== undefined);
}

/** Energy of one local day. */
export interface DayEnergy {
  /** Days since 1970-01-01 of the local calendar; day 0 was a Thursday. */
  readonly day: number;
  readonly wh: number;
}

const energy = { leastDays: 14, leastAlike: 4, inUse: 0.1, times: 3, aboveMost: 1.25, leastWh: 250 } as const;

const isWeekend = (day: number) => (day + 3) % 7 >= 5;

/**
 * Whether a device has used far more today than on days like today (weekdays or weekends). `before` are whole days,
 * `today` may still last; `since` is its first instant (epoch ms).
 */
export function energyAnomaly(
  subject: Subject,
  before: readonly DayEnergy[],
  today: DayEnergy,
  since: number,
  now: number,
): Anomaly | undefined {
  const most = Math.max(...before.map((d) => d.wh));
  // What is used now and then is compared with the days on which it was.
  const alike = before
    .filter((d) => isWeekend(d.day) === isWeekend(today.day) && d.wh > energy.inUse * most)
    .map((d) => d.wh);
  if (before.length < energy.leastDays || alike.length < energy.leastAlike) return undefined;
  const usual = median(alike);
  const limit = Math.max(energy.times * usual, energy.aboveMost * most, usual + energy.leastWh);
  if (today.wh < limit) return undefined;
  return {
    kind: 'uses-too-much',
    subject: subject.id,
    since,
    text: `${subject.name} has used ${kwh(today.wh)} today, ${(today.wh / usual).toFixed(1)} times its usual energy (${kwh(usual)})`,
    evidence: [
      { at: now, source: 'electricity', text: `${kwh(today.wh)} since midnight` },
      {
        at: now,
        source: 'electricity',
        text: `${kwh(usual)} on ${alike.length} ${isWeekend(today.day) ? 'weekend days' : 'weekdays'} before, never more than ${kwh(most)} a day`,
      },
    ],
    severity: 'warning',
  };
}

const base = { earlier: 14, leastEarlier: 7, recent: [2, 10], watts: 30, share: 0.2, sigmas: 4 } as const;

/**
 * Whether the base load has stepped up some nights ago and stayed there, and since when. `nights` oldest first;
 * `weekday` names the local weekday of an instant. A step older than ten nights is the new normal.
 */
export function baseLoadAnomaly(
  nights: readonly Night[],
  now: number,
  weekday: (at: number) => string,
): Anomaly | undefined {
  const [least, most] = base.recent;
  let best: { since: Night; rise: number; usual: number; level: number; jump: number } | undefined;
  for (let k = least; k <= Math.min(most, nights.length); k += 1) {
    const recent = nights.slice(-k);
    const earlier = nights
      .slice(0, -k)
      .slice(-base.earlier)
      .map((n) => n.watts);
    const [first] = recent;
    if (first === undefined || earlier.length < base.leastEarlier) break;
    const usual = median(earlier);
    const sigma = 1.4826 * median(earlier.map((w) => Math.abs(w - usual)));
    const level = median(recent.map((n) => n.watts));
    const lowest = Math.min(...recent.map((n) => n.watts));
    const rise = level - usual;
    const jump = first.watts - (earlier.at(-1) ?? first.watts);
    const stands = lowest > quantile(earlier, 0.95) && lowest - usual > 0.5 * rise;
    if (!stands || rise < Math.max(base.watts, base.share * usual, base.sigmas * sigma)) continue;
    if (best === undefined || jump > best.jump) best = { since: first, rise, usual, level, jump };
  }
  if (best === undefined || now - (nights.at(-1)?.at ?? 0) > 2 * dayMs) return undefined;
  const { since, rise, usual, level } = best;
  return {
    kind: 'base-load-risen',
    subject: 'house',
    since: since.at,
    text: `The base load has risen by ${watt(rise)} since ${weekday(since.at)}: ${watt(level)} instead of ${watt(usual)}`,
    evidence: [
      { at: since.at, source: 'electricity', text: `first night at ${watt(since.watts)}` },
      { at: now, source: 'electricity', text: `${watt(usual)} in the nights before` },
      {
        at: now,
        source: 'electricity',
        text: `kept for a year it would be ${kwh(rise * 8_760)}`,
      },
    ],
    severity: 'info',
  };
}
