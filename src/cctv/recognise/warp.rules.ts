import type { Frame } from '../detect/model.ts';

/** A map from pixels of one picture to those of another: x' = a·x - b·y + tx, y' = b·x + a·y + ty. */
export interface Similarity {
  readonly a: number;
  readonly b: number;
  readonly tx: number;
  readonly ty: number;
}

/** Where the second axis does not follow from the first: x' = a·x + c·y + tx, y' = b·x + d·y + ty. */
export interface Stretch {
  readonly c: number;
  readonly d: number;
}

/** A place in a picture, in its pixels. */
export interface Pixel {
  readonly x: number;
  readonly y: number;
}

export const mapped = ({ a, b, tx, ty }: Similarity, { x, y }: Pixel): Pixel => ({
  x: a * x - b * y + tx,
  y: b * x + a * y + ty,
});

/** The map back. Scale must not be 0. */
export function inverse({ a, b, tx, ty }: Similarity): Similarity {
  const square = a * a + b * b;
  const ia = a / square;
  const ib = -b / square;
  return { a: ia, b: ib, tx: -(ia * tx - ib * ty), ty: -(ib * tx + ia * ty) };
}

export const scaleOf = ({ a, b }: Similarity): number => Math.hypot(a, b);

/**
 * The similarity (turn, scale, shift; no mirror) that brings the points `from` nearest to the points `to`, by least
 * squares (Umeyama, 1991), and how far they miss: root mean square in pixels of `to`. Undefined where all points of
 * `from` are one.
 */
export function align(
  from: readonly Pixel[],
  to: readonly Pixel[],
): { readonly map: Similarity; readonly miss: number } | undefined {
  const n = Math.min(from.length, to.length);
  const [f, t] = [middle(from, n), middle(to, n)];
  let dot = 0;
  let cross = 0;
  let spread = 0;
  for (let i = 0; i < n; i += 1) {
    const [fx, fy] = [from[i]!.x - f.x, from[i]!.y - f.y];
    const [gx, gy] = [to[i]!.x - t.x, to[i]!.y - t.y];
    dot += fx * gx + fy * gy;
    cross += fx * gy - fy * gx;
    spread += fx * fx + fy * fy;
  }
  if (!(spread > 0)) return undefined;
  const a = dot / spread;
  const b = cross / spread;
  if (!(Math.hypot(a, b) > 0)) return undefined;
  const map = { a, b, tx: t.x - (a * f.x - b * f.y), ty: t.y - (b * f.x + a * f.y) };
  let sum = 0;
  for (let i = 0; i < n; i += 1) {
    const p = mapped(map, from[i]!);
    sum += (p.x - to[i]!.x) ** 2 + (p.y - to[i]!.y) ** 2;
  }
  return { map, miss: Math.sqrt(sum / n) };
}

function middle(points: readonly Pixel[], n: number): Pixel {
  let x = 0;
  let y = 0;
  for (let i = 0; i < n; i += 1) {
    x += points[i]!.x;
    y += points[i]!.y;
  }
  return { x: x / n, y: y / n };
}

// More samples a pixel than this cost time and show nothing.
const mostSamples = 6;

const samplesFor = (scale: number) => Math.max(1, Math.min(mostSamples, Math.ceil(scale - 0.01)));

/**
 * A picture of `width` by `height` pixels whose pixel p shows the place `back`(p) of the source. Between pixels by
 * bilinear interpolation, with as many samples a pixel as it covers; outside the source is `fill` (gray level).
 */
export function warp(
  source: Frame,
  back: Similarity & Partial<Stretch>,
  width: number,
  height: number,
  fill = 114,
): Frame {
  const data = new Uint8Array(width * height * 3);
  const { a, b, tx, ty, c = -b, d = a } = back;
  const across = samplesFor(Math.hypot(a, b));
  const down = samplesFor(Math.hypot(c, d));
  const share = 1 / (across * down);
  const { width: w, height: h, data: from } = source;
  for (let y = 0, at = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1, at += 3) {
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let j = 0; j < down; j += 1)
        for (let i = 0; i < across; i += 1) {
          const px = x + (i + 0.5) / across;
          const py = y + (j + 0.5) / down;
          const sx = a * px + c * py + tx;
          const sy = b * px + d * py + ty;
          if (!(sx >= 0 && sy >= 0 && sx <= w && sy <= h)) {
            red += fill;
            green += fill;
            blue += fill;
            continue;
          }
          const cx = Math.min(w - 1, Math.max(0, sx - 0.5));
          const cy = Math.min(h - 1, Math.max(0, sy - 0.5));
          const x0 = Math.floor(cx);
          const y0 = Math.floor(cy);
          const fx = cx - x0;
          const fy = cy - y0;
          const p00 = (y0 * w + x0) * 3;
          const p10 = x0 + 1 < w ? p00 + 3 : p00;
          const row = y0 + 1 < h ? w * 3 : 0;
          const w00 = (1 - fx) * (1 - fy);
          const w10 = fx * (1 - fy);
          const w01 = (1 - fx) * fy;
          const w11 = fx * fy;
          red += from[p00]! * w00 + from[p10]! * w10 + from[p00 + row]! * w01 + from[p10 + row]! * w11;
          green +=
            from[p00 + 1]! * w00 +
            from[p10 + 1]! * w10 +
            from[p00 + row + 1]! * w01 +
            from[p10 + row + 1]! * w11;
          blue +=
            from[p00 + 2]! * w00 +
            from[p10 + 2]! * w10 +
            from[p00 + row + 2]! * w01 +
            from[p10 + row + 2]! * w11;
        }
      data[at] = Math.round(red * share);
      data[at + 1] = Math.round(green * share);
      data[at + 2] = Math.round(blue * share);
    }
  return { width, height, data };
}

/** A part of a picture, in pixels. */
export interface Part {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The map from an input of `width` by `height` to the picture, for a part that lies at its top left, shape kept. */
export function fitted(part: Part, width: number, height: number): Similarity {
  const scale = Math.max(part.width / width, part.height / height);
  return { a: scale, b: 0, tx: part.left, ty: part.top };
}

/** The part of a picture, in the size of an input; gray where the part does not reach. */
export function cut(
  source: Frame,
  part: Part,
  width: number,
  height: number,
): { frame: Frame; back: Similarity } {
  const back = fitted(part, width, height);
  return { frame: warp(source, back, width, height), back };
}

/** A part of a picture that fills an input, whatever that does to its shape. */
export const stretched = (source: Frame, part: Part, width: number, height: number): Frame =>
  warp(
    source,
    { a: part.width / width, b: 0, c: 0, d: part.height / height, tx: part.left, ty: part.top },
    width,
    height,
  );
