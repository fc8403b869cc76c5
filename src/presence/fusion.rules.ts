import type { Movement } from '#kernel/bus.ts';
import type { Evidence } from '#kernel/event.ts';
import type { PersonState, Report, ReportSource, Source } from './model.ts';
import { reportSources } from './model.ts';
import {
  learnSilence,
  noHabit,
  silencesPerHour,
  sleepLikelihood,
  watchHours,
  type SilenceHabit,
} from './silence.rules.ts';

/** Numbers that the decision rests on. Times in ms. */
export interface Tuning {
  /** `learned` weighs all evidence; `fixed` is the original rule: away when nothing saw them for the grace period. */
  readonly policy: 'learned' | 'fixed';
  /** No departure without exit evidence before this silence. */
  readonly graceMs: number;
  /** With exit evidence this silence is enough. */
  readonly exitGraceMs: number;
  /** After this silence they are away unless a source insists that they are home. */
  readonly longestSilenceMs: number;
  /** A report from a source that has gone quiet is believed this long. */
  readonly reportTtlMs: Readonly<Record<ReportSource, number>>;
  /** Away below this probability of being home; home above `homeAbove`. Between the two nothing changes. */
  readonly awayBelow: number;
  readonly homeAbove: number;
  /** Exits through a watched door by anybody, per day; how surprising an exit is when nobody went. */
  readonly exitsPerDay: number;
}

export const defaultTuning: Tuning = {
  policy: 'learned',
  graceMs: 300_000,
  exitGraceMs: 180_000,
  longestSilenceMs: 45 * 60_000,
  reportTtlMs: { homeassistant: 600_000, tado: 45 * 60_000 },
  awayBelow: 0.1,
  homeAbove: 0.6,
  exitsPerDay: 8,
};

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

export interface Judgement {
  readonly probability: number;
  readonly state: PersonState;
  readonly evidence: readonly Evidence[];
  readonly conflict: string | undefined;
  readonly from: Readonly<Record<Source, 0 | 1>>;
  readonly lastSeen: number | undefined;
}

/** What is known of the house besides the person. */
export interface Surroundings {
  /** Epoch ms. */
  readonly now: number;
  /** Local hour of day, 0 to 23. */
  readonly hour: number;
  /** Door evidence of the last hour. */
  readonly movements: readonly Movement[];
  /** True when some camera or door sensor watches the exits, so that no exit seen is news too. */
  readonly exitsWatched: boolean;
  /**
   * Epoch ms of the span in which the LAN was watched without a break, up to now or up to when the scanner failed.
   * Silence before or after it proves nothing: we were not listening.
   */
  readonly watched: { readonly from: number; readonly to: number };
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

// A phone leaves Wi-Fi range within about a minute after its owner passed the door; the last probe before may be 45 s old.
const exitWindow = { beforeMs: 75_000, afterMs: 45_000 } as const;
// Share of real departures that a watched door catches.
const exitCaught = 0.85;
// Position reports follow a departure with about this delay.
const reportLagMs = 300_000;
const wrongReport = 0.02;
const strongest = 5;
// A sighting carries the instant of its proof, which is a little older than the arrival that it caused.
const proofLagMs = 60_000;

/** Departures per hour at home expected before anything is learned: rare at night, about two a day otherwise. */
const departurePrior = (hour: number) => (hour < 6 || hour >= 23 ? 0.02 : 0.12);
const departurePriorHours = 50;

export function departuresPerHour(belief: Belief, hour: number): number {
  const seen = belief.departures[hour] ?? 0;
  const hours = belief.hoursHome[hour] ?? 0;
  return (departurePrior(hour) * departurePriorHours + seen) / (departurePriorHours + hours);
}

/** The device seen last, and when. */
function freshest(belief: Belief): { device: string; at: number } | undefined {
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

/** What one source says, all its entities together: home if any says so, away only if all that know say so. */
function says(belief: Belief, source: ReportSource, now: number, ttlMs: number) {
  const valid = Object.values(belief.reports).filter(
    (r) => r.source === source && r.state !== 'unknown' && now - r.receivedAt <= ttlMs,
  );
  const home = valid.filter((r) => r.state === 'home');
  const chosen = (home.length > 0 ? home : valid).toSorted((a, b) => b.at - a.at)[0];
  return chosen === undefined
    ? undefined
    : { ...chosen, split: home.length > 0 && home.length < valid.length };
}

const seconds = (ms: number) => {
  const s = Math.round(ms / 1000);
  if (s < 120) return `${s} s`;
  return s < 7_200 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
};

/** Weight of a report, ln(P(report | home) / P(report | left `sinceMs` ago)). */
function reportWeight(state: 'home' | 'away', sinceMs: number): number {
  const lag = Math.exp(-Math.max(0, sinceMs) / reportLagMs);
  return state === 'home'
    ? Math.log((1 - wrongReport) / (wrongReport + (1 - wrongReport) * lag))
    : Math.log(wrongReport / (wrongReport + (1 - wrongReport) * (1 - lag)));
}

function exitEvidence(belief: Belief, lastSeen: number, around: Surroundings, tuning: Tuning): Evidence[] {
  const near = around.movements.filter(
    (m) =>
      m.direction === 'exit' &&
      (m.person === undefined || m.person === belief.person) &&
      m.at >= lastSeen - exitWindow.beforeMs &&
      m.at <= lastSeen + exitWindow.afterMs,
  );
  const windowDays = (exitWindow.beforeMs + exitWindow.afterMs) / 86_400_000;
  if (near.length === 0) {
    const settled = around.now - lastSeen > exitWindow.afterMs;
    if (!around.exitsWatched || !settled) return [];
    const weight = -Math.log((1 - exitCaught) / (1 - tuning.exitsPerDay * windowDays));
    return [{ at: around.now, source: 'doors', text: 'no exit was seen at a watched door', weight }];
  }
  return near.slice(0, 1).map((m) => {
    const byChance = m.person === undefined ? tuning.exitsPerDay * windowDays : 0.005;
    const weight = Math.log(byChance / (exitCaught * m.confidence + byChance * (1 - m.confidence)));
    const who = m.person === undefined ? 'somebody' : m.person;
    return {
      at: m.at,
      source: m.source,
      text: `${who} left through a watched door`,
      weight,
      ...(m.ref === undefined ? {} : { ref: m.ref }),
    };
  });
}

/** How long we listened in vain. For somebody away the plain time since the last sighting. */
function silenceOf(belief: Belief, lastSeen: number, { now, watched }: Surroundings): number {
  if (belief.state !== 'home') return Math.max(0, now - lastSeen);
  return Math.max(0, Math.min(now, watched.to) - Math.max(lastSeen, watched.from));
}

/** Weighs everything that is known at `around.now`. Pure: the same belief and surroundings give the same judgement. */
export function judge(belief: Belief, around: Surroundings, tuning: Tuning): Judgement {
  const { now, hour } = around;
  const last = freshest(belief);
  const evidence: Evidence[] = [];
  // A stay that another source began says nothing about a phone whose Wi-Fi has been off since before.
  const wifiTakesPart =
    last !== undefined &&
    (belief.state !== 'home' || belief.since === undefined || last.at >= belief.since - proofLagMs);
  const silence = last === undefined ? Number.POSITIVE_INFINITY : silenceOf(belief, last.at, around);
  if (last !== undefined && wifiTakesPart) {
    const habit = belief.habits[last.device] ?? noHabit;
    const rate = silencesPerHour(habit, silence);
    const weight = Math.max(
      -strongest,
      Math.min(strongest, Math.log(rate / departuresPerHour(belief, hour))),
    );
    const often = rate >= 0.01 ? rate.toPrecision(2) : 'less than 0.01';
    const text =
      silence < 30_000
        ? `${last.device} was on Wi-Fi ${seconds(silence)} ago`
        : `${last.device} silent for ${seconds(silence)}; at home it is silent that long ${often} times an hour`;
    evidence.push({ at: last.at, source: 'wifi', text, weight });
    if (silence >= 30_000) evidence.push(...exitEvidence(belief, last.at, around, tuning));
  }
  const said = reportSources.map((source) => says(belief, source, now, tuning.reportTtlMs[source]));
  for (const report of said) {
    if (report === undefined || report.state === 'unknown') continue;
    // A report that changed after the phone went silent is news; an older one may just lag behind.
    const since = report.at > (last?.at ?? 0) ? Number.POSITIVE_INFINITY : silence;
    const text = `${report.entity} is ${report.state}`;
    const weight = reportWeight(report.state, since);
    evidence.push({ at: report.at, source: report.source, text, weight });
  }
  for (const m of around.movements) {
    if (m.direction === 'entry' && m.person === belief.person && m.at > (last?.at ?? 0))
      evidence.push({
        at: m.at,
        source: m.source,
        text: `${m.person} came in through a watched door`,
        weight: 3,
      });
  }
  const sum = evidence.reduce((total, e) => total + (e.weight ?? 0), 0);
  const probability = evidence.length === 0 ? 0.5 : 1 / (1 + Math.exp(-sum));
  const homeReport = said.some((r) => r?.state === 'home');
  const from = {
    wifi: silence < tuning.graceMs ? 1 : 0,
    homeassistant: said[0]?.state === 'home' ? 1 : 0,
    tado: said[1]?.state === 'home' ? 1 : 0,
  } as const;
  const exited = evidence.some((e) => (e.weight ?? 0) < -1 && e.source !== 'wifi');
  const ready = {
    probability,
    silence,
    homeReport,
    exited,
    wifiTakesPart,
    informed: evidence.length > 0,
    anySource: from.wifi + from.homeassistant + from.tado > 0,
  };
  const state =
    tuning.policy === 'fixed' ? fixedState(belief, ready) : nextState(belief, ready, around, tuning);
  evidence.sort((a, b) => Math.abs(b.weight ?? 0) - Math.abs(a.weight ?? 0));
  return {
    probability,
    state,
    evidence,
    conflict: conflictOf(evidence, said),
    from,
    lastSeen: newest(last?.at, said),
  };
}

interface Ready {
  readonly probability: number;
  readonly silence: number;
  readonly homeReport: boolean;
  readonly exited: boolean;
  readonly wifiTakesPart: boolean;
  readonly informed: boolean;
  readonly anySource: boolean;
}

function fixedState(belief: Belief, ready: Ready): PersonState {
  if (ready.anySource) return 'home';
  return ready.informed || belief.state !== 'unknown' ? 'away' : 'unknown';
}

function nextState(belief: Belief, ready: Ready, around: Surroundings, tuning: Tuning): PersonState {
  if (!ready.informed) return belief.state;
  if (ready.probability >= tuning.homeAbove) {
    if (belief.state === 'home') return 'home';
    // Only proof newer than the departure brings somebody home; fading doubts do not.
    const newProof = Math.max(0, ...Object.values(belief.seen), ...homeReportTimes(belief, around, tuning));
    return belief.since === undefined || newProof > belief.since || belief.state === 'unknown'
      ? 'home'
      : belief.state;
  }
  const needed = ready.exited ? tuning.exitGraceMs : tuning.graceMs;
  const silentEnough = !ready.wifiTakesPart || ready.silence >= needed;
  if (ready.probability < tuning.awayBelow && silentEnough) return 'away';
  if (ready.wifiTakesPart && ready.silence >= tuning.longestSilenceMs && !ready.homeReport) return 'away';
  return belief.state;
}

const homeReportTimes = (belief: Belief, around: Surroundings, tuning: Tuning) => [
  ...Object.values(belief.reports)
    .filter((r) => r.state === 'home' && around.now - r.receivedAt <= tuning.reportTtlMs[r.source])
    .map((r) => r.at),
  ...around.movements.filter((m) => m.direction === 'entry' && m.person === belief.person).map((m) => m.at),
];

function newest(
  wifi: number | undefined,
  said: readonly ({ at: number; state: string } | undefined)[],
): number | undefined {
  const times = said.flatMap((r) => (r?.state === 'home' ? [r.at] : []));
  if (wifi !== undefined) times.push(wifi);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** A sentence when strong evidence points both ways; operators decide whom to believe. */
function conflictOf(
  evidence: readonly Evidence[],
  said: readonly (({ entity: string; split: boolean } & Report) | undefined)[],
): string | undefined {
  const split = said.find((r) => r?.split === true);
  if (split !== undefined) return `${split.entity} is home, but other entities of ${split.source} say away`;
  const home = evidence.find((e) => (e.weight ?? 0) > 1.5);
  const away = evidence.find((e) => (e.weight ?? 0) < -1.5);
  // A report that says away right after a sighting weighs little, yet people want to see that it disagrees.
  const disagreeing = home?.source === 'wifi' ? said.find((r) => r?.state === 'away') : undefined;
  if (home !== undefined && away !== undefined)
    return `${home.source}: ${home.text}, but ${away.source}: ${away.text}`;
  return home !== undefined && disagreeing !== undefined
    ? `${home.source}: ${home.text}, but ${disagreeing.source}: ${disagreeing.entity} is away`
    : undefined;
}

/** Carries the new state into the belief and learns when this person leaves and how long they stay. */
export function settled(belief: Belief, judgement: Judgement, around: Surroundings): Belief {
  const { now, hour } = around;
  const changed = judgement.state !== belief.state;
  const counted = belief.state === 'home' && belief.countedTo !== undefined ? now - belief.countedTo : 0;
  // A gap in our own attention (a restart, a suspended machine) is not time watched.
  const hours = counted > 0 && counted < 600_000 ? counted / 3_600_000 : 0;
  const last = freshest(belief);
  const leaving = changed && judgement.state === 'away' && belief.state === 'home';
  return {
    ...belief,
    state: judgement.state,
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
