import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBlaze, decodeYunet, type Outputs } from './heads.codec.ts';

const size = { width: 64, height: 64 };
const zeros = (count: number, width: number) => ({
  dims: [1, count, width],
  data: new Float32Array(count * width),
});

function yunet(): Record<string, { dims: number[]; data: Float32Array }> {
  const outputs: Record<string, { dims: number[]; data: Float32Array }> = {};
  for (const stride of [8, 16, 32])
    for (const [name, width] of [
      ['cls', 1],
      ['obj', 1],
      ['bbox', 4],
      ['kps', 10],
    ] as const)
      outputs[`${name}_${stride}`] = zeros((64 / stride) ** 2, width);
  return outputs;
}

test('a face of YuNet is an offset and a size in strides, its score the root of two', () => {
  const outputs = yunet();
  // Second row, third column of stride 16.
  const place = 1 * 4 + 2;
  outputs['cls_16']!.data[place] = 0.81;
  outputs['obj_16']!.data[place] = 1;
  outputs['bbox_16']!.data.set([0.5, 0.25, Math.log(2), 0], place * 4);
  outputs['kps_16']!.data.set([0, 0, 0.5, 0, 0.25, 0.5, 0, 1, 0.5, 1], place * 10);
  const [face, ...more] = decodeYunet(outputs, size, 0.5);
  expect(more).toEqual([]);
  expect(face!.score).toBeCloseTo(0.9, 6);
  expect([face!.left, face!.top, face!.width, face!.height]).toEqual(
    [24, 12, 32, 16].map((v) => expect.closeTo(v, 4)),
  );
  expect(face!.points).toEqual([
    { x: 32, y: 16 },
    { x: 40, y: 16 },
    { x: 36, y: 24 },
    { x: 32, y: 32 },
    { x: 40, y: 32 },
  ]);
});

test('of faces that cover each other only the surest is left', () => {
  const outputs = yunet();
  for (const [place, score] of [
    [9, 0.8],
    [10, 0.95],
    [63, 0.7],
  ] as const) {
    outputs['cls_8']!.data[place] = score;
    outputs['obj_8']!.data[place] = score;
    outputs['bbox_8']!.data.set([0.5, 0.5, Math.log(4), Math.log(4)], place * 4);
  }
  expect(decodeYunet(outputs, size, 0.5).map((f) => f.score)).toEqual([
    expect.closeTo(0.95, 5),
    expect.closeTo(0.7, 5),
  ]);
});

test('a face of BlazeFace is in pixels from the middle of its cell, two to a cell of 16 and six to one of 32', () => {
  const outputs = {
    scores_16: zeros(32, 1),
    boxes_16: zeros(32, 16),
    scores_32: zeros(24, 1),
    boxes_32: zeros(24, 16),
  };
  outputs.scores_16.data.fill(-9);
  outputs.scores_32.data.fill(-9);
  // The last of six in the cell at the second row, first column.
  const place = 2 * 6 + 5;
  outputs.scores_32.data[place] = 0;
  outputs.boxes_32.data.set([2, -4, 20, 24, -6, -5, 6, -5, 0, 1, 0, 6, 9, 9, 9, 9], place * 16);
  expect(decodeBlaze(outputs, size, 0.5)).toEqual([
    {
      score: 0.5,
      left: 8,
      top: 32,
      width: 20,
      height: 24,
      points: [
        { x: 10, y: 43 },
        { x: 22, y: 43 },
        { x: 16, y: 49 },
        { x: 16, y: 54 },
      ],
    },
  ]);
});

test('whatever a network gives, every face has a size and points that are numbers, and there are not thousands', () => {
  const value = fc.float({ noDefaultInfinity: false, noNaN: false });
  const output = (width: number) =>
    fc
      .array(value, { minLength: width, maxLength: width * 64 })
      .map((data) => ({ dims: [1, data.length / width, width], data: Float32Array.from(data) }));
  const all = fc.record({
    cls_8: output(1),
    obj_8: output(1),
    bbox_8: output(4),
    kps_8: output(10),
    scores_16: output(1),
    boxes_16: output(16),
  });
  fc.assert(
    fc.property(all, (outputs: Outputs) => {
      for (const decode of [decodeYunet, decodeBlaze]) {
        const faces = decode(outputs, size, 0.5);
        expect(faces.length).toBeLessThanOrEqual(50);
        for (const { score, left, top, width, height, points } of faces) {
          expect(score >= 0.5 && score <= 1).toBe(true);
          for (const n of [left, top, width, height, ...points.flatMap((p) => [p.x, p.y])])
            expect(Number.isFinite(n)).toBe(true);
        }
      }
    }),
  );
});
