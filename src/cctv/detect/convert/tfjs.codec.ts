import { Buffer } from 'node:buffer';
import { LaresError } from '#kernel/errors.ts';
import type { Constant } from './onnx.codec.ts';

/** A TensorFlow.js graph model: `model.json` with the topology and a manifest of weights, and the weights in bytes. */

interface RawAttribute {
  readonly s?: string;
  readonly i?: string | number;
  readonly f?: number;
  readonly b?: boolean;
  readonly shape?: { readonly dim?: readonly { readonly size: string }[] };
  readonly list?: { readonly i?: readonly (string | number)[]; readonly s?: readonly string[] };
}

export interface TfNode {
  readonly name: string;
  readonly op: string;
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, RawAttribute>>;
}

export interface TfModel {
  readonly nodes: ReadonlyMap<string, TfNode>;
  readonly constants: ReadonlyMap<string, Constant>;
}

interface RawWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: { readonly dtype: string };
}

interface RawModel {
  readonly modelTopology: { readonly node: readonly (Omit<TfNode, 'input' | 'attr'> & Partial<TfNode>)[] };
  readonly weightsManifest: readonly { readonly weights: readonly RawWeight[] }[];
}

/** IEEE 754 half precision from its 16 bits. */
export function fromHalf(bits: number): number {
  const sign = (bits & 0x80_00) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

type Reader = (
  data: DataView,
  at: number,
  count: number,
) => { values: Float32Array | Int32Array; bytes: number };

const readers: Readonly<Record<string, Reader>> = {
  float16: (data, at, count) => ({
    values: Float32Array.from({ length: count }, (_, i) => fromHalf(data.getUint16(at + 2 * i, true))),
    bytes: 2 * count,
  }),
  float32: (data, at, count) => ({
    values: Float32Array.from({ length: count }, (_, i) => data.getFloat32(at + 4 * i, true)),
    bytes: 4 * count,
  }),
  int32: (data, at, count) => ({
    values: Int32Array.from({ length: count }, (_, i) => data.getInt32(at + 4 * i, true)),
    bytes: 4 * count,
  }),
};

/** Throws BAD_REPLY where the two files are no graph model, or use weights of a kind that we do not know. */
export function parseTfjs(json: string, weights: Uint8Array): TfModel {
  const raw = parseModel(json);
  const view = new DataView(weights.buffer, weights.byteOffset, weights.byteLength);
  const constants = new Map<string, Constant>();
  let at = 0;
  for (const weight of raw.weightsManifest.flatMap((group) => group.weights)) {
    const kind = weight.quantization?.dtype ?? weight.dtype;
    const reader = Object.hasOwn(readers, kind) ? readers[kind] : undefined;
    if (reader === undefined)
      throw new LaresError('BAD_REPLY', `the weights ${weight.name} are ${kind}, which is not supported`);
    const count = weight.shape.reduce((a, b) => a * b, 1);
    try {
      const { values, bytes } = reader(view, at, count);
      constants.set(weight.name, { shape: weight.shape, data: values });
      at += bytes;
    } catch (error) {
      throw new LaresError('BAD_REPLY', `the file of weights ends before ${weight.name}`, { cause: error });
    }
  }
  const nodes = raw.modelTopology.node.map((n) => ({ ...n, input: n.input ?? [], attr: n.attr ?? {} }));
  return { nodes: new Map(nodes.map((n) => [n.name, n])), constants };
}

function parseModel(json: string): RawModel {
  try {
    const model = JSON.parse(json) as Partial<RawModel>;
    if (Array.isArray(model.modelTopology?.node) && Array.isArray(model.weightsManifest))
      return model as RawModel;
  } catch {
    // Said below, in one sentence for both.
  }
  throw new LaresError(
    'BAD_REPLY',
    'this is no TensorFlow.js graph model: it has no topology and no weights',
  );
}

export const textAttribute = (node: TfNode, key: string): string | undefined => {
  const value = node.attr[key]?.s;
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString();
};
export const textsAttribute = (node: TfNode, key: string): readonly string[] =>
  (node.attr[key]?.list?.s ?? []).map((s) => Buffer.from(s, 'base64').toString());
export const numbersAttribute = (node: TfNode, key: string): readonly number[] | undefined =>
  node.attr[key]?.list?.i?.map(Number);
export const flagAttribute = (node: TfNode, key: string): boolean => node.attr[key]?.b ?? false;
export const floatAttribute = (node: TfNode, key: string): number | undefined => node.attr[key]?.f;
/** The sizes of a placeholder. */
export const shapeAttribute = (node: TfNode): readonly number[] =>
  (node.attr['shape']?.shape?.dim ?? []).map((d) => Number(d.size));
