import { Buffer } from 'node:buffer';
import { ProtoWriter, readFields } from './protobuf.codec.ts';

/** ONNX files: a graph that is built and written, and the face (inputs, outputs, metadata) of one that is read. */

/** TensorProto.DataType of onnx.proto3. */
export const elementTypes = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;
export type ElementType = keyof typeof elementTypes;

/** Numbers with a shape; row-major. */
export interface Constant {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export type Attribute = number | string | readonly number[] | { readonly float: number };

// AttributeProto.type: FLOAT 1, INT 2, STRING 3, INTS 7.
function attribute(name: string, value: Attribute): ProtoWriter {
  const proto = new ProtoWriter().bytes(1, name);
  if (typeof value === 'string') return proto.bytes(4, value).integer(20, 3);
  if (typeof value === 'number') return proto.integer(3, value).integer(20, 2);
  if ('float' in value) return proto.float(2, value.float).integer(20, 1);
  for (const item of value) proto.integer(8, item);
  return proto.integer(20, 7);
}

function tensor(name: string, shape: readonly number[], type: ElementType, data: Uint8Array): ProtoWriter {
  const proto = new ProtoWriter();
  for (const size of shape) proto.integer(1, size);
  return proto.integer(2, elementTypes[type]).bytes(8, name).bytes(9, data);
}

function valueInfo(name: string, type: ElementType, shape: readonly (number | string)[]): ProtoWriter {
  const dims = new ProtoWriter();
  for (const size of shape)
    dims.bytes(
      1,
      typeof size === 'number' ? new ProtoWriter().integer(1, size) : new ProtoWriter().bytes(2, size),
    );
  const tensorType = new ProtoWriter().integer(1, elementTypes[type]).bytes(2, dims);
  return new ProtoWriter().bytes(1, name).bytes(2, new ProtoWriter().bytes(1, tensorType));
}

const irVersion = 8;
const opset = 13;

/** A graph under construction. Every method that adds something gives back the name of its value. */
export class OnnxGraph {
  readonly #nodes: ProtoWriter[] = [];
  readonly #constants: ProtoWriter[] = [];
  readonly #inputs: ProtoWriter[] = [];
  readonly #outputs: ProtoWriter[] = [];
  readonly #shapes: ProtoWriter[] = [];
  readonly #prefix: string;
  #count = 0;

  /** `prefix` keeps its names apart from those of another graph that it will be part of. */
  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  get nodeCount(): number {
    return this.#nodes.length;
  }

  #name(prefix: string): string {
    this.#count += 1;
    return `${this.#prefix}${prefix}_${this.#count}`;
  }

  node(op: string, inputs: readonly string[], attributes: Readonly<Record<string, Attribute>> = {}): string {
    return this.nodes(op, inputs, 1, attributes)[0]!;
  }

  /** A node with several outputs. An empty input name leaves an optional input out. */
  nodes(
    op: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Readonly<Record<string, Attribute>> = {},
    names: readonly string[] = Array.from({ length: outputs }, () => this.#name(op)),
  ): readonly string[] {
    const proto = new ProtoWriter();
    for (const input of inputs) proto.bytes(1, input);
    for (const output of names) proto.bytes(2, output);
    proto.bytes(3, names[0]!).bytes(4, op);
    for (const [key, value] of Object.entries(attributes)) proto.bytes(5, attribute(key, value));
    this.#nodes.push(proto);
    return names;
  }

  floats(shape: readonly number[], data: ArrayLike<number>): string {
    const name = this.#name('c');
    const values = data instanceof Float32Array ? data : Float32Array.from(data);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#constants.push(tensor(name, shape, 'float', bytes));
    return name;
  }

  /** A list of whole numbers, as shapes, axes and paddings are given. */
  integers(values: readonly number[]): string {
    const name = this.#name('i');
    const data = BigInt64Array.from(values, BigInt);
    this.#constants.push(tensor(name, [values.length], 'int64', new Uint8Array(data.buffer)));
    return name;
  }

  input(name: string, type: ElementType, shape: readonly (number | string)[]): string {
    this.#inputs.push(valueInfo(name, type, shape));
    return name;
  }

  /** Gives `value` out under `name`. */
  output(name: string, value: string, type: ElementType, shape: readonly (number | string)[]): void {
    this.nodes('Identity', [value], 1, {}, [name]);
    this.#outputs.push(valueInfo(name, type, shape));
  }

  /** Says the shape of a value where ONNX Runtime cannot work it out because the number of pictures is open. */
  shaped(value: string, type: ElementType, shape: readonly (number | string)[]): string {
    this.#shapes.push(valueInfo(value, type, shape));
    return value;
  }

  /** What was added, to be put into another graph. */
  parts() {
    return { nodes: this.#nodes, constants: this.#constants, inputs: this.#inputs } as const;
  }

  done(producer: string): Uint8Array {
    const graph = new ProtoWriter();
    for (const node of this.#nodes) graph.bytes(1, node);
    graph.bytes(2, producer);
    for (const constant of this.#constants) graph.bytes(5, constant);
    for (const input of this.#inputs) graph.bytes(11, input);
    for (const output of this.#outputs) graph.bytes(12, output);
    for (const shape of this.#shapes) graph.bytes(13, shape);
    return new ProtoWriter()
      .integer(1, irVersion)
      .bytes(2, producer)
      .bytes(7, graph)
      .bytes(8, new ProtoWriter().bytes(1, '').integer(2, opset))
      .done();
  }
}

/** What a graph takes or gives. A size that is open has its name, or -1 where it has none. */
export interface Port {
  readonly name: string;
  /** TensorProto.DataType. */
  readonly type: number;
  readonly shape: readonly (number | string)[];
}

export interface OnnxFace {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly metadata: ReadonlyMap<string, string>;
}

const longestText = 100_000;
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('utf8', 0, longestText);
const child = (data: Uint8Array | undefined, wanted: number): Uint8Array | undefined => {
  for (const { field, bytes } of readFields(data ?? new Uint8Array()))
    if (field === wanted && bytes !== undefined) return bytes;
  return undefined;
};

function readPort(data: Uint8Array): Port {
  const tensorType = child(child(data, 2), 1) ?? new Uint8Array();
  let type = 0;
  const shape: (number | string)[] = [];
  for (const { field, number, bytes } of readFields(tensorType)) {
    if (field === 1) type = Number(number ?? 0n);
    if (field !== 2) continue;
    for (const dim of readFields(bytes ?? new Uint8Array())) {
      let size: number | string = -1;
      for (const part of readFields(dim.bytes ?? new Uint8Array()))
        if (part.field === 1) size = Number(part.number ?? 0n);
        else if (part.field === 2) size = text(part.bytes);
      shape.push(size);
    }
  }
  return { name: text(child(data, 1)), type, shape };
}

/** Inputs (without those that are weights), outputs and metadata of an ONNX file. Throws RangeError where it is none. */
export function readFace(file: Uint8Array): OnnxFace {
  const metadata = new Map<string, string>();
  let graph: Uint8Array | undefined;
  for (const { field, bytes } of readFields(file)) {
    if (field === 7) graph = bytes;
    if (field === 14 && bytes !== undefined) metadata.set(text(child(bytes, 1)), text(child(bytes, 2)));
  }
  if (graph === undefined) throw new RangeError('there is no graph in it');
  const weights = new Set<string>();
  const inputs: Port[] = [];
  const outputs: Port[] = [];
  for (const { field, bytes } of readFields(graph)) {
    if (bytes === undefined) continue;
    if (field === 5) weights.add(text(child(bytes, 8)));
    if (field === 11) inputs.push(readPort(bytes));
    if (field === 12) outputs.push(readPort(bytes));
  }
  return { inputs: inputs.filter((i) => !weights.has(i.name)), outputs, metadata };
}
