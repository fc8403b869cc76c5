import type { Candidates } from './candidates.ts';
import type { Decoding } from './model.ts';

/** From the raw outputs of a network to boxes. Only places that reach the threshold get one. */

/** One output of a network as ONNX Runtime gives it. */
export interface RawOutput {
  readonly dims: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export interface InputSize {
  readonly width: number;
  readonly height: number;
}

/**
 * Adds the boxes of picture number `picture` with at least `threshold` to `found`. `outputs` are in the order of the file.
 * Of the classes only those of the numbers `wanted` compete: a car seen from above is a car where nobody looks for cell
 * phones.
 */
type Decoder = (
  outputs: readonly RawOutput[],
  picture: number,
  threshold: number,
  input: InputSize,
  wanted: Int32Array,
  found: Candidates,
) => void;

// A side that grows without bound would make boxes of infinite size out of one bad number.
const longestSide = 1e5;
const bounded = (value: number) => Math.min(longestSide, Math.max(-longestSide, value));

/** Graphs of our converter: boxes, best score and best class of each place, ready. */
const decoded: Decoder = ([boxes, scores, classes], picture, threshold, _input, _wanted, found) => {
  const places = scores!.dims[1]!;
  const first = picture * places;
  const { data } = scores!;
  for (let i = first; i < first + places; i += 1) {
    const score = data[i]!;
    // A place that is nothing has 0, whatever is asked for.
    if (!(score >= threshold && score > 0)) continue;
    const at = 4 * i;
    const box = boxes!.data;
    found.add(
      bounded(box[at]!),
      bounded(box[at + 1]!),
      bounded(box[at + 2]!),
      bounded(box[at + 3]!),
      score,
      classes!.data[i]!,
    );
  }
};

/** Which of the wanted classes has the highest score of those that start at `from`. */
function highest(data: Float32Array | Int32Array, from: number, wanted: Int32Array): number {
  let best = wanted[0]!;
  for (let i = 1; i < wanted.length; i += 1)
    if (data[from + wanted[i]!]! > data[from + best]!) best = wanted[i]!;
  return best;
}

const strides = [8, 16, 32];

/** YOLOX (arXiv:2107.08430): a row a place of centre, size, objectness and class scores, on grids of three strides. */
const yolox: Decoder = ([output], picture, threshold, input, wanted, found) => {
  const [, places, width] = output!.dims as [number, number, number];
  const { data } = output!;
  let at = picture * places * width;
  for (const stride of strides)
    for (let y = 0; y < Math.floor(input.height / stride); y += 1)
      for (let x = 0; x < Math.floor(input.width / stride); x += 1, at += width) {
        const objectness = data[at + 4]!;
        // The score is the product of two numbers of at most 1, so neither may be lower than the threshold.
        if (!(objectness >= threshold)) continue;
        const index = highest(data, at + 5, wanted);
        const score = objectness * data[at + 5 + index]!;
        if (!(score >= threshold)) continue;
        const cx = (data[at]! + x) * stride;
        const cy = (data[at + 1]! + y) * stride;
        const halfWidth = (bounded(Math.exp(data[at + 2]!)) * stride) / 2;
        const halfHeight = (bounded(Math.exp(data[at + 3]!)) * stride) / 2;
        found.add(
          bounded(cx - halfWidth),
          bounded(cy - halfHeight),
          bounded(cx + halfWidth),
          bounded(cy + halfHeight),
          score,
          index,
        );
      }
};

/** YOLOv8 and YOLO11: a column a place, its first four rows centre and size in pixels, then a score a class. */
const yolov8: Decoder = ([output], picture, threshold, _input, wanted, found) => {
  const [, rows, places] = output!.dims as [number, number, number];
  const { data } = output!;
  const first = picture * rows * places;
  const { best, index } = scratch(places);
  best.fill(threshold, 0, places);
  index.fill(-1, 0, places);
  // Row by row, as the memory lies: a column at a time would miss the cache at every step.
  for (const kind of wanted) {
    const start = first + (4 + kind) * places;
    for (let i = 0; i < places; i += 1) {
      const score = data[start + i]!;
      if (score > best[i]! || (score === best[i]! && index[i] === -1)) {
        best[i] = score;
        index[i] = kind;
      }
    }
  }
  for (let i = 0; i < places; i += 1) {
    if (index[i] === -1) continue;
    const at = first + i;
    const cx = data[at]!;
    const cy = data[at + places]!;
    const halfWidth = data[at + 2 * places]! / 2;
    const halfHeight = data[at + 3 * places]! / 2;
    found.add(
      bounded(cx - halfWidth),
      bounded(cy - halfHeight),
      bounded(cx + halfWidth),
      bounded(cy + halfHeight),
      best[i]!,
      index[i]!,
    );
  }
};

let kept = { best: new Float64Array(0), index: new Int32Array(0) };
function scratch(places: number): typeof kept {
  if (kept.best.length < places) kept = { best: new Float64Array(places), index: new Int32Array(places) };
  return kept;
}

/** The mean of a softmax over the bins that start at `at`: how many strides a side is away. */
function expected(data: Float32Array | Int32Array, at: number, bins: number): number {
  let highest = data[at]!;
  for (let i = 1; i < bins; i += 1) if (data[at + i]! > highest) highest = data[at + i]!;
  let sum = 0;
  let weighted = 0;
  for (let i = 0; i < bins; i += 1) {
    const weight = Math.exp(data[at + i]! - highest);
    sum += weight;
    weighted += weight * i;
  }
  return weighted / sum;
}

/**
 * NanoDet: class scores of every place and four distributions of distance, the strides either in outputs of their own
 * (scores first, then sides, finest stride first) or joined in one row a place.
 */
const nanodet: Decoder = (outputs, picture, threshold, input, wanted, found) => {
  const joined = outputs.length === 1;
  const levels = joined ? strides.length : outputs.length / 2;
  let row = 0;
  for (let level = 0; level < levels; level += 1) {
    const stride = strides[level]!;
    const scores = outputs[joined ? 0 : level]!;
    const sides = outputs[joined ? 0 : levels + level]!;
    const step = sides.dims[2]!;
    const classes = joined ? step - nanodetSides(step) : scores.dims[2]!;
    const bins = joined ? nanodetSides(step) / 4 : step / 4;
    const columns = Math.ceil(input.width / stride);
    const places = columns * Math.ceil(input.height / stride);
    for (let i = 0; i < places; i += 1) {
      const place = joined ? picture * scores.dims[1]! + row + i : picture * places + i;
      const at = place * scores.dims[2]!;
      const index = highest(scores.data, at, wanted);
      const score = scores.data[at + index]!;
      if (!(score >= threshold)) continue;
      const cx = ((i % columns) + 0.5) * stride;
      const cy = (Math.floor(i / columns) + 0.5) * stride;
      const side = place * step + (joined ? classes : 0);
      found.add(
        bounded(cx - expected(sides.data, side, bins) * stride),
        bounded(cy - expected(sides.data, side + bins, bins) * stride),
        bounded(cx + expected(sides.data, side + 2 * bins, bins) * stride),
        bounded(cy + expected(sides.data, side + 3 * bins, bins) * stride),
        score,
        index,
      );
    }
    row += places;
  }
};

/** Columns of the four distributions in a joined row: NanoDet has 8 bins a side, and 11 in its older form. */
export const nanodetSides = (columns: number): number => (columns - 32 === 80 || columns < 44 + 80 ? 32 : 44);

export const decoders: Readonly<Record<Decoding, Decoder>> = { decoded, yolox, yolov8, nanodet };
