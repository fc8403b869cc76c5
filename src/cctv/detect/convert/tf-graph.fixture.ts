import '../no-telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Head } from './heads.rules.ts';
import { inOrder } from './layout.rules.ts';

/** A small TensorFlow.js graph in its file format: what the converter reads, written by hand. */
export class TfGraph {
  readonly node: object[] = [];
  readonly weights: {
    name: string;
    shape: number[];
    dtype: string;
    quantization?: { dtype: string };
  }[] = [];
  readonly #bytes: Buffer[] = [];

  op(op: string, name: string, input: string[], attr: object = {}): string {
    this.node.push({ op, name, input, attr });
    return name;
  }

  input(name: string, shape: number[]): string {
    return this.op('Placeholder', name, [], {
      shape: { shape: { dim: shape.map((s) => ({ size: `${s}` })) } },
    });
  }

  floats(name: string, shape: number[], values: number[]): string {
    this.weights.push({ name, shape, dtype: 'float32' });
    this.#bytes.push(Buffer.from(Float32Array.from(values).buffer));
    return this.op('Const', name, []);
  }

  ints(name: string, values: number[], shape = [values.length]): string {
    this.weights.push({ name, shape, dtype: 'int32' });
    this.#bytes.push(Buffer.from(Int32Array.from(values).buffer));
    return this.op('Const', name, []);
  }

  get json(): string {
    return JSON.stringify({
      modelTopology: { node: this.node },
      weightsManifest: [{ weights: this.weights }],
    });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#bytes);
  }
}

export const ints = (...i: number[]) => ({ list: { i: i.map(String) } });
export const text = (s: string) => ({ s: Buffer.from(s).toString('base64') });
export const same = { strides: ints(1, 1, 1, 1), padding: text('SAME') };
export const plain = { mean: [0, 0, 0], deviation: [1, 1, 1], bgr: false } as const;
export const size = { width: 32, height: 32 };

/** Gives one value out as the source would, channels last. */
export const raw =
  (name: string): Head =>
  (t) => {
    const value = t.value(name);
    return [
      {
        name: 'out',
        value: t.as(value, inOrder(value.shape.length)),
        type: 'float',
        shape: value.shape.slice(1),
      },
    ];
  };

export async function run(onnx: Uint8Array, pixels: Uint8Array, shape: readonly number[]) {
  const session = await InferenceSession.create(onnx, { logSeverityLevel: 3 });
  const results = await session.run({ image: new Tensor('uint8', pixels, [...shape]) });
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, t]) => [name, { dims: t.dims, data: t.data as Float32Array }]),
  );
}

export const picture = (width: number, height: number, pixel: (x: number, y: number, c: number) => number) =>
  Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    pixel(Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3),
  );

export const ramp = picture(32, 32, (x, y, c) => (x * 7 + y * 3 + c * 50) % 256);
export const at = (x: number, y: number, c: number) => ramp[(y * 32 + x) * 3 + c]!;
