import { foot, inside } from '../box.rules.ts';
import type { Box, Polygon } from '../model.ts';

/**
 * One byte a pixel, row by row: 1 where the picture counts, 0 where the middle of the pixel lies within a mask.
 * Polygons are in fractions of the picture.
 */
export function liveMask(width: number, height: number, masks: readonly Polygon[]): Uint8Array {
  const live = new Uint8Array(width * height).fill(1);
  for (const mask of masks) {
    const { left, top, right, bottom } = extent(mask);
    const [x0, x1] = [Math.max(0, Math.floor(left * width)), Math.min(width, Math.ceil(right * width))];
    const [y0, y1] = [Math.max(0, Math.floor(top * height)), Math.min(height, Math.ceil(bottom * height))];
    for (let y = y0; y < y1; y += 1)
      for (let x = x0; x < x1; x += 1)
        if (inside({ x: (x + 0.5) / width, y: (y + 0.5) / height }, mask)) live[y * width + x] = 0;
  }
  return live;
}

function extent(polygon: Polygon) {
  const xs = polygon.map((p) => p.x);
  const ys = polygon.map((p) => p.y);
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

/** True for an object that stands within a mask: its foot point counts, not its picture, for a head may cross any line. */
export const masked = (box: Box, masks: readonly Polygon[]): boolean => {
  const at = foot(box);
  // The foot of a box that ends at the edge of the picture lies on the border, which belongs to no polygon.
  const within = { x: Math.min(Math.max(at.x, 0), 1 - 1e-6), y: Math.min(Math.max(at.y, 0), 1 - 1e-6) };
  return masks.some((mask) => inside(within, mask));
};
