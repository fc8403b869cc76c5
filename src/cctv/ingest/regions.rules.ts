import { area, centre, clip, iou } from '../box.rules.ts';
import type { Box, Detection } from '../model.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Pixels of the detector's frame below which it misses objects. */
const smallPixels = 28;
/** A crop that shows hardly more than the whole picture does is not worth its time. */
const worthwhile = 1.4;
/** Shares of the crop left free around what it is for, so that nothing is cut by its edge. */
const margin = 0.1;

export interface RegionWish {
  /** Where something moved or is followed, fractions of the picture. */
  readonly boxes: readonly Box[];
  readonly picture: Size;
  /** The detector's frame. */
  readonly input: Size;
  /** At most so many. */
  readonly limit: number;
  /** Counts looks: with more places than the limit they take turns. */
  readonly turn: number;
}

/**
 * Plans crops at full resolution around what would be too small to be recognised in the whole picture. Each is as large as
 * the detector's frame, pixel by pixel, and takes in as many neighbours as fit.
 */
export function planRegions({ boxes, picture, input, limit, turn }: RegionWish): Box[] {
  const scale = Math.min(input.width / picture.width, input.height / picture.height);
  if (limit <= 0 || scale * worthwhile > 1) return [];
  const width = Math.min(1, input.width / picture.width);
  const height = Math.min(1, input.height / picture.height);
  const small = boxes
    .map(clip)
    .filter((b) => b !== undefined)
    .filter((b) => Math.max(b.width * picture.width, b.height * picture.height) * scale < smallPixels)
    .toSorted((a, b) => a.left - b.left || a.top - b.top);
  const crops: Box[] = [];
  let rest = small;
  while (rest.length > 0) {
    let hull = rest[0]!;
    const outside: Box[] = [];
    for (const box of rest.slice(1)) {
      const both = hullOf(hull, box);
      if (both.width <= width * (1 - 2 * margin) && both.height <= height * (1 - 2 * margin)) hull = both;
      else outside.push(box);
    }
    const { x, y } = centre(hull);
    crops.push({
      left: Math.min(Math.max(0, x - width / 2), 1 - width),
      top: Math.min(Math.max(0, y - height / 2), 1 - height),
      width,
      height,
    });
    rest = outside;
  }
  if (crops.length <= limit) return crops;
  const first = (turn * limit) % crops.length;
  return Array.from({ length: limit }, (_, i) => crops[(first + i) % crops.length]!);
}

function hullOf(a: Box, b: Box): Box {
  const left = Math.min(a.left, b.left);
  const top = Math.min(a.top, b.top);
  return {
    left,
    top,
    width: Math.max(a.left + a.width, b.left + b.width) - left,
    height: Math.max(a.top + a.height, b.top + b.height) - top,
  };
}

/** What a detector found in one part of the picture; boxes in fractions of the whole picture. */
export interface Found {
  readonly part: Box;
  readonly detections: readonly Detection[];
}

const edge = 0.01;
const sameIou = 0.5;
/** Share of the smaller box that lies in the larger: a half-seen object is part of the whole one. */
const insideShare = 0.7;

/** One list without doubles. Of two sightings of the same object the one wins that no crop cuts, then the surer one. */
export function mergeFound(found: readonly Found[]): Detection[] {
  if (found.length === 1) return [...found[0]!.detections];
  const all = found
    .flatMap(({ part, detections }) =>
      detections.map((detection) => ({ detection, cut: isCut(detection.box, part) })),
    )
    .toSorted((a, b) => Number(a.cut) - Number(b.cut) || b.detection.score - a.detection.score);
  const kept: Detection[] = [];
  for (const { detection, cut } of all) {
    const twin = kept.some(
      (k) =>
        k.label === detection.label &&
        (iou(k.box, detection.box) > sameIou || (cut && coverage(k.box, detection.box) > insideShare)),
    );
    if (!twin) kept.push(detection);
  }
  return kept;
}

/** Whether the object may go on beyond the edge of the crop; the edge of the picture cuts nothing more off. */
function isCut(box: Box, part: Box): boolean {
  const x = edge * part.width;
  const y = edge * part.height;
  return (
    (part.left > 0 && box.left < part.left + x) ||
    (part.top > 0 && box.top < part.top + y) ||
    (part.left + part.width < 1 - 1e-9 && box.left + box.width > part.left + part.width - x) ||
    (part.top + part.height < 1 - 1e-9 && box.top + box.height > part.top + part.height - y)
  );
}

/** Share of the smaller of two boxes that lies in the other. */
function coverage(a: Box, b: Box): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  const smaller = Math.min(area(a), area(b));
  return width <= 0 || height <= 0 || smaller === 0 ? 0 : (width * height) / smaller;
}
