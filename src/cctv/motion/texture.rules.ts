/** Pixels of a cell: small enough for a person far away, large enough to tell texture from noise. */
export const cell = 5;
const cellPixels = cell * cell;
/** Sums of squares of -2..2 over a cell, the norms of its two slopes. */
const slopeNorm = cell * 10;

/**
 * What remains of a cell, root mean square in gray levels, after the best gain, offset and slope over its background:
 * least squares of g = a b + c + d x + e y. Both are freed of mean and slopes, which are orthogonal on a grid.
 */
export function leftover(
  gray: Uint8Array,
  mean: Float32Array,
  variance: Float32Array,
  origin: number,
  width: number,
): number {
  let [g, gx, gy, gg, b, bx, by, bb, gb, noise, glare] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  for (let y = -2, row = origin; y <= 2; y += 1, row += width)
    for (let x = -2, i = row; x <= 2; x += 1, i += 1) {
      const p = gray[i]!;
      const q = mean[i]!;
      g += p;
      gx += p * x;
      gy += p * y;
      gg += p * p;
      b += q;
      bx += q * x;
      by += q * y;
      bb += q * q;
      gb += p * q;
      noise += variance[i]!;
      if (p >= 245) glare += 1;
    }
  // Texture drowns where the sensor saturates, which needs light and no object.
  if (glare > cellPixels * 0.3) return 0;
  const own = gg - (g * g) / cellPixels - (gx * gx + gy * gy) / slopeNorm;
  const base = bb - (b * b) / cellPixels - (bx * bx + by * by) / slopeNorm;
  const shared = gb - (g * b) / cellPixels - (gx * bx + gy * by) / slopeNorm;
  // Texture that turned into its negative is no light.
  const explained = shared > 0 ? (shared * shared) / (base + noise) : 0;
  // Light that grows lets noise and texture grow with it.
  const gain = Math.max(1, (g + 1) / (b + 1));
  const rest = own - explained - noise * gain * gain;
  // Where the texture is strong, light from another side leaves more of it unexplained.
  return rest <= 0 ? 0 : Math.sqrt(rest / cellPixels) / (1 + 0.04 * Math.sqrt(base / cellPixels));
}

/** Correlation of how steep two pictures are at each place, -1 to 1. */
export function edgesAgree(a: Float32Array, b: Uint8Array, width: number): number {
  let [n, sa, sb, aa, bb, ab] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < b.length - width - 1; i += 2) {
    const p = Math.abs(a[i + 1]! - a[i]!) + Math.abs(a[i + width]! - a[i]!);
    const q = Math.abs(b[i + 1]! - b[i]!) + Math.abs(b[i + width]! - b[i]!);
    n += 1;
    sa += p;
    sb += q;
    aa += p * p;
    bb += q * q;
    ab += p * q;
  }
  const scale = Math.sqrt((aa - (sa * sa) / n) * (bb - (sb * sb) / n));
  return scale < 1e-9 ? 0 : (ab - (sa * sb) / n) / scale;
}

/** Standard deviation of a picture in gray levels. */
export function deviation(gray: Uint8Array): number {
  let [sum, squares] = [0, 0];
  for (const g of gray) {
    sum += g;
    squares += g * g;
  }
  const mean = sum / gray.length;
  return Math.sqrt(Math.max(0, squares / gray.length - mean * mean));
}
