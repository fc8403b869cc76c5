import type { Evidence } from '#kernel/event.ts';
import type { Belief } from './belief.rules.ts';
import { weigh, type Statement, type Weighed } from './evidence.rules.ts';
import type { Judgement, Surroundings, Tuning } from './fusion.model.ts';
import type { PersonState } from './model.ts';

/** Weighs everything that is known at `around.now`. Pure: the same belief and surroundings give the same judgement. */
export function judge(belief: Belief, around: Surroundings, tuning: Tuning): Judgement {
  const weighed = weigh(belief, around, tuning);
  const evidence = weighed.evidence.toSorted((a, b) => Math.abs(b.weight ?? 0) - Math.abs(a.weight ?? 0));
  const sum = evidence.reduce((total, e) => total + (e.weight ?? 0), 0);
  const probability = evidence.length === 0 ? 0.5 : 1 / (1 + Math.exp(-sum));
  const says = (source: string) =>
    weighed.statements.some((s) => s.source === source && s.state === 'home') ? 1 : 0;
  const from = {
    // By the plain clock: a metric that stayed 1 while nobody listens would be a claim, not a memory.
    wifi: weighed.last !== undefined && around.now - weighed.last.at < tuning.graceMs ? 1 : 0,
    homeassistant: says('homeassistant'),
    tado: says('tado'),
  } as const;
  const state =
    tuning.policy === 'fixed'
      ? fixedState(belief, weighed, tuning)
      : nextState(belief, probability, weighed, around, tuning);
  return {
    probability,
    state,
    evidence,
    conflict: conflictOf(evidence, weighed.statements),
    from,
    lastSeen: newest(weighed),
  };
}

function fixedState(
  belief: Belief,
  { evidence, silence, statements }: Weighed,
  { graceMs }: Tuning,
): PersonState {
  if (silence < graceMs || statements.some((s) => s.state === 'home')) return 'home';
  return evidence.length > 0 || belief.state !== 'unknown' ? 'away' : 'unknown';
}

function nextState(
  belief: Belief,
  probability: number,
  { evidence, statements, silence, wifiTakesPart }: Weighed,
  around: Surroundings,
  tuning: Tuning,
): PersonState {
  if (evidence.length === 0) return belief.state;
  if (probability >= tuning.homeAbove) {
    // Only proof newer than the departure brings somebody home; fading doubts do not.
    const proven = belief.since === undefined || newestProof(belief, statements, around) > belief.since;
    return proven || belief.state === 'unknown' ? 'home' : belief.state;
  }
  const exited = evidence.some((e) => (e.weight ?? 0) < -1 && e.source !== 'wifi');
  const silentEnough = !wifiTakesPart || silence >= (exited ? tuning.exitGraceMs : tuning.graceMs);
  if (probability < tuning.awayBelow && silentEnough) return 'away';
  const insists = statements.some((s) => s.state === 'home');
  if (wifiTakesPart && silence >= tuning.longestSilenceMs && !insists) return 'away';
  return belief.state;
}

/** Epoch ms of the newest sighting, report or entry that speaks for being home. */
const newestProof = (belief: Belief, statements: readonly Statement[], around: Surroundings): number =>
  Math.max(
    0,
    ...Object.values(belief.seen),
    ...statements.filter((s) => s.state === 'home').map((s) => s.at),
    ...around.movements.filter((m) => m.direction === 'entry' && m.person === belief.person).map((m) => m.at),
  );

function newest({ last, statements }: Weighed): number | undefined {
  const times = statements.flatMap((s) => (s.state === 'home' ? [s.at] : []));
  if (last !== undefined) times.push(last.at);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** A sentence when strong evidence points both ways; operators decide whom to believe. */
function conflictOf(evidence: readonly Evidence[], statements: readonly Statement[]): string | undefined {
  const split = statements.find((s) => s.split);
  if (split !== undefined) return `${split.entity} is home, but other entities of ${split.source} say away`;
  const home = evidence.find((e) => (e.weight ?? 0) > 1.5);
  const away = evidence.find((e) => (e.weight ?? 0) < -1.5);
  if (home !== undefined && away !== undefined)
    return `${home.source}: ${home.text}, but ${away.source}: ${away.text}`;
  // A report that says away right after a sighting weighs little, yet people want to see that it disagrees.
  const disagreeing = home?.source === 'wifi' ? statements.find((s) => s.state === 'away') : undefined;
  return home !== undefined && disagreeing !== undefined
    ? `${home.source}: ${home.text}, but ${disagreeing.source}: ${disagreeing.entity} is away`
    : undefined;
}
