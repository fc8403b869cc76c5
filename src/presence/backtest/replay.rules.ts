import type { Movement } from '#kernel/bus.ts';
import { newBelief, settled, sighted } from '../belief.rules.ts';
import { defaultTuning, type Tuning } from '../fusion.model.ts';
import { judge } from '../fusion.rules.ts';
import type { PersonState } from '../model.ts';

/** A change of state as a policy saw it. */
export interface Transition {
  /** Epoch ms. */
  readonly at: number;
  readonly to: PersonState;
}

/** What a policy is fed: everything in order of time. */
export interface Feed {
  /** Epoch ms. */
  readonly from: number;
  readonly to: number;
  readonly sightings: readonly number[];
  readonly exits: readonly Movement[];
}

export type Decide = (feed: Feed) => Transition[];

const tickMs = 5_000;
// Door evidence is remembered by the service this long.
const movementMemoryMs = 3_600_000;
// Time at home is counted at least this often.
const countEveryMs = 120_000;
const phone = '02:00:00:00:00:01';

/** The original rule: home until nothing was seen for `graceMs`, looked at every 5 s. */
export const fixedGrace =
  (graceMs: number): Decide =>
  ({ from, to, sightings }) => {
    const transitions: Transition[] = [];
    for (const [i, at] of sightings.entries()) {
      if (transitions.at(-1)?.to !== 'home') transitions.push({ at, to: 'home' });
      const gone = nextTick(from, at + graceMs);
      if (gone < (sightings[i + 1] ?? to)) transitions.push({ at: gone, to: 'away' });
    }
    return transitions;
  };

/**
 * The fusion of the running service: a belief updated by every sighting and judged by every sighting, door event
 * and 5 s tick. What cannot change anything is skipped: ticks before the shortest grace period has passed since a
 * sighting, ticks of somebody away, whom only a sighting brings back, and most sightings of somebody at home. The
 * belief starts empty, so what it learns is learned here.
 */
export const fusion =
  (tuning: Tuning = defaultTuning, exitsWatched = false): Decide =>
  ({ from, to, sightings, exits }) => {
    const freshMs = Math.min(tuning.graceMs, tuning.exitGraceMs, tuning.longestSilenceMs);
    const transitions: Transition[] = [];
    let belief = newBelief('alex');
    let movements: Movement[] = [];
    let nextExit = 0;
    const weigh = (now: number) => {
      for (; nextExit < exits.length && exits[nextExit]!.at <= now; nextExit += 1)
        movements.push(exits[nextExit]!);
      if (movements.length > 0) movements = movements.filter((m) => now - m.at < movementMemoryMs);
      const watched = { from, to: now };
      const around = { now, hour: hourOf(now), movements, exitsWatched, watched, hasDevices: true };
      const judgement = judge(belief, around, tuning);
      if (judgement.state !== belief.state) transitions.push({ at: now, to: judgement.state });
      belief = settled(belief, judgement.state, around);
    };
    let judgedAt = Number.NEGATIVE_INFINITY;
    for (const [i, at] of sightings.entries()) {
      belief = sighted(belief, phone, at, hourOf(at), from);
      if (belief.state !== 'home' || at - judgedAt >= countEveryMs) {
        weigh(at);
        judgedAt = at;
      }
      const until = sightings[i + 1] ?? to;
      for (let tick = nextTick(from, at + freshMs); tick < until && belief.state === 'home'; tick += tickMs) {
        weigh(tick);
        judgedAt = tick;
      }
    }
    return transitions;
  };

const nextTick = (from: number, at: number) => from + Math.ceil((at - from) / tickMs) * tickMs;
/** Schedules carry local time as if it were UTC. */
const hourOf = (at: number) => Math.floor(at / 3_600_000) % 24;
