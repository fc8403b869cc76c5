import type { Vector } from './pinhole.rules.ts';

/** What a drawn world is made of, and where a ray meets it. */

export type Colour = readonly [red: number, green: number, blue: number];

export interface Hit {
  /** Lengths of the ray's direction. */
  readonly reach: number;
  readonly normal: Vector;
  readonly colour: Colour;
}

export interface Solid {
  readonly meet: (from: Vector, along: Vector) => Hit | undefined;
  /** Corners of what holds it, for the part of the picture in which it may be seen. */
  readonly corners: readonly Vector[];
}

type Paint = (at: Vector, normal: Vector) => Colour;

export function along(from: Vector, direction: Vector, reach: number): Vector {
  return {
    x: from.x + direction.x * reach,
    y: from.y + direction.y * reach,
    z: from.z + direction.z * reach,
  };
}

const axes = ['x', 'y', 'z'] as const;

/** A box with sides along the axes. */
export function block(low: Vector, high: Vector, paint: Paint): Solid {
  return {
    corners: cornersOf(low, high),
    meet(from, direction) {
      let enter = 0;
      let leave = Number.POSITIVE_INFINITY;
      let side: (typeof axes)[number] = 'x';
      for (const axis of axes) {
        const inverse = 1 / direction[axis];
        const first = (low[axis] - from[axis]) * inverse;
        const second = (high[axis] - from[axis]) * inverse;
        const near = Math.min(first, second);
        if (near > enter) {
          enter = near;
          side = axis;
        }
        leave = Math.min(leave, Math.max(first, second));
      }
      if (enter <= 1e-6 || enter > leave) return undefined;
      const normal = { x: 0, y: 0, z: 0, [side]: direction[side] > 0 ? -1 : 1 };
      return { reach: enter, normal, colour: paint(along(from, direction, enter), normal) };
    },
  };
}

function cornersOf(low: Vector, high: Vector): Vector[] {
  const corners: Vector[] = [];
  for (const x of [low.x, high.x])
    for (const y of [low.y, high.y]) for (const z of [low.z, high.z]) corners.push({ x, y, z });
  return corners;
}

/** A ball stretched along the axes. */
export function ball(centre: Vector, radius: Vector, paint: Paint): Solid {
  return {
    corners: cornersOf(
      { x: centre.x - radius.x, y: centre.y - radius.y, z: centre.z - radius.z },
      { x: centre.x + radius.x, y: centre.y + radius.y, z: centre.z + radius.z },
    ),
    meet(from, direction) {
      const o = scaled(from, centre, radius);
      const d = { x: direction.x / radius.x, y: direction.y / radius.y, z: direction.z / radius.z };
      const a = d.x * d.x + d.y * d.y + d.z * d.z;
      const b = o.x * d.x + o.y * d.y + o.z * d.z;
      const c = o.x * o.x + o.y * o.y + o.z * o.z - 1;
      const inside = b * b - a * c;
      if (inside < 0) return undefined;
      const reach = (-b - Math.sqrt(inside)) / a;
      if (reach <= 1e-6) return undefined;
      const at = along(from, direction, reach);
      const n = scaled(at, centre, radius);
      const normal = unit({ x: n.x / radius.x, y: n.y / radius.y, z: n.z / radius.z });
      return { reach, normal, colour: paint(at, normal) };
    },
  };
}

function scaled(at: Vector, centre: Vector, radius: Vector): Vector {
  return {
    x: (at.x - centre.x) / radius.x,
    y: (at.y - centre.y) / radius.y,
    z: (at.z - centre.z) / radius.z,
  };
}

export function unit(v: Vector): Vector {
  const length = Math.hypot(v.x, v.y, v.z) || 1;
  return { x: v.x / length, y: v.y / length, z: v.z / length };
}

/** Corner of a side view: along the length and up, metres. */
type Corner = readonly [along: number, up: number];

export interface CarLook {
  readonly x: number;
  readonly y: number;
  /** Radians from the x axis. */
  readonly heading: number;
  readonly colour: Colour;
}

/** A side view drawn out to both sides: the body of a car, or the cabin upon it. */
interface Prism {
  readonly outline: readonly Corner[];
  readonly halfWidth: number;
  readonly side: (x: number, z: number, colour: Colour) => Colour;
  readonly edge: (at: Vector, colour: Colour) => Colour;
}

const glass: Colour = [34, 42, 50];
const reflection: Colour = [108, 124, 140];
const rubber: Colour = [22, 22, 24];
const rim: Colour = [168, 170, 174];
const plastic: Colour = [40, 41, 44];
const chrome: Colour = [176, 180, 186];
const axle = 1.32;
const wheelRadius = 0.33;
const halfWidth = 0.9;

function dimmed(colour: Colour, by: number): Colour {
  return [colour[0] * by, colour[1] * by, colour[2] * by];
}

const body: Prism = {
  outline: [
    [-2.12, 0.22],
    [2.08, 0.2],
    [2.2, 0.34],
    [2.22, 0.6],
    [2.08, 0.76],
    [1.75, 0.85],
    [0.95, 0.96],
    [-1.75, 1.0],
    [-2.14, 0.93],
    [-2.24, 0.6],
  ],
  halfWidth,
  side: (x, z, colour) => {
    for (const centre of [-axle, axle]) {
      const distance = Math.hypot(x - centre, z - wheelRadius);
      if (distance < 0.21) return Math.hypot(x - centre, z - wheelRadius) < 0.06 ? plastic : rim;
      if (distance < wheelRadius + 0.05) return rubber;
    }
    if (z < 0.31) return plastic;
    const seam = Math.abs(x + 0.3) < 0.014 || Math.abs(x - 0.85) < 0.014 || Math.abs(x + 1.15) < 0.014;
    const handle = Math.abs(z - 0.78) < 0.018 && (Math.abs(x - 0.0) < 0.1 || Math.abs(x + 0.95) < 0.1);
    if (handle) return chrome;
    return dimmed(colour, seam ? 0.45 : z > 0.62 && z < 0.66 ? 1.2 : 1);
  },
  edge: ({ x, y, z }, colour) => {
    const across = Math.abs(y);
    if (x > 2) {
      if (z < 0.36) return plastic;
      if (z > 0.56 && z < 0.7 && across > 0.48 && across < 0.84)
        return across > 0.62 ? [236, 238, 236] : [190, 196, 204];
      if (z > 0.4 && z < 0.5 && across < 0.26) return [226, 226, 216];
      if (z > 0.52 && z < 0.68 && across < 0.42) return Math.round(z * 60) % 3 === 0 ? chrome : plastic;
      if (z < 0.48 && across > 0.5 && across < 0.76) return plastic;
    }
    if (x < -2) {
      if (z < 0.34) return plastic;
      if (z > 0.62 && z < 0.84 && across > 0.52) return [156, 22, 24];
      if (z > 0.5 && z < 0.6 && across < 0.26) return [226, 220, 150];
    }
    return Math.abs(across - 0.55) < 0.012 && x > 0.95 ? dimmed(colour, 0.75) : colour;
  },
};

const cabin: Prism = {
  outline: [
    [1.08, 0.9],
    [0.3, 1.38],
    [0.05, 1.44],
    [-0.75, 1.45],
    [-1.1, 1.38],
    [-1.85, 0.94],
  ],
  halfWidth: 0.7,
  side: (x, z, colour) => {
    const pillar = Math.abs(x + 0.3) < 0.045 || z > 1.36 || z < 0.97;
    const within =
      !pillar && z < 1.36 - Math.max(0, (x - 0.28) * 0.62) && z < 1.36 - Math.max(0, (-1.05 - x) * 0.6);
    return within ? mix(glass, reflection, Math.max(0, (z - 1) * 0.7)) : dimmed(colour, 0.9);
  },
  edge: ({ x, y, z }, colour) => {
    const windscreen = x > 0.34 && x < 1.04;
    const rear = x < -1.14 && x > -1.78;
    if ((windscreen || rear) && Math.abs(y) < 0.62) return mix(glass, reflection, Math.max(0, (z - 1) * 1.4));
    return colour;
  },
};

function mix(a: Colour, b: Colour, share: number): Colour {
  return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share];
}

/** A parked or moving car. */
export function car(look: CarLook): Solid {
  const cos = Math.cos(look.heading);
  const sin = Math.sin(look.heading);
  const world = (forward: number, left: number, up: number): Vector => ({
    x: look.x + forward * cos - left * sin,
    y: look.y + forward * sin + left * cos,
    z: up,
  });
  const corners = [-2.24, 2.22].flatMap((forward) =>
    [-halfWidth, halfWidth].flatMap((left) => [0, 1.45].map((up) => world(forward, left, up))),
  );
  return {
    corners,
    meet(from, direction) {
      // Into the car's own axes: forward, left, up.
      const dx = from.x - look.x;
      const dy = from.y - look.y;
      const o = { x: dx * cos + dy * sin, y: -dx * sin + dy * cos, z: from.z };
      const d = {
        x: direction.x * cos + direction.y * sin,
        y: -direction.x * sin + direction.y * cos,
        z: direction.z,
      };
      const local = meetCar(o, d, look.colour);
      if (local === undefined) return undefined;
      const { x, y, z } = local.normal;
      return { ...local, normal: { x: x * cos - y * sin, y: x * sin + y * cos, z } };
    },
  };
}

function meetCar(o: Vector, d: Vector, colour: Colour): Hit | undefined {
  const low = meetPrism(body, o, d, colour);
  const high = meetPrism(cabin, o, d, colour);
  return low === undefined || (high !== undefined && high.reach < low.reach) ? high : low;
}

function meetPrism(prism: Prism, o: Vector, d: Vector, colour: Colour): Hit | undefined {
  const { outline } = prism;
  let best: Hit | undefined;
  const side = d.y > 0 ? -prism.halfWidth : prism.halfWidth;
  const reach = (side - o.y) / d.y;
  if (reach > 1e-6) {
    const at = along(o, d, reach);
    const wheel =
      prism === body && [-axle, axle].some((x) => Math.hypot(at.x - x, at.z - wheelRadius) < wheelRadius);
    if (wheel || within(outline, at.x, at.z))
      best = { reach, normal: { x: 0, y: d.y > 0 ? -1 : 1, z: 0 }, colour: prism.side(at.x, at.z, colour) };
  }
  for (const [index, [x0, z0]] of outline.entries()) {
    const [x1, z1] = outline[(index + 1) % outline.length] ?? [0, 0];
    const normal = outward(x0, z0, x1, z1);
    const facing = d.x * normal.x + d.z * normal.z;
    if (facing >= 0) continue;
    const t = ((x0 - o.x) * normal.x + (z0 - o.z) * normal.z) / facing;
    if (t <= 1e-6 || (best !== undefined && t >= best.reach)) continue;
    const at = along(o, d, t);
    const share = ((at.x - x0) * (x1 - x0) + (at.z - z0) * (z1 - z0)) / ((x1 - x0) ** 2 + (z1 - z0) ** 2);
    if (share < 0 || share > 1 || Math.abs(at.y) > prism.halfWidth) continue;
    best = { reach: t, normal, colour: prism.edge(at, colour) };
  }
  return best;
}

/** The outlines run anticlockwise as seen from the left, so that the outside lies to the right of each edge. */
function outward(x0: number, z0: number, x1: number, z1: number): Vector {
  return unit({ x: z1 - z0, y: 0, z: x0 - x1 });
}

function within(outlineOf: readonly Corner[], x: number, z: number): boolean {
  let inside = false;
  for (const [index, [x0, z0]] of outlineOf.entries()) {
    const [x1, z1] = outlineOf[(index + 1) % outlineOf.length] ?? [0, 0];
    if (z0 > z !== z1 > z && x < ((x1 - x0) * (z - z0)) / (z1 - z0) + x0) inside = !inside;
  }
  return inside;
}
