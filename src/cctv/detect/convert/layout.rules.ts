import type { Constant } from './onnx.codec.ts';

/** Order of axes: `perm[i]` is the axis of the logical tensor that is stored as axis i. */
export type Permutation = readonly number[];

/** TensorFlow keeps channels last; ONNX Runtime convolves with channels first. */
export const channelsFirst: Permutation = [0, 3, 1, 2];

export const inOrder = (rank: number): Permutation => Array.from({ length: rank }, (_, i) => i);
export const samePermutation = (a: Permutation, b: Permutation): boolean =>
  a.length === b.length && a.every((axis, i) => axis === b[i]);

export const volume = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The shape of the result of an operation on two tensors of which one is stretched to the other. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) =>
    Math.max(a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1),
  );
}

function strides(shape: readonly number[]): number[] {
  const result = Array.from({ length: shape.length }, () => 1);
  for (let i = shape.length - 2; i >= 0; i -= 1) result[i] = result[i + 1]! * shape[i + 1]!;
  return result;
}

/** Stores a constant in another order of axes. */
export function transpose(constant: Constant, perm: Permutation): Constant {
  const shape = perm.map((axis) => constant.shape[axis]!);
  const from = strides(constant.shape);
  const step = perm.map((axis) => from[axis]!);
  const data = constant.data.slice();
  const index = shape.map(() => 0);
  let source = 0;
  for (let i = 0; i < data.length; i += 1) {
    data[i] = constant.data[source]!;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      index[axis]! += 1;
      source += step[axis]!;
      if (index[axis]! < shape[axis]!) break;
      source -= step[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return { shape, data };
}

/** Padding of TensorFlow's SAME: as little as covers the input, the odd pixel after it. */
export function samePadding(
  size: number,
  kernel: number,
  stride: number,
  dilation: number,
): [number, number] {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size);
  return [total >> 1, total - (total >> 1)];
}
