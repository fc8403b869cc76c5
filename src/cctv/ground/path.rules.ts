import type { Box, Ground, Polygon } from '../model.ts';
import { sum, worstSigma, type Covariance } from './linear.rules.ts';
import type { Located, Place } from './projection.rules.ts';
import type { GroundState } from './references.rules.ts';
import { swaySeconds, velocityOf, type Sighting } from './velocity.rules.ts';
import { feetHidden, type GroundView } from './view.rules.ts';

/** Where an object is on the ground and how it moves, after all that was seen of it. */
export interface GroundStep extends GroundState {
  readonly ground: Ground;
  /** Metres a second over the last one or two seconds; next to nothing where noise alone would show as much. */
  readonly speed: number;
}

/**
 * How things of a label move. For people on PETS 2009 `agility` from 0.5 to 1.5 and `seconds` from 2.1 to 2.4 change the
 * errors of place and speed by a tenth at most; with 0.3 places at the 95th percentile are a sixth worse, because who
 * turns is followed late. The others are chosen.
 */
interface Gait {
  /** Metres a second squared by which they change their speed, one standard deviation: how readily a foot is followed. */
  readonly agility: number;
  /** Metres a second of something that was never seen to move, one standard deviation. */
  readonly usual: number;
  /** Speed is that of the last so many seconds: the slower something is, the longer its way drowns in its wobble. */
  readonly seconds: number;
}
const gaits: ReadonlyMap<string, Gait> = new Map([
  ['person', { agility: 0.6, usual: 1.5, seconds: 2.2 }],
  ['car', { agility: 2.5, usual: 8, seconds: 1 }],
  ['motorcycle', { agility: 2.5, usual: 8, seconds: 1 }],
  ['truck', { agility: 2, usual: 8, seconds: 1 }],
  ['bus', { agility: 1.5, usual: 8, seconds: 1 }],
  ['bicycle', { agility: 1.2, usual: 4, seconds: 1.5 }],
  ['dog', { agility: 2, usual: 2, seconds: 1.5 }],
]);
const usualGait: Gait = { agility: 1, usual: 3, seconds: 1.5 };
/** Seconds after which nothing of the past is believed. */
const forgetSeconds = 4;
/** Squared distance in standard deviations beyond which a measurement counts less: 99 % of two dimensions. */
const gate = 9.2;
const enoughLeaps = 3;
/** Heights that are remembered, and how many it takes to believe that somebody suddenly became shorter. */
const rememberedHeights = 15;
const enoughHeights = 5;
const cutShare = 0.75;

/**
 * Follows one object over the ground: a Kalman filter for its place, which must not lag, and a line through its last
 * seconds for its velocity, which must not wobble. A foot point that jumps counts less, feet that are hidden are put
 * where the head says, and what the calibration is wrong by is not averaged away.
 */
export class GroundPath {
  readonly #view: GroundView;
  readonly #label: string;
  readonly #gait: Gait;
  readonly #masks: readonly Polygon[];
  #at: number | undefined;
  /** x, y and their velocities, with a symmetric 4 x 4 covariance by rows. */
  #state = [0, 0, 0, 0];
  #covariance = square(0);
  #heights: number[] = [];
  /** What was seen lately, leaps cut short. */
  #lately: Sighting[] = [];
  /** Share of its error that a foot has in common with that of the frame before. */
  #shared = 0;
  /** Frames in a row that did not fit. */
  #leaps = 0;

  /** `masks` hide feet: what lies behind them cannot be seen. */
  constructor(view: GroundView, label: string, masks: readonly Polygon[] = []) {
    this.#view = view;
    this.#label = label;
    this.#gait = gaits.get(label) ?? usualGait;
    this.#masks = masks;
  }

  /**
   * Takes the box of one frame.
   * @param at epoch milliseconds
   * @returns undefined when the place cannot be told: above the horizon, or hidden with nothing known of its height
   */
  step(at: number, box: Box): GroundStep | undefined {
    const hidden = this.#hidden(box);
    const located = hidden
      ? this.#view.locateByHead(box, this.#label, median(this.#heights))
      : this.#view.locate(box);
    if (located === undefined) return undefined;
    if (!hidden) this.#remember(box);
    const seconds = this.#at === undefined ? Number.POSITIVE_INFINITY : (at - this.#at) / 1000;
    const known = seconds >= 0 && seconds <= forgetSeconds;
    if (known) this.#predict(seconds);
    this.#shared = known ? Math.exp(-seconds / swaySeconds) : 0;
    const { x, y } = known ? this.#update(located) : this.#start(located);
    this.#at = at;
    const since = at - this.#gait.seconds * 1000;
    // At a frame every other second too, two places are needed for a speed.
    this.#lately = this.#lately.filter((s, i, all) => s.at >= since || i === all.length - 1);
    this.#lately.push({ at, x, y, noise: located.noise });
    return this.#result(located, hidden);
  }

  #hidden(box: Box): boolean {
    if (feetHidden(box, this.#masks)) return true;
    if (this.#heights.length < enoughHeights) return false;
    const [usual, now] = [median(this.#heights), this.#view.height(box)];
    return usual !== undefined && now !== undefined && now < usual * cutShare;
  }

  #remember(box: Box): void {
    const tall = this.#view.height(box);
    if (tall !== undefined) this.#heights = [...this.#heights, tall].slice(-rememberedHeights);
  }

  #start(located: Located): Place {
    const { x, y, noise } = located;
    this.#leaps = 0;
    this.#lately = [];
    const fast = this.#gait.usual ** 2;
    this.#state = [x, y, 0, 0];
    this.#covariance = square(0);
    this.#covariance[0]![0] = noise.xx;
    this.#covariance[0]![1] = this.#covariance[1]![0] = noise.xy;
    this.#covariance[1]![1] = noise.yy;
    this.#covariance[2]![2] = this.#covariance[3]![3] = fast;
    return located;
  }

  /** Constant velocity, white acceleration (Bar-Shalom, Estimation with Applications, section 6.2). */
  #predict(t: number): void {
    const [x, y, vx, vy] = this.#state as [number, number, number, number];
    this.#state = [x + t * vx, y + t * vy, vx, vy];
    const q = this.#gait.agility ** 2;
    const p = this.#covariance;
    const next = square(0);
    for (let i = 0; i < 4; i += 1)
      for (let j = 0; j < 4; j += 1) {
        const moved = (a: number, b: number) => (a < 2 ? p[a + 2]![b]! * t : 0);
        const both = i < 2 && j < 2 ? p[i + 2]![j + 2]! * t * t : 0;
        next[i]![j] = p[i]![j]! + moved(i, j) + moved(j, i) + both;
      }
    for (const i of [0, 1]) {
      next[i]![i]! += (q * t ** 3) / 3;
      next[i]![i + 2]! += (q * t * t) / 2;
      next[i + 2]![i]! += (q * t * t) / 2;
      next[i + 2]![i + 2]! += q * t;
    }
    this.#covariance = next;
  }

  /** Gives the place that was seen; of a leap only as much as is likely. */
  #update(located: Located): Place {
    const { x, y, noise } = located;
    const p = this.#covariance;
    const off = [x - this.#state[0]!, y - this.#state[1]!] as const;
    const between = (by: number) => {
      const s = {
        xx: p[0]![0]! + noise.xx * by,
        xy: p[0]![1]! + noise.xy * by,
        yy: p[1]![1]! + noise.yy * by,
      };
      const determinant = s.xx * s.yy - s.xy * s.xy;
      return { xx: s.yy / determinant, xy: -s.xy / determinant, yy: s.xx / determinant };
    };
    let s = between(1);
    const far = s.xx * off[0] ** 2 + 2 * s.xy * off[0] * off[1] + s.yy * off[1] ** 2;
    this.#leaps = far > gate ? this.#leaps + 1 : 0;
    if (this.#leaps > enoughLeaps) return this.#start(located);
    // A leap is a wrong foot more often than a leap; it is believed when it stays.
    if (far > gate) s = between(far / gate);
    const share = Math.min(1, Math.sqrt(gate / far));
    const likely = { x: this.#state[0]! + share * off[0], y: this.#state[1]! + share * off[1] };
    const gain = p.map((row) => [row[0]! * s.xx + row[1]! * s.xy, row[0]! * s.xy + row[1]! * s.yy] as const);
    this.#state = this.#state.map((v, i) => v + gain[i]![0] * off[0] + gain[i]![1] * off[1]);
    const rest = p.map((row, i) => row.map((v, j) => v - gain[i]![0] * p[0]![j]! - gain[i]![1] * p[1]![j]!));
    // Rounding makes it lopsided, and lopsidedness grows: without this it explodes within minutes.
    this.#covariance = rest.map((row, i) => row.map((v, j) => (v + rest[j]![i]!) / 2));
    return likely;
  }

  #result({ noise, model }: Located, inferred: boolean): GroundStep {
    const [x, y] = this.#state as [number, number];
    const p = this.#covariance;
    // What feet share with the frame before is not averaged away, whatever the filter thinks.
    const lasting = (filtered: number, seen: number) => filtered + this.#shared * (seen - filtered);
    const own: Covariance = {
      xx: lasting(p[0]![0]!, noise.xx),
      xy: lasting(p[0]![1]!, noise.xy),
      yy: lasting(p[1]![1]!, noise.yy),
    };
    const covariance = sum(own, model);
    const moves = velocityOf(this.#lately, this.#gait.usual);
    // A velocity within its own noise is that of somebody who stands.
    const [pace, doubt] = [Math.hypot(moves.x, moves.y), 2 * (moves.covariance.xx + moves.covariance.yy)];
    const share = Math.min(1, (pace * pace) / Math.max(1e-9, doubt));
    const velocity = { x: moves.x * share, y: moves.y * share };
    const ground = { x, y, sigma: worstSigma(covariance), ...(inferred ? { inferred } : {}) };
    return { x, y, covariance, velocity, ground, speed: pace * share };
  }
}

const square = (value: number): number[][] => Array.from({ length: 4 }, () => [value, value, value, value]);

const median = (values: readonly number[]): number | undefined =>
  values.toSorted((a, b) => a - b)[values.length >> 1];
