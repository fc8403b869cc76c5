import { XMLParser } from 'fast-xml-parser';
import type { Point } from '#cctv/model.ts';

/** A camera by R. Y. Tsai's model (1987), as the calibration files of PETS 2009 describe one. Lengths in millimetres. */
export interface TsaiCamera {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly dpx: number;
  readonly dpy: number;
  readonly focal: number;
  readonly kappa1: number;
  readonly cx: number;
  readonly cy: number;
  readonly sx: number;
  /** From the world to the camera: nine numbers, row by row. */
  readonly rotation: readonly number[];
  readonly translation: readonly [number, number, number];
}

/** Metres; the ground is z = 0. */
export interface World {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** Reads `<Camera><Geometry/><Intrinsic/><Extrinsic/></Camera>`. Throws an Error that names what is missing. */
export function parseTsai(xml: string): TsaiCamera {
  const parsed = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' }).parse(xml) as {
    readonly Camera?: Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;
  };
  const read = (element: string, name: string): number => {
    const value = Number(parsed.Camera?.[element]?.[name]);
    if (!Number.isFinite(value)) throw new Error(`no ${element} ${name} in the calibration`);
    return value;
  };
  const angles = ['rx', 'ry', 'rz'].map((name) => read('Extrinsic', name));
  const [sa, sb, sg] = angles.map(Math.sin) as [number, number, number];
  const [ca, cb, cg] = angles.map(Math.cos) as [number, number, number];
  return {
    width: read('Geometry', 'width'),
    height: read('Geometry', 'height'),
    dpx: read('Geometry', 'dpx'),
    dpy: read('Geometry', 'dpy'),
    focal: read('Intrinsic', 'focal'),
    kappa1: read('Intrinsic', 'kappa1'),
    cx: read('Intrinsic', 'cx'),
    cy: read('Intrinsic', 'cy'),
    sx: read('Intrinsic', 'sx'),
    // R = Rz(gamma) Ry(beta) Rx(alpha).
    rotation: [
      cb * cg,
      cg * sa * sb - ca * sg,
      sa * sg + ca * cg * sb,
      cb * sg,
      sa * sb * sg + ca * cg,
      ca * sb * sg - cg * sa,
      -sb,
      cb * sa,
      ca * cb,
    ],
    translation: [read('Extrinsic', 'tx'), read('Extrinsic', 'ty'), read('Extrinsic', 'tz')],
  };
}

/** Where a place is seen, in fractions of the picture. */
export function tsaiToPicture(camera: TsaiCamera, { x, y, z }: World): Point {
  const { rotation: r, translation: t } = camera;
  const [X, Y, Z] = [x, y, z].map((v) => v * 1000) as [number, number, number];
  const [xc, yc, zc] = [0, 1, 2].map(
    (i) => r[3 * i]! * X + r[3 * i + 1]! * Y + r[3 * i + 2]! * Z + t[i]!,
  ) as [number, number, number];
  const [xu, yu] = [(camera.focal * xc) / zc, (camera.focal * yc) / zc];
  const wanted = Math.hypot(xu, yu);
  let radius = wanted;
  for (let i = 0; i < 30; i += 1)
    radius -= (radius * (1 + camera.kappa1 * radius ** 2) - wanted) / (1 + 3 * camera.kappa1 * radius ** 2);
  const by = wanted === 0 ? 1 : radius / wanted;
  return {
    x: ((xu * by * camera.sx) / camera.dpx + camera.cx) / camera.width,
    y: ((yu * by) / camera.dpy + camera.cy) / camera.height,
  };
}

/** The place at height `z` metres that is seen at a point of the picture. */
export function tsaiToWorld(camera: TsaiCamera, p: Point, z = 0): World {
  const { rotation: r, translation: t } = camera;
  const xd = (camera.dpx * (p.x * camera.width - camera.cx)) / camera.sx;
  const yd = camera.dpy * (p.y * camera.height - camera.cy);
  const stretch = 1 + camera.kappa1 * (xd * xd + yd * yd);
  const ray = [(xd * stretch) / camera.focal, (yd * stretch) / camera.focal, 1];
  const turned = (v: readonly number[], column: number) =>
    r[column]! * v[0]! + r[column + 3]! * v[1]! + r[column + 6]! * v[2]!;
  const along = (z * 1000 + turned(t, 2)) / turned(ray, 2);
  const at = (column: number) => (along * turned(ray, column) - turned(t, column)) / 1000;
  return { x: at(0), y: at(1), z };
}

/** What somebody is at one instant, by the truth and by a track. Metres and metres a second. */
export interface GroundSample {
  /** Seconds. */
  readonly at: number;
  readonly id: number;
  readonly x: number;
  readonly y: number;
}

export interface GroundEstimate extends GroundSample {
  readonly speed: number | undefined;
}

export interface GroundScore {
  readonly positionMedian: number | undefined;
  readonly positionP95: number | undefined;
  /** Per cent of the true speed, of people who walk. */
  readonly speedMedian: number | undefined;
  readonly speedP95: number | undefined;
  readonly positions: number;
  readonly speeds: number;
}

/** Slower than this is standing: a share of nearly nothing says nothing. Metres a second. */
const walking = 0.4;
/** Seconds up to an instant over which the true speed is taken: an estimate knows no future, and rounded boxes jitter. */
const window = 2;

/**
 * Position and speed of estimates against the truth of the same `id` and instant. Whoever calls has matched tracks to
 * people: `id` is the true one.
 */
export function scoreGround(
  truth: readonly GroundSample[],
  estimates: readonly GroundEstimate[],
): GroundScore {
  const byId = Map.groupBy(truth, (t) => t.id);
  const positions: number[] = [];
  const speeds: number[] = [];
  for (const estimate of estimates) {
    const path = byId.get(estimate.id) ?? [];
    const at = path.find((t) => Math.abs(t.at - estimate.at) < 1e-3);
    if (at === undefined) continue;
    positions.push(Math.hypot(estimate.x - at.x, estimate.y - at.y));
    const speed = speedUpTo(path, estimate.at);
    if (speed === undefined || speed < walking || estimate.speed === undefined) continue;
    speeds.push((100 * Math.abs(estimate.speed - speed)) / speed);
  }
  return {
    positionMedian: quantile(positions, 0.5),
    positionP95: quantile(positions, 0.95),
    speedMedian: quantile(speeds, 0.5),
    speedP95: quantile(speeds, 0.95),
    positions: positions.length,
    speeds: speeds.length,
  };
}

/** Speed of the straight line fitted over the two seconds up to an instant; undefined where the truth does not span them. */
function speedUpTo(path: readonly GroundSample[], at: number): number | undefined {
  const near = path.filter((t) => t.at <= at + 1e-6 && at - t.at <= window + 1e-6);
  const [first, last] = [near[0], near.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < window * 0.9) return undefined;
  const middle = near.reduce((s, t) => s + t.at, 0) / near.length;
  const spread = near.reduce((s, t) => s + (t.at - middle) ** 2, 0);
  const slope = (of: (t: GroundSample) => number) =>
    near.reduce((s, t) => s + (t.at - middle) * of(t), 0) / spread;
  return Math.hypot(
    slope((t) => t.x),
    slope((t) => t.y),
  );
}

function quantile(values: readonly number[], q: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}
