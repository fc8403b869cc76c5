import { channelsFirst, inOrder } from './layout.rules.ts';
import type { ElementType } from './onnx.codec.ts';
import type { Translator } from './translator.rules.ts';

/** The end of a converted graph: from what the network gives to what is quick to read. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** One output of a converted model. The first axis, the number of pictures, is open. */
export interface End {
  readonly name: string;
  readonly value: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

export type Head = (t: Translator, size: Size) => readonly End[];

/** Corners and steps of every place: `corners` + distance · `signs` is a box. */
function grid(size: Size, strides: readonly number[], offset: number) {
  const corners: number[] = [];
  const signs: number[] = [];
  for (const stride of strides)
    for (let y = 0; y < size.height / stride; y += 1)
      for (let x = 0; x < size.width / stride; x += 1) {
        const px = (x + offset) * stride;
        const py = (y + offset) * stride;
        corners.push(px, py, px, py);
        signs.push(-stride, -stride, stride, stride);
      }
  return { corners, signs, places: corners.length / 4 };
}

/** The highest of all channels. Halving is four times as fast as ReduceMax across planes of memory. */
function highest(t: Translator, value: string, channels: number): string {
  const { graph } = t;
  let left = value;
  let count = channels;
  for (; count % 2 === 0; count /= 2) {
    const halves = graph.nodes('Split', [left, graph.integers([count / 2, count / 2])], 2, { axis: 1 });
    left = graph.node('Max', halves);
  }
  if (count === 1) return left;
  const sizes = Array.from({ length: count }, () => 1);
  return graph.node('Max', graph.nodes('Split', [left, graph.integers(sizes)], count, { axis: 1 }));
}

/** CenterNet works at a quarter of the size of the picture. */
export const centernetStride = 4;

/**
 * CenterNet (arXiv:1904.07850): a map of centres for every class and distances to the four sides in pixels. Gives the
 * score of the best class of each place; which class that is and where its sides are is read only for the few places
 * that matter, from `heat` (before the sigmoid, which keeps the order) and `sides`.
 */
export const centernetHead =
  (heatName: string, sidesName: string): Head =>
  (t, size) => {
    const heat = t.value(heatName);
    const channels = heat.shape[3]!;
    const name = t.as(heat, channelsFirst);
    const grid = [size.height / centernetStride, size.width / centernetStride];
    const best = t.graph.node('Sigmoid', [highest(t, name, channels)]);
    const sides = t.as(t.value(sidesName), channelsFirst);
    return [
      { name: 'best', value: best, type: 'float', shape: [1, ...grid] },
      { name: 'heat', value: name, type: 'float', shape: [channels, ...grid] },
      { name: 'sides', value: sides, type: 'float', shape: [4, ...grid] },
    ];
  };

/**
 * NanoDet: scores a class at three strides, and each side as a distribution over whole strides whose mean is the
 * distance (generalised focal loss, arXiv:2006.04388).
 */
export const nanodetHead =
  (scores: readonly string[], sides: readonly string[], lastBin: number): Head =>
  (t, size) => {
    const { graph } = t;
    const { corners, signs, places } = grid(size, [8, 16, 32], 0.5);
    const joined = (names: readonly string[]) =>
      graph.node(
        'Concat',
        names.map((name) => t.as(t.value(name), inOrder(3))),
        { axis: 1 },
      );
    const heat = joined(scores);
    const steps = lastBin + 1;
    const spread = graph.node('Reshape', [joined(sides), graph.integers([0, places, 4, steps])]);
    const weights = graph.floats([steps, 1], [...Array(steps).keys()]);
    const mean = graph.node('MatMul', [graph.node('Softmax', [spread], { axis: 3 }), weights]);
    const distance = graph.node('Reshape', [mean, graph.integers([0, places, 4])]);
    const signed = graph.node('Mul', [distance, graph.floats([1, places, 4], signs)]);
    const index = graph.node('ArgMax', [heat], { axis: 2, keepdims: 0 });
    return [
      {
        name: 'boxes',
        value: graph.node('Add', [signed, graph.floats([1, places, 4], corners)]),
        type: 'float',
        shape: [places, 4],
      },
      {
        name: 'scores',
        value: graph.node('ReduceMax', [heat], { axes: [2], keepdims: 0 }),
        type: 'float',
        shape: [places],
      },
      { name: 'classes', value: graph.node('Cast', [index], { to: 6 }), type: 'int32', shape: [places] },
    ];
  };
