import type { Evidence } from '#kernel/event.ts';
import { departuresPerHour, freshest, type Belief } from './belief.rules.ts';
import type { Surroundings, Tuning } from './fusion.model.ts';
import { reportSources, type Report, type ReportSource } from './model.ts';
import { noHabit, silencesPerHour } from './silence.rules.ts';

/** What one source says about a person, all its entities together. */
export type Statement = Report & {
  /** True when other entities of the source say the opposite. */
  readonly split: boolean;
};

/** Everything that speaks for or against a person being home, before it is summed up. */
export interface Weighed {
  readonly evidence: readonly Evidence[];
  readonly statements: readonly Statement[];
  /** The device seen last, and when (epoch ms). */
  readonly last: { readonly device: string; readonly at: number } | undefined;
  /** Milliseconds for which their devices were listened for in vain; infinite when never seen. */
  readonly silence: number;
  /** Whether the silence of their devices says anything about this stay. */
  readonly wifiTakesPart: boolean;
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

// What a doorkeeper who knows their face is worth.
const namedAtDoor = 3.5;
// Nobody of theirs seen since we began to listen: most people who are home are seen within minutes.
const neverSeen = -3;

/** Collects the evidence about one person with its weights, ln(P(observed | home) / P(observed | away)). */
export function weigh(belief: Belief, around: Surroundings, tuning: Tuning): Weighed {
  const last = freshest(belief);
  const statements = reportSources.flatMap((source) => {
    const said = says(belief, source, around.now, tuning.reportTtlMs[source]);
    return said === undefined ? [] : [said];
  });
  const silence = last === undefined ? Number.POSITIVE_INFINITY : silenceOf(belief, last.at, around);
  const wifiTakesPart = last !== undefined && takesPart(belief, last.at, statements, around);
  const evidence = [
    ...(last !== undefined && wifiTakesPart ? wifiEvidence(belief, last, silence, around, tuning) : []),
    ...(last === undefined ? absenceEvidence(around, tuning) : []),
    ...statements.map((said) => statementEvidence(said, last?.at, silence)),
    ...doorEvidence(belief, wifiTakesPart ? last?.at : undefined, around),
  ];
  return { evidence, statements, last, silence, wifiTakesPart };
}

/**
 * A stay that another source began says nothing about a phone whose Wi-Fi has been off since before; neither does its
 * silence speak against an arrival that a source has just reported.
 */
function takesPart(
  belief: Belief,
  lastSeen: number,
  statements: readonly Statement[],
  { movements }: Surroundings,
): boolean {
  const { since } = belief;
  if (since === undefined) return true;
  if (belief.state === 'home') return lastSeen >= since - proofLagMs;
  const arrivals = [
    ...statements.filter((s) => s.state === 'home'),
    ...movements.filter((m) => m.direction === 'entry' && m.person === belief.person),
  ];
  return !arrivals.some(({ at }) => at > since && at > lastSeen);
}

function wifiEvidence(
  belief: Belief,
  last: { readonly device: string; readonly at: number },
  silence: number,
  around: Surroundings,
  tuning: Tuning,
): Evidence[] {
  const rate = silencesPerHour(belief.habits[last.device] ?? noHabit, silence);
  const ratio = Math.log(rate / departuresPerHour(belief, around.hour));
  const weight = Math.max(-strongest, Math.min(strongest, ratio));
  if (silence < 30_000)
    return [
      {
        at: last.at,
        source: 'wifi',
        text: `${last.device} was on Wi-Fi ${seconds(Math.max(0, around.now - last.at))} ago`,
        weight,
      },
    ];
  const often = rate >= 0.01 ? rate.toPrecision(2) : 'less than 0.01';
  const text = `${last.device} silent for ${seconds(silence)}; at home it is silent that long ${often} times an hour`;
  return [{ at: last.at, source: 'wifi', text, weight }, ...exitEvidence(belief, last.at, around, tuning)];
}

function absenceEvidence({ hasDevices, now, watched }: Surroundings, { graceMs }: Tuning): Evidence[] {
  const forMs = watched.to - watched.from;
  if (!hasDevices || forMs < graceMs) return [];
  return [
    {
      at: now,
      source: 'wifi',
      text: `no device of theirs was seen in ${seconds(forMs)} of watching`,
      weight: neverSeen,
    },
  ];
}

function statementEvidence(said: Statement, lastSeen: number | undefined, silence: number): Evidence {
  // A report that changed after the phone went silent is news; an older one may just lag behind.
  const since = said.at > (lastSeen ?? 0) ? Number.POSITIVE_INFINITY : silence;
  const state = said.state === 'home' ? 'home' : 'away';
  return {
    at: said.at,
    source: said.source,
    text: `${said.entity} is ${state}`,
    weight: reportWeight(state, since),
  };
}

/** The last time that a doorkeeper knew them, when that is newer than their devices. */
function doorEvidence(belief: Belief, lastSeen: number | undefined, { movements }: Surroundings): Evidence[] {
  const own = movements.filter((m) => m.person === belief.person).toSorted((a, b) => b.at - a.at)[0];
  // An exit while the phone takes part is weighed together with its silence.
  if (own === undefined || own.at <= (lastSeen ?? 0) || (own.direction === 'exit' && lastSeen !== undefined))
    return [];
  const [what, weight] = own.direction === 'entry' ? ['came in', namedAtDoor] : ['left', -namedAtDoor];
  const text = `${own.person} ${what} through a watched door`;
  return [
    {
      at: own.at,
      source: own.source,
      text,
      weight: weight * own.confidence,
      ...(own.ref === undefined ? {} : { ref: own.ref }),
    },
  ];
}

/** What one source says, all its entities together: home if any says so, away only if all that know say so. */
function says(belief: Belief, source: ReportSource, now: number, ttlMs: number): Statement | undefined {
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

/** An exit near the last sighting, or none where the exits are watched. */
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
