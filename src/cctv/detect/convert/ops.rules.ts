import { activated, convolution, maxPool } from './conv.rules.ts';
import { broadcast, channelsFirst, inOrder, transpose, volume } from './layout.rules.ts';
import type { Attribute } from './onnx.codec.ts';
import { flagAttribute, floatAttribute, type TfNode } from './tfjs.codec.ts';
import type { Op, OpTable, Translator, Value } from './translator.rules.ts';

const counted = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);

function unary(
  op: string,
  attributes: (node: TfNode) => Readonly<Record<string, Attribute>> = () => ({}),
): Op {
  return (node, t) => {
    const x = t.value(node.input[0]!);
    return [{ ...x, name: t.graph.node(op, [x.name], attributes(node)) }];
  };
}

/**
 * One number a channel as a whole picture of it. It costs less than it saves: ONNX Runtime takes two pictures as
 * convolutions leave them, and puts all channels of a picture in order for a single number of each.
 */
function spread(x: Value, [, rows, columns]: readonly number[], t: Translator): Value {
  const [batch, height, width, channels] = x.shape;
  if (x.shape.length !== 4 || height !== 1 || width !== 1 || (rows === 1 && columns === 1)) return x;
  const scales = t.graph.floats([4], [1, 1, rows!, columns!]);
  const name = t.graph.node('Resize', [t.as(x, channelsFirst), '', scales], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
  t.graph.shaped(name, 'float', ['pictures', channels!, rows!, columns!]);
  return { name, perm: channelsFirst, shape: [batch!, rows!, columns!, channels!] };
}

function binary(op: string): Op {
  return (node, t) => {
    const [first, second] = node.input as [string, string];
    const left = t.constant(first);
    const right = t.constant(second);
    if (left === undefined && right === undefined) {
      const shape = broadcast(t.value(first).shape, t.value(second).shape);
      const a = spread(t.value(first), shape, t);
      const b = spread(t.value(second), shape, t);
      const name = t.graph.node(op, [a.name, t.as(b, a.perm)]);
      return [{ name, perm: a.perm, shape }];
    }
    const x = t.value(left === undefined ? first : second);
    const constant = left ?? right!;
    const missing = x.shape.length - constant.shape.length;
    const stretched = {
      shape: [...Array.from({ length: missing }, () => 1), ...constant.shape],
      data: constant.data,
    };
    const kept = constant.shape.length === 0 ? constant : transpose(stretched, x.perm);
    const name = t.graph.floats(kept.shape, kept.data);
    const inputs = left === undefined ? [x.name, name] : [name, x.name];
    return [{ name: t.graph.node(op, inputs), perm: x.perm, shape: broadcast(x.shape, constant.shape) }];
  };
}

const plainAdd = binary('Add');
const plainMul = binary('Mul');

/** The convolution before it may already have taken this addition in as its bias. */
const add: Op = (node, t) => {
  for (const input of node.input) if (t.constant(input) === undefined) t.value(input);
  return t.has(node.name) ? [t.value(node.name)] : plainAdd(node, t);
};

const near = (a: number | undefined, b: number) => a !== undefined && Math.abs(a - b) < 1e-3;

/** The x of min(max(x + 3, 0), 6), where a node is that. */
function shiftedRelu6(node: TfNode | undefined, t: Translator): string | undefined {
  if (node?.op !== 'Relu6') return undefined;
  const sum = t.node(node.input[0]!);
  if (sum?.op !== 'Add' && sum?.op !== 'AddV2') return undefined;
  const three = sum.input.find((i) => t.constant(i) !== undefined);
  return t.constant(three)?.data[0] === 3 ? sum.input.find((i) => i !== three) : undefined;
}

/** relu6(x + 3) / 6, which a convolution before it takes in. */
const hardSigmoid = (x: Value, t: Translator): Value => ({
  ...x,
  name: t.graph.node('HardSigmoid', [x.name], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
});

/** relu6(x + 3) / 6 and x · relu6(x + 3) / 6, the activations of MobileNetV3, in the words of ONNX. */
const multiply: Op = (node, t) => {
  const inputs = node.input.map((i) => t.node(i));
  const gated = shiftedRelu6(inputs[0], t) ?? shiftedRelu6(inputs[1], t);
  const factor = node.input.map((i) => t.constant(i)).find((c) => c !== undefined);
  if (gated !== undefined && near(factor?.data[0], 1 / 6)) return [hardSigmoid(t.value(gated), t)];
  const index = inputs.findIndex((n) => shiftedRelu6(n, t) !== undefined);
  const name = shiftedRelu6(inputs[index], t);
  const other = inputs[1 - index];
  const sixth = other?.op === 'Mul' ? other.input.find((i) => t.constant(i) !== undefined) : undefined;
  if (name === undefined || !near(t.constant(sixth)?.data[0], 1 / 6) || other?.input.includes(name) !== true)
    return plainMul(node, t);
  const x = t.value(name);
  return [{ ...x, name: t.graph.node('Mul', [x.name, hardSigmoid(x, t).name]) }];
};

const pad: Op = (node, t) => {
  const x = t.value(node.input[0]!);
  const amounts = t.known(node.input[1]).data;
  const fill = node.input[2] === undefined ? 0 : t.known(node.input[2]).data[0]!;
  const pads = t.graph.integers([
    ...x.perm.map((i) => amounts[2 * i]!),
    ...x.perm.map((i) => amounts[2 * i + 1]!),
  ]);
  const name = t.graph.node('Pad', [x.name, pads, t.graph.floats([], [fill])]);
  return [{ name, perm: x.perm, shape: x.shape.map((s, i) => s + amounts[2 * i]! + amounts[2 * i + 1]!) }];
};

const mean: Op = (node, t) => {
  const x = t.value(node.input[0]!);
  const axes = [...t.known(node.input[1]).data].map((axis) => counted(axis, x.shape.length));
  // Unlike ReduceMean, this reads channels as convolutions leave them.
  if (x.shape.length === 4 && axes.length === 2 && axes.includes(1) && axes.includes(2)) {
    const name = t.graph.node('GlobalAveragePool', [t.as(x, channelsFirst)]);
    return [{ name, perm: channelsFirst, shape: [x.shape[0]!, 1, 1, x.shape[3]!] }];
  }
  const name = t.graph.node('ReduceMean', [x.name], {
    axes: axes.map((axis) => x.perm.indexOf(axis)),
    keepdims: 1,
  });
  return [{ name, perm: x.perm, shape: x.shape.map((s, i) => (axes.includes(i) ? 1 : s)) }];
};

const concat: Op = (node, t) => {
  const parts = node.input.slice(0, -1).map((i) => t.value(i));
  const [{ perm, shape }] = parts as [Value, ...Value[]];
  const axis = counted(t.known(node.input.at(-1)).data[0]!, shape.length);
  const name = t.graph.node(
    'Concat',
    parts.map((p) => t.as(p, perm)),
    { axis: perm.indexOf(axis) },
  );
  const total = parts.reduce((sum, p) => sum + p.shape[axis]!, 0);
  return [{ name, perm, shape: shape.map((s, i) => (i === axis ? total : s)) }];
};

const resize: Op = (node, t) => {
  const x = t.value(node.input[0]!);
  const wanted = t.known(node.input[1]).data;
  // The weights fix the ratio, not the size: the size grows with that of the picture.
  const size = [1, 2].map((axis, i) => Math.round(wanted[i]! * t.growth(node.input[0]!, axis)));
  const scales = t.graph.floats([4], [1, 1, size[0]! / x.shape[1]!, size[1]! / x.shape[2]!]);
  const mode = flagAttribute(node, 'half_pixel_centers')
    ? 'half_pixel'
    : flagAttribute(node, 'align_corners')
      ? 'align_corners'
      : 'asymmetric';
  const name = t.graph.node('Resize', [t.as(x, channelsFirst), '', scales], {
    mode: 'linear',
    coordinate_transformation_mode: mode,
  });
  t.graph.shaped(name, 'float', ['pictures', x.shape[3]!, size[0]!, size[1]!]);
  return [{ name, perm: channelsFirst, shape: [x.shape[0]!, size[0]!, size[1]!, x.shape[3]!] }];
};

const split: Op = (node, t) => {
  const x = t.value(node.input[0]!);
  const sizes = [...t.known(node.input[1]).data];
  const axis = counted(t.known(node.input[2]).data[0]!, x.shape.length);
  const names = t.graph.nodes('Split', [x.name, t.graph.integers(sizes)], sizes.length, {
    axis: x.perm.indexOf(axis),
  });
  return names.map((name, i) => ({
    name,
    perm: x.perm,
    shape: x.shape.map((s, k) => (k === axis ? sizes[i]! : s)),
  }));
};

const reshape: Op = (node, t) => {
  const x = t.value(node.input[0]!);
  const shape = [...t.known(node.input[1]).data];
  // With another size of picture it is the last axis, that of the places, which grows.
  const open = shape.includes(-1) ? shape.indexOf(-1) : shape.length - 1;
  shape[open] = volume(x.shape) / volume(shape.filter((_, i) => i !== open));
  // 0 keeps the number of pictures, which is open.
  const target = shape.map((s, i) => (i === 0 && s === 1 ? 0 : s));
  const name = t.graph.node('Reshape', [t.as(x, inOrder(x.shape.length)), t.graph.integers(target)]);
  return [{ name, perm: inOrder(shape.length), shape }];
};

/** All that the models of the registry are made of. A new model that needs more gets a line here. */
export const ops: OpTable = {
  _FusedConv2D: convolution,
  Conv2D: convolution,
  FusedDepthwiseConv2dNative: convolution,
  DepthwiseConv2dNative: convolution,
  MaxPool: maxPool,
  Add: add,
  AddV2: add,
  Mul: multiply,
  Sub: binary('Sub'),
  Minimum: binary('Min'),
  Maximum: binary('Max'),
  Relu: unary('Relu'),
  Sigmoid: unary('Sigmoid'),
  LeakyRelu: unary('LeakyRelu', (node) => ({ alpha: { float: floatAttribute(node, 'alpha') ?? 0.2 } })),
  Relu6: (node, t) => {
    const x = t.value(node.input[0]!);
    return [{ ...x, name: activated(x.name, 'Relu6', t) }];
  },
  Identity: (node, t) => [t.value(node.input[0]!)],
  Transpose: (node, t) => {
    const x = t.value(node.input[0]!);
    const perm = [...t.known(node.input[1]).data];
    return [
      {
        name: x.name,
        perm: x.perm.map((axis) => perm.indexOf(axis)),
        shape: perm.map((axis) => x.shape[axis]!),
      },
    ];
  },
  Pad: pad,
  PadV2: pad,
  Mean: mean,
  ConcatV2: concat,
  ResizeBilinear: resize,
  SplitV: split,
  Reshape: reshape,
};
