/** Where a picture has edges, and how two such maps lie over each other. Pictures are gray, one byte a pixel. */

/** Gray levels at which an edge counts half: light scales edges, and this keeps their places instead of their strength. */
const halfEdge = 14;

/** How steep the picture is at each pixel, 0 to 1; the border is 0. */
export function edgeMap(gray: Uint8Array, width: number, height: number): Float32Array {
  const edges = new Float32Array(gray.length);
  for (let y = 1; y < height - 1; y += 1)
    for (let x = 1, i = y * width + 1; x < width - 1; x += 1, i += 1) {
      const steep = Math.abs(gray[i + 1]! - gray[i - 1]!) + Math.abs(gray[i + width]! - gray[i - width]!);
      edges[i] = steep / (steep + 2 * halfEdge);
    }
  return edges;
}

/** Mean of blocks of 2 x 2. */
function halve(map: Float32Array, width: number, height: number): Float32Array {
  const [w, h] = [width >> 1, height >> 1];
  const out = new Float32Array(w * h);
  for (let y = 0, o = 0; y < h; y += 1)
    for (let x = 0, i = 2 * y * width; x < w; x += 1, i += 2, o += 1)
      out[o] = (map[i]! + map[i + 1]! + map[i + width]! + map[i + width + 1]!) / 4;
  return out;
}

/** The strongest edges of a picture shifted by so many pixels, over the inner part that both show: correlation, -1 to 1. */
function correlation(
  reference: Float32Array,
  now: Float32Array,
  size: { readonly width: number; readonly height: number },
  shift: { readonly x: number; readonly y: number },
  margin: { readonly x: number; readonly y: number },
): number {
  const { width, height } = size;
  let [n, a, b, aa, bb, ab] = [0, 0, 0, 0, 0, 0];
  for (let y = margin.y; y < height - margin.y; y += 1) {
    const by = (y + shift.y) * width + shift.x;
    for (let x = margin.x, i = y * width + margin.x; x < width - margin.x; x += 1, i += 1) {
      const p = reference[i]!;
      const q = now[by + x]!;
      n += 1;
      a += p;
      b += q;
      aa += p * p;
      bb += q * q;
      ab += p * q;
    }
  }
  const scale = Math.sqrt((aa - (a * a) / n) * (bb - (b * b) / n));
  return scale < 1e-9 ? 0 : (ab - (a * b) / n) / scale;
}

/** How far a picture may have moved to be found again: a share of its width and height. */
const reach = 0.16;

export interface Alignment {
  /** Correlation where it is, and at the best shift. */
  readonly here: number;
  readonly best: number;
  /** Pixels by which the picture moved, to parts of one. */
  readonly x: number;
  readonly y: number;
}

/** Correlation of two maps as they lie. */
export function agreement(reference: Float32Array, now: Float32Array, width: number, height: number): number {
  const margin = { x: Math.floor(width * reach), y: Math.floor(height * reach) };
  return correlation(reference, now, { width, height }, { x: 0, y: 0 }, margin);
}

/** The shift at which a map lies best over the reference: searched on half the pixels, then on all. */
export function align(reference: Float32Array, now: Float32Array, width: number, height: number): Alignment {
  const margin = { x: Math.floor(width * reach), y: Math.floor(height * reach) };
  const half = { width: width >> 1, height: height >> 1 };
  const [small, smallNow] = [halve(reference, width, height), halve(now, width, height)];
  const smallMargin = { x: margin.x >> 1, y: margin.y >> 1 };
  let coarse = { score: -2, x: 0, y: 0 };
  for (let y = 1 - smallMargin.y; y < smallMargin.y; y += 1)
    for (let x = 1 - smallMargin.x; x < smallMargin.x; x += 1) {
      const score = correlation(small, smallNow, half, { x, y }, smallMargin);
      if (score > coarse.score) coarse = { score, x: 2 * x, y: 2 * y };
    }
  const at = (x: number, y: number) =>
    Math.abs(x) <= margin.x && Math.abs(y) <= margin.y
      ? correlation(reference, now, { width, height }, { x, y }, margin)
      : -2;
  let best = { score: -2, x: 0, y: 0 };
  for (let y = coarse.y - 2; y <= coarse.y + 2; y += 1)
    for (let x = coarse.x - 2; x <= coarse.x + 2; x += 1) {
      const score = at(x, y);
      if (score > best.score) best = { score, x, y };
    }
  return {
    here: at(0, 0),
    best: best.score,
    x: best.x + peak(at(best.x - 1, best.y), best.score, at(best.x + 1, best.y)),
    y: best.y + peak(at(best.x, best.y - 1), best.score, at(best.x, best.y + 1)),
  };
}

/** The shifts of the four quarters of a picture, each searched on its own. */
export function quarters(
  reference: Float32Array,
  now: Float32Array,
  width: number,
  height: number,
): Alignment[] {
  const [w, h] = [width >> 1, height >> 1];
  const corner = (map: Float32Array, left: number, top: number) =>
    Float32Array.from({ length: w * h }, (_, i) => map[(top + Math.floor(i / w)) * width + left + (i % w)]!);
  return [0, w].flatMap((left) =>
    [0, h].map((top) => align(corner(reference, left, top), corner(now, left, top), w, h)),
  );
}

/** Where between -0.5 and 0.5 a parabola through three values a step apart is highest. */
function peak(before: number, middle: number, after: number): number {
  const bend = before - 2 * middle + after;
  return before < -1 || after < -1 || bend >= 0
    ? 0
    : Math.max(-0.5, Math.min(0.5, (before - after) / 2 / bend));
}

export interface Look {
  /** Mean and standard deviation, gray levels. */
  readonly mean: number;
  readonly contrast: number;
  /** Mean difference of neighbouring pixels over that of neighbouring blocks of 4 x 4: falls when the lens is out of focus. */
  readonly sharpness: number;
}

export function lookOf(gray: Uint8Array, width: number, height: number): Look {
  let [sum, squares, fine, n] = [0, 0, 0, 0];
  const [columns, rows] = [width >> 2, height >> 2];
  const blocks = new Float32Array(columns * rows);
  for (let y = 0; y < rows * 4; y += 1)
    for (let x = 0, i = y * width; x < columns * 4; x += 1, i += 1) {
      const g = gray[i]!;
      sum += g;
      squares += g * g;
      n += 1;
      blocks[(y >> 2) * columns + (x >> 2)]! += g / 16;
      if (x > 0) fine += Math.abs(g - gray[i - 1]!);
      if (y > 0) fine += Math.abs(g - gray[i - width]!);
    }
  let coarse = 0;
  for (let y = 1; y < rows; y += 1)
    for (let x = 1, b = y * columns + 1; x < columns; x += 1, b += 1)
      coarse += Math.abs(blocks[b]! - blocks[b - 1]!) + Math.abs(blocks[b]! - blocks[b - columns]!);
  const mean = sum / n;
  const steps = coarse / Math.max(1, (rows - 1) * (columns - 1));
  return {
    mean,
    contrast: Math.sqrt(Math.max(0, squares / n - mean * mean)),
    // Half a level, so that a picture without any difference is not infinitely sharp.
    sharpness: fine / n / (steps + 0.5),
  };
}
