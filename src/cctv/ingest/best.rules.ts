import { area } from '../box.rules.ts';
import type { Box } from '../model.ts';

/** How much better a picture must be to replace the last one, and the least milliseconds between two of one object. */
const better = 1.2;
const restMs = 1000;
const cutShare = 0.4;

/** How well a frame shows an object: sure, large, wholly within the picture, and sharp (mean gradient, gray levels). */
export function pictureQuality(score: number, box: Box, sharpness: number): number {
  const edge = 0.004;
  const cut =
    box.left < edge || box.top < edge || box.left + box.width > 1 - edge || box.top + box.height > 1 - edge;
  return score * Math.sqrt(area(box)) * (cut ? cutShare : 1) * Math.sqrt(1 + sharpness);
}

export interface Shot {
  readonly quality: number;
  readonly at: number;
}

/** Whether a new frame of an object is worth keeping beside the last. */
export function improves(last: Shot | undefined, next: Shot): boolean {
  if (last === undefined) return true;
  return next.quality > last.quality * better && next.at - last.at >= restMs;
}
