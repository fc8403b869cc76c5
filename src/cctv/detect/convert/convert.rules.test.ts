import '../no-telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { convert } from './convert.rules.ts';
import type { Head } from './heads.rules.ts';
import { centernetHead, nanodetHead } from './heads.rules.ts';
import { inOrder } from './layout.rules.ts';

/** A small TensorFlow.js graph in its file format: what the converter reads, written by hand. */
class TfGraph {
  readonly node: object[] = [];
  readonly weights: { name: string; shape: number[]; dtype: string; quantization?: { dtype: string } }[] = [];
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

const ints = (...i: number[]) => ({ list: { i: i.map(String) } });
const text = (s: string) => ({ s: Buffer.from(s).toString('base64') });
const same = { strides: ints(1, 1, 1, 1), padding: text('SAME') };
const plain = { mean: [0, 0, 0], deviation: [1, 1, 1], bgr: false } as const;
const size = { width: 32, height: 32 };

/** Gives one value out as the source would, channels last. */
const raw =
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

async function run(onnx: Uint8Array, pixels: Uint8Array, shape: readonly number[]) {
  const session = await InferenceSession.create(onnx, { logSeverityLevel: 3 });
  const results = await session.run({ image: new Tensor('uint8', pixels, [...shape]) });
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, t]) => [name, { dims: t.dims, data: t.data as Float32Array }]),
  );
}

const picture = (width: number, height: number, pixel: (x: number, y: number, c: number) => number) =>
  Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    pixel(Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3),
  );

const ramp = picture(32, 32, (x, y, c) => (x * 7 + y * 3 + c * 50) % 256);
const at = (x: number, y: number, c: number) => ramp[(y * 32 + x) * 3 + c]!;

async function converted(graph: TfGraph, output: string, pixels = ramp, wanted = size) {
  const { onnx } = convert(graph.json, graph.bytes, { ...plain, head: raw(output) }, wanted);
  const { out } = await run(onnx, pixels, [1, wanted.height, wanted.width, 3]);
  return { dims: out!.dims, data: [...out!.data] };
}

test('a strided convolution pads as TensorFlow does, with the odd pixel at the end', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  // One channel out: the sum of the red of 3x3 pixels.
  g.floats(
    'w',
    [3, 3, 3, 1],
    Array.from({ length: 27 }, (_, i) => (i % 3 === 0 ? 1 : 0)),
  );
  g.op('Conv2D', 'y', ['x', 'w'], { strides: ints(1, 2, 2, 1), padding: text('SAME') });
  const { dims, data } = await converted(g, 'y');
  const sum = (x: number, y: number) => {
    let total = 0;
    for (let dy = 0; dy < 3; dy += 1)
      for (let dx = 0; dx < 3; dx += 1)
        if (2 * x + dx < 32 && 2 * y + dy < 32) total += at(2 * x + dx, 2 * y + dy, 0);
    return total;
  };
  expect(dims).toEqual([1, 16, 16, 1]);
  expect(data).toEqual(Array.from({ length: 256 }, (_, i) => sum(i % 16, Math.floor(i / 16))));
});

test('an addition behind a convolution becomes its bias, and a fused activation is kept', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.floats('identity', [1, 1, 3, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1]);
  g.floats('bias', [3], [-100, -50, 0]);
  g.op('Conv2D', 'conv', ['x', 'identity'], same);
  g.op('AddV2', 'sum', ['conv', 'bias']);
  g.floats('minus', [3], [-1, -2, -3]);
  g.op('_FusedConv2D', 'y', ['sum', 'identity', 'minus'], {
    ...same,
    fused_ops: { list: { s: [text('BiasAdd').s, text('Relu').s] } },
  });
  const { data } = await converted(g, 'y');
  const bias = [-101, -52, -3];
  expect(data).toEqual(Array.from(ramp, (value, i) => Math.max(0, value + bias[i % 3]!)));
});

test('the lower and the higher of two numbers hold an activation within its bounds', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.floats('most', [], [60]);
  g.floats('least', [], [20]);
  g.op('Minimum', 'low', ['x', 'most']);
  g.op('Maximum', 'y', ['low', 'least']);
  const { data } = await converted(g, 'y');
  expect(data).toEqual(Array.from(ramp, (value) => Math.max(20, Math.min(60, value))));
});

test('depthwise convolution, padding before it, and the activation of MobileNetV3 give what TensorFlow gives', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.floats('scale', [], [1 / 32]);
  g.op('Mul', 'scaled', ['x', 'scale']);
  g.floats('three', [], [3]);
  g.floats('sixth', [], [1 / 6]);
  g.op('Sub', 'centred', ['scaled', 'three']);
  g.op('AddV2', 'shifted', ['centred', 'three']);
  g.op('Relu6', 'clipped', ['shifted']);
  g.op('Mul', 'part', ['centred', 'sixth']);
  g.op('Mul', 'swish', ['part', 'clipped']);
  g.ints('pads', [0, 0, 1, 1, 1, 1, 0, 0], [4, 2]);
  g.op('Pad', 'padded', ['swish', 'pads']);
  // The right neighbour of each channel.
  g.floats(
    'right',
    [3, 3, 3, 1],
    Array.from({ length: 27 }, (_, i) => (Math.floor(i / 3) === 5 ? 1 : 0)),
  );
  g.op('DepthwiseConv2dNative', 'y', ['padded', 'right'], {
    strides: ints(1, 1, 1, 1),
    padding: text('VALID'),
  });
  const { data, dims } = await converted(g, 'y');
  const swish = (v: number) => (v * Math.min(6, Math.max(0, v + 3))) / 6;
  expect(dims).toEqual([1, 32, 32, 3]);
  for (let i = 0; i < data.length; i += 1) {
    const x = Math.floor(i / 3) % 32;
    const y = Math.floor(i / 96);
    expect(data[i]).toBeCloseTo(x === 31 ? 0 : swish(at(x + 1, y, i % 3) / 32 - 3), 4);
  }
});

test('transpositions, splits, joins, means, pools and shapes keep every number in its place', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.ints('axis', [3], []);
  g.ints('sizes', [1, 2]);
  g.op('SplitV', 'parts', ['x', 'sizes', 'axis']);
  g.op('ConcatV2', 'swapped', ['parts:1', 'parts', 'axis']);
  g.ints('first', [0, 3, 1, 2]);
  g.op('Transpose', 'planar', ['swapped', 'first']);
  g.ints('last', [0, 2, 3, 1]);
  g.op('Transpose', 'back', ['planar', 'last']);
  g.op('MaxPool', 'pooled', ['back'], {
    ksize: ints(1, 2, 2, 1),
    strides: ints(1, 2, 2, 1),
    padding: text('VALID'),
  });
  g.ints('rows', [1], [1]);
  g.op('Mean', 'mean', ['pooled', 'rows']);
  g.ints('shape', [1, -1]);
  g.op('Reshape', 'y', ['mean', 'shape']);
  const { data, dims } = await converted(g, 'y');
  const channels = [1, 2, 0];
  const wanted = Array.from({ length: 48 }, (_, i) => {
    const x = Math.floor(i / 3);
    let total = 0;
    for (let y = 0; y < 16; y += 1)
      total += Math.max(...[0, 1, 2, 3].map((k) => at(2 * x + (k % 2), 2 * y + (k >> 1), channels[i % 3]!)));
    return total / 16;
  });
  expect(dims).toEqual([1, 48]);
  for (const [i, value] of data.entries()) expect(value).toBeCloseTo(wanted[i]!, 3);
});

test('another size of picture changes what grows with it, and nothing else', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.floats('keep', [1, 1, 3, 1], [1, 0, 0]);
  g.op('Conv2D', 'small', ['x', 'keep'], { strides: ints(1, 4, 4, 1), padding: text('SAME') });
  g.ints('size', [16, 16]);
  g.op('ResizeBilinear', 'y', ['small', 'size'], {
    half_pixel_centers: { b: true },
    align_corners: { b: false },
  });
  const grey = picture(96, 64, () => 77);
  const { data, dims } = await converted(g, 'y', grey, { width: 96, height: 64 });
  expect(dims).toEqual([1, 32, 48, 1]);
  expect(new Set(data)).toEqual(new Set([77]));
});

test('colours are reordered and normalised as the weights want them', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.op('Identity', 'y', ['x']);
  const recipe = { mean: [10, 20, 30], deviation: [2, 4, 8], bgr: true, head: raw('y') } as const;
  const { onnx } = convert(g.json, g.bytes, recipe, size);
  const { out } = await run(onnx, ramp, [1, 32, 32, 3]);
  expect(Array.from(out!.data.subarray(0, 3))).toEqual([
    (at(0, 0, 2) - 10) / 2,
    (at(0, 0, 1) - 20) / 4,
    (at(0, 0, 0) - 30) / 8,
  ]);
});

test('the head of CenterNet gives the highest class of every place, for any number of pictures', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.floats('three', [1, 1, 3, 3], [0.01, 0, 0, 0, 0.01, 0, 0, 0, 0.01]);
  g.op('Conv2D', 'heat', ['x', 'three'], { strides: ints(1, 4, 4, 1), padding: text('SAME') });
  g.floats(
    'four',
    [1, 1, 3, 4],
    Array.from({ length: 12 }, () => 1),
  );
  g.op('Conv2D', 'sides', ['x', 'four'], { strides: ints(1, 4, 4, 1), padding: text('SAME') });
  const { onnx } = convert(g.json, g.bytes, { ...plain, head: centernetHead('heat', 'sides') }, size);
  const { best, heat, sides } = await run(onnx, Uint8Array.from([...ramp, ...ramp]), [2, 32, 32, 3]);
  expect([best!.dims, heat!.dims, sides!.dims]).toEqual([
    [2, 1, 8, 8],
    [2, 3, 8, 8],
    [2, 4, 8, 8],
  ]);
  for (let place = 0; place < 64; place += 1) {
    const logits = [0, 1, 2].map((c) => heat!.data[c * 64 + place]!);
    expect(best!.data[64 + place]).toBeCloseTo(1 / (1 + Math.exp(-Math.max(...logits))), 5);
  }
});

test('the head of NanoDet turns distributions into boxes', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  const bins = 3;
  const output = (name: string, places: number, columns: number, value: (i: number) => number) => {
    g.floats(
      `${name}_c`,
      [1, places, columns],
      Array.from({ length: places * columns }, (_, i) => value(i)),
    );
    g.ints(`${name}_axes`, [1, 2, 3]);
    g.op('Mean', `${name}_zero`, ['x', `${name}_axes`]);
    g.floats(`${name}_none`, [], [0]);
    g.op('Mul', `${name}_off`, [`${name}_zero`, `${name}_none`]);
    g.ints(`${name}_shape`, [1, 1, 1]);
    g.op('Reshape', `${name}_flat`, [`${name}_off`, `${name}_shape`]);
    return g.op('AddV2', name, [`${name}_flat`, `${name}_c`]);
  };
  const counts = [16, 4, 1];
  const scores = counts.map((n, i) => output(`s${i}`, n, 2, (k) => (k % 2 === 0 ? 0.25 : 0.75)));
  // Everything on the last bin: two strides to each side.
  const sides = counts.map((n, i) => output(`d${i}`, n, 4 * bins, (k) => (k % bins === 2 ? 50 : 0)));
  const { onnx } = convert(g.json, g.bytes, { ...plain, head: nanodetHead(scores, sides, bins - 1) }, size);
  const out = await run(onnx, ramp, [1, 32, 32, 3]);
  expect([out['scores']!.dims, [...new Set(out['scores']!.data)]]).toEqual([[1, 21], [0.75]]);
  expect([...new Set(out['classes']!.data)]).toEqual([1]);
  const boxes = out['boxes']!.data;
  expect(Array.from(boxes.subarray(0, 4))).toEqual([-12, -12, 20, 20]);
  expect(Array.from(boxes.subarray(80, 84))).toEqual([-48, -48, 80, 80]);
});

test.each([
  [{ width: 100, height: 64 }, /multiples of 32/],
  [{ width: 0, height: 64 }, /multiples of 32/],
])('a size of %j is refused', (wanted, message) => {
  expect(() => convert('{}', new Uint8Array(), { ...plain, head: raw('y') }, wanted)).toThrow(message);
});

test('a file that is no model, and an operation that is not known, are named', () => {
  const refuse = (json: string, bytes: Uint8Array = new Uint8Array()) => {
    try {
      convert(json, bytes, { ...plain, head: raw('y') }, size);
    } catch (error) {
      return error instanceof LaresError ? `${error.code}: ${error.message}` : 'not ours';
    }
    return 'taken';
  };
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.op('FFT', 'y', ['x']);
  const cut = new TfGraph();
  cut.floats('w', [2], [1, 2]);
  expect([
    refuse('nothing'),
    refuse('{}'),
    refuse(g.json),
    refuse(cut.json, cut.bytes.subarray(0, 5)),
  ]).toEqual([
    'BAD_REPLY: this is no TensorFlow.js graph model: it has no topology and no weights',
    'BAD_REPLY: this is no TensorFlow.js graph model: it has no topology and no weights',
    'BAD_REPLY: the operation FFT (y) is not supported',
    'BAD_REPLY: the file of weights ends before w',
  ]);
});
