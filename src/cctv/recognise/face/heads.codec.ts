import { iou } from '../../box.rules.ts';
import type { RawOutput } from '../../detect/heads.codec.ts';
import type { Part, Pixel } from '../warp.rules.ts';

/** A face that a network found, in pixels of its input. */
export interface FoundFace extends Part {
  /** 0 to 1. */
  readonly score: number;
  /** Eyes, nose and mouth as its template names them, first what is left in the picture. */
  readonly points: readonly Pixel[];
}

export interface InputSize {
  readonly width: number;
  readonly height: number;
}

export type Outputs = Readonly<Record<string, RawOutput>>;

/** From the raw outputs of a network to faces of at least `threshold`, best first, without those that cover a better one. */
export type FaceDecoder = (outputs: Outputs, input: InputSize, threshold: number) => FoundFace[];

// Faces of two people hardly ever cover each other by more than this.
const overlap = 0.3;
const mostFaces = 50;
const mostCandidates = 2_000;

const unit = (value: number) => (value > 0 ? Math.min(1, value) : 0);
const isSound = ({ left, top, width, height, points }: FoundFace) =>
  [left, top, width, height, ...points.flatMap((p) => [p.x, p.y])].every((v) => Math.abs(v) < 1e5) &&
  width >= 1 &&
  height >= 1;

function best(found: FoundFace[]): FoundFace[] {
  const order = found
    .filter(isSound)
    .toSorted((a, b) => b.score - a.score)
    .slice(0, mostCandidates);
  const kept: FoundFace[] = [];
  for (const face of order) {
    if (kept.length === mostFaces) break;
    if (kept.every((k) => iou(k, face) <= overlap)) kept.push(face);
  }
  return kept;
}

/**
 * YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023): at strides 8, 16 and 32 class and
 * object scores, a box as offset and logarithm of its size, and five points, all in strides from the place.
 */
export const decodeYunet: FaceDecoder = (outputs, input, threshold) => {
  const found: FoundFace[] = [];
  for (const stride of [8, 16, 32]) {
    const [cls, obj, box, kps] = ['cls', 'obj', 'bbox', 'kps'].map((n) => outputs[`${n}_${stride}`]?.data);
    const columns = Math.floor(input.width / stride);
    const places = columns * Math.floor(input.height / stride);
    if (cls === undefined || obj === undefined || box === undefined || kps === undefined) continue;
    for (let i = 0; i < Math.min(places, cls.length); i += 1) {
      const score = Math.sqrt(unit(cls[i]!) * unit(obj[i]!));
      if (!(score >= threshold)) continue;
      const column = i % columns;
      const row = (i - column) / columns;
      const width = Math.exp(box[4 * i + 2]!) * stride;
      const height = Math.exp(box[4 * i + 3]!) * stride;
      found.push({
        score,
        left: (column + box[4 * i]!) * stride - width / 2,
        top: (row + box[4 * i + 1]!) * stride - height / 2,
        width,
        height,
        points: [0, 1, 2, 3, 4].map((k) => ({
          x: (column + kps[10 * i + 2 * k]!) * stride,
          y: (row + kps[10 * i + 2 * k + 1]!) * stride,
        })),
      });
    }
  }
  return best(found);
};

/** The places of BlazeFace for pictures of 256×256: two a cell of 16 pixels, six a cell of 32. */
const blazeLevels = [
  { suffix: 16, stride: 16, each: 2 },
  { suffix: 32, stride: 32, each: 6 },
] as const;

/**
 * BlazeFace (arXiv:1907.05047), its model for cameras that look at people from afar: scores before the sigmoid; centre,
 * size and six points in pixels from the middle of the cell. The ears are not used.
 */
export const decodeBlaze: FaceDecoder = (outputs, input, threshold) => {
  const found: FoundFace[] = [];
  for (const { suffix, stride, each } of blazeLevels) {
    const scores = outputs[`scores_${suffix}`]?.data;
    const sides = outputs[`boxes_${suffix}`]?.data;
    if (scores === undefined || sides === undefined) continue;
    const columns = input.width / stride;
    for (let i = 0; i < scores.length; i += 1) {
      const score = 1 / (1 + Math.exp(-scores[i]!));
      if (!(score >= threshold)) continue;
      const cell = Math.floor(i / each);
      const x = ((cell % columns) + 0.5) * stride;
      const y = (Math.floor(cell / columns) + 0.5) * stride;
      const at = 16 * i;
      const [width, height] = [sides[at + 2]!, sides[at + 3]!];
      found.push({
        score,
        left: x + sides[at]! - width / 2,
        top: y + sides[at + 1]! - height / 2,
        width,
        height,
        points: [0, 1, 2, 3].map((k) => ({
          x: x + sides[at + 4 + 2 * k]!,
          y: y + sides[at + 5 + 2 * k]!,
        })),
      });
    }
  }
  return best(found);
};
