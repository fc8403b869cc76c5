import type { Box } from '../model.ts';
import { dot, glyphHeight, glyphWidth } from './glyphs.rules.ts';

/** A picture of planes of luma and of chroma at half the size in both directions, each row `stride` bytes apart. */
export interface Planes {
  readonly width: number;
  readonly height: number;
  readonly planes: readonly [Uint8Array, Uint8Array, Uint8Array];
  readonly strides: readonly [number, number, number];
}

type Colour = readonly [y: number, u: number, v: number];

/** Full-range BT.601. */
const frameColour: Colour = [206, 16, 158];
const textColour: Colour = [16, 128, 128];

/** Draws the outline of a box and its label above it, in place. Size grows with the picture. */
export function drawBox(picture: Planes, box: Box, label: string): void {
  const { width, height } = picture;
  const line = Math.max(2, Math.round(height / 240));
  const left = Math.round(box.left * width);
  const top = Math.round(box.top * height);
  const right = Math.round((box.left + box.width) * width);
  const bottom = Math.round((box.top + box.height) * height);
  fill(picture, left, top, right, top + line, frameColour);
  fill(picture, left, bottom - line, right, bottom, frameColour);
  fill(picture, left, top, left + line, bottom, frameColour);
  fill(picture, right - line, top, right, bottom, frameColour);
  drawText(picture, left, top, label);
}

function drawText(picture: Planes, left: number, bottom: number, text: string): void {
  const size = Math.max(1, Math.round(picture.height / 240));
  const signs = text.slice(0, 40).split('');
  const wide = (signs.length * (glyphWidth + 1) + 1) * size;
  const high = (glyphHeight + 2) * size;
  const x = Math.min(Math.max(0, left), Math.max(0, picture.width - wide));
  // Above the box; within it when it touches the upper edge.
  const y = bottom >= high ? bottom - high : bottom;
  fill(picture, x, y, x + wide, y + high, frameColour);
  for (const [i, sign] of signs.entries())
    for (let row = 0; row < glyphHeight; row += 1)
      for (let column = 0; column < glyphWidth; column += 1) {
        if (!dot(sign, column, row)) continue;
        const dx = x + (1 + i * (glyphWidth + 1) + column) * size;
        const dy = y + (1 + row) * size;
        fill(picture, dx, dy, dx + size, dy + size, textColour);
      }
}

/** Paints a rectangle of pixels, cut to the picture; right and bottom are outside of it. */
function fill(
  picture: Planes,
  left: number,
  top: number,
  right: number,
  bottom: number,
  colour: Colour,
): void {
  for (const [i, plane] of picture.planes.entries()) {
    const half = i === 0 ? 1 : 2;
    const from = Math.floor(Math.max(0, left) / half);
    const to = Math.ceil(Math.min(picture.width, right) / half);
    const last = Math.ceil(Math.min(picture.height, bottom) / half);
    for (let y = Math.floor(Math.max(0, top) / half); y < last && from < to; y += 1)
      plane.fill(colour[i]!, y * picture.strides[i]! + from, y * picture.strides[i]! + to);
  }
}

/** Mean step between neighbouring pixels of the luma within a box, gray levels: blurred pictures have small ones. */
export function sharpnessOf({ width, height, planes, strides }: Planes, box: Box): number {
  const [luma] = planes;
  const [stride] = strides;
  const left = Math.max(1, Math.floor(box.left * width));
  const right = Math.min(width, Math.ceil((box.left + box.width) * width));
  const bottom = Math.min(height, Math.ceil((box.top + box.height) * height));
  // A few thousand samples tell as much as all of them.
  const step = Math.max(1, Math.floor(Math.sqrt(((right - left) * bottom) / 4000)));
  let sum = 0;
  let count = 0;
  for (let y = Math.max(1, Math.floor(box.top * height)); y < bottom; y += step)
    for (let x = left; x < right; x += step) {
      const i = y * stride + x;
      sum += Math.abs(luma[i]! - luma[i - 1]!) + Math.abs(luma[i]! - luma[i - stride]!);
      count += 2;
    }
  return count === 0 ? 0 : sum / count;
}
