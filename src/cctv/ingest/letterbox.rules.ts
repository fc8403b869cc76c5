import { fromInput, letterbox, type Letterbox } from '../detect/letterbox.rules.ts';
import type { Box } from '../model.ts';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** How a part of a picture lies in the frame of a detector. */
export interface Fit {
  /** Pixels of the picture. */
  readonly crop: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** The same part in fractions of the picture, as it was cut to whole pixels. */
  readonly part: Box;
  readonly inside: Letterbox;
}

/** The part in whole pixels. Chroma is shared by 2 x 2 pixels, so cuts begin at even ones. */
export function fitInto(part: Box, picture: Size, input: Size): Fit {
  const [x, width] = cut(part.left, part.width, picture.width);
  const [y, height] = cut(part.top, part.height, picture.height);
  return {
    crop: { x, y, width, height },
    part: {
      left: x / picture.width,
      top: y / picture.height,
      width: width / picture.width,
      height: height / picture.height,
    },
    inside: letterbox({ width, height }, input),
  };
}

function cut(start: number, length: number, pixels: number): [start: number, length: number] {
  const even = (value: number) => Math.round((value * pixels) / 2) * 2;
  const from = Math.min(Math.max(0, even(start)), Math.max(0, pixels - 2));
  return [from, Math.max(1, Math.min(Math.max(from + 2, even(start + length)), pixels) - from)];
}

/** A box in fractions of the detector's frame, as one in fractions of the picture; undefined for one beside the picture. */
export function toPicture(box: Box, { part, inside }: Fit): Box | undefined {
  const own = fromInput(box, inside);
  if (own === undefined) return undefined;
  return {
    left: part.left + own.left * part.width,
    top: part.top + own.top * part.height,
    width: own.width * part.width,
    height: own.height * part.height,
  };
}
