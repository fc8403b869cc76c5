import { inOrder } from './layout.rules.ts';
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

/** `classes` are the numbers of those that are wanted, which are counted anew from 0; undefined keeps all. */
export type Head = (t: Translator, size: Size, classes?: readonly number[]) => readonly End[];

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

/** CenterNet works at a quarter of the size of the picture. */
const centernetStride = 4;

/** As many objects as are ever wanted of one picture. */
const mostPeaks = 300;

/**
 * CenterNet (arXiv:1904.07850): a map of centres for every class and distances to the four sides in pixels. A place is
 * an object where its best class is at least as sure as all around it; the surest of them are given.
 */
export const centernetHead =
  (heatName: string, sidesName: string): Head =>
  (t, size, wanted) => {
    const { graph } = t;
    if (wanted !== undefined) t.want(heatName, wanted);
    const columns = size.width / centernetStride;
    const rows = size.height / centernetStride;
    const places = columns * rows;
    const most = Math.min(mostPeaks, places);
    // A row a place: the best of a row lies together in memory, and few rows are read in the end.
    const listed = (name: string) => {
      const value = t.value(name);
      const last = t.as(value, inOrder(4));
      return graph.node('Reshape', [last, graph.integers([0, places, value.shape[3]!])]);
    };
    const heat = listed(heatName);
    const best = graph.node('Sigmoid', [graph.node('ReduceMax', [heat], { axes: [2], keepdims: 0 })]);
    const map = graph.node('Reshape', [best, graph.integers([0, 1, rows, columns])]);
    const around = graph.node('MaxPool', [map], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
    const peak = graph.node('Cast', [graph.node('Equal', [map, around])], { to: 1 });
    const peaks = graph.node('Reshape', [graph.node('Mul', [map, peak]), graph.integers([0, places])]);
    const surest = graph.nodes('TopK', [peaks, graph.integers([most])], 2, { axis: 1 });
    const [scores, index] = surest as [string, string];
    const rowsOf = graph.node('Unsqueeze', [index, graph.integers([2])]);
    const at = (list: string) => graph.node('GatherND', [list, rowsOf], { batch_dims: 1 });
    const highest = graph.node('ArgMax', [at(heat)], { axis: 2, keepdims: 0 });
    const { corners } = grid(size, [centernetStride], 0);
    const signed = graph.node('Mul', [at(listed(sidesName)), graph.floats([4], [-1, -1, 1, 1])]);
    const from = graph.node('Gather', [graph.floats([places, 4], corners), index], { axis: 0 });
    return [
      { name: 'boxes', value: graph.node('Add', [from, signed]), type: 'float', shape: [most, 4] },
      { name: 'scores', value: scores, type: 'float', shape: [most] },
      { name: 'classes', value: graph.node('Cast', [highest], { to: 6 }), type: 'int32', shape: [most] },
    ];
  };

/**
 * NanoDet: scores a class at three strides, and each side as a distribution over whole strides whose mean is the
 * distance (generalised focal loss, arXiv:2006.04388).
 */
export const nanodetHead =
  (scores: readonly string[], sides: readonly string[], lastBin: number): Head =>
  (t, size, wanted) => {
    const { graph } = t;
    const { corners, signs, places } = grid(size, [8, 16, 32], 0.5);
    const joined = (names: readonly string[]) =>
      graph.node(
        'Concat',
        names.map((name) => t.as(t.value(name), inOrder(3))),
        { axis: 1 },
      );
    const all = joined(scores);
    const heat =
      wanted === undefined ? all : graph.node('Gather', [all, graph.integers(wanted)], { axis: 2 });
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
