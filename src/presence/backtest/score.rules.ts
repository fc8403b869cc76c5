import type { Transition } from './replay.rules.ts';
import type { Truth } from './schedule.codec.ts';
import { isHome } from './world.rules.ts';

/**
 * How a policy did on one truth.
 *
 * - A false departure is a change from home to away at an instant when the person really was home. A short absence
 *   that the truth contains is a real one: noticing it is right, and missing it is no fault.
 * - Departure latency is the time from a real departure to the state away. It is counted for absences during which
 *   the state became away before the person was back, not for people whom the policy had sent away already.
 * - A missed departure is an absence of more than 60 min in which the policy took more than 60 min, or never noticed.
 * - Unnoticed is an absence, however short, that the policy never noticed.
 * - Arrival latency is the time from a real arrival to the state home, for people who were believed away.
 */
export interface Score {
  readonly weeks: number;
  readonly departures: number;
  readonly falseDepartures: number;
  readonly missed: number;
  readonly unnoticed: number;
  /** ms, unordered. */
  readonly departureMs: readonly number[];
  readonly arrivalMs: readonly number[];
}

const stuckMs = 3_600_000;
const weekMs = 7 * 86_400_000;

export function score(truth: Truth, transitions: readonly Transition[]): Score {
  const away = transitions.filter((t, i) => t.to === 'away' && transitions[i - 1]?.to === 'home');
  const stateAt = (at: number) => transitions.findLast((t) => t.at <= at)?.to;
  const first = (to: Transition['to'], from: number, until: number) =>
    transitions.find((t) => t.to === to && t.at >= from && t.at < until)?.at;
  const departureMs: number[] = [];
  const arrivalMs: number[] = [];
  const left = truth.home.filter((s) => s.to < truth.to);
  let missed = 0;
  let unnoticed = 0;
  for (const { to: leftAt } of left) {
    const backAt = truth.home.find((s) => s.from > leftAt)?.from ?? truth.to;
    if (stateAt(leftAt) === 'home') {
      const noticed = first('away', leftAt, backAt);
      if (noticed === undefined) unnoticed += 1;
      else departureMs.push(noticed - leftAt);
      if (backAt - leftAt > stuckMs && (noticed === undefined || noticed - leftAt > stuckMs)) missed += 1;
    }
  }
  for (const { from, to } of truth.home) {
    if (from <= truth.from || stateAt(from) === 'home') continue;
    const noticed = first('home', from, to);
    if (noticed !== undefined) arrivalMs.push(noticed - from);
  }
  return {
    weeks: (truth.to - truth.from) / weekMs,
    departures: left.length,
    falseDepartures: away.filter((t) => isHome(truth.home, t.at)).length,
    missed,
    unnoticed,
    departureMs,
    arrivalMs,
  };
}

/** Scores of several truths or seeds as one. */
export function pool(scores: readonly Score[]): Score {
  const sum = (of: (s: Score) => number) => scores.reduce((total, s) => total + of(s), 0);
  return {
    weeks: sum((s) => s.weeks),
    departures: sum((s) => s.departures),
    falseDepartures: sum((s) => s.falseDepartures),
    missed: sum((s) => s.missed),
    unnoticed: sum((s) => s.unnoticed),
    departureMs: scores.flatMap((s) => s.departureMs),
    arrivalMs: scores.flatMap((s) => s.arrivalMs),
  };
}

/** What is printed of a score. Latencies in seconds, undefined where there was nothing to measure. */
export interface Summary {
  readonly false_departures_per_person_week: number;
  readonly departure_p50_s: number | undefined;
  readonly departure_p95_s: number | undefined;
  readonly arrival_p50_s: number | undefined;
  readonly arrival_p95_s: number | undefined;
  readonly missed_departures: number;
  readonly unnoticed_absences: number;
  readonly departures: number;
}

export function summarise(s: Score): Summary {
  return {
    false_departures_per_person_week: s.weeks === 0 ? 0 : round(s.falseDepartures / s.weeks, 3),
    departure_p50_s: seconds(quantile(s.departureMs, 0.5)),
    departure_p95_s: seconds(quantile(s.departureMs, 0.95)),
    arrival_p50_s: seconds(quantile(s.arrivalMs, 0.5)),
    arrival_p95_s: seconds(quantile(s.arrivalMs, 0.95)),
    missed_departures: s.missed,
    unnoticed_absences: s.unnoticed,
    departures: s.departures,
  };
}

const round = (value: number, digits: number) => Number(value.toFixed(digits));
const seconds = (ms: number | undefined) => (ms === undefined ? undefined : round(ms / 1000, 1));

/** The nearest-rank quantile: the smallest value that at least this share of the values does not exceed. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}
