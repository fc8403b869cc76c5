import { LaresError } from '#kernel/errors.ts';
import type { Size } from './heads.rules.ts';
import { channelsFirst } from './layout.rules.ts';
import { OnnxGraph, readFace } from './onnx.codec.ts';
import { ProtoWriter, readFields } from './protobuf.codec.ts';

/** How a foreign model wants its pictures: channel order, and (value - mean) / deviation of 0 to 255. */
export interface Preparation {
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
  readonly bgr: boolean;
}

// Older files must list their weights among the inputs, which keeps ONNX Runtime from folding them; newer need not.
const irWithoutWeightInputs = 8;

/**
 * Puts the preparation of pictures in front of a foreign ONNX graph: the result takes `image`, uint8 [1, height,
 * width, 3] in red, green, blue, and gives what the graph gave. Everything else is copied byte for byte.
 * Throws BAD_REPLY where the file is no ONNX graph with one input.
 */
export function wrap(file: Uint8Array, { mean, deviation, bgr }: Preparation, size: Size): Uint8Array {
  const face = readFace(file);
  const [input, ...more] = face.inputs;
  if (input === undefined || more.length > 0)
    throw new LaresError('BAD_REPLY', `a detector has one input, this file has ${face.inputs.length}`);
  const front = new OnnxGraph('lares');
  const image = front.input('image', 'uint8', [1, size.height, size.width, 3]);
  let x = front.node('Cast', [front.node('Transpose', [image], { perm: [...channelsFirst] })], { to: 1 });
  if (bgr) x = front.node('Gather', [x, front.integers([2, 1, 0])], { axis: 1 });
  x = front.node('Sub', [x, front.floats([1, 3, 1, 1], mean)]);
  x = front.node('Mul', [
    x,
    front.floats(
      [1, 3, 1, 1],
      deviation.map((d) => 1 / d),
    ),
  ]);
  front.nodes('Identity', [x], 1, {}, [input.name]);

  const model = new ProtoWriter();
  for (const { field, number, bytes } of readFields(file)) {
    if (field === 7) model.bytes(7, graphWith(front, bytes!));
    else if (field === 1 && number !== undefined)
      model.integer(1, Math.max(Number(number), irWithoutWeightInputs));
    else if (number !== undefined) model.integer(field, number);
    else if (bytes !== undefined) model.bytes(field, bytes);
  }
  return model.done();
}

function graphWith(front: OnnxGraph, graph: Uint8Array): ProtoWriter {
  const written = front.parts();
  const result = new ProtoWriter();
  for (const node of written.nodes) result.bytes(1, node);
  for (const { field, bytes } of readFields(graph)) {
    // Inputs are replaced by ours: the old one is made by our nodes now, and weights need no mention.
    if (field === 11 || bytes === undefined) continue;
    result.bytes(field, bytes);
  }
  for (const constant of written.constants) result.bytes(5, constant);
  for (const input of written.inputs) result.bytes(11, input);
  return result;
}
