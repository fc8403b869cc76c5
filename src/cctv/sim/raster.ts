import type { Limb } from './figure.rules.ts';
import { hash } from './noise.rules.ts';
import { focal, project, rayThrough, type Pinhole, type Projected, type Vector } from './pinhole.rules.ts';
import { along, unit, type Colour, type Solid } from './solid.rules.ts';

/** Turns solids and limbs into pixels. */

/** A picture with the distance of what stands in it; the ground and the sky count as infinitely far. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  /** Interleaved RGB. */
  readonly rgb: Uint8ClampedArray;
  readonly depth: Float32Array;
}

interface World {
  readonly sun: Vector;
  readonly solids: readonly Solid[];
  readonly ground: (x: number, y: number) => Colour;
}

const ambient = 0.52;
const direct = 0.62;
const sky: Colour = [176, 198, 222];
const haze: Colour = [198, 210, 222];
// Rays a pixel in each direction, for smooth edges.
const samples = 2;

/** A solid with what tells quickly that a ray misses it. */
interface Placed {
  readonly solid: Solid;
  readonly area: Area | undefined;
  readonly centre: Vector;
  readonly radius2: number;
}

/** Draws what stands still, once. */
export function drawWorld(camera: Pinhole, world: World): Canvas {
  const { width, pixels: height } = camera;
  const canvas = {
    width,
    height,
    rgb: new Uint8ClampedArray(width * height * 3),
    depth: new Float32Array(width * height).fill(Number.POSITIVE_INFINITY),
  };
  const placed = world.solids.map((solid) => placedIn(camera, canvas, solid));
  const eye = { x: 0, y: 0, z: camera.height };
  const share = 1 / samples ** 2;
  for (let y = 0; y < height; y += 1) {
    const row = placed.filter(({ area }) => area !== undefined && y >= area.top && y < area.bottom);
    for (let x = 0; x < width; x += 1) {
      const near = row.filter(({ area }) => area !== undefined && x >= area.left && x < area.right);
      const sum: [number, number, number] = [0, 0, 0];
      let nearest = Number.POSITIVE_INFINITY;
      for (let part = 0; part < samples ** 2; part += 1) {
        const px = x + ((part % samples) + 0.5) / samples;
        const py = y + (Math.floor(part / samples) + 0.5) / samples;
        const seen = look(eye, rayThrough(camera, px, py), near, placed, world);
        for (const channel of [0, 1, 2] as const) sum[channel] += seen.colour[channel] * share;
        if (seen.solid) nearest = Math.min(nearest, seen.reach);
      }
      canvas.rgb.set(sum, (y * width + x) * 3);
      canvas.depth[y * width + x] = nearest;
    }
  }
  return canvas;
}

function placedIn(camera: Pinhole, canvas: Canvas, solid: Solid): Placed {
  const points = solid.corners.map((corner) => project(camera, corner));
  const everywhere = { left: 0, top: 0, right: canvas.width, bottom: canvas.height };
  const behind = points.some(({ depth }) => depth <= 0.1);
  const count = solid.corners.length;
  const centre = {
    x: solid.corners.reduce((sum, { x }) => sum + x, 0) / count,
    y: solid.corners.reduce((sum, { y }) => sum + y, 0) / count,
    z: solid.corners.reduce((sum, { z }) => sum + z, 0) / count,
  };
  const radius2 = Math.max(
    ...solid.corners.map(({ x, y, z }) => (x - centre.x) ** 2 + (y - centre.y) ** 2 + (z - centre.z) ** 2),
  );
  return { solid, area: behind ? everywhere : areaOf(canvas, points, 1), centre, radius2 };
}

interface Seen {
  readonly colour: Colour;
  readonly reach: number;
  readonly solid: boolean;
}

function look(eye: Vector, ray: Vector, near: readonly Placed[], all: readonly Placed[], world: World): Seen {
  let best: { reach: number; normal: Vector; colour: Colour } | undefined;
  for (const { solid } of near) {
    const hit = solid.meet(eye, ray);
    if (hit !== undefined && (best === undefined || hit.reach < best.reach)) best = hit;
  }
  const groundReach = ray.z < 0 ? -eye.z / ray.z : Number.POSITIVE_INFINITY;
  if (best !== undefined && best.reach < groundReach) {
    const at = along(eye, ray, best.reach * 0.9995);
    const facing = lit(best.normal, world.sun);
    const light = facing > 0 && !shadowed(at, all, world.sun) ? facing : 0;
    const colour = faded(scaled(best.colour, ambient + direct * light), best.reach);
    return { colour, reach: best.reach, solid: true };
  }
  if (!Number.isFinite(groundReach) || groundReach > 400)
    return {
      colour: mixed(haze, sky, Math.min(1, Math.max(0, ray.z * 4))),
      reach: groundReach,
      solid: false,
    };
  const at = along(eye, ray, groundReach);
  const light = shadowed({ ...at, z: 0.001 }, all, world.sun) ? 0 : world.sun.z;
  const colour = scaled(world.ground(at.x, at.y), ambient + direct * light);
  return { colour: faded(colour, groundReach), reach: groundReach, solid: false };
}

function shadowed(at: Vector, solids: readonly Placed[], light: Vector): boolean {
  for (const { solid, centre, radius2 } of solids) {
    const x = centre.x - at.x;
    const y = centre.y - at.y;
    const z = centre.z - at.z;
    // Distance from its middle to the ray, squared: light has length 1.
    const ahead = x * light.x + y * light.y + z * light.z;
    if (x * x + y * y + z * z - ahead * ahead > radius2) continue;
    if (solid.meet(at, light) !== undefined) return true;
  }
  return false;
}

function lit(normal: Vector, light: Vector): number {
  return Math.max(0, normal.x * light.x + normal.y * light.y + normal.z * light.z);
}

function faded(colour: Colour, reach: number): Colour {
  return mixed(colour, haze, Math.min(0.5, Math.max(0, (reach - 15) / 160)));
}

function scaled(colour: Colour, by: number): Colour {
  return [colour[0] * by, colour[1] * by, colour[2] * by];
}

function mixed(a: Colour, b: Colour, share: number): Colour {
  const keep = 1 - share;
  return [a[0] * keep + b[0] * share, a[1] * keep + b[1] * share, a[2] * keep + b[2] * share];
}

/** Part of a picture in whole pixels; `right` and `bottom` are not within it. */
export interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export function areaOf(canvas: Canvas, points: readonly Projected[], margin: number): Area | undefined {
  const shown = points.filter(({ depth }) => depth > 0.1);
  if (shown.length === 0) return undefined;
  const area = {
    left: Math.max(0, Math.floor(Math.min(...shown.map(({ x }) => x)) - margin)),
    top: Math.max(0, Math.floor(Math.min(...shown.map(({ y }) => y)) - margin)),
    right: Math.min(canvas.width, Math.ceil(Math.max(...shown.map(({ x }) => x)) + margin)),
    bottom: Math.min(canvas.height, Math.ceil(Math.max(...shown.map(({ y }) => y)) + margin)),
  };
  return area.right > area.left && area.bottom > area.top ? area : undefined;
}

/** Draws a solid that moves, with its shadow, into a picture of what stands still. */
export function drawSolid(canvas: Canvas, camera: Pinhole, solid: Solid, light: Vector): Area | undefined {
  const shadow = solid.corners.map((corner) => project(camera, fallen(corner, light)));
  const area = areaOf(canvas, [...solid.corners.map((corner) => project(camera, corner)), ...shadow], 2);
  if (area === undefined) return undefined;
  const eye = { x: 0, y: 0, z: camera.height };
  for (let y = area.top; y < area.bottom; y += 1) {
    for (let x = area.left; x < area.right; x += 1) {
      const ray = rayThrough(camera, x + 0.5, y + 0.5);
      const hit = solid.meet(eye, ray);
      const at = y * canvas.width + x;
      const standing = canvas.depth[at] ?? 0;
      if (hit !== undefined && hit.reach < standing)
        paint(canvas, at, scaled(hit.colour, ambient + direct * lit(hit.normal, light)), 1);
      else if (hit === undefined && ray.z < 0 && standing === Number.POSITIVE_INFINITY) {
        const ground = along(eye, ray, -eye.z / ray.z);
        if (solid.meet({ ...ground, z: 0.001 }, light) !== undefined) paint(canvas, at, [0, 0, 0], 0.42);
      }
    }
  }
  return area;
}

/** Where the shadow of a point falls. */
function fallen(at: Vector, light: Vector): Vector {
  const reach = at.z / light.z;
  return { x: at.x - light.x * reach, y: at.y - light.y * reach, z: 0 };
}

function paint(canvas: Canvas, at: number, colour: Colour, share: number): void {
  for (const channel of [0, 1, 2] as const) {
    const index = at * 3 + channel;
    canvas.rgb[index] = (canvas.rgb[index] ?? 0) * (1 - share) + colour[channel] * share;
  }
}

interface Stroke {
  readonly from: Projected;
  readonly to: Projected;
  readonly limb: Limb;
  readonly depth: number;
}

function strokesOf(camera: Pinhole, limbs: readonly Limb[]): Stroke[] {
  return limbs
    .map((limb) => {
      const from = project(camera, limb.from);
      const to = project(camera, limb.to);
      return { from, to, limb, depth: (from.depth + to.depth) / 2 - (limb.nearer ?? 0) };
    })
    .filter(({ from, to }) => from.depth > 0.3 && to.depth > 0.3)
    .toSorted((a, b) => b.depth - a.depth);
}

/** The outline of limbs as pixels, not cut at the edge of the picture. Undefined behind the camera. */
export function extentOf(camera: Pinhole, limbs: readonly Limb[]): Area | undefined {
  const f = focal(camera);
  let extent: Area | undefined;
  for (const { from, to, limb } of strokesOf(camera, limbs)) {
    for (const [end, radius] of [
      [from, limb.radii[0] ?? 0],
      [to, limb.radii.at(-1) ?? 0],
    ] as const) {
      const r = (radius * f) / end.depth;
      extent = {
        left: Math.min(extent?.left ?? Infinity, end.x - r),
        top: Math.min(extent?.top ?? Infinity, end.y - r),
        right: Math.max(extent?.right ?? -Infinity, end.x + r),
        bottom: Math.max(extent?.bottom ?? -Infinity, end.y + r),
      };
    }
  }
  return extent;
}

/** Draws a person with their shadow. */
export function drawFigure(
  canvas: Canvas,
  camera: Pinhole,
  limbs: readonly Limb[],
  light: Vector,
): Area | undefined {
  const strokes = strokesOf(camera, limbs);
  const f = focal(camera);
  const shadows = strokesOf(
    camera,
    limbs.map((limb) => ({ ...limb, from: fallen(limb.from, light), to: fallen(limb.to, light) })),
  );
  const nearest = strokes.at(-1)?.depth ?? 1;
  const area = areaOf(
    canvas,
    [...strokes, ...shadows].flatMap(({ from, to }) => [from, to]),
    Math.ceil((0.2 * f) / nearest) + 2,
  );
  if (area === undefined) return undefined;
  drawShadow(canvas, area, shadows, f);
  // The camera's axes in the world, for the light on a rounded limb.
  const toEye = unit({ ...rayThrough(camera, camera.width / 2, camera.pixels / 2) });
  const up = unit({ x: 0, y: -toEye.z, z: toEye.y });
  const lightHere = {
    x: light.x,
    y: light.y * up.y + light.z * up.z,
    z: -(light.y * toEye.y + light.z * toEye.z),
  };
  for (const [index, stroke] of strokes.entries()) drawStroke(canvas, area, stroke, f, lightHere, index);
  return area;
}

function drawShadow(canvas: Canvas, area: Area, strokes: readonly Stroke[], f: number): void {
  const width = area.right - area.left;
  const mask = new Float32Array(width * (area.bottom - area.top));
  for (const stroke of strokes)
    sweep(area, stroke, f, 0.55, (x, y, cover) => {
      const at = (y - area.top) * width + (x - area.left);
      mask[at] = Math.max(mask[at] ?? 0, cover);
    });
  for (let y = area.top; y < area.bottom; y += 1)
    for (let x = area.left; x < area.right; x += 1) {
      const cover = mask[(y - area.top) * width + (x - area.left)] ?? 0;
      const at = y * canvas.width + x;
      if (cover > 0 && canvas.depth[at] === Number.POSITIVE_INFINITY)
        paint(canvas, at, [8, 10, 16], cover * 0.48);
    }
}

function drawStroke(
  canvas: Canvas,
  area: Area,
  stroke: Stroke,
  f: number,
  light: Vector,
  index: number,
): void {
  const { limb, depth } = stroke;
  sweep(area, stroke, f, 1, (x, y, cover, nx, ny, t) => {
    const at = y * canvas.width + x;
    if ((canvas.depth[at] ?? 0) < depth - 0.15) return;
    const nz = Math.sqrt(Math.max(0, 1 - nx * nx - ny * ny));
    const bright = Math.max(0, nx * light.x - ny * light.y + nz * light.z);
    const cloth = 0.94 + 0.12 * hash(Math.round(t * 14), Math.round(nx * 3), index + 31);
    paint(canvas, at, scaled(limb.colour, (ambient * (0.72 + 0.28 * nz) + direct * bright) * cloth), cover);
  });
}

/** Visits the pixels of a limb: how much of each is covered, the outward direction there, and the place along it. */
function sweep(
  area: Area,
  { from, to, limb }: Stroke,
  f: number,
  flat: number,
  visit: (x: number, y: number, cover: number, nx: number, ny: number, t: number) => void,
): void {
  const widest = Math.max(...limb.radii);
  const reach = (widest * f) / Math.min(from.depth, to.depth) + 1;
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length2 = dx * dx + dy * dy || 1e-6;
  const left = Math.max(area.left, Math.floor(Math.min(from.x, to.x) - reach));
  const right = Math.min(area.right, Math.ceil(Math.max(from.x, to.x) + reach));
  const top = Math.max(area.top, Math.floor(Math.min(from.y, to.y) - reach));
  const bottom = Math.min(area.bottom, Math.ceil(Math.max(from.y, to.y) + reach));
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      const px = x + 0.5 - from.x;
      const py = y + 0.5 - from.y;
      const t = Math.min(1, Math.max(0, (px * dx + py * dy) / length2));
      const ox = px - t * dx;
      const oy = (py - t * dy) / flat;
      const radius = (radiusAt(limb.radii, t) * f) / (from.depth + (to.depth - from.depth) * t);
      const distance = Math.hypot(ox, oy);
      const cover = Math.min(1, radius - distance + 0.5);
      if (cover > 0) visit(x, y, cover, ox / Math.max(radius, 0.5), oy / Math.max(radius, 0.5), t);
    }
  }
}

function radiusAt(radii: readonly number[], t: number): number {
  const at = t * (radii.length - 1);
  const index = Math.min(Math.floor(at), radii.length - 2);
  const first = radii[Math.max(0, index)] ?? 0;
  const second = radii[index + 1] ?? first;
  return first + (second - first) * (at - Math.max(0, index));
}

/** Packed yuv420p of an RGB picture, limited range, BT.601; only within an area where one is given. */
export function toYuv(canvas: Canvas, into: Buffer, area?: Area): void {
  const { width, height, rgb } = canvas;
  const chroma = width >> 1;
  const u0 = width * height;
  const v0 = u0 + chroma * (height >> 1);
  const left = (area?.left ?? 0) & ~1;
  const top = (area?.top ?? 0) & ~1;
  const right = Math.min(width, ((area?.right ?? width) + 1) & ~1);
  const bottom = Math.min(height, ((area?.bottom ?? height) + 1) & ~1);
  for (let y = top; y < bottom; y += 2) {
    for (let x = left; x < right; x += 2) {
      let r = 0;
      let g = 0;
      let b = 0;
      for (let part = 0; part < 4; part += 1) {
        const at = (y + (part >> 1)) * width + x + (part & 1);
        const red = rgb[at * 3] ?? 0;
        const green = rgb[at * 3 + 1] ?? 0;
        const blue = rgb[at * 3 + 2] ?? 0;
        into[at] = 16.5 + 0.2568 * red + 0.5041 * green + 0.0979 * blue;
        r += red;
        g += green;
        b += blue;
      }
      const c = (y >> 1) * chroma + (x >> 1);
      into[u0 + c] = 128.5 + (-0.1482 * r - 0.291 * g + 0.4392 * b) / 4;
      into[v0 + c] = 128.5 + (0.4392 * r - 0.3678 * g - 0.0714 * b) / 4;
    }
  }
}
