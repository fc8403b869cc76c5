import type { Box, Point } from '../model.ts';
import { limbsOf, lookOf, type Limb, type PersonLook, type Pose } from './figure.rules.ts';
import { landmarks, standing } from './garden.rules.ts';
import { inPicture, project, type Pinhole, type Vector } from './pinhole.rules.ts';
import { extentOf } from './raster.ts';
import { car, type Colour, type Solid } from './solid.rules.ts';

/** Who is where in a drawn scene at an instant: the ground truth, and what the drawing follows. */

/** Somebody or something that goes along a path. */
export interface Walker {
  readonly id: string;
  readonly label: 'person' | 'car';
  /** Metres on the ground, at least two places. */
  readonly path: readonly { readonly x: number; readonly y: number }[];
  /** Seconds from the start of a round. */
  readonly start: number;
  /** Metres a second. */
  readonly speed: number;
  /** Seconds at the last place before they are gone. Default 0. */
  readonly linger?: number;
  /** What they look like; the same number, the same looks. */
  readonly look: number;
}

export interface ScenePlan {
  readonly camera: Pinhole;
  readonly walkers: readonly Walker[];
  /** Seconds after which everything starts again. */
  readonly period: number;
  /** Epoch milliseconds at which the first round starts. */
  readonly startAt: number;
}

/** One object as it truly is. */
export interface Truth {
  readonly id: string;
  readonly label: 'person' | 'car';
  /** What of it lies within the picture. Parts hidden by other things count, as annotators do it. */
  readonly box: Box;
  /** Metres; where its feet stand, or the middle of a car. */
  readonly ground: { readonly x: number; readonly y: number };
  /** Radians from the x axis; metres a second. */
  readonly heading: number;
  readonly speed: number;
  /** Share of its outline that lies within the picture, 0 to 1. */
  readonly inside: number;
  /** Share of it that no standing thing hides, 0 to 1. */
  readonly visible: number;
}

/** What has to be drawn of one walker. */
export interface Actor {
  readonly walker: Walker;
  readonly pose: Pose;
  readonly limbs?: readonly Limb[];
  readonly solid?: Solid;
}

const paints: readonly Colour[] = [
  [168, 34, 36],
  [196, 198, 202],
  [40, 44, 50],
  [220, 216, 204],
];

/** Where a walker is after this many seconds of a round; undefined before and after. */
export function poseAt(walker: Walker, seconds: number): Pose | undefined {
  const since = seconds - walker.start;
  if (since < 0) return undefined;
  let left = since * walker.speed;
  const [first] = walker.path;
  let at = first ?? { x: 0, y: 0 };
  let heading = 0;
  let walked = 0;
  for (const next of walker.path.slice(1)) {
    const length = Math.hypot(next.x - at.x, next.y - at.y);
    heading = Math.atan2(next.y - at.y, next.x - at.x);
    if (left < length) {
      const share = left / length;
      return {
        x: at.x + (next.x - at.x) * share,
        y: at.y + (next.y - at.y) * share,
        heading,
        walked: walked + left,
        speed: walker.speed,
      };
    }
    left -= length;
    walked += length;
    at = next;
  }
  const lingered = left / walker.speed;
  return lingered < (walker.linger ?? 0) ? { ...at, heading, walked, speed: 0 } : undefined;
}

/** Seconds since the present round started. */
export function secondsOf(plan: ScenePlan, at: number): number {
  const round = plan.period * 1000;
  return ((((at - plan.startAt) % round) + round) % round) / 1000;
}

/** Everybody who is about, the farthest first. */
export function actorsAt(plan: ScenePlan, at: number): Actor[] {
  const seconds = secondsOf(plan, at);
  return plan.walkers
    .flatMap((walker): Actor[] => {
      const pose = poseAt(walker, seconds);
      if (pose === undefined) return [];
      if (walker.label === 'person') return [{ walker, pose, limbs: limbsOf(personOf(walker), pose) }];
      const colour = paints[walker.look % paints.length] ?? ([128, 128, 128] as const);
      return [{ walker, pose, solid: car({ ...pose, colour }) }];
    })
    .toSorted((a, b) => b.pose.y - a.pose.y);
}

function personOf(walker: Walker): PersonLook {
  return lookOf(walker.look);
}

/** The truth of an instant: everybody of whom something lies within the picture. Pure: the same at, the same answer. */
export function truthAt(plan: ScenePlan, at: number): Truth[] {
  const { camera } = plan;
  return actorsAt(plan, at).flatMap(({ walker, pose, limbs, solid }): Truth[] => {
    const extent = limbs === undefined ? solidExtent(camera, solid) : extentOf(camera, limbs);
    if (extent === undefined) return [];
    const left = Math.max(0, extent.left);
    const top = Math.max(0, extent.top);
    const width = Math.min(camera.width, extent.right) - left;
    const height = Math.min(camera.pixels, extent.bottom) - top;
    if (width <= 0 || height <= 0) return [];
    const whole = (extent.right - extent.left) * (extent.bottom - extent.top);
    return [
      {
        id: walker.id,
        label: walker.label,
        box: {
          left: left / camera.width,
          top: top / camera.pixels,
          width: width / camera.width,
          height: height / camera.pixels,
        },
        ground: { x: pose.x, y: pose.y },
        heading: pose.heading,
        speed: pose.speed,
        inside: (width * height) / whole,
        visible: visibleShare(camera, limbs?.map(middle) ?? solid?.corners ?? []),
      },
    ];
  });
}

const still = standing();

function middle({ from, to }: Limb): Vector {
  return { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2, z: (from.z + to.z) / 2 };
}

function visibleShare(camera: Pinhole, points: readonly Vector[]): number {
  const eye = { x: 0, y: 0, z: camera.height };
  const free = points.filter((point) => {
    const ray = { x: point.x, y: point.y, z: point.z - camera.height };
    return !still.some((solid) => (solid.meet(eye, ray)?.reach ?? 1) < 0.98);
  });
  return points.length === 0 ? 0 : free.length / points.length;
}

function solidExtent(camera: Pinhole, solid: Solid | undefined) {
  const points = solid?.corners.map((corner) => project(camera, corner)) ?? [];
  if (points.length === 0 || points.some(({ depth }) => depth < 0.3)) return undefined;
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

/** What a user would enter to calibrate the camera of a scene, and what the answer must be. */
export interface SceneCalibration {
  /** Metres, degrees down, degrees vertical. */
  readonly height: number;
  readonly tilt: number;
  readonly fov: number;
  readonly points: readonly {
    readonly name: string;
    readonly image: Point;
    readonly ground: { readonly x: number; readonly y: number };
  }[];
}

/** The calibration of a scene; only landmarks that lie within the picture. */
export function calibrationOf(camera: Pinhole): SceneCalibration {
  const points = landmarks.flatMap(({ name, x, y }) => {
    const image = inPicture(camera, { x, y });
    const shown = image !== undefined && image.x >= 0 && image.x <= 1 && image.y >= 0 && image.y <= 1;
    return shown ? [{ name, image, ground: { x, y } }] : [];
  });
  return { height: camera.height, tilt: camera.tilt, fov: camera.fov, points };
}

/** A camera above a front door that looks over the drive to the gate. */
export function drivewayCamera(width = 640, pixels = 360): Pinhole {
  return { height: 3, tilt: 14, fov: 42, width, pixels };
}

/** Alex comes home, a stranger walks to the gate and away again, a car passes: a round of a minute and a half. */
export function driveway(startAt: number, camera: Pinhole = drivewayCamera()): ScenePlan {
  return {
    camera,
    startAt,
    period: 90,
    walkers: [
      {
        id: 'alex',
        label: 'person',
        path: [
          { x: -16, y: 13.5 },
          { x: -0.3, y: 13.5 },
          { x: 0, y: 11.5 },
          { x: 0.3, y: 7 },
          { x: -0.5, y: 1 },
        ],
        start: 4,
        speed: 1.3,
        look: 3,
      },
      {
        id: 'car',
        label: 'car',
        path: [
          { x: 34, y: 15.8 },
          { x: -34, y: 15.8 },
        ],
        start: 38,
        speed: 9,
        look: 0,
      },
      {
        id: 'stranger',
        label: 'person',
        path: [
          { x: 15, y: 13.6 },
          { x: 0.8, y: 13.4 },
          { x: 0.6, y: 10.2 },
        ],
        start: 48,
        speed: 1.1,
        linger: 6,
        look: 11,
      },
      {
        id: 'stranger-leaves',
        label: 'person',
        path: [
          { x: 0.6, y: 10.2 },
          { x: 0.4, y: 13.5 },
          { x: -16, y: 13.5 },
        ],
        start: 48 + 17.407 / 1.1 + 6,
        speed: 1.5,
        look: 11,
      },
    ],
  };
}
