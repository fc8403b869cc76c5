import type { Box, Point } from '../model.ts';
import { pinholeProjection, type Pinhole } from './camera.rules.ts';
import { poseOf, toPicture, type Place, type Projection } from './projection.rules.ts';

/** A drawn camera whose truth is known: over a front door, a little askew, a lens that bends. */
export const aspect = 16 / 9;
export const picture = { width: 1280, height: 720 };
export const camera: Pinhole = { height: 3.2, tilt: 18, roll: 1.5, verticalFov: 52, k1: 0.06 };
export const truth: Projection = pinholeProjection(camera, aspect);
const pose = poseOf(truth)!;

/** Where a place is seen. Throws for one that the camera does not see. */
export function seen(place: Place, height = 0): Point {
  const p = toPicture(truth, pose, place, height);
  if (p === undefined) throw new Error(`${place.x}, ${place.y} is not in sight`);
  return p;
}

/** The box of somebody `tall` metres tall who stands at a place. */
export function standing(place: Place, tall = 1.7): Box {
  const [feet, head] = [seen(place), seen(place, tall)];
  const height = feet.y - head.y;
  return { left: feet.x - height / 6, top: head.y, width: height / 3, height };
}

/** Normal numbers that are the same in each run (xorshift and Box and Muller). */
export function normals(seed = 1): () => number {
  let state = seed * 2_654_435_761 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
}

export const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? Number.NaN;
