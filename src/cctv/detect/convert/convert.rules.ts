import { LaresError } from '#kernel/errors.ts';
import type { Head, Size } from './heads.rules.ts';
import { channelsFirst, inOrder } from './layout.rules.ts';
import { OnnxGraph } from './onnx.codec.ts';
import { ops } from './ops.rules.ts';
import { parseTfjs, shapeAttribute, type TfModel } from './tfjs.codec.ts';
import type { Preparation } from './wrap.codec.ts';
import { Translator } from './translator.rules.ts';

/** Goes up when the same source would give another file, so that files of the old converter are made anew. */
export const converterVersion = 3;

/** How one family of weights wants its pictures and what its outputs mean. */
export interface Recipe extends Preparation {
  readonly head: Head;
}

export interface Converted {
  readonly onnx: Uint8Array;
  /** Multiplications of the convolutions for one picture. */
  readonly macs: number;
  readonly nodes: number;
}

/**
 * A TensorFlow.js graph model as ONNX (opset 13). It takes `image`, uint8 [pictures, height, width, 3] in red, green,
 * blue, and gives what its head says, so that no work a pixel is left to JavaScript. Throws USAGE for a size that is no multiple of 32, BAD_REPLY for a model that it cannot read.
 */
export function convert(
  json: string,
  weights: Uint8Array,
  recipe: Recipe,
  size: Size,
  classes?: readonly number[],
): Converted {
  for (const side of [size.width, size.height])
    if (side % 32 !== 0 || side < 32)
      throw new LaresError('USAGE', `input size ${size.width}x${size.height}: both must be multiples of 32`);
  const model = parseTfjs(json, weights);
  const own = originalSize(model);
  const same = own.width === size.width && own.height === size.height;
  const originals = same ? undefined : translate(model, recipe, own, classes).translator.shapes();
  const { translator, graph } = translate(model, recipe, size, classes, originals);
  const onnx = graph.done('lares');
  return { onnx, macs: translator.macs, nodes: graph.nodeCount };
}

function placeholder(model: TfModel) {
  const node = [...model.nodes.values()].find((n) => n.op === 'Placeholder');
  if (node === undefined) throw new LaresError('BAD_REPLY', 'the model has no input');
  return node;
}

function originalSize(model: TfModel): Size {
  const shape = shapeAttribute(placeholder(model));
  const [height, width] = shape[1] === 3 ? shape.slice(2) : shape.slice(1);
  return { width: width ?? 0, height: height ?? 0 };
}

function translate(
  model: TfModel,
  recipe: Recipe,
  size: Size,
  classes: readonly number[] | undefined,
  originals?: ReadonlyMap<string, readonly number[]>,
): { readonly translator: Translator; readonly graph: OnnxGraph } {
  const graph = new OnnxGraph();
  const translator = new Translator(model, graph, ops, originals);
  const input = placeholder(model);
  const { width, height } = size;
  const image = graph.input('image', 'uint8', ['pictures', height, width, 3]);
  const name = prepared(graph, image, recipe);
  const planar = shapeAttribute(input)[1] === 3;
  translator.set(
    input.name,
    planar
      ? { name, perm: inOrder(4), shape: [1, 3, height, width] }
      : { name, perm: channelsFirst, shape: [1, height, width, 3] },
  );
  for (const end of recipe.head(translator, size, classes))
    graph.output(end.name, end.value, end.type, ['pictures', ...end.shape]);
  return { translator, graph };
}

function prepared(graph: OnnxGraph, image: string, { mean, deviation, bgr }: Recipe): string {
  let x = graph.node('Cast', [graph.node('Transpose', [image], { perm: [...channelsFirst] })], {
    to: 1,
  });
  if (bgr) x = graph.node('Gather', [x, graph.integers([2, 1, 0])], { axis: 1 });
  if (mean.some((m) => m !== 0)) x = graph.node('Sub', [x, graph.floats([1, 3, 1, 1], mean)]);
  if (deviation.some((d) => d !== 1)) x = graph.node('Div', [x, graph.floats([1, 3, 1, 1], deviation)]);
  return x;
}
