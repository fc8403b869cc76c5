import type { Box, Detection, Track } from '../model.ts';
import { iou } from '../box.rules.ts';
import { assign } from './assign.rules.ts';
import { isKnown, note, type Place, stillRemembered } from './places.rules.ts';
import { isParked, stationarySince } from './stationary.rules.ts';
import {
  advance,
  akin,
  born,
  boxOf,
  distance,
  isAlive,
  labelOf,
  median,
  observe,
  revive,
  see,
  type Seen,
  type Target,
  velocityOf,
} from './target.rules.ts';
import { tuning } from './tuning.rules.ts';

export interface TrackerOptions {
  /** Width of the picture over its height, in pixels. */
  readonly aspect?: number;
  /** The score from which a detection may start a track. Lower ones, down to half of it, only continue tracks. */
  readonly threshold?: number;
  /** Seconds for which an object out of sight is remembered. */
  readonly lostSeconds?: number;
  /** The same for one that stood still: seconds in which frames were looked at, so that a pause does not count. */
  readonly parkedSeconds?: number;
  /** Never more tracks than this; the one unseen for longest goes first. */
  readonly limit?: number;
}

/** All that a tracker knows, as plain data: JSON keeps it over a restart. */
export interface TrackerSnapshot {
  readonly nextId: number;
  readonly at?: number;
  readonly targets: readonly Target[];
  /** What the place is known for; a snapshot without it knows nothing. */
  readonly places?: readonly Place[];
}

export interface StepResult {
  /**
   * Every object that is followed at this instant, also those out of sight, by id. The id of a tentative one may
   * vanish without being told as ended, when it is not confirmed or turns out to be an object that was lost.
   */
  readonly tracks: Track[];
  /** Ids that are gone for good. Only those that were confirmed once. */
  readonly ended: number[];
}

const defaults = { aspect: 16 / 9, threshold: 0.5, lostSeconds: 8, parkedSeconds: 600, limit: 128 };
/** More detections in one frame are noise; the best are kept. */
const mostDetections = 200;
/** A pause longer than this was not looked at, so nothing can be said to be missing in it. */
const pauseSeconds = 2;

/** Follows the objects of one camera from frame to frame. Pure: the same steps give the same tracks. */
export class Tracker {
  private readonly options: Required<TrackerOptions>;
  private targets: Target[] = [];
  private places: Place[] = [];
  private nextId = 1;
  private at: number | undefined;

  constructor(options: TrackerOptions = {}) {
    this.options = { ...defaults, ...options };
  }

  /**
   * Takes in what a detector saw in the frame captured `at` (epoch ms). Frames may come at any pace; one that is not
   * newer than the last is taken as if it came a millisecond later. The order of detections does not matter.
   */
  step(at: number, detections: readonly Detection[]): StepResult {
    const { aspect, threshold } = this.options;
    const now = this.at === undefined ? at : Math.max(at, this.at + 1);
    const dt = (now - (this.at ?? now)) / 1000;
    this.at = now;
    for (const t of this.targets) advance(t, dt, isParked(t.still, t.seenAt));
    const seen = detections
      .filter((d) => isSound(d) && d.score >= threshold * tuning.weakShare)
      .toSorted(inOrder)
      .slice(0, mostDetections)
      .map((d) => see(d, aspect));
    const strong = seen.filter((s) => s.detection.score >= threshold);
    const weak = seen.filter((s) => s.detection.score < threshold);

    const doubted = this.targets.filter((t) => t.state === 'tentative');
    const believed = this.targets.filter((t) => t.state !== 'tentative' && !this.isAway(t, now, dt));
    const rest = this.match(believed, strong, now, tuning.gate);
    // Only what is sure itself: else weak detections would keep errors of the detector alive.
    const dim = rest.targets.filter((t) => median(t.scores) >= threshold);
    this.match(dim, weak, now, tuning.weakGate);
    const fresh = this.match(doubted, rest.seen, now, tuning.gate);
    this.rebirth(doubted.filter((t) => t.state === 'confirmed'));
    this.bear(fresh.seen, now);
    this.learnPlaces(now, dt);
    const ended = this.forget(now, dt);
    this.targets.sort((a, b) => a.id - b.id);
    return { tracks: this.targets.map((t) => trackOf(t, aspect)), ended };
  }

  /** Forgets all objects and places, as after a change of the picture or a moved camera. Ids go on counting. */
  reset(): void {
    this.targets = [];
    this.places = [];
    this.at = undefined;
  }

  snapshot(): TrackerSnapshot {
    const { nextId, at, targets, places } = this;
    return structuredClone({ nextId, targets, places, ...(at === undefined ? {} : { at }) });
  }

  /** Goes on where `snapshot` was taken. */
  restore(snapshot: TrackerSnapshot): void {
    const { nextId, at, targets, places = [] } = structuredClone(snapshot);
    this.nextId = nextId;
    this.at = at;
    this.targets = [...targets];
    this.places = [...places];
  }

  /** Pairs targets with detections, takes the pairs in, and gives back what stayed alone. */
  private match(targets: readonly Target[], seen: readonly Seen[], now: number, gate: number) {
    const cost = new Float64Array(targets.length * seen.length);
    for (const [i, t] of targets.entries())
      for (const [j, s] of seen.entries()) cost[i * seen.length + j] = distance(t, s);
    const pairs = assign(cost, targets.length, seen.length, gate);
    const taken = new Set(pairs);
    for (const [i, j] of pairs.entries()) {
      if (j < 0) continue;
      const t = targets[i]!;
      const s = seen[j]!;
      observe(t, s, now, s.detection.score >= this.options.threshold);
      if (t.state === 'lost' || this.isConvincing(t, s)) t.state = 'confirmed';
    }
    return {
      targets: targets.filter((_, i) => pairs[i]! < 0),
      seen: seen.filter((_, j) => !taken.has(j)),
    };
  }

  private isConvincing(t: Target, s: Seen): boolean {
    if (t.state !== 'tentative') return true;
    // One that is only just good enough adds little: errors of a detector are, and most of them stand.
    const { threshold } = this.options;
    const stands = iou(t.birth, s.detection.box) > tuning.standsAbove;
    const free = stands ? tuning.standingFree : tuning.confirmFree;
    const sum = t.scores.reduce((total, score) => total + score - free * threshold, 0);
    return sum >= tuning.confirmScore * threshold;
  }

  /** Out of sight for so long that one detection is no proof that it is back. */
  private isAway(t: Target, now: number, dt: number): boolean {
    return !isThing(t) && t.state === 'lost' && now - t.seenAt > (tuning.awaySeconds + 2 * dt) * 1000;
  }

  /** Compares what was just believed with what was lost: the same object keeps its id. */
  private rebirth(fresh: readonly Target[]): void {
    const lost = this.targets.filter((t) => t.state === 'lost');
    if (fresh.length === 0 || lost.length === 0) return;
    const { aspect } = this.options;
    const cost = fresh.flatMap((f) => {
      const look = f.look.length === 0 ? {} : { look: f.look };
      const s = see({ label: labelOf(f), score: median(f.scores), box: boxOf(f, aspect), ...look }, aspect);
      return lost.map((l) => distance(l, s));
    });
    const revived = new Set<Target>();
    for (const [i, j] of assign(cost, fresh.length, lost.length, tuning.gate).entries()) {
      if (j < 0) continue;
      revive(fresh[i]!, lost[j]!);
      revived.add(lost[j]!);
    }
    this.targets = this.targets.filter((t) => !revived.has(t));
  }

  /** Begins tracks, except for second boxes around something that is followed. */
  private bear(seen: readonly Seen[], now: number): void {
    const { aspect } = this.options;
    const followed = this.targets
      .filter((t) => t.seenAt === now && t.state === 'confirmed')
      .map((t) => ({ label: labelOf(t), box: boxOf(t, aspect) }));
    for (const s of seen) {
      const { box, label } = s.detection;
      if (followed.some((f) => akin(f.label, label) && cover(box, f.box) > tuning.birthOverlap)) continue;
      this.targets.push(born(this.nextId, s, now));
      this.nextId += 1;
    }
  }

  /** Remembers where things stand that never moved, and calls by that name what appears there without moving. */
  private learnPlaces(now: number, dt: number): void {
    const step = Math.min(dt, pauseSeconds);
    for (const t of this.targets) {
      if (t.still.moved) t.furniture = false;
      if (t.seenAt !== now || t.hits < 2) continue;
      const stands = (now - t.still.since) / 1000 >= tuning.furnitureSeconds;
      // Somebody who came and sits is no statue; a car that came and stays is expected there from then on.
      if (t.still.moved ? stands && isThing(t) : t.still.away === 0) note(this.places, t, step, now);
      if (!t.still.moved) t.furniture = isKnown(this.places, t);
    }
    this.places = this.places.filter((p) => stillRemembered(p, now));
  }

  /** Lets go of what was not seen for too long; gives the ids that people knew. */
  private forget(now: number, dt: number): number[] {
    const present = this.targets.filter((t) => {
      if (t.seenAt === now) return true;
      t.unseen += Math.min(dt, pauseSeconds);
      if (t.state === 'confirmed' && !this.coasts(t, now)) t.state = 'lost';
      return !this.isGone(t, now);
    });
    const kept = new Set(
      present.toSorted((a, b) => b.seenAt - a.seenAt || a.id - b.id).slice(0, this.options.limit),
    );
    const ended = this.targets.filter((t) => !kept.has(t) && t.state !== 'tentative').map(({ id }) => id);
    this.targets = this.targets.filter((t) => kept.has(t));
    return ended.toSorted((a, b) => a - b);
  }

  /** Whether something missed is still where it was going: a detector blinks, a post hides for half a second. */
  private coasts(t: Target, now: number): boolean {
    const steady = t.hits >= tuning.steadyHits && now - t.seenAt <= tuning.coastSeconds * 1000;
    return steady && leaves(boxOf(t, this.options.aspect)) <= 0;
  }

  private isGone(t: Target, now: number): boolean {
    const away = (now - t.seenAt) / 1000;
    if (t.state === 'tentative') return away > tuning.tentativeSeconds;
    const { lostSeconds, parkedSeconds, aspect } = this.options;
    if (isThing(t)) return t.unseen > parkedSeconds;
    if (isParked(t.still, t.seenAt)) return t.unseen > Math.min(parkedSeconds, tuning.restSeconds);
    return away > (leaves(boxOf(t, aspect)) > 0 ? tuning.leftSeconds : lostSeconds);
  }
}

/** Stands and cannot walk off unseen: it never moved, or is nothing alive. */
const isThing = (t: Target): boolean =>
  isParked(t.still, t.seenAt) && (!t.still.moved || !isAlive(labelOf(t)));

/** By how much a box reaches out of the picture at the left, the right or below; above 0 when it does. */
const leaves = (b: Box): number => Math.max(-b.left, b.left + b.width - 1, b.top + b.height - 1);

/** The share of `a` that lies within `b`. */
function cover(a: Box, b: Box): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? (width * height) / (a.width * a.height) : 0;
}

/** Finite, with an area, and not far outside of the picture. */
const isSound = ({ box: b, score }: Detection) =>
  [b.left, b.top, b.width, b.height].every((n) => Math.abs(n) <= 3) &&
  b.width > 1e-5 &&
  b.height > 1e-5 &&
  Number.isFinite(score);

/** The same order however the detector listed them. */
const inOrder = (a: Detection, b: Detection) =>
  b.score - a.score ||
  b.box.height - a.box.height ||
  b.box.width - a.box.width ||
  a.box.top - b.box.top ||
  a.box.left - b.box.left ||
  (a.label < b.label ? -1 : 1);

function trackOf(t: Target, aspect: number): Track {
  const since = stationarySince(t.still, t.seenAt);
  return {
    id: t.id,
    label: labelOf(t),
    score: median(t.scores),
    box: boxOf(t, aspect),
    velocity: velocityOf(t, aspect),
    bornAt: t.bornAt,
    seenAt: t.seenAt,
    hits: t.hits,
    state: t.state,
    ...(since === undefined ? {} : { stationarySince: since }),
    ...(t.furniture ? { furniture: true } : {}),
  };
}
