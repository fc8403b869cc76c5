import type { PersonState, Report } from './model.ts';
import { learnSilence, noHabit, sleepLikelihood, watchHours, type SilenceHabit } from './silence.rules.ts';

/** What is known of one person. Plain data: it is stored as JSON and survives restarts. */
export interface Belief {
  readonly person: string;
  readonly state: PersonState;
  /** Epoch ms of the last change of state. */
  readonly since: number | undefined;
  /** Epoch ms of the last sighting of each of their devices. */
  readonly seen: Readonly<Record<string, number>>;
  /** The newest report of each entity. */
  readonly reports: Readonly<Record<string, Report & { readonly receivedAt: number }>>;
  /** Silence habits by device. */
  readonly habits: Readonly<Record<string, SilenceHabit>>;
  /** Departures and hours at home by local hour of day, for the rate at which this person leaves. */
  readonly departures: readonly number[];
  readonly hoursHome: readonly number[];
  /** Epoch ms up to which `hoursHome` was counted. */
  readonly countedTo: number | undefined;
}

export function newBelief(person: string): Belief {
  return {
    person,
    state: 'unknown',
    since: undefined,
    seen: {},
    reports: {},
    habits: {},
    departures: [],
    hoursHome: [],
    countedTo: undefined,
  };
}

/** Departures per hour at home expected before anything is learned: rare at night, about two a day otherwise. */
const departurePrior = (hour: number) => (hour < 6 || hour >= 23 ? 0.02 : 0.12);
const departurePriorHours = 50;

export function departuresPerHour(belief: Belief, hour: number): number {
  const seen = belief.departures[hour] ?? 0;
  const hours = belief.hoursHome[hour] ?? 0;
  return (departurePrior(hour) * departurePriorHours + seen) / (departurePriorHours + hours);
}

/** The device seen last, and when. */
export function freshest(belief: Belief): { device: string; at: number } | undefined {
  let best: { device: string; at: number } | undefined;
  for (const [device, at] of Object.entries(belief.seen))
    if (best === undefined || at > best.at) best = { device, at };
  return best;
}

/**
 * A device of theirs proved to be on the LAN. Learns from the silence that this ended, unless part of it passed
 * before `watchedFrom`.
 */
export function sighted(
  belief: Belief,
  device: string,
  at: number,
  hour: number,
  watchedFrom: number,
): Belief {
  const before = belief.seen[device];
  if (before !== undefined && at <= before) return belief;
  const habit = belief.habits[device] ?? noHabit;
  const learned =
    before === undefined || before < watchedFrom
      ? habit
      : learnSilence(habit, at - before, sleptThrough(belief, before, at, departuresPerHour(belief, hour)));
  return {
    ...belief,
    seen: { ...belief.seen, [device]: at },
    habits: learned === belief.habits[device] ? belief.habits : { ...belief.habits, [device]: learned },
  };
}

/** Probability that they were home all through a silence that has just ended. */
function sleptThrough(belief: Belief, from: number, to: number, rate: number): number {
  const reports = Object.values(belief.reports);
  if (reports.some((r) => r.state === 'away' && r.receivedAt >= from)) return 0;
  if (reports.some((r) => r.state === 'home' && r.at < from)) return 1;
  if (belief.state === 'home') return 1;
  return sleepLikelihood(to - from, rate);
}

export function reported(belief: Belief, report: Report, receivedAt: number): Belief {
  return { ...belief, reports: { ...belief.reports, [report.entity]: { ...report, receivedAt } } };
}

/** The wall clock was set: everything remembered moves with it, so that silences keep their length. */
export function shifted(belief: Belief, byMs: number): Belief {
  const move = (at: number | undefined) => (at === undefined ? undefined : at + byMs);
  return {
    ...belief,
    since: move(belief.since),
    countedTo: move(belief.countedTo),
    seen: Object.fromEntries(Object.entries(belief.seen).map(([device, at]) => [device, at + byMs])),
    reports: Object.fromEntries(
      Object.entries(belief.reports).map(([entity, r]) => [
        entity,
        { ...r, at: r.at + byMs, receivedAt: r.receivedAt + byMs },
      ]),
    ),
  };
}

/** Carries the new state into the belief and learns when this person leaves and how long they stay. */
export function settled(
  belief: Belief,
  state: PersonState,
  { now, hour }: { readonly now: number; readonly hour: number },
): Belief {
  const changed = state !== belief.state;
  const counted = belief.state === 'home' && belief.countedTo !== undefined ? now - belief.countedTo : 0;
  // A gap in our own attention (a restart, a suspended machine) is not time watched.
  const hours = counted > 0 && counted < 600_000 ? counted / 3_600_000 : 0;
  const last = freshest(belief);
  const leaving = changed && state === 'away' && belief.state === 'home';
  return {
    ...belief,
    state,
    since: changed ? now : belief.since,
    countedTo: now,
    hoursHome: hours === 0 ? belief.hoursHome : bump(belief.hoursHome, hour, hours),
    departures: leaving ? bump(belief.departures, hour, 1) : belief.departures,
    habits:
      hours === 0 || last === undefined
        ? belief.habits
        : { ...belief.habits, [last.device]: watchHours(belief.habits[last.device] ?? noHabit, hours) },
  };
}

const bump = (list: readonly number[], index: number, by: number) =>
  Array.from({ length: 24 }, (_, i) => (list[i] ?? 0) + (i === index ? by : 0));
