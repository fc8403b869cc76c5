import type { Point } from '../model.ts';
import { huber, leastSquares } from './fit.rules.ts';
import {
  invert3,
  multiply,
  multiply3,
  smallestEigenvector,
  transpose,
  type Matrix,
  type Matrix3,
} from './linear.rules.ts';
import { toGround, undistort, type Place, type Projection } from './projection.rules.ts';

/** A point that somebody clicked in the picture and measured on the ground. */
export interface GroundPoint {
  /** Fractions of the picture. */
  readonly picture: Point;
  /** Metres. */
  readonly ground: Place;
}

export interface SolveOptions {
  readonly aspect: number;
  /** Standard deviation of a click, fractions of the picture's height. */
  readonly clickSigma?: number;
  /** Standard deviation of a measured place, metres. */
  readonly tapeSigma?: number;
  /** Known distortion; estimated from six points on when absent. */
  readonly k1?: number;
}

export interface Solved {
  readonly projection: Projection;
  /** Metres between each measured place and where its click lands. */
  readonly errors: readonly number[];
}

/** Standard deviation of a click in heights of a picture of so many pixels: two pixels, more of a large one that is shown smaller. */
export const usualClick = (height: number): number => Math.max(2 / height, 0.0035);
export const usualTape = 0.05;
/** What lenses of cameras have, one standard deviation; the fisheye of a doorbell has more. */
const usualDistortion = 0.06;

/**
 * The map from picture to ground through at least four points: normalised direct linear transform (Hartley and Zisserman,
 * algorithm 4.2), then least squares in units of click and tape error with Huber weights, so that one wrong point of many
 * stands out instead of bending all. Distortion takes part from six points on. Undefined when the points lie on one line.
 */
export function solveHomography(points: readonly GroundPoint[], options: SolveOptions): Solved | undefined {
  const { aspect, clickSigma = usualClick(1080), tapeSigma = usualTape } = options;
  if (points.length < 4) return undefined;
  const flat = points.map(({ picture }) => {
    const [x, y] = undistort({ aspect, k1: options.k1 ?? 0 }, picture);
    return { x, y };
  });
  const places = points.map((p) => p.ground);
  if (!spread(flat, places, clickSigma, tapeSigma)) return undefined;
  const [from, to] = [normaliser(flat), normaliser(places)];
  const back = to && invert3(to.matrix);
  if (from === undefined || to === undefined || back === undefined) return undefined;
  const first = linear(
    flat.map(from.apply),
    points.map((p) => to.apply(p.ground)),
  );
  const assemble = (h: readonly number[]): number[] => multiply3(multiply3(back, h), from.matrix);
  if (first === undefined || invert3(assemble(first)) === undefined) return undefined;

  const sign = orientation({ aspect, k1: options.k1 ?? 0 }, assemble(first), points);
  const start = first.map((v) => v * sign);
  const sigmaK1 = options.k1 !== undefined ? 1e-4 : points.length >= 6 ? usualDistortion : 1e-4;
  const at = (parameters: readonly number[]) => ({
    aspect,
    ground: assemble(parameters.slice(0, 9)),
    k1: parameters[9]!,
  });
  let weights = points.map(() => 1);
  let parameters = [...start, options.k1 ?? 0];
  const residualsOf = (
    now: readonly number[],
    measure = whitening(at(parameters), points, clickSigma, tapeSigma),
  ) => {
    const view = at(now);
    const off = points.flatMap((p, i) => {
      const place = toGround(view, p.picture);
      if (place === undefined) return [Number.NaN, Number.NaN];
      const [x, y] = measure[i]!(place.x - p.ground.x, place.y - p.ground.y);
      return [x * weights[i]!, y * weights[i]!];
    });
    // Length 1 is free of choice: nine numbers stand for eight.
    const length = (Math.hypot(...now.slice(0, 9)) - 1) * 1e4;
    return [...off, length, (now[9]! - (options.k1 ?? 0)) / sigmaK1];
  };
  const steps = [...Array.from({ length: 9 }, () => 1e-6), 1e-5];
  let fit = { covariance: undefined as Matrix | undefined, cost: 0 };
  for (let round = 0; round < (points.length > 4 ? 5 : 2); round += 1) {
    const measure = whitening(at(parameters), points, clickSigma, tapeSigma);
    const found = leastSquares((now) => residualsOf(now, measure), parameters, steps);
    fit = found;
    parameters = [...found.parameters];
    const rest = residualsOf(parameters, measure);
    weights = points.map((_, i) =>
      Math.sqrt(huber(Math.hypot(rest[2 * i]!, rest[2 * i + 1]!) / weights[i]!)),
    );
  }
  if (fit.covariance === undefined) return undefined;
  const free = 2 * points.length - 8;
  // Residuals beyond those of usual clicks and tapes: whoever clicked so will have clicked all of them so.
  const worse = free > 0 ? Math.max(1, fit.cost / free) : 1;
  const { ground, covariance } = unitLength(
    assemble,
    parameters,
    fit.covariance.map((row) => row.map((v) => v * worse)),
  );
  const k1 = parameters[9]!;
  // With four points nothing tells the distortion: what lenses usually have is part of the uncertainty.
  const unknown = options.k1 === undefined && points.length < 6 ? usualDistortion ** 2 / 4 : 0;
  const projection = {
    aspect,
    ground,
    k1,
    covariance: unknown === 0 ? covariance : bentBy(points, options, { ground, k1, covariance }, unknown),
  };
  const errors = points.map((p) => {
    const place = toGround(projection, p.picture);
    return place === undefined ? Number.NaN : Math.hypot(place.x - p.ground.x, place.y - p.ground.y);
  });
  return errors.some(Number.isNaN) ? undefined : { projection, errors };
}

/** Adds what another distortion would have made of the same points: a solution with it, one standard deviation away. */
function bentBy(
  points: readonly GroundPoint[],
  options: SolveOptions,
  solved: { readonly ground: Matrix3; readonly k1: number; readonly covariance: Matrix },
  variance: number,
): Matrix {
  const other = solveHomography(points, { ...options, k1: Math.sqrt(variance) });
  if (other === undefined) return solved.covariance;
  const away = [
    ...other.projection.ground.map((v, i) => v - solved.ground[i]!),
    other.projection.k1 - solved.k1,
  ];
  return solved.covariance.map((row, i) => row.map((v, j) => v + away[i]! * away[j]!));
}

/** Divides an error on the ground by its standard deviations there: of the click, carried to the ground, and of the tape. */
function whitening(
  view: Pick<Projection, 'aspect' | 'ground' | 'k1'>,
  points: readonly GroundPoint[],
  click: number,
  tape: number,
): ((x: number, y: number) => [number, number])[] {
  return points.map(({ picture }) => {
    const place = toGround(view, picture);
    const step = 1e-5;
    const across = toGround(view, { x: picture.x + step / view.aspect, y: picture.y });
    const down = toGround(view, { x: picture.x, y: picture.y + step });
    if (place === undefined || across === undefined || down === undefined)
      return (x, y) => [x / tape, y / tape];
    const by = click / step;
    const [ax, ay] = [(across.x - place.x) * by, (across.y - place.y) * by];
    const [dx, dy] = [(down.x - place.x) * by, (down.y - place.y) * by];
    const xx = ax * ax + dx * dx + tape * tape;
    const xy = ax * ay + dx * dy;
    const yy = ay * ay + dy * dy + tape * tape;
    // Cholesky: the inverse of the lower triangle.
    const l = Math.sqrt(xx);
    const m = xy / l;
    const n = Math.sqrt(Math.max(1e-12, yy - m * m));
    return (x, y) => [x / l, (y - (m * x) / l) / n];
  });
}

/** How far three points are from lying on one line: the least height of their triangle. */
function height(a: Place, b: Place, c: Place): number {
  const longest = Math.max(
    Math.hypot(b.x - a.x, b.y - a.y),
    Math.hypot(c.x - b.x, c.y - b.y),
    Math.hypot(a.x - c.x, a.y - c.y),
  );
  const twice = Math.abs((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x));
  return longest > 0 ? twice / longest : 0;
}

/** Most points among which four good ones are looked for: those that lie furthest from each other. */
const mostCorners = 10;

/** True where some four points are no line and no point, in the picture and on the ground, beyond what errors make. */
function spread(pictures: readonly Place[], places: readonly Place[], click: number, tape: number): boolean {
  const far = (i: number, j: number) => Math.hypot(places[i]!.x - places[j]!.x, places[i]!.y - places[j]!.y);
  const corners = [0];
  while (corners.length < Math.min(mostCorners, places.length)) {
    const gaps = places.map((_, i) => Math.min(...corners.map((c) => far(i, c))));
    corners.push(gaps.indexOf(Math.max(...gaps)));
  }
  const open = (i: number, j: number, k: number) =>
    height(places[i]!, places[j]!, places[k]!) > 5 * tape &&
    height(pictures[i]!, pictures[j]!, pictures[k]!) > 5 * click;
  return corners.some((i, a) =>
    corners
      .slice(0, a)
      .some((j, b) =>
        corners
          .slice(0, b)
          .some(
            (k, c) =>
              open(i, j, k) &&
              corners.slice(0, c).some((l) => open(i, j, l) && open(i, k, l) && open(j, k, l)),
          ),
      ),
  );
}

/** Moves to the middle and scales to a mean distance of the square root of two. */
function normaliser(points: readonly Place[]) {
  const n = points.length;
  const cx = points.reduce((s, p) => s + p.x, 0) / n;
  const cy = points.reduce((s, p) => s + p.y, 0) / n;
  const far = points.reduce((s, p) => s + Math.hypot(p.x - cx, p.y - cy), 0) / n;
  if (!(far > 1e-9)) return undefined;
  const s = Math.SQRT2 / far;
  return {
    matrix: [s, 0, -s * cx, 0, s, -s * cy, 0, 0, 1] as const,
    apply: (p: Place): Place => ({ x: s * (p.x - cx), y: s * (p.y - cy) }),
  };
}

function linear(from: readonly Place[], to: readonly Place[]): number[] | undefined {
  const rows = from.flatMap(({ x, y }, i) => {
    const { x: X, y: Y } = to[i]!;
    return [
      [x, y, 1, 0, 0, 0, -X * x, -X * y, -X],
      [0, 0, 0, x, y, 1, -Y * x, -Y * y, -Y],
    ];
  });
  const found = smallestEigenvector(multiply(transpose(rows), rows));
  return found.every(Number.isFinite) ? found : undefined;
}

/** 1 or -1, so that the third row is positive at the points, which can be seen. */
function orientation(
  { aspect, k1 }: { aspect: number; k1: number },
  ground: Matrix3,
  points: readonly GroundPoint[],
): number {
  const sum = points.reduce((s, { picture }) => {
    const [u, v] = undistort({ aspect, k1 }, picture);
    return s + Math.sign(ground[6]! * u + ground[7]! * v + ground[8]!);
  }, 0);
  return sum < 0 ? -1 : 1;
}

/** Carries nine fitted numbers and their covariance through a linear map and to length 1. */
function unitLength(
  assemble: (h: readonly number[]) => readonly number[],
  parameters: readonly number[],
  covariance: Matrix,
): { ground: readonly number[]; covariance: Matrix } {
  const ground = assemble(parameters.slice(0, 9));
  const length = Math.hypot(...ground);
  const columns = Array.from({ length: 9 }, (_, i) =>
    assemble(Array.from({ length: 9 }, (__, j) => Number(i === j))),
  );
  const unit = ground.map((v) => v / length);
  const map = Array.from({ length: 10 }, (_, row) =>
    Array.from({ length: 10 }, (__, column) => {
      if (row === 9 || column === 9) return Number(row === column);
      // d(h/|h|) = (I - u u^T) dh / |h|
      const along = unit.reduce((s, u, k) => s + u * columns[column]![k]!, 0);
      return (columns[column]![row]! - unit[row]! * along) / length;
    }),
  );
  return { ground: unit, covariance: multiply(multiply(map, covariance), transpose(map)) };
}
