import { LaresError } from '#kernel/errors.ts';
import { samePermutation, type Permutation } from './layout.rules.ts';
import type { Constant, OnnxGraph } from './onnx.codec.ts';
import type { TfModel, TfNode } from './tfjs.codec.ts';

/**
 * A tensor of the source graph as it is kept in the new one. `shape` is in the order of the source; the stored axes
 * are in the order `perm`, so that a transposition costs nothing until somebody insists on an order.
 */
export interface Value {
  readonly name: string;
  readonly perm: Permutation;
  readonly shape: readonly number[];
}

/** Writes one node of the source into the new graph. One value an output. */
export type Op = (node: TfNode, t: Translator) => readonly Value[];
export type OpTable = Readonly<Record<string, Op>>;

const plain = (name: string) => name.replace(/:0$/, '');

/** Walks a TensorFlow graph backwards from what is wanted and writes what it meets as ONNX. */
export class Translator {
  readonly graph: OnnxGraph;
  /** Multiplications of the convolutions for one picture. */
  macs = 0;
  readonly #model: TfModel;
  readonly #ops: OpTable;
  readonly #values = new Map<string, Value>();
  readonly #users = new Map<string, TfNode[]>();
  readonly #wanted = new Map<string, readonly number[]>();
  readonly #originals: ReadonlyMap<string, readonly number[]> | undefined;

  /** `originals` are the shapes at the size that the weights were made for; absent where that is the size asked for. */
  constructor(
    model: TfModel,
    graph: OnnxGraph,
    ops: OpTable,
    originals?: ReadonlyMap<string, readonly number[]>,
  ) {
    this.#model = model;
    this.graph = graph;
    this.#ops = ops;
    this.#originals = originals;
    for (const node of model.nodes.values())
      for (const input of node.input) {
        const users = this.#users.get(plain(input));
        if (users === undefined) this.#users.set(plain(input), [node]);
        else users.push(node);
      }
  }

  shapes(): ReadonlyMap<string, readonly number[]> {
    return new Map([...this.#values].map(([name, value]) => [name, value.shape]));
  }

  /** How large an axis of a value is against the size that the weights were made for. */
  growth(name: string, axis: number): number {
    const original = this.#originals?.get(plain(name))?.[axis];
    return original === undefined ? 1 : this.value(name).shape[axis]! / original;
  }

  node(name: string): TfNode | undefined {
    return this.#model.nodes.get(plain(name));
  }

  users(name: string): readonly TfNode[] {
    return this.#users.get(plain(name)) ?? [];
  }

  set(name: string, value: Value): void {
    this.#values.set(plain(name), value);
  }

  /** Of the channels that a convolution gives, only these are wanted. To be said before its value is asked for. */
  want(name: string, channels: readonly number[]): void {
    this.#wanted.set(plain(name), channels);
  }

  /** The channels that are wanted of a convolution; undefined for all. */
  wanted(name: string): readonly number[] | undefined {
    return this.#wanted.get(plain(name));
  }

  has(name: string): boolean {
    return this.#values.has(plain(name));
  }

  value(name: string): Value {
    const key = plain(name);
    const ready = this.#values.get(key);
    if (ready !== undefined) return ready;
    const base = key.replace(/:\d+$/, '');
    const node = this.#model.nodes.get(base);
    const op = node !== undefined && Object.hasOwn(this.#ops, node.op) ? this.#ops[node.op] : undefined;
    if (node === undefined || op === undefined)
      throw new LaresError('BAD_REPLY', `the operation ${node?.op ?? 'none'} (${base}) is not supported`);
    for (const [i, value] of op(node, this).entries()) this.set(i === 0 ? base : `${base}:${i}`, value);
    const made = this.#values.get(key);
    if (made === undefined) throw new LaresError('BAD_REPLY', `${base} gives no output ${key}`);
    return made;
  }

  /** The numbers of an input that does not depend on the picture, worked out where it is a small sum; else undefined. */
  constant(name: string | undefined): Constant | undefined {
    if (name === undefined) return undefined;
    const known = this.#model.constants.get(plain(name));
    if (known !== undefined) return known;
    const node = this.node(name);
    const inputs = () => node!.input.map((i) => this.constant(i));
    if (node?.op === 'SparseToDense') {
      const [indices, shape, , fill] = inputs();
      if (indices?.data.length !== 0 || shape === undefined) return undefined;
      const size = shape.data[0] ?? 0;
      return { shape: [size], data: new Int32Array(size).fill(fill?.data[0] ?? 0) };
    }
    if (node?.op === 'Add' || node?.op === 'AddV2') {
      const [a, b] = inputs();
      if (a === undefined || b === undefined || !(a.data instanceof Int32Array)) return undefined;
      return { shape: a.shape, data: a.data.map((x, i) => x + b.data[b.data.length === 1 ? 0 : i]!) };
    }
    return undefined;
  }

  /** The numbers of an input that must be known. Throws BAD_REPLY. */
  known(name: string | undefined): Constant {
    const constant = this.constant(name);
    if (constant === undefined)
      throw new LaresError(
        'BAD_REPLY',
        `${name ?? 'an input'} depends on the picture, which is not supported`,
      );
    return constant;
  }

  /** The name of a value with its axes stored in the order `perm`. */
  as(value: Value, perm: Permutation): string {
    if (samePermutation(value.perm, perm)) return value.name;
    return this.graph.node('Transpose', [value.name], { perm: perm.map((axis) => value.perm.indexOf(axis)) });
  }
}
