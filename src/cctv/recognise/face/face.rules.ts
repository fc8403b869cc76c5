import type { Frame } from '../../detect/model.ts';
import type { Box, Identity } from '../../model.ts';
import type { Part, Pixel } from '../warp.rules.ts';
import type { FoundFace } from './heads.codec.ts';

/** Where eyes, nose and corners of the mouth lie in an aligned face of 112×112 (ArcFace, arXiv:1801.07698). */
const arcface: readonly Pixel[] = [
  { x: 38.2946, y: 51.6963 },
  { x: 73.5318, y: 51.5014 },
  { x: 56.0252, y: 71.7366 },
  { x: 41.5493, y: 92.3655 },
  { x: 70.7299, y: 92.2041 },
];
const template = 112;
// The middle of a head, which is higher than the middle of those points.
const middle: Pixel = { x: 56, y: 66 };
const middleDown = 0.55;

/**
 * Where the points of a face go in a picture of `size` pixels: five with the corners of the mouth, or four with its
 * middle. `zoom` 1 is the usual crop; smaller shows more around the face.
 */
export function goals(points: number, size: number, zoom?: number): readonly Pixel[] {
  const [right, left] = [arcface[3]!, arcface[4]!];
  const mouth = { x: (right.x + left.x) / 2, y: (right.y + left.y) / 2 };
  const base = points === 4 ? [...arcface.slice(0, 3), mouth] : arcface;
  const scale = size / template;
  if (zoom === undefined) return base.map(({ x, y }) => ({ x: x * scale, y: y * scale }));
  return base.map(({ x, y }) => ({
    x: (x - middle.x) * zoom * scale + size / 2,
    y: (y - middle.y) * zoom * scale + size * middleDown,
  }));
}

/** A vector of length 1; undefined for one that has no direction. */
export function normalised(values: ArrayLike<number>): Float32Array | undefined {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]! * values[i]!;
  const length = Math.sqrt(sum);
  if (!(length > 0 && length < Number.POSITIVE_INFINITY)) return undefined;
  return Float32Array.from(values, (v) => v / length);
}

/** Cosine of two vectors of length 1; 0 where they are not of one kind. */
export function likeness(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i]! * b[i]!;
  return sum;
}

/** An enrolled person as they are compared. */
export interface KnownFace {
  readonly person: string;
  readonly vectors: readonly Float32Array[];
}

// Of vectors of length 1, with what rounding adds.
const most = 1.001;

// A face that is nearly as like a second person proves neither.
const margin = 0.05;

/** Who it is, as `identity`, from the likeness to everybody. Without a name where nobody is like enough, or two are. */
export function named(face: Float32Array, known: readonly KnownFace[], threshold: number): Identity {
  const ranked = known
    .map(({ person, vectors }) => ({
      person,
      // Numbers that a damaged file made out of none must not be like everybody.
      like: Math.max(-1, ...vectors.map((v) => likeness(face, v)).filter((like) => Math.abs(like) <= most)),
    }))
    .toSorted((a, b) => b.like - a.like);
  const [first, second] = ranked;
  const sole = first !== undefined && first.like >= threshold && first.like - (second?.like ?? -1) >= margin;
  if (!sole) return { kind: 'face', confidence: stranger(first?.like ?? -1, threshold) };
  return { kind: 'face', name: first.person, confidence: sure(first.like, threshold) };
}

const within = (value: number) => Math.min(1, Math.max(0, value));
/** One half at the threshold, 1 for the very same picture: an order, not a probability. */
const sure = (like: number, threshold: number) =>
  within(0.5 + (0.5 * (like - threshold)) / (1 - threshold || 1));
const stranger = (like: number, threshold: number) =>
  within(0.5 + (0.5 * (threshold - like)) / (threshold || 1));

/**
 * The part of a picture where the face of a person is: the upper part of the box, as high as wide or half as high as
 * the person, with a little around it. In pixels of the picture.
 */
export function headPart(
  box: Box,
  { width, height }: { readonly width: number; readonly height: number },
): Part {
  const [w, h] = [box.width * width, box.height * height];
  const side = Math.max(w, h / 2) * 1.15;
  return {
    left: box.left * width + w / 2 - side / 2,
    top: box.top * height - side * 0.07,
    width: side,
    height: side,
  };
}

/** The face of the object: of those whose middle lies in its box the largest, so that who stands behind is not read. */
export function faceOf(
  faces: readonly FoundFace[],
  box: Box,
  picture: { readonly width: number; readonly height: number },
): FoundFace | undefined {
  const inside = faces.filter((f) => {
    const x = (f.left + f.width / 2) / picture.width;
    const y = (f.top + f.height / 2) / picture.height;
    return x >= box.left && x <= box.left + box.width && y >= box.top - 0.05 && y <= box.top + box.height;
  });
  return inside.toSorted((a, b) => b.width * b.height - a.width * a.height)[0];
}

/** How many pixels a face is across. */
export const sizeOf = (face: Part): number => Math.max(face.width, face.height);

/**
 * How sharp an aligned face is: mean of the second differences of its brightness over their mean distance from the
 * average, so that neither light nor contrast matters. 0 for a plain area.
 */
export function sharpness({ width, height, data }: Frame): number {
  const gray = new Float64Array(width * height);
  let mean = 0;
  for (let i = 0; i < gray.length; i += 1) {
    gray[i] = 0.299 * data[3 * i]! + 0.587 * data[3 * i + 1]! + 0.114 * data[3 * i + 2]!;
    mean += gray[i]! / gray.length;
  }
  let bends = 0;
  let spread = 0;
  for (let y = 1; y < height - 1; y += 1)
    for (let x = 1; x < width - 1; x += 1) {
      const i = y * width + x;
      bends += Math.abs(4 * gray[i]! - gray[i - 1]! - gray[i + 1]! - gray[i - width]! - gray[i + width]!);
      spread += Math.abs(gray[i]! - mean);
    }
  return spread < 1e-6 ? 0 : bends / spread;
}
