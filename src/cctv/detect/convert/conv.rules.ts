import { LaresError } from '#kernel/errors.ts';
import { channelsFirst, samePadding, transpose, volume } from './layout.rules.ts';
import type { Constant } from './onnx.codec.ts';
import { numbersAttribute, textAttribute, textsAttribute, type TfNode } from './tfjs.codec.ts';
import type { Translator, Value } from './translator.rules.ts';

/** Top, left, bottom, right. */
type Padding = readonly [number, number, number, number];

interface Window {
  readonly source: Value;
  readonly pads: Padding;
  /** Rows and columns of the result. */
  readonly out: readonly [number, number];
}

interface Kernel {
  readonly size: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
}

const middle = (list: readonly number[] | undefined): readonly [number, number] => [
  list?.[1] ?? 1,
  list?.[2] ?? 1,
];

const adds = new Set(['Add', 'AddV2']);

export function convolution(node: TfNode, t: Translator): readonly Value[] {
  const depthwise = node.op.includes('Depthwise');
  const weights = t.known(node.input[1]);
  const [rows, columns, inner, outer] = weights.shape as [number, number, number, number];
  const kernel: Kernel = {
    size: [rows, columns],
    stride: middle(numbersAttribute(node, 'strides')),
    dilation: middle(numbersAttribute(node, 'dilations')),
  };
  const { source, pads, out } = window(node, kernel, 0, t);
  const fused = textsAttribute(node, 'fused_ops');
  const whole = depthwise ? inner * outer : outer;
  const follower = fused.length === 0 ? biasAfter(node, whole, t) : undefined;
  const bias = fused.includes('BiasAdd') ? t.known(node.input[2]) : follower?.bias;
  const only = depthwise ? undefined : t.wanted(node.name);
  const own = only?.length ?? whole;
  const taken = source.shape[3]!;
  const channels = depthwise ? taken * outer : paddedChannels(follower?.add ?? node, own, t);
  const ordered: Constant = depthwise
    ? { shape: [own, 1, rows, columns], data: transpose(weights, [2, 3, 0, 1]).data }
    : chosen(transpose(weights, [3, 2, 0, 1]), only);
  const kept = padded(ordered, [channels, depthwise ? 1 : taken, rows, columns]);
  const inputs = [t.as(source, channelsFirst), t.graph.floats(kept.shape, kept.data)];
  if (bias !== undefined)
    inputs.push(
      t.graph.floats([channels], padded(chosen({ ...bias, shape: [whole] }, only), [channels]).data),
    );
  const made = t.graph.node('Conv', inputs, {
    kernel_shape: kernel.size,
    strides: kernel.stride,
    dilations: kernel.dilation,
    group: depthwise ? taken : 1,
    pads,
  });
  t.macs += volume(out) * channels * rows * columns * (depthwise ? 1 : taken);
  const value: Value = {
    name: activated(made, fused.filter((f) => f !== 'BiasAdd')[0], t),
    perm: channelsFirst,
    shape: [source.shape[0]!, ...out, channels],
  };
  if (follower !== undefined) t.set(follower.add.name, value);
  return [value];
}

// ONNX Runtime keeps channels in blocks for convolutions, but only of tensors whose channels are a multiple of this.
const alignment = 4;

/** Channels of a result with those that are added for speed: only where nothing but convolutions can see them. */
function paddedChannels(node: TfNode, channels: number, t: Translator): number {
  const hidden = (from: TfNode): boolean => {
    const users = t.users(from.name);
    return (
      users.length > 0 &&
      users.every((user) => /Conv2[dD]/.test(user.op) && (!user.op.includes('Depthwise') || hidden(user)))
    );
  };
  return channels % alignment === 0 || !hidden(node)
    ? channels
    : channels + alignment - (channels % alignment);
}

/** Only these of the first axis; all where nothing is said. */
function chosen(constant: Constant, rows: readonly number[] | undefined): Constant {
  if (rows === undefined) return constant;
  const [, ...rest] = constant.shape;
  const length = volume(rest);
  const data = new Float32Array(rows.length * length);
  for (const [i, row] of rows.entries())
    data.set(constant.data.subarray(row * length, (row + 1) * length), i * length);
  return { shape: [rows.length, ...rest], data };
}

/** A constant in a larger shape; what is added is 0. */
function padded(constant: Constant, shape: readonly number[]): Constant {
  if (volume(constant.shape) === volume(shape)) return { shape, data: constant.data };
  const data = new Float32Array(volume(shape));
  const [, inner = 1] = constant.shape;
  const rest = volume(constant.shape.slice(2));
  const [, wider = 1] = shape;
  constant.data.forEach((value, i) => {
    const [outer, within, left] = [Math.floor(i / (inner * rest)), Math.floor(i / rest) % inner, i % rest];
    data[(outer * wider + within) * rest + left] = value;
  });
  return { shape, data };
}

export function maxPool(node: TfNode, t: Translator): readonly Value[] {
  const kernel: Kernel = {
    size: middle(numbersAttribute(node, 'ksize')),
    stride: middle(numbersAttribute(node, 'strides')),
    dilation: [1, 1],
  };
  const { source, pads, out } = window(node, kernel, Number.NEGATIVE_INFINITY, t);
  const name = t.graph.node('MaxPool', [t.as(source, channelsFirst)], {
    kernel_shape: kernel.size,
    strides: kernel.stride,
    pads,
  });
  return [{ name, perm: channelsFirst, shape: [source.shape[0]!, ...out, source.shape[3]!] }];
}

export function activated(name: string, activation: string | undefined, t: Translator): string {
  if (activation === undefined) return name;
  if (activation === 'Relu') return t.graph.node('Relu', [name]);
  if (activation === 'Relu6')
    return t.graph.node('Clip', [name, t.graph.floats([], [0]), t.graph.floats([], [6])]);
  throw new LaresError('BAD_REPLY', `the activation ${activation} is not supported`);
}

/** Where a window slides: what it reads, with a padding before it taken in, and how large the result is. */
function window(node: TfNode, kernel: Kernel, fill: number, t: Translator): Window {
  const valid = textAttribute(node, 'padding') === 'VALID';
  const folded = valid ? foldedPad(node.input[0]!, fill, t) : undefined;
  const source = folded?.source ?? t.value(node.input[0]!);
  const along = (i: 0 | 1): [number, number] =>
    samePadding(source.shape[i + 1]!, kernel.size[i], kernel.stride[i], kernel.dilation[i]);
  const pads: Padding = valid
    ? (folded?.pads ?? [0, 0, 0, 0])
    : [along(0)[0], along(1)[0], along(0)[1], along(1)[1]];
  const length = (i: 0 | 1) =>
    Math.floor(
      (source.shape[i + 1]! + pads[i] + pads[i + 2]! - ((kernel.size[i] - 1) * kernel.dilation[i] + 1)) /
        kernel.stride[i],
    ) + 1;
  return { source, pads, out: [length(0), length(1)] };
}

// A pool is padded with the lowest number that there is, however the exporter wrote it.
const lowest = -1e4;

/** A padding of rows and columns, with transpositions between it and us, that the window can do itself. */
function foldedPad(name: string, fill: number, t: Translator): { source: Value; pads: Padding } | undefined {
  const between: number[][] = [];
  let node = t.node(name);
  while (node?.op === 'Transpose') {
    between.push([...t.known(node.input[1]).data]);
    node = t.node(node.input[0]!);
  }
  if (node?.op !== 'Pad' && node?.op !== 'PadV2') return undefined;
  const padFill = node.input[2] === undefined ? 0 : t.known(node.input[2]).data[0]!;
  if (padFill !== fill && !(padFill < lowest && fill < lowest)) return undefined;
  const amounts = t.known(node.input[1]).data;
  let source = t.value(node.input[0]!);
  let pads = source.shape.map((_, i) => [amounts[2 * i]!, amounts[2 * i + 1]!] as const);
  for (const perm of between.toReversed()) {
    const { shape } = source;
    source = {
      name: source.name,
      perm: source.perm.map((axis) => perm.indexOf(axis)),
      shape: perm.map((i) => shape[i]!),
    };
    const before = pads;
    pads = perm.map((i) => before[i]!);
  }
  const [batch, rows, columns, channels] = pads;
  if ([...batch!, ...channels!].some((amount) => amount !== 0)) return undefined;
  return { source, pads: [rows![0], columns![0], rows![1], columns![1]] };
}

/** An addition of one number a channel, right after a convolution and nothing else reading that, is its bias. */
function biasAfter(
  node: TfNode,
  channels: number,
  t: Translator,
): { readonly add: TfNode; readonly bias: Constant } | undefined {
  const [add, ...others] = t.users(node.name);
  if (add === undefined || others.length > 0 || !adds.has(add.op)) return undefined;
  const bias = t.constant(add.input.find((i) => i.replace(/:0$/, '') !== node.name));
  return bias?.data.length === channels ? { add, bias } : undefined;
}
