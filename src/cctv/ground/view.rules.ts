import type { Box, Ground, Point, Polygon, ToReference } from '../model.ts';
import { foot, inside } from '../box.rules.ts';
import { sum, worstSigma, type Covariance } from './linear.rules.ts';
import {
  below,
  heightBetween,
  locate,
  poseOf,
  toPicture,
  type Located,
  type Place,
  type Pose,
  type Projection,
} from './projection.rules.ts';
import { toReference, type GroundState, type Reference } from './references.rules.ts';

/** One calibrated camera. */
export interface Calibration {
  readonly camera: string;
  readonly projection: Projection;
  readonly references: ReadonlyMap<string, Reference>;
}

/** Standard deviation of the foot point of a detector's box, as shares of the height of the box. */
export interface FootNoise {
  readonly across: number;
  readonly down: number;
}

/** Measured on people of 70 pixels: a foot point is off by 3.4 pixels, one standard deviation. */
const usualFootNoise: FootNoise = { across: 0.03, down: 0.045 };
/** Fractions of the picture: no box is better than this. */
const leastNoise = 0.0015;
/** Metres of uncertainty beyond which a place says nothing. */
const uselessSigma = 25;
/** Metres, by label, with one standard deviation. Of others nothing is inferred until one was seen whole. */
const heights: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['person', [1.7, 0.12]],
  ['car', [1.5, 0.15]],
  ['bicycle', [1.1, 0.15]],
  ['dog', [0.5, 0.2]],
  ['truck', [2.8, 0.8]],
  ['bus', [3.1, 0.3]],
]);

/** The ground as one calibrated camera sees it. */
export class GroundView {
  readonly calibration: Calibration;
  readonly #pose: Pose | undefined;
  readonly #noise: FootNoise;

  constructor(calibration: Calibration, footNoise: FootNoise = usualFootNoise) {
    this.calibration = calibration;
    this.#pose = poseOf(calibration.projection);
    this.#noise = footNoise;
  }

  /** Where the camera hangs; undefined when the calibration does not tell. */
  get camera(): Pose['camera'] | undefined {
    return this.#pose?.camera;
  }

  /** Where an object stands by the lower edge of its box; undefined at and above the horizon. */
  at(box: Box): Ground | undefined {
    const located = this.locate(box);
    return located && { x: located.x, y: located.y, sigma: worstSigma(sum(located.noise, located.model)) };
  }

  /** The same with both parts of its uncertainty. */
  locate(box: Box): Located | undefined {
    const { across, down } = this.#noise;
    const noise = {
      x: Math.max(leastNoise, (across * box.height) / this.calibration.projection.aspect),
      y: Math.max(leastNoise, down * box.height),
    };
    const located = locate(this.calibration.projection, foot(box), noise);
    return located !== undefined && worstSigma(sum(located.noise, located.model)) < uselessSigma
      ? located
      : undefined;
  }

  /** Metres from the ground to the upper edge of the box, for an object that stands at its lower edge. */
  height(box: Box): number | undefined {
    const place = this.locate(box);
    if (place === undefined || this.#pose === undefined) return undefined;
    const tall = heightBetween(this.calibration.projection, this.#pose, place, top(box));
    return tall !== undefined && tall > 0.05 && tall < 20 ? tall : undefined;
  }

  /** Where an object stands by the upper edge of its box, of whose height something is known. */
  locateByHead(box: Box, label: string, learnt: number | undefined): Located | undefined {
    const usual = heights.get(label);
    const [tall, sigma] = learnt === undefined ? (usual ?? [undefined, 0]) : [learnt, learnt * 0.04];
    if (tall === undefined || this.#pose === undefined || box.top <= 0.005) return undefined;
    const { projection } = this.calibration;
    const pose = this.#pose;
    const head = top(box);
    const place = below(projection, pose, head, tall);
    if (place === undefined) return undefined;
    const noise = Math.max(leastNoise, 0.03 * box.height);
    const slope = (p: Point, h: number) => {
      const moved = below(projection, pose, p, h);
      return moved === undefined ? [uselessSigma, uselessSigma] : [moved.x - place.x, moved.y - place.y];
    };
    const parts = [
      slope({ x: head.x + noise / projection.aspect, y: head.y }, tall),
      slope({ x: head.x, y: head.y + noise }, tall),
      slope(head, tall + sigma),
    ] as [number, number][];
    const spread = parts.reduce<Covariance>((all, [x, y]) => sum(all, { xx: x * x, xy: x * y, yy: y * y }), {
      xx: 0,
      xy: 0,
      yy: 0,
    });
    const seen = toPicture(projection, pose, place);
    const model = (seen && locate(projection, seen, { x: 0, y: 0 })?.model) ?? { xx: 0, xy: 0, yy: 0 };
    return worstSigma(sum(spread, model)) < uselessSigma ? { ...place, noise: spread, model } : undefined;
  }

  /** How an object stands to every reference of the calibration, by name. */
  toReferences(state: GroundState): Record<string, ToReference> {
    return Object.fromEntries(
      [...this.calibration.references].map(([name, reference]) => [name, toReference(state, reference)]),
    );
  }

  /** Where a place is seen, `height` metres above the ground; undefined where it is not. */
  picture(place: Place, height = 0): Point | undefined {
    return this.#pose && toPicture(this.calibration.projection, this.#pose, place, height);
  }
}

const top = (box: Box): Point => ({ x: box.left + box.width / 2, y: box.top });

/** True when the feet cannot be seen: the box ends at the lower edge of the picture or at a mask. */
export const feetHidden = (box: Box, masks: readonly Polygon[]): boolean => {
  const { x, y } = foot(box);
  return y >= 0.985 || masks.some((mask) => inside({ x, y: y + 0.01 }, mask));
};
