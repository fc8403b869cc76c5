import type { Detection, Track } from '../model.ts';
import { assign } from './assign.rules.ts';
import { Standstill } from './stationary.rules.ts';
import { advance, born, boxOf, distance, median, observe, type Target, velocityOf } from './target.rules.ts';

export interface TrackerOptions {
  /** Width of the picture over its height, in pixels. */
  readonly aspect?: number;
  /** The score from which a detection may start a track. Lower ones, down to half of it, only continue tracks. */
  readonly threshold?: number;
  /** Seconds for which an object out of sight is remembered, and for which one that stood still is. */
  readonly lostSeconds?: number;
  readonly parkedSeconds?: number;
  /** Never more tracks than this; the one unseen for longest goes first. */
  readonly limit?: number;
}

/** All that a tracker knows, as plain data: JSON keeps it over a restart. */
export interface TrackerSnapshot {
  readonly nextId: number;
  readonly at?: number;
  readonly targets: readonly Target[];
}

export interface StepResult {
  /** Every object that is followed at this instant, also those out of sight, by id. */
  readonly tracks: Track[];
  /** Ids that are gone for good. Only those that were confirmed once. */
  readonly ended: number[];
}

const defaults = { aspect: 16 / 9, threshold: 0.5, lostSeconds: 4, parkedSeconds: 300, limit: 128 };

/** Follows the objects of one camera from frame to frame. Pure: the same steps give the same tracks. */
export class Tracker {
  private readonly options: Required<TrackerOptions>;
  private targets: Target[] = [];
  private nextId = 1;
  private at: number | undefined;

  constructor(options: TrackerOptions = {}) {
    this.options = { ...defaults, ...options };
  }

  /**
   * Takes in what a detector saw in the frame captured `at` (epoch ms). Frames may come at any pace; one that is not
   * newer than the last is taken as if it came a millisecond later.
   */
  step(at: number, detections: readonly Detection[]): StepResult {
    const { aspect, threshold, limit } = this.options;
    const dt = this.at === undefined ? 0 : Math.max(0.001, (at - this.at) / 1000);
    this.at = at;
    for (const target of this.targets) advance(target, dt);
    const sound = detections.filter(isSound).toSorted(inOrder);
    const strong = sound.filter((d) => d.score >= threshold);
    const weak = sound.filter((d) => d.score < threshold && d.score >= threshold / 2);

    const believed = this.targets.filter((t) => t.state !== 'tentative');
    const doubted = this.targets.filter((t) => t.state === 'tentative');
    const left = this.match(believed, strong, at);
    const dim = this.match(left.targets, weak, at);
    const fresh = this.match(doubted, left.detections, at);
    for (const d of fresh.detections) {
      this.targets.push(born(this.nextId, d, at, aspect));
      this.nextId += 1;
    }
    const ended: number[] = [];
    const missed = new Set([...dim.targets, ...fresh.targets]);
    this.targets = this.targets.filter((t) => {
      if (missed.has(t) && t.state === 'confirmed') t.state = 'lost';
      if (!this.isGone(t, at, missed.has(t))) return true;
      if (t.state !== 'tentative') ended.push(t.id);
      return false;
    });
    if (this.targets.length > limit) {
      const kept = new Set(
        this.targets.toSorted((a, b) => b.seenAt - a.seenAt || a.id - b.id).slice(0, limit),
      );
      for (const t of this.targets) if (!kept.has(t) && t.state !== 'tentative') ended.push(t.id);
      this.targets = this.targets.filter((t) => kept.has(t));
    }
    return { tracks: this.targets.map((t) => trackOf(t, aspect)), ended };
  }

  /** Forgets all objects, as after a change of resolution or a moved camera. Ids go on counting. */
  reset(): void {
    this.targets = [];
    this.at = undefined;
  }

  snapshot(): TrackerSnapshot {
    const { nextId, at, targets } = this;
    return structuredClone({ nextId, targets, ...(at === undefined ? {} : { at }) });
  }

  /** Goes on where `snapshot` was taken. */
  restore(snapshot: TrackerSnapshot): void {
    const { nextId, at, targets } = structuredClone(snapshot);
    this.nextId = nextId;
    this.at = at;
    this.targets = [...targets];
  }

  /** Pairs targets with detections, takes the pairs in, and gives back what stayed alone. */
  private match(targets: readonly Target[], detections: readonly Detection[], at: number) {
    const { aspect } = this.options;
    const cost = new Float64Array(targets.length * detections.length);
    for (const [i, t] of targets.entries())
      for (const [j, d] of detections.entries()) cost[i * detections.length + j] = distance(t, d, aspect);
    const pairs = assign(cost, targets.length, detections.length, gate);
    const taken = new Set(pairs);
    for (const [i, j] of pairs.entries()) {
      if (j < 0) continue;
      const t = targets[i]!;
      observe(t, detections[j]!, at, aspect);
      if (t.state === 'lost' || (t.state === 'tentative' && t.hits >= confirmHits)) t.state = 'confirmed';
    }
    return {
      targets: targets.filter((_, i) => pairs[i]! < 0),
      detections: detections.filter((_, j) => !taken.has(j)),
    };
  }

  private isGone(t: Target, at: number, missed: boolean): boolean {
    if (!missed) return false;
    if (t.state === 'tentative') return at - t.seenAt > tentativeSeconds * 1000;
    const { lostSeconds, parkedSeconds } = this.options;
    return at - t.seenAt > (Standstill.parked(t.still, t.seenAt) ? parkedSeconds : lostSeconds) * 1000;
  }
}

const gate = 12;
const confirmHits = 3;
const tentativeSeconds = 0.45;

const isSound = ({ box: b, score }: Detection) =>
  [b.left, b.top, b.width, b.height, score].every(Number.isFinite) && b.width > 0 && b.height > 0;

/** The same order however the detector listed them. */
const inOrder = (a: Detection, b: Detection) =>
  b.score - a.score ||
  b.box.height - a.box.height ||
  b.box.width - a.box.width ||
  a.box.top - b.box.top ||
  a.box.left - b.box.left;

function trackOf(t: Target, aspect: number): Track {
  const since = Standstill.since(t.still, t.seenAt);
  return {
    id: t.id,
    label: t.label,
    score: median(t.scores),
    box: boxOf(t, aspect),
    velocity: velocityOf(t, aspect),
    bornAt: t.bornAt,
    seenAt: t.seenAt,
    hits: t.hits,
    state: t.state,
    ...(since === undefined ? {} : { stationarySince: since }),
  };
}
