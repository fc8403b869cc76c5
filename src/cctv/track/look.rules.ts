import type { Box } from '../model.ts';

/** 8 bit RGB, rows without padding. */
interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const hues = 8;
const greys = 4;
const bins = hues + greys;
/** Upper and lower part of a box, as shares of its height; head and feet are too small to tell anything. */
const parts = [
  [0.15, 0.5],
  [0.5, 0.85],
] as const;
/** Difference of the largest and the smallest of R, G, B from which a pixel is all colour and no grey. */
const vivid = 64;

/**
 * The colours of an object: for its upper and its lower part a histogram of eight hues and four greys, 24 numbers,
 * each the square root of a share. At most about 200 pixels are read, so it costs some microseconds.
 */
export function lookOf({ width, height, data }: Picture, box: Box): Float32Array {
  const look = new Float32Array(parts.length * bins);
  const left = Math.max(0, Math.floor((box.left + box.width / 4) * width));
  const right = Math.min(width, Math.ceil((box.left + (box.width * 3) / 4) * width));
  const stepX = Math.max(1, Math.floor((right - left) / 8));
  for (const [part, [from, to]] of parts.entries()) {
    const top = Math.max(0, Math.floor((box.top + box.height * from) * height));
    const bottom = Math.min(height, Math.ceil((box.top + box.height * to) * height));
    const stepY = Math.max(1, Math.floor((bottom - top) / 12));
    const histogram = look.subarray(part * bins, (part + 1) * bins);
    let pixels = 0;
    for (let y = top; y < bottom; y += stepY)
      for (let x = left; x < right; x += stepX) {
        const i = (y * width + x) * 3;
        count(histogram, data[i] ?? 0, data[i + 1] ?? 0, data[i + 2] ?? 0);
        pixels += 1;
      }
    for (let k = 0; k < bins; k += 1)
      histogram[k] = Math.sqrt(histogram[k]! / Math.max(1, pixels) / parts.length);
  }
  return look;
}

/** Shares each pixel between neighbouring bins, so that a little more light does not change the look by a jump. */
function count(histogram: Float32Array, r: number, g: number, b: number): void {
  const max = Math.max(r, g, b);
  const chroma = max - Math.min(r, g, b);
  const colour = Math.min(1, chroma / vivid);
  const grey = Math.min(greys - 1, Math.max(0, (max / 256) * greys - 0.5));
  const low = Math.floor(grey);
  const high = Math.min(greys - 1, low + 1);
  histogram[hues + low]! += (1 - colour) * (1 - grey + low);
  histogram[hues + high]! += (1 - colour) * (grey - low);
  if (chroma === 0) return;
  const sixth = max === r ? (g - b) / chroma : max === g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
  const hue = (((sixth + 6) % 6) / 6) * hues;
  const first = Math.floor(hue) % hues;
  histogram[first]! += colour * (1 - hue + Math.floor(hue));
  histogram[(first + 1) % hues]! += colour * (hue - Math.floor(hue));
}

/** 0 for the same colours in the same shares, 1 for none in common (squared Hellinger distance). */
export function unlike(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return 1;
  let common = 0;
  for (let i = 0; i < a.length; i += 1) common += a[i]! * b[i]!;
  return Math.min(1, Math.max(0, 1 - common));
}
