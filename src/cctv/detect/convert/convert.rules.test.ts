import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { convert } from './convert.rules.ts';
import { at, ints, picture, plain, ramp, raw, run, same, size, text, TfGraph } from './tf-graph.fixture.ts';

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

test('channels that are added for speed change no number', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  // Six channels: once to six times the red. Six is no number of channels that convolutions like.
  g.floats(
    'six',
    [1, 1, 3, 6],
    Array.from({ length: 18 }, (_, i) => (i < 6 ? i + 1 : 0)),
  );
  g.op('Conv2D', 'many', ['x', 'six'], same);
  g.floats('minus', [6], [-1, -2, -3, -4, -5, -6]);
  g.op('AddV2', 'sum', ['many', 'minus']);
  g.floats(
    'right',
    [3, 3, 6, 1],
    Array.from({ length: 54 }, (_, i) => (Math.floor(i / 6) === 5 ? 1 : 0)),
  );
  g.op('DepthwiseConv2dNative', 'moved', ['sum', 'right'], same);
  g.floats('add', [1, 1, 6, 1], [1, 1, 1, 1, 1, 1]);
  g.op('Conv2D', 'y', ['moved', 'add'], same);
  const { data } = await converted(g, 'y');
  const wanted = (x: number, y: number) => (x === 31 ? 0 : 21 * at(x + 1, y, 0) - 21);
  expect(data).toEqual(Array.from({ length: 1024 }, (_, i) => wanted(i % 32, Math.floor(i / 32))));
  // Eight channels are worked out where only convolutions see them, and the six that are asked for where others do.
  const macs = (output: string) => convert(g.json, g.bytes, { ...plain, head: raw(output) }, size).macs;
  expect([macs('y'), macs('sum')]).toEqual([1024 * (3 * 8 + 9 * 8 + 8), 1024 * 3 * 8]);
});

test('a weight for each channel, worked out of the means of a picture, is that of its own picture', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  g.ints('axes', [1, 2]);
  g.op('Mean', 'mean', ['x', 'axes']);
  g.floats('scale', [1, 1, 3, 3], [0.01, 0, 0, 0, 0.02, 0, 0, 0, -0.02]);
  g.op('Conv2D', 'gate', ['mean', 'scale'], same);
  g.floats('three', [], [3]);
  g.floats('sixth', [], [1 / 6]);
  g.op('AddV2', 'shifted', ['gate', 'three']);
  g.op('Relu6', 'clipped', ['shifted']);
  g.op('Mul', 'weight', ['clipped', 'sixth']);
  g.op('Mul', 'y', ['x', 'weight']);
  const { onnx } = convert(g.json, g.bytes, { ...plain, head: raw('y') }, size);
  const grey = picture(32, 32, () => 60);
  const { out } = await run(onnx, Uint8Array.from([...ramp, ...grey]), [2, 32, 32, 3]);
  for (const [number, shown] of [ramp, grey].entries())
    for (const [c, factor] of [0.01, 0.02, -0.02].entries()) {
      const own = shown.filter((_, i) => i % 3 === c);
      const mean = own.reduce((a, b) => a + b, 0) / own.length;
      const weight = Math.min(6, Math.max(0, factor * mean + 3)) / 6;
      const got = out!.data.subarray(number * 3072, (number + 1) * 3072).filter((_, i) => i % 3 === c);
      own.forEach((value, i) => expect(got[i]).toBeCloseTo(value * weight, 2));
    }
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
