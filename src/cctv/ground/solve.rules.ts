import { LaresError } from '#kernel/errors.ts';
import type { Box, Point } from '../model.ts';
import {
  cameraFromLengths,
  cameraFromPeople,
  heightOfPeople,
  pinholeProjection,
  verticalFov,
  type FittedCamera,
  type Pinhole,
  type Standing,
} from './camera.rules.ts';
import type { CalibrationFile, PointsFile, ReferenceSetting } from './config.ts';
import { solveHomography, usualClick, usualTape, type GroundPoint } from './homography.rules.ts';
import { poseOf, toGround, toPicture, turnOf, type Place, type Projection } from './projection.rules.ts';
import type { Reference } from './references.rules.ts';
import { rectangle, shapeFromSides } from './shape.rules.ts';
import { GroundView, type Calibration } from './view.rules.ts';

export interface SolveRequest {
  readonly camera: string;
  /** Epoch milliseconds. */
  readonly now: number;
  readonly measured: PointsFile & { readonly picture: { readonly width: number; readonly height: number } };
  /** Boxes of people who walked by, feet and heads in view. */
  readonly people: readonly Box[];
}

type Method = CalibrationFile['method'];
interface Result {
  readonly method: Method;
  readonly projection: Projection;
  readonly errors: readonly number[];
}

/** Degrees; as far as the settings let a camera lean. */
const mostTurned = 45;

const invalid = (message: string) => new LaresError('CONFIG_INVALID', message);

/**
 * Makes a calibration of what was measured: places in metres first, then lengths, then height, tilt and field of view,
 * then people. Throws CONFIG_INVALID with what is missing or does not fit.
 */
export function solve({ camera, now, measured, people }: SolveRequest): CalibrationFile {
  const aspect = measured.picture.width / measured.picture.height;
  const standing = people.map(standingOf);
  const { method, projection, errors } = project(measured, aspect, standing);
  const turn = turnOf(projection, poseOf(projection)?.focal ?? 1) ?? 0;
  if (Math.abs(turn) > mostTurned)
    throw invalid(
      `By this the picture is turned by ${Math.abs(turn).toFixed(0)} degrees. Feet are looked for at the lower edge of people: turn the picture upright in the settings of the camera and measure again. Or points are swapped`,
    );
  const references = referencesOn(measured.references, projection);
  const peopleHeight = standing.length >= 10 ? heightOfPeople(projection, standing) : undefined;
  return {
    version: 1,
    camera,
    created: new Date(now).toISOString(),
    method,
    measured,
    projection: {
      ground: [...projection.ground],
      k1: projection.k1,
      covariance: projection.covariance.map((row) => [...row]),
    },
    references,
    errors: {
      points_m: errors.map(round),
      expected: expectedErrors({ camera, projection, references: new Map() }),
      ...(peopleHeight === undefined ? {} : { people_height_m: round(peopleHeight) }),
    },
  };
}

/** References in metres. Throws CONFIG_INVALID when a clicked point is no ground. */
export const referencesOn = (
  references: PointsFile['references'],
  projection: Projection,
): CalibrationFile['references'] =>
  Object.fromEntries(
    Object.entries(references ?? {}).map(([name, r]) => [
      name,
      {
        kind: r.kind,
        ground: resolve(name, r, projection).points.map(({ x, y }): [number, number] => [round(x), round(y)]),
      },
    ]),
  );

const round = (metres: number) => Math.round(metres * 1000) / 1000;

const standingOf = (box: Box): Standing => ({
  foot: { x: box.left + box.width / 2, y: box.top + box.height },
  head: { x: box.left + box.width / 2, y: box.top },
});

function project(measured: SolveRequest['measured'], aspect: number, people: readonly Standing[]): Result {
  const { points = [], picture } = measured;
  const sigmas = {
    clickSigma:
      measured.click_pixels === undefined
        ? usualClick(picture.height)
        : measured.click_pixels / picture.height,
    tapeSigma: measured.tape_m ?? usualTape,
  };
  const clicks = points.map((p, i) => clickOf(p, i, picture));
  const placed = placesOf(measured, clicks);
  const known = knownOf(measured, aspect);
  if (placed.length >= 4) {
    const solved = solveHomography(placed, {
      aspect,
      ...sigmas,
      ...(measured.k1 === undefined ? {} : { k1: measured.k1 }),
    });
    if (solved === undefined)
      throw invalid(
        'The ground points do not give a ground: three of them lie on one line, or some are swapped. Spread them over the ground that matters and compare each with the picture',
      );
    return {
      method: measured.distances === undefined && measured.rectangle === undefined ? 'points' : 'distances',
      ...solved,
    };
  }
  if (placed.length > 0)
    throw invalid(`A ground needs at least four points with x and y in metres, found ${placed.length}`);
  const lengths = lengthsOf(measured, clicks);
  if (lengths.length > 0) {
    const given = Object.values(known).filter((v) => v !== undefined).length;
    if (lengths.length + given < 4)
      throw invalid(
        `Four lengths tell a camera; found ${lengths.length}. Measure more, or give its height, tilt and field of view`,
      );
    return fitted('distances', cameraFromLengths(lengths, aspect, known, sigmas), 'lengths');
  }
  const { height, tilt, verticalFov: lens } = known;
  if (people.length >= 10 && (height === undefined || tilt === undefined || lens === undefined))
    return fitted('people', cameraFromPeople(people, aspect, known), 'people');
  if (height !== undefined && tilt !== undefined && lens !== undefined) {
    if (people.length >= 10) return fitted('people', cameraFromPeople(people, aspect, known), 'people');
    const pinhole = { roll: 0, k1: 0, ...known, height, tilt, verticalFov: lens };
    return { method: 'pinhole', projection: pinholeProjection(pinhole, aspect), errors: [] };
  }
  throw invalid(
    'Not enough to calibrate: give four points with metres (--points FILE), or height, tilt and field of view, or let at least ten people walk by (--people)',
  );
}

function fitted(method: Method, camera: FittedCamera | undefined, what: string): Result {
  if (camera === undefined || camera.misfit > 6)
    throw invalid(
      `No camera explains these ${what}${camera === undefined ? '' : ` (they are off by ${camera.misfit.toFixed(0)} times what clicks and tape explain)`}: look for a swapped point or a wrong number`,
    );
  return { method, projection: camera.projection, errors: [] };
}

type PointSetting = NonNullable<PointsFile['points']>[number];

function clickOf(p: PointSetting, i: number, picture: { width: number; height: number }): Point {
  if (p.picture !== undefined) return { x: p.picture[0], y: p.picture[1] };
  const [x, y] = p.pixel ?? [Number.NaN, Number.NaN];
  if (!(x >= -picture.width && x <= 2 * picture.width && y >= -picture.height && y <= 2 * picture.height))
    throw invalid(
      `points.${i}.pixel ${x}, ${y} is far outside the picture of ${picture.width} x ${picture.height}`,
    );
  return { x: x / picture.width, y: y / picture.height };
}

/** Points whose place is given, or follows from a rectangle or from lengths between them. */
function placesOf(measured: SolveRequest['measured'], clicks: readonly Point[]): GroundPoint[] {
  const { points = [] } = measured;
  const given = points.flatMap(({ ground }, i) =>
    ground === undefined ? [] : [{ picture: clicks[i]!, ground: { x: ground[0], y: ground[1] } }],
  );
  if (given.length > 0) return given;
  if (measured.rectangle !== undefined) {
    const { corners, metres } = measured.rectangle;
    const pictures = corners.map((name) => clicks[indexOf(points, name)]!) as [Point, Point, Point, Point];
    return rectangle(metres, pictures).map((ground, i) => ({ picture: pictures[i]!, ground }));
  }
  const sides = (measured.distances ?? []).flatMap(({ between: [a, b], metres }) =>
    a === 'camera' || b === 'camera' ? [] : [{ a: indexOf(points, a), b: indexOf(points, b), metres }],
  );
  // Below this many lengths a shape of n points can still bend.
  if (points.length < 4 || sides.length < 2 * points.length - 3) return [];
  return (shapeFromSides(sides, clicks) ?? []).map((ground, i) => ({ picture: clicks[i]!, ground }));
}

function lengthsOf(measured: SolveRequest['measured'], clicks: readonly Point[]) {
  const { points = [], distances = [] } = measured;
  return distances.map(({ between, metres }) => {
    const [from, to] = between[1] === 'camera' ? [between[1], between[0]] : between;
    return {
      from: from === 'camera' ? ('camera' as const) : clicks[indexOf(points, from)]!,
      to: clicks[indexOf(points, to)]!,
      metres,
    };
  });
}

function indexOf(points: readonly PointSetting[], name: string): number {
  const found = points.findIndex((p) => p.name === name);
  if (found < 0) throw invalid(`A length or corner names the point ${name}, which is not among the points`);
  return found;
}

function knownOf({ pinhole = {}, k1 }: PointsFile, aspect: number): Partial<Pinhole> {
  const lens =
    pinhole.vertical_fov_deg ??
    (pinhole.horizontal_fov_deg === undefined ? undefined : verticalFov(pinhole.horizontal_fov_deg, aspect));
  return {
    ...(pinhole.height_m === undefined ? {} : { height: pinhole.height_m }),
    ...(pinhole.tilt_deg === undefined ? {} : { tilt: pinhole.tilt_deg }),
    ...(pinhole.roll_deg === undefined ? {} : { roll: pinhole.roll_deg }),
    ...(lens === undefined ? {} : { verticalFov: lens }),
    ...(k1 === undefined ? {} : { k1 }),
  };
}

/** A reference in metres. Throws CONFIG_INVALID when a clicked point of it is no ground. */
export function resolve(
  name: string,
  { kind, ground, picture }: ReferenceSetting,
  projection: Projection,
): Reference {
  if (ground !== undefined) return { kind, points: ground.map(([x, y]) => ({ x, y })) };
  const points = (picture ?? []).map(([x, y]) => {
    const place = toGround(projection, { x, y });
    if (place === undefined)
      throw invalid(
        `The reference ${name} has the point ${x}, ${y} of the picture, which is above the horizon`,
      );
    return place;
  });
  return { kind, points };
}

/** Where the camera looks: places in the middle column of the picture, by their distance from below the camera. */
function ahead(projection: Projection, metres: number): Place | undefined {
  const camera = poseOf(projection)?.camera;
  if (camera === undefined) return undefined;
  const far = (y: number) => {
    const place = toGround(projection, { x: 0.5, y });
    return place === undefined
      ? Number.POSITIVE_INFINITY
      : Math.hypot(place.x - camera.x, place.y - camera.y);
  };
  let [low, high] = [-0.5, 1];
  if (far(high) > metres) return undefined;
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (far(middle) > metres) low = middle;
    else high = middle;
  }
  return high < 0 ? undefined : toGround(projection, { x: 0.5, y: high });
}

/** One standard deviation of where a person is found, at 5, 10, 20 and 30 m where the picture shows those. */
export function expectedErrors(calibration: Calibration): CalibrationFile['errors']['expected'] {
  const view = new GroundView(calibration);
  const pose = poseOf(calibration.projection);
  return [5, 10, 20, 30].flatMap((metres) => {
    const place = ahead(calibration.projection, metres);
    if (place === undefined || pose === undefined) return [];
    const feet = toPicture(calibration.projection, pose, place);
    const head = toPicture(calibration.projection, pose, place, 1.7);
    if (feet === undefined || head === undefined) return [];
    const height = feet.y - head.y;
    const ground = view.at({ left: feet.x - height / 8, top: head.y, width: height / 4, height });
    return ground === undefined ? [] : [{ at_m: metres, sigma_m: round(ground.sigma) }];
  });
}
