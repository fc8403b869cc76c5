import type { Box, Detection } from '../model.ts';
import { clip } from '../box.rules.ts';
import type { InputSize } from './heads.codec.ts';

/** How a picture lies in the input of a model: top left, its shape kept, grey to the right and below. */
export interface Letterbox {
  /** Pixels of the picture within the input; even, because scalers of subsampled colour want that. */
  readonly width: number;
  readonly height: number;
  readonly input: InputSize;
}

/** The grey that the models were trained with around their pictures. */
export const padding = 114;

/** The largest even size of the shape of `picture` that fits into `input`. Every size is at least 2 pixels. */
export function letterbox(picture: InputSize, input: InputSize): Letterbox {
  const scale = Math.min(input.width / picture.width, input.height / picture.height);
  const even = (length: number, most: number) =>
    Math.min(most, Math.max(2, Math.round((length * scale) / 2) * 2));
  return { width: even(picture.width, input.width), height: even(picture.height, input.height), input };
}

/** A box in fractions of the input as one in fractions of the picture; undefined where it lies in the grey alone. */
export function fromInput(box: Box, { width, height, input }: Letterbox): Box | undefined {
  const across = input.width / width;
  const down = input.height / height;
  return clip({
    left: box.left * across,
    top: box.top * down,
    width: box.width * across,
    height: box.height * down,
  });
}

/** The same for all that was found in one input. */
export function detectionsFromInput(found: readonly Detection[], box: Letterbox): Detection[] {
  return found.flatMap((d) => {
    const own = fromInput(d.box, box);
    return own === undefined ? [] : [{ ...d, box: own }];
  });
}
