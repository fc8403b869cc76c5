import type { Box, Detection } from '../model.ts';
import type { Candidates } from './candidates.ts';
import type { InputSize } from './heads.codec.ts';

/** Two boxes of one class that share more than this of their union are one object. */
const usualOverlap = 0.6;
const mostFound = 300;

/**
 * The best boxes of each class without those that cover a better one, as fractions of the input; at most 300, best
 * first. Boxes outside the picture are left out.
 */
export function suppress(
  found: Candidates,
  labels: readonly string[],
  input: InputSize,
  overlap: number = usualOverlap,
): Detection[] {
  const { boxes, scores, classes, count } = found;
  const order = Array.from({ length: count }, (_, i) => i);
  order.sort((a, b) => scores[b]! - scores[a]! || a - b);
  const kept: number[] = [];
  const result: Detection[] = [];
  for (const i of order) {
    if (result.length === mostFound) break;
    const label = labels[classes[i]!];
    if (label === undefined || kept.some((k) => classes[k] === classes[i] && shared(boxes, k, i) > overlap))
      continue;
    const box = fraction(boxes, i, input);
    if (box === undefined) continue;
    kept.push(i);
    result.push({ box, label, score: Math.min(1, scores[i]!) });
  }
  return result;
}

/** Intersection over union of two candidates. */
function shared(boxes: Float32Array, a: number, b: number): number {
  const i = 4 * a;
  const k = 4 * b;
  const width = Math.min(boxes[i + 2]!, boxes[k + 2]!) - Math.max(boxes[i]!, boxes[k]!);
  const height = Math.min(boxes[i + 3]!, boxes[k + 3]!) - Math.max(boxes[i + 1]!, boxes[k + 1]!);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  const first = (boxes[i + 2]! - boxes[i]!) * (boxes[i + 3]! - boxes[i + 1]!);
  const second = (boxes[k + 2]! - boxes[k]!) * (boxes[k + 3]! - boxes[k + 1]!);
  return both / (first + second - both);
}

const within = (value: number) => Math.min(1, Math.max(0, value));

function fraction(boxes: Float32Array, i: number, { width, height }: InputSize): Box | undefined {
  const left = within(boxes[4 * i]! / width);
  const top = within(boxes[4 * i + 1]! / height);
  const right = within(boxes[4 * i + 2]! / width);
  const bottom = within(boxes[4 * i + 3]! / height);
  return right > left && bottom > top ? { left, top, width: right - left, height: bottom - top } : undefined;
}
