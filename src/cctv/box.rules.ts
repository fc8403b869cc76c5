import type { Box, Point, Polygon } from './model.ts';

export const area = (b: Box) => Math.max(0, b.width) * Math.max(0, b.height);
export const centre = (b: Box): Point => ({ x: b.left + b.width / 2, y: b.top + b.height / 2 });
/** Where the object stands: the middle of the lower edge. */
export const foot = (b: Box): Point => ({ x: b.left + b.width / 2, y: b.top + b.height });

/** Intersection over union, 0 to 1. */
export function iou(a: Box, b: Box): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (area(a) + area(b) - shared);
}

/** The part of a box that lies within the picture; undefined when none does. */
export function clip(b: Box): Box | undefined {
  const left = Math.max(0, b.left);
  const top = Math.max(0, b.top);
  const width = Math.min(1, b.left + b.width) - left;
  const height = Math.min(1, b.top + b.height) - top;
  return width > 0 && height > 0 ? { left, top, width, height } : undefined;
}

/** True for a point inside a polygon, by the even-odd rule. */
export function inside(p: Point, polygon: Polygon): boolean {
  let within = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const a = polygon[i]!;
    const b = polygon[j]!;
    if (a.y > p.y !== b.y > p.y && p.x < ((b.x - a.x) * (p.y - a.y)) / (b.y - a.y) + a.x) within = !within;
  }
  return within;
}
