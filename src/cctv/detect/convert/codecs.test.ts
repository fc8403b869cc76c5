import fc from 'fast-check';
import { expect, test } from 'vitest';
import { samePadding, transpose } from './layout.rules.ts';
import { OnnxGraph, readFace } from './onnx.codec.ts';
import { ProtoWriter, readFields } from './protobuf.codec.ts';
import { fromHalf } from './tfjs.codec.ts';

test('what is written as a message is read back field by field', () => {
  const field = fc.oneof(
    fc.record({
      field: fc.integer({ min: 1, max: 2_000 }),
      number: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    }),
    fc.record({ field: fc.integer({ min: 1, max: 2_000 }), bytes: fc.uint8Array({ maxLength: 300 }) }),
  );
  fc.assert(
    fc.property(fc.array(field), (fields) => {
      const writer = new ProtoWriter();
      for (const f of fields) {
        if ('number' in f) writer.integer(f.field, f.number);
        else writer.bytes(f.field, f.bytes);
      }
      const read = [...readFields(writer.done())].map((f) =>
        f.bytes === undefined ? f : { field: f.field, bytes: new Uint8Array(f.bytes) },
      );
      expect(read).toEqual(fields);
    }),
  );
});

test('bytes that are no message end in a RangeError and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const outcome = (read: () => unknown) => {
        try {
          read();
          return undefined;
        } catch (error) {
          return error instanceof RangeError ? undefined : error;
        }
      };
      expect([outcome(() => [...readFields(bytes)]), outcome(() => readFace(bytes))]).toEqual([
        undefined,
        undefined,
      ]);
    }),
    { numRuns: 2_000 },
  );
});

test('the face of a graph names inputs that are no weights, outputs and open sizes', () => {
  const graph = new OnnxGraph();
  const x = graph.input('images', 'float', ['n', 3, 64, 96]);
  graph.output('found', graph.node('Add', [x, graph.floats([], [1])]), 'float', ['n', 3, 64, 96]);
  const file = Buffer.concat([
    graph.done('test'),
    new ProtoWriter().bytes(14, new ProtoWriter().bytes(1, 'names').bytes(2, "{0: 'cat'}")).done(),
  ]);
  const port = { type: 1, shape: ['n', 3, 64, 96] };
  expect(readFace(file)).toEqual({
    inputs: [{ name: 'images', ...port }],
    outputs: [{ name: 'found', ...port }],
    metadata: new Map([['names', "{0: 'cat'}"]]),
  });
});

test('storing in another order of axes and back changes nothing', () => {
  const shapes = fc.tuple(...[1, 2, 3, 4].map((max) => fc.integer({ min: 1, max: max + 1 })));
  fc.assert(
    fc.property(shapes, fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (shape, perm) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const constant = { shape, data: Float32Array.from({ length: count }, (_, i) => i) };
      const there = transpose(constant, perm);
      const back = transpose(
        there,
        perm.map((_, i) => perm.indexOf(i)),
      );
      expect(back).toEqual(constant);
      // The last number along the last stored axis is its length, less one, of that axis's own strides away.
      const stride = shape.slice(perm[3]! + 1).reduce((a, b) => a * b, 1);
      const last = shape[perm[3]!]! - 1;
      expect(there.data[last]).toBe(last * stride);
    }),
  );
});

test.each([
  [32, 3, 2, 1, [0, 1]],
  [33, 3, 2, 1, [1, 1]],
  [32, 5, 1, 1, [2, 2]],
  [32, 3, 1, 2, [2, 2]],
  [32, 1, 2, 1, [0, 0]],
])('SAME for %i pixels, kernel %i, stride %i, dilation %i is %j', (input, kernel, stride, dilation, pads) => {
  expect(samePadding(input, kernel, stride, dilation)).toEqual(pads);
});

test.each([
  [0x3c_00, 1],
  [0xc0_00, -2],
  [0x7b_ff, 65_504],
  [0x00_01, 2 ** -24],
  [0x80_00, -0],
  [0x7c_00, Number.POSITIVE_INFINITY],
  [0x7e_00, Number.NaN],
])('half precision %i is %d', (bits, value) => expect(fromHalf(bits)).toBe(value));
