import { channelsFirst, inOrder } from './layout.rules.ts';
import type { Translator } from './translator.rules.ts';

/** The end of a converted graph: from what the network gives to `boxes`, `scores` and `classes`. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What a converted model gives for each place of its grid, as names of values. */
interface Ends {
  /** [pictures, places, 4]: left, top, right, bottom in pixels of the input. */
  readonly boxes: string;
  /** [pictures, places]: score of the best class. */
  readonly scores: string;
  /** [pictures, places], int32: index of the best class. */
  readonly classes: string;
  readonly places: number;
}

export type Head = (t: Translator, size: Size) => Ends;

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

/**
 * CenterNet (arXiv:1904.07850): a heat map of centres a class at a quarter of the size, and distances to the four
 * sides in pixels. A place counts where it is the highest of its 3x3 neighbours.
 */
export const centernetHead: Head = (t, size) => {
  const { graph } = t;
  const heat = t.as(t.value('tower_0/keypoints'), channelsFirst);
  const sides = t.as(t.value('tower_0/wh'), channelsFirst);
  const { corners, places } = grid(size, [4], 0);
  // The best class first and the highest neighbour then: 80 times less to compare, and classes do not share a centre.
  const best = graph.node('ReduceMax', [heat], { axes: [1], keepdims: 1 });
  const highest = graph.node('MaxPool', [best], {
    kernel_shape: [3, 3],
    strides: [1, 1],
    pads: [1, 1, 1, 1],
  });
  const peak = graph.node('Cast', [graph.node('Equal', [best, highest])], { to: 1 });
  const flat = graph.integers([0, places]);
  const index = graph.node('ArgMax', [heat], { axis: 1, keepdims: 0 });
  const rows = graph.node('Transpose', [graph.node('Reshape', [sides, graph.integers([0, 4, places])])], {
    perm: [0, 2, 1],
  });
  const signed = graph.node('Mul', [rows, graph.floats([1, 1, 4], [-1, -1, 1, 1])]);
  return {
    places,
    boxes: graph.node('Add', [signed, graph.floats([1, places, 4], corners)]),
    scores: graph.node('Reshape', [graph.node('Mul', [best, peak]), flat]),
    classes: graph.node('Reshape', [graph.node('Cast', [index], { to: 6 }), flat]),
  };
};

const bins = 8;

/**
 * NanoDet: scores a class at three strides, and each side as a distribution over whole strides whose mean is the
 * distance (generalised focal loss, arXiv:2006.04388).
 */
export const nanodetHead =
  (scores: readonly string[], sides: readonly string[], lastBin: number = bins - 1): Head =>
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
    return {
      places,
      boxes: graph.node('Add', [signed, graph.floats([1, places, 4], corners)]),
      scores: graph.node('ReduceMax', [heat], { axes: [2], keepdims: 0 }),
      classes: graph.node('Cast', [index], { to: 6 }),
    };
  };
