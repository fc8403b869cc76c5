import type { Point } from '../model.ts';
import { apply3, invert3, type Covariance, type Matrix, type Matrix3 } from './linear.rules.ts';

/** A place on the ground in metres: x to the right and y away, as seen from the camera, unless the points said otherwise. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** How a picture lies over the ground. */
export interface Projection {
  /** Width over height of the picture as it is meant to be seen: square pixels. */
  readonly aspect: number;
  /**
   * From the picture to the ground, nine numbers of length 1, positive third row below the horizon. The picture is
   * measured from its middle in heights of the picture, freed of distortion.
   */
  readonly ground: Matrix3;
  /** Undistorted = distorted (1 + k1 r^2), r in heights of the picture from its middle; positive for a barrel. */
  readonly k1: number;
  /** Covariance of the nine numbers and of `k1`: 10 x 10. */
  readonly covariance: Matrix;
}

/** How much the undistorted radius must still grow with the seen one. */
const leastSlope = 0.05;

/** From fractions of the picture to heights of the picture from its middle, freed of distortion. */
export function undistort(
  { aspect, k1 }: { aspect: number; k1: number },
  p: Point,
): [number, number, number] {
  const [u, v] = [(p.x - 0.5) * aspect, p.y - 0.5];
  const stretch = 1 + k1 * (u * u + v * v);
  return [u * stretch, v * stretch, 1];
}

/** The inverse of `undistort`, by Newton's method along the ray; undefined beyond where the distortion folds over. */
export function distort(
  { aspect, k1 }: { aspect: number; k1: number },
  u: number,
  v: number,
): Point | undefined {
  const wanted = Math.hypot(u, v);
  let r = wanted;
  for (let i = 0; i < 20; i += 1) {
    const slope = 1 + 3 * k1 * r * r;
    if (slope <= leastSlope) return undefined;
    r -= (r * (1 + k1 * r * r) - wanted) / slope;
  }
  if (!(Math.abs(r * (1 + k1 * r * r) - wanted) < 1e-9 * (1 + wanted))) return undefined;
  const by = wanted === 0 ? 1 : r / wanted;
  return { x: (u * by) / aspect + 0.5, y: v * by + 0.5 };
}

/** True where a distortion that fits the middle of the picture folds its corners over: nothing is known there. */
function folded({ aspect, k1 }: { aspect: number; k1: number }, p: Point): boolean {
  return 1 + 3 * k1 * (((p.x - 0.5) * aspect) ** 2 + (p.y - 0.5) ** 2) <= leastSlope;
}

/** Where a point of the picture lies on the ground; undefined at and above the horizon, and where the lens folds over. */
export function toGround(
  projection: Pick<Projection, 'aspect' | 'ground' | 'k1'>,
  p: Point,
): Place | undefined {
  if (folded(projection, p)) return undefined;
  const [x, y, w] = apply3(projection.ground, undistort(projection, p));
  return w > 1e-9 ? { x: x / w, y: y / w } : undefined;
}

/** A place with what it may be wrong by: from frame to frame, and for good, because the calibration is. */
export interface Located extends Place {
  readonly noise: Covariance;
  readonly model: Covariance;
}

/**
 * Where it lies with its uncertainty.
 * @param noise standard deviations of the point, fractions of the picture's width and height
 */
export function locate(projection: Projection, p: Point, noise: Point): Located | undefined {
  const place = toGround(projection, p);
  if (place === undefined) return undefined;
  const step = 1e-5;
  const slope = (dx: number, dy: number) => {
    const moved = toGround(projection, { x: p.x + dx, y: p.y + dy });
    return moved === undefined ? undefined : [(moved.x - place.x) / step, (moved.y - place.y) / step];
  };
  const across = slope(step, 0);
  const down = slope(0, step);
  if (across === undefined || down === undefined) return undefined;
  const [ax, ay] = across.map((v) => v * noise.x) as [number, number];
  const [dx, dy] = down.map((v) => v * noise.y) as [number, number];
  return {
    ...place,
    noise: { xx: ax * ax + dx * dx, xy: ax * ay + dx * dy, yy: ay * ay + dy * dy },
    model: modelCovariance(projection, p, place),
  };
}

/** What the uncertainty of the calibration itself does to a place: J C J^T, J from x = (h1 p)/(h3 p). */
function modelCovariance(projection: Projection, p: Point, place: Place): Covariance {
  const q = undistort(projection, p);
  const w = apply3(projection.ground, q)[2];
  const bent = toGround({ ...projection, k1: projection.k1 + 1e-6 }, p) ?? place;
  const jx = [
    ...q.map((v) => v / w),
    0,
    0,
    0,
    ...q.map((v) => (-place.x * v) / w),
    (bent.x - place.x) / 1e-6,
  ];
  const jy = [
    0,
    0,
    0,
    ...q.map((v) => v / w),
    ...q.map((v) => (-place.y * v) / w),
    (bent.y - place.y) / 1e-6,
  ];
  const product = (a: readonly number[], b: readonly number[]) =>
    a.reduce(
      (sum, v, i) =>
        sum + (v === 0 ? 0 : v * projection.covariance[i]!.reduce((s, c, j) => s + c * b[j]!, 0)),
      0,
    );
  return { xx: product(jx, jx), xy: product(jx, jy), yy: product(jy, jy) };
}

/** The camera that a projection belongs to: what is above the ground can be drawn and measured with it. */
export interface Pose {
  /** From the ground to the picture, nine numbers, and what a metre upwards adds to each of the three. */
  readonly picture: Matrix3;
  readonly up: readonly [number, number, number];
  /** Where the camera hangs, metres; z above the ground. */
  readonly camera: { readonly x: number; readonly y: number; readonly z: number };
  /** Focal length in heights of the picture. */
  readonly focal: number;
}

/** Whether a camera of square pixels can see the ground as a projection says; swapped points and typing errors cannot. */
export function isLikely(projection: Pick<Projection, 'ground'>): boolean {
  const [inverse, pose] = [invert3(projection.ground), poseOf(projection)];
  if (inverse === undefined || pose === undefined) return false;
  const axis = (i: number) =>
    [inverse[i]! / pose.focal, inverse[i + 3]! / pose.focal, inverse[i + 6]!] as const;
  const [a, b] = [axis(0), axis(1)];
  const lengths = Math.hypot(...a) / Math.hypot(...b);
  const cosine = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) / Math.hypot(...a) / Math.hypot(...b);
  return Math.abs(Math.log(lengths)) < mostUneven && Math.abs(cosine) < mostSkew;
}

/** Clicks within 3 pixels of 720 and tapes within 7 cm make metres along x and y unequal by less, and less skew. */
const [mostUneven, mostSkew] = [0.25, 0.5];

const usualFocal = 0.9;
const [shortest, longest] = [0.3, 8];

/**
 * The pose of a camera with square pixels whose axis passes through the middle of its picture. The columns of the inverse
 * are K (r1 r2 t): r1 and r2 are of one length and at right angles, which gives the focal length (Zhang 2000, section 3.1).
 * Undefined when the ground is seen from below or edge on.
 */
export function poseOf(projection: Pick<Projection, 'ground'>): Pose | undefined {
  const inverse = invert3(projection.ground);
  if (inverse === undefined) return undefined;
  const column = (i: number) => [inverse[i]!, inverse[i + 3]!, inverse[i + 6]!] as const;
  const [a, b, t] = [column(0), column(1), column(2)];
  const right = [a[0] * b[0] + a[1] * b[1], a[2] * b[2]] as const;
  const equal = [a[0] ** 2 + a[1] ** 2 - b[0] ** 2 - b[1] ** 2, a[2] ** 2 - b[2] ** 2] as const;
  // right[0] + f^2 right[1] = 0 and equal[0] + f^2 equal[1] = 0, by least squares; neither says anything from straight above.
  const weight = right[1] ** 2 + equal[1] ** 2;
  const squared = -(right[0] * right[1] + equal[0] * equal[1]) / weight;
  const focal = squared > 0 ? Math.min(longest, Math.max(shortest, Math.sqrt(squared))) : usualFocal;
  const free = (c: readonly [number, number, number]) => [c[0] / focal, c[1] / focal, c[2]] as const;
  const [ra, rb, rt] = [free(a), free(b), free(t)];
  const scale = Math.sqrt(Math.hypot(...ra) * Math.hypot(...rb));
  if (!(scale > 1e-12)) return undefined;
  const unit = ([x, y, z]: readonly [number, number, number], by: number) =>
    [x / by, y / by, z / by] as const;
  const [r1, r2, shift] = [unit(ra, scale), unit(rb, scale), unit(rt, scale)];
  const third = cross(r1, r2);
  const r3 = unit(third, Math.hypot(...third));
  const place = (r: readonly [number, number, number]) =>
    -(r[0] * shift[0] + r[1] * shift[1] + r[2] * shift[2]);
  // The axis out of the ground may come out downwards; the camera is above in any case.
  const flip = place(r3) < 0 ? -1 : 1;
  const camera = { x: place(r1), y: place(r2), z: Math.abs(place(r3)) };
  const up = [r3[0] * focal, r3[1] * focal, r3[2]].map((v) => v * scale * flip) as [number, number, number];
  return { picture: inverse, up, camera, focal };
}

/**
 * Degrees by which the picture is turned: 0 where the horizon lies level above the ground, 180 where it stands on its
 * head. Undefined for a camera that looks so steeply down that there is no telling.
 */
export function turnOf({ ground }: Pick<Projection, 'ground'>, focal: number): number | undefined {
  // The third row grows from the horizon on straight into the ground.
  const [across, down, middle] = [ground[6]!, ground[7]!, ground[8]!];
  const steep = middle / focal > Math.tan(steepest) * Math.hypot(across, down);
  return steep ? undefined : (Math.atan2(across, down) * 180) / Math.PI;
}

const steepest = Math.PI / 3;

const cross = (a: readonly [number, number, number], b: readonly [number, number, number]) =>
  [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]] as [
    number,
    number,
    number,
  ];

/** Where a place is seen, `height` metres above the ground; undefined behind the camera. */
export function toPicture(
  projection: Pick<Projection, 'aspect' | 'k1'>,
  pose: Pose,
  place: Place,
  height = 0,
): Point | undefined {
  const [u, v, w] = apply3(pose.picture, [place.x, place.y, 1]).map((c, i) => c + height * pose.up[i]!) as [
    number,
    number,
    number,
  ];
  // The inverse of a matrix whose third row is positive on the visible ground is positive there too.
  return w > 1e-9 ? distort(projection, u / w, v / w) : undefined;
}

/** Metres above the ground at which the vertical through `foot` meets the row of `head`. */
export function heightBetween(
  projection: Pick<Projection, 'aspect' | 'k1'>,
  pose: Pose,
  foot: Place,
  head: Point,
): number | undefined {
  const [, v] = undistort(projection, head);
  const [, b, c] = apply3(pose.picture, [foot.x, foot.y, 1]);
  const height = (b - v * c) / (v * pose.up[2] - pose.up[1]);
  return Number.isFinite(height) ? height : undefined;
}

/** The place below a point of the picture that is known to be `height` metres above the ground. */
export function below(
  projection: Pick<Projection, 'aspect' | 'k1'>,
  pose: Pose,
  head: Point,
  height: number,
): Place | undefined {
  if (folded(projection, head)) return undefined;
  // On the plane at that height the third column of ground-to-picture moves by `height` times up.
  const plane = pose.picture.map((v, i) => (i % 3 === 2 ? v + height * pose.up[Math.floor(i / 3)]! : v));
  const back = invert3(plane);
  if (back === undefined) return undefined;
  const [x, y, w] = apply3(back, undistort(projection, head));
  if (Math.abs(w) < 1e-12) return undefined;
  const place = { x: x / w, y: y / w };
  const seen = toPicture(projection, pose, place, height);
  return seen === undefined ? undefined : place;
}
