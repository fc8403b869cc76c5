import type { Point } from '../model.ts';

/**
 * The pinhole that a drawn scene is seen through. The world: x to the right, y away from the camera, z up, metres; the
 * camera stands above the origin and looks along y, tilted down.
 */

export interface Vector {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

export interface Pinhole {
  /** Metres above the ground. */
  readonly height: number;
  /** Degrees below the horizon. */
  readonly tilt: number;
  /** Vertical field of view, degrees. */
  readonly fov: number;
  /** Pixels. */
  readonly width: number;
  readonly pixels: number;
}

const radian = Math.PI / 180;

/** Pixels of a metre at one metre of depth. */
export function focal(camera: Pinhole): number {
  return camera.pixels / 2 / Math.tan((camera.fov * radian) / 2);
}

/** A projected place: pixels, and metres along the axis of view (not positive behind the camera). */
export interface Projected {
  readonly x: number;
  readonly y: number;
  readonly depth: number;
}

export function project(camera: Pinhole, at: Vector): Projected {
  const sin = Math.sin(camera.tilt * radian);
  const cos = Math.cos(camera.tilt * radian);
  const z = at.z - camera.height;
  const depth = at.y * cos - z * sin;
  const scale = focal(camera) / depth;
  return {
    x: camera.width / 2 + at.x * scale,
    y: camera.pixels / 2 - (at.y * sin + z * cos) * scale,
    depth,
  };
}

/** The direction of the ray through a pixel, of length 1 along the axis of view. */
export function rayThrough(camera: Pinhole, x: number, y: number): Vector {
  const f = focal(camera);
  const sin = Math.sin(camera.tilt * radian);
  const cos = Math.cos(camera.tilt * radian);
  const right = (x - camera.width / 2) / f;
  const up = (camera.pixels / 2 - y) / f;
  return { x: right, y: cos + up * sin, z: up * cos - sin };
}

/** Where on the ground a point of the picture lies; undefined above the horizon. */
export function onGround(
  camera: Pinhole,
  point: Point,
): { readonly x: number; readonly y: number } | undefined {
  const ray = rayThrough(camera, point.x * camera.width, point.y * camera.pixels);
  if (ray.z >= 0) return undefined;
  const reach = camera.height / -ray.z;
  return { x: ray.x * reach, y: ray.y * reach };
}

/** A place on the ground as a point of the picture: fractions, also outside of it. Undefined behind the camera. */
export function inPicture(
  camera: Pinhole,
  ground: { readonly x: number; readonly y: number },
): Point | undefined {
  const at = project(camera, { ...ground, z: 0 });
  return at.depth <= 0.05 ? undefined : { x: at.x / camera.width, y: at.y / camera.pixels };
}
