import type { Point } from '../model.ts';
import { leastSquares, huber } from './fit.rules.ts';
import { multiply, transpose, type Matrix } from './linear.rules.ts';
import { heightBetween, poseOf, toGround, type Place, type Projection } from './projection.rules.ts';

/** A camera as one describes it without a tape: where it hangs, how it looks, what its lens takes in. */
export interface Pinhole {
  /** Metres above the ground. */
  readonly height: number;
  /** Degrees by which it looks down: 0 at the horizon, 90 straight down. */
  readonly tilt: number;
  /** Degrees by which it is turned clockwise about its axis. */
  readonly roll: number;
  /** Degrees from the upper to the lower edge of the picture. */
  readonly verticalFov: number;
  readonly k1: number;
}

const radians = (degrees: number) => (degrees * Math.PI) / 180;
const degrees = (angle: number) => (angle * 180) / Math.PI;

/** Degrees from top to bottom of a lens whose degrees from left to right are given. */
export const verticalFov = (horizontal: number, aspect: number): number =>
  degrees(2 * Math.atan(Math.tan(radians(horizontal) / 2) / aspect));

/** Log of the height, tilt, roll, log of the focal length, distortion: what the fits vary. Angles in radians. */
type Parameters = readonly [logHeight: number, tilt: number, roll: number, logFocal: number, k1: number];

const toParameters = (p: Pinhole): Parameters => [
  Math.log(p.height),
  radians(p.tilt),
  radians(p.roll),
  Math.log(0.5 / Math.tan(radians(p.verticalFov) / 2)),
  p.k1,
];

const fromParameters = ([logHeight, tilt, roll, logFocal, k1]: Parameters): Pinhole => ({
  height: Math.exp(logHeight),
  tilt: degrees(tilt),
  roll: degrees(roll),
  verticalFov: degrees(2 * Math.atan(0.5 / Math.exp(logFocal))),
  k1,
});

/** Nine numbers of length 1 from picture to ground; the origin is plumb below the camera, y the way it looks. */
function groundOf([logHeight, tilt, roll, logFocal]: Parameters): number[] {
  const [h, f] = [Math.exp(logHeight), Math.exp(logFocal)];
  const [c, s] = [Math.cos(roll) / f, Math.sin(roll) / f];
  const [ct, st] = [Math.cos(tilt), Math.sin(tilt)];
  const m = [h * c, -h * s, 0, -h * st * s, -h * st * c, h * ct, ct * s, ct * c, st];
  const length = Math.hypot(...m);
  return m.map((v) => v / length);
}

/** What people get wrong: 3 % of a height, a degree of tilt by a phone, half a degree of roll, 3 % of a focal length. */
const usualSigmas: Parameters = [0.03, radians(1), radians(0.7), 0.03, 0.03];

/** The projection of a described camera; `covariance` of its parameters, or else what people usually get wrong. */
export function pinholeProjection(
  pinhole: Pinhole,
  aspect: number,
  covariance: Matrix = usualSigmas.map((s, i) => usualSigmas.map((_, j) => (i === j ? s * s : 0))),
): Projection {
  const at = toParameters(pinhole);
  const step = 1e-6;
  const slopes = at.map((_, i) => {
    const moved = (by: number) => {
      const p = at.map((v, j) => (i === j ? v + by : v)) as unknown as Parameters;
      return [...groundOf(p), p[4]];
    };
    const [more, less] = [moved(step), moved(-step)];
    return more.map((v, k) => (v - less[k]!) / (2 * step));
  });
  return {
    aspect,
    ground: groundOf(at),
    k1: pinhole.k1,
    covariance: multiply(multiply(transpose(slopes), covariance), slopes),
  };
}

/** What is believed of a camera before it is measured, with standard deviations of the fitted parameters. */
interface Prior {
  readonly middle: Parameters;
  readonly sigmas: Parameters;
}

/** Cameras of houses: 2 to 5 m high, looking down by 5 to 45 degrees, lenses of 40 to 75 degrees from top to bottom. */
const anyCamera: Prior = {
  middle: [Math.log(3), radians(25), 0, Math.log(0.8), 0],
  sigmas: [0.8, radians(20), radians(2), 0.4, 0.04],
};

/** Knowledge of a camera: what is given is believed as people usually get it, the rest as cameras usually are. */
function priorOf(known: Partial<Pinhole>): Prior {
  const given = toParameters({ height: 3, tilt: 25, roll: 0, verticalFov: 64, k1: 0, ...known });
  const has = [known.height, known.tilt, known.roll, known.verticalFov, known.k1].map((v) => v !== undefined);
  const choose = (a: Parameters, b: Parameters) =>
    a.map((v, i) => (has[i] === true ? v : b[i]!)) as unknown as Parameters;
  return { middle: choose(given, anyCamera.middle), sigmas: choose(usualSigmas, anyCamera.sigmas) };
}

export interface FittedCamera {
  readonly pinhole: Pinhole;
  readonly projection: Projection;
  /** Root mean square of the residuals in standard deviations: about 1 when all fits. */
  readonly misfit: number;
}

/** The camera that explains residuals best, tried from several tilts and lenses, because far from it nothing leads there. */
function fitCamera(
  residuals: (projection: Pick<Projection, 'aspect' | 'ground' | 'k1'>) => readonly number[],
  aspect: number,
  prior: Prior,
): FittedCamera | undefined {
  const all = (p: readonly number[]) => [
    ...residuals({ aspect, ground: groundOf(p as unknown as Parameters), k1: p[4]! }),
    ...p.map((v, i) => (v - prior.middle[i]!) / prior.sigmas[i]!),
  ];
  const steps = [1e-5, 1e-5, 1e-5, 1e-5, 1e-5];
  const tilts = [0, -0.8, 0.8, 1.6].map((by) => prior.middle[1] + by * prior.sigmas[1]);
  const lenses = [0, -0.7, 0.7].map((by) => prior.middle[3] + by * prior.sigmas[3]);
  const tried = tilts.flatMap((tilt) =>
    lenses.map((lens) => leastSquares(all, prior.middle.with(1, tilt).with(3, lens), steps)),
  );
  const best = tried.filter((f) => Number.isFinite(f.cost)).toSorted((a, b) => a.cost - b.cost)[0];
  if (best?.covariance === undefined) return undefined;
  const pinhole = fromParameters(best.parameters as unknown as Parameters);
  const count = all(best.parameters).length - 5;
  const misfit = Math.sqrt(best.cost / Math.max(1, count));
  const worse = Math.max(1, misfit) ** 2;
  const covariance = best.covariance.map((row) => row.map((v) => v * worse));
  return { pinhole, projection: pinholeProjection(pinhole, aspect, covariance), misfit };
}

/** A measured length between two clicked points, or from the spot plumb below the camera, which is `camera`. */
export interface Length {
  readonly from: Point | 'camera';
  readonly to: Point;
  readonly metres: number;
}

/**
 * The camera from measured lengths alone, at least four, with what is known of it beside. Uncertain clicks count as much
 * as they move the length. Undefined when no camera explains them.
 */
export function cameraFromLengths(
  lengths: readonly Length[],
  aspect: number,
  known: Partial<Pinhole>,
  { clickSigma, tapeSigma }: { readonly clickSigma: number; readonly tapeSigma: number },
): FittedCamera | undefined {
  const place = (
    view: Pick<Projection, 'aspect' | 'ground' | 'k1'>,
    p: Point | 'camera',
  ): Place | undefined => (p === 'camera' ? { x: 0, y: 0 } : toGround(view, p));
  const between = (view: Pick<Projection, 'aspect' | 'ground' | 'k1'>, { from, to }: Length, dy = 0) => {
    const [a, b] = [place(view, from), place(view, { x: to.x, y: to.y + dy })];
    return a === undefined || b === undefined ? Number.NaN : Math.hypot(a.x - b.x, a.y - b.y);
  };
  return fitCamera(
    (view) =>
      lengths.map((length) => {
        const found = between(view, length);
        const moved = Math.abs(between(view, length, clickSigma) - found) || 0;
        return (found - length.metres) / Math.hypot(tapeSigma, Math.SQRT2 * moved);
      }),
    aspect,
    priorOf(known),
  );
}

/** Somebody who stood or walked: where the feet and the head were seen. */
export interface Standing {
  readonly foot: Point;
  readonly head: Point;
}

/** Metres of a grown person, and how much people, shoes and boxes differ. */
export const personHeight = 1.7;
const personSigma = 0.13;

/**
 * Boxes are of few people and all wrong in the same way, so thousands say no more than these. Measured on drawn cameras
 * with 3 to 30 people: with it two thirds of the errors are within one sigma, with each box counted none were.
 */
const countedPeople = 4;

/**
 * The camera from people, who are about 1.70 m tall wherever they stand: a first guess of height and tilt, or a refinement
 * of `known`. At least ten of them at different distances say something. Undefined when no camera explains them.
 */
export function cameraFromPeople(
  people: readonly Standing[],
  aspect: number,
  known: Partial<Pinhole>,
): FittedCamera | undefined {
  if (people.length < 10) return undefined;
  const share = Math.sqrt(Math.min(1, countedPeople / people.length));
  const fit = fitCamera(
    (view) => {
      const pose = poseOf(view);
      return people.map(({ foot, head }) => {
        const place = toGround(view, foot);
        const tall = place && pose && heightBetween(view, pose, place, head);
        if (tall === undefined) return 6 * share;
        const off = (tall - personHeight) / personSigma;
        return off * Math.sqrt(huber(off, 1.5)) * share;
      });
    },
    aspect,
    priorOf(known),
  );
  return fit && { ...fit, misfit: fit.misfit / share };
}

/** Median height of people by a calibration, metres: near 1.70 when it is right. */
export function heightOfPeople(projection: Projection, people: readonly Standing[]): number | undefined {
  const pose = poseOf(projection);
  if (pose === undefined) return undefined;
  const heights = people.flatMap(({ foot, head }) => {
    const place = toGround(projection, foot);
    return (place && heightBetween(projection, pose, place, head)) ?? [];
  });
  return heights.toSorted((a, b) => a - b)[heights.length >> 1];
}
