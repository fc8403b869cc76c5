import { crc32, deflateSync } from 'node:zlib';
import { OnnxGraph } from '../detect/convert/onnx.codec.ts';
import type { Frame } from '../detect/model.ts';
import { goals } from './face/face.rules.ts';

/** Pictures and networks of a few numbers, for tests. */

export type Colour = readonly [number, number, number];

/** A picture of one colour, with rectangles of others. */
export function painted(
  width: number,
  height: number,
  ground: Colour,
  rectangles: readonly { at: readonly [number, number, number, number]; colour: Colour }[] = [],
): Frame {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i += 1) data[i] = ground[i % 3]!;
  for (const { at, colour } of rectangles)
    for (let y = at[1]; y < at[1] + at[3]; y += 1)
      for (let x = at[0]; x < at[0] + at[2]; x += 1) data.set(colour, (y * width + x) * 3);
  return { width, height, data };
}

/** The picture as a PNG file (RFC 2083), which loses nothing. */
export function png({ width, height, data }: Frame): Uint8Array {
  const chunk = (name: string, body: Uint8Array) => {
    const named = Buffer.concat([Buffer.from(name, 'latin1'), body]);
    const result = Buffer.alloc(named.length + 8);
    result.writeUInt32BE(body.length, 0);
    named.copy(result, 4);
    result.writeUInt32BE(crc32(named), named.length + 4);
    return result;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let y = 0; y < height; y += 1)
    rows.set(data.subarray(y * width * 3, (y + 1) * width * 3), y * (width * 3 + 1) + 1);
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** How bright a picture is, 0 to 1, as one number of the shape [1, 1, 1]. */
function brightness(graph: OnnxGraph, image: string, full: number): string {
  const mean = graph.node('ReduceMean', [image], { axes: [1, 2, 3], keepdims: 1 });
  const flat = graph.node('Reshape', [mean, graph.integers([1, 1, 1])]);
  return graph.node('Mul', [flat, graph.floats([1, 1, 1], [1 / full])]);
}

/**
 * A network of the shape of YuNet that finds one face of 112 pixels in the middle of every picture of 320 that is not
 * dark, looking straight ahead.
 */
export function tinyYunet(): Uint8Array {
  const side = 320;
  const graph = new OnnxGraph();
  const image = graph.input('input', 'float', [1, 3, side, side]);
  const sure = graph.node('Min', [
    graph.node('Mul', [brightness(graph, image, 255), graph.floats([1, 1, 1], [4])]),
    graph.floats([1, 1, 1], [1]),
  ]);
  const [column, row] = [20, 20];
  for (const stride of [8, 16, 32]) {
    const columns = side / stride;
    const places = columns * columns;
    const at = row * columns + column;
    const scores = new Float32Array(places);
    const boxes = new Float32Array(places * 4);
    const points = new Float32Array(places * 10);
    if (stride === 8) {
      scores[at] = 1;
      boxes.set([0, 0, Math.log(112 / 8), Math.log(112 / 8)], at * 4);
      for (const [k, { x, y }] of goals(5, 112).entries())
        points.set([(x + 104) / 8 - column, (y + 104) / 8 - row], at * 10 + 2 * k);
    }
    const score = graph.node('Mul', [graph.floats([1, places, 1], scores), sure]);
    graph.output(`cls_${stride}`, score, 'float', [1, places, 1]);
    graph.output(`obj_${stride}`, score, 'float', [1, places, 1]);
    graph.output(`bbox_${stride}`, graph.floats([1, places, 4], boxes), 'float', [1, places, 4]);
    graph.output(`kps_${stride}`, graph.floats([1, places, 10], points), 'float', [1, places, 10]);
  }
  return graph.done('test');
}

/** A network that tells faces apart by their colour. */
export function tinyEmbedder(): Uint8Array {
  const graph = new OnnxGraph();
  const image = graph.input('input', 'float', [1, 3, 112, 112]);
  const mean = graph.node('ReduceMean', [image], { axes: [2, 3], keepdims: 0 });
  graph.output('embeddings', mean, 'float', [1, 3]);
  return graph.done('test');
}

/**
 * A network that reads a plate of `steps` stripes: a bright stripe is the second class, a dark one the first. Takes
 * what PaddleOCR takes, 3 channels from -1 to 1, or bytes of gray as fast-plate-ocr does. Twice as high as wide, as
 * the plates are that `tinyModel` finds.
 */
export function tinyReader(steps: number, form: 'float' | 'bytes'): Uint8Array {
  const graph = new OnnxGraph();
  const width = steps * 16;
  const height = 2 * width;
  const bytes = form === 'bytes';
  const image = bytes
    ? graph.input('input', 'uint8', [1, height, width, 1])
    : graph.input('input', 'float', [1, 3, height, width]);
  const value = bytes
    ? graph.node('Sub', [
        graph.node('Mul', [graph.node('Cast', [image], { to: 1 }), graph.floats([1], [2 / 255])]),
        graph.floats([1], [1]),
      ])
    : graph.node('ReduceMean', [image], { axes: [1], keepdims: 0 });
  const stripes = graph.node('Reshape', [value, graph.integers([height, steps, 16])]);
  const bright = graph.node('Reshape', [
    graph.node('ReduceMean', [stripes], { axes: [0, 2], keepdims: 0 }),
    graph.integers([1, steps, 1]),
  ]);
  const signs = graph.floats([1, 1, 2], [-6, 6]);
  graph.output('text', graph.node('Mul', [bright, signs]), 'float', [1, steps, 2]);
  return graph.done('test');
}
