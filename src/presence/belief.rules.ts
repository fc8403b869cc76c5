import type { PersonConfig, PersonState, Report } from './model.ts';
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

// A phone that was not seen for this long is gone for good; addresses that change every day must not pile up.
const forgetDeviceMs = 90 * 86_400_000;

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
  const habits = learned === belief.habits[device] ? belief.habits : { ...belief.habits, [device]: learned };
  return keepDevices(
    { ...belief, seen: { ...belief.seen, [device]: at }, habits },
    (_, seenAt) => at - seenAt <= forgetDeviceMs,
  );
}

/** Forgets the devices of which `keep` is false. */
export function keepDevices(belief: Belief, keep: (device: string, seenAt: number) => boolean): Belief {
  const gone = Object.entries(belief.seen).flatMap(([device, at]) => (keep(device, at) ? [] : [device]));
  if (gone.length === 0) return belief;
  const without = <T>(record: Readonly<Record<string, T>>) =>
    Object.fromEntries(Object.entries(record).filter(([device]) => !gone.includes(device)));
  return { ...belief, seen: without(belief.seen), habits: without(belief.habits) };
}

/** Forgets what entities said that are not asked about them any more. */
export function keepReports(belief: Belief, asked: PersonConfig): Belief {
  const { homeassistant_entity, homeassistant_device_trackers: trackers, tado_device } = asked;
  const entities = new Set([homeassistant_entity, ...trackers, tado_device]);
  const kept = Object.entries(belief.reports).filter(([entity]) => entities.has(entity));
  return { ...belief, reports: Object.fromEntries(kept) };
}

/** Somebody who is tracked again: their habits still hold, what was seen and said of them is out of date. */
export const renewed = ({ person, habits, departures, hoursHome }: Belief): Belief => ({
  ...newBelief(person),
  habits,
  departures,
  hoursHome,
});

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

/**
 * The wall clock was set and is `now`: everything remembered moves with it, so that silences keep their length. What
 * carries the new time already, because it came before the jump was noticed, never moves into the future.
 */
export function shifted(belief: Belief, byMs: number, now: number): Belief {
  const moved = (at: number) => Math.min(at + byMs, now);
  const move = (at: number | undefined) => (at === undefined ? undefined : moved(at));
  return {
    ...belief,
    since: move(belief.since),
    countedTo: move(belief.countedTo),
    seen: Object.fromEntries(Object.entries(belief.seen).map(([device, at]) => [device, moved(at)])),
    reports: Object.fromEntries(
      Object.entries(belief.reports).map(([entity, r]) => [
        entity,
        { ...r, at: moved(r.at), receivedAt: moved(r.receivedAt) },
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
