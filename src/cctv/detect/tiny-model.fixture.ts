import { OnnxGraph } from './convert/onnx.codec.ts';

/**
 * A network of the shape of YOLOv8 for tests, for square pictures: its first class is as sure as the picture is
 * bright, and its box covers the left half.
 */
export function tinyModel(side: number): Uint8Array {
  const places = [8, 16, 32].reduce((sum, stride) => sum + (side / stride) ** 2, 0);
  const graph = new OnnxGraph();
  const image = graph.input('images', 'float', [1, 3, side, side]);
  const bright = graph.node('ReduceMean', [image], { axes: [1, 2, 3], keepdims: 1 });
  const flat = graph.node('Reshape', [bright, graph.integers([1, 1, 1])]);
  const fill = (row: number, value: number) => {
    const data = new Float32Array(6 * places);
    data[row * places] = value;
    return data;
  };
  const score = graph.node('Mul', [flat, graph.floats([1, 6, places], fill(4, 1))]);
  const box = new Float32Array(6 * places);
  for (const [row, value] of [side / 4, side / 2, side / 2, side].entries()) box[row * places] = value;
  graph.output('output0', graph.node('Add', [score, graph.floats([1, 6, places], box)]), 'float', [
    1,
    6,
    places,
  ]);
  return graph.done('test');
}

/** A picture of one brightness, 0 to 1. */
export const plainFrame = (side: number, brightness: number) => ({
  width: side,
  height: side,
  data: new Uint8Array(side * side * 3).fill(Math.round(brightness * 255)),
});
