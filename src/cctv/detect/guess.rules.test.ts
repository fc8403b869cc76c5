import { expect, test } from 'vitest';
import { cocoClasses } from './classes.ts';
import type { OnnxFace } from './convert/onnx.codec.ts';
import { guessCard } from './guess.rules.ts';

type Shape = (number | string)[];
const face = (input: Shape, outputs: Shape[], names?: string): OnnxFace => ({
  inputs: [{ name: 'images', type: 1, shape: input }],
  outputs: outputs.map((shape, i) => ({ name: `out${i}`, type: 1, shape })),
  metadata: new Map(names === undefined ? [] : [['names', names]]),
});
const image = (side: number) => [1, 3, side, side];

test('there are 80 classes of COCO, each once', () => {
  expect([cocoClasses.length, new Set(cocoClasses).size, cocoClasses[0], cocoClasses[79]]).toEqual([
    80,
    80,
    'person',
    'toothbrush',
  ]);
});

test.each([
  ['YOLOX', face(image(416), [[1, 3_549, 85]]), 'yolox', 416, 80],
  ['YOLOv8', face(image(640), [[1, 84, 8_400]]), 'yolov8', 640, 80],
  ['YOLOv8 with open sizes', face(['b', 3, 'h', 'w'], [['b', 84, 'n']]), 'yolov8', 640, 80],
  ['YOLOv8 of one class', face(image(320), [[1, 5, 2_100]]), 'yolov8', 320, 1],
  ['NanoDet in one piece', face(image(416), [[1, 3_549, 112]]), 'nanodet', 416, 80],
  [
    'NanoDet in six pieces',
    face(image(416), [
      ...[2_704, 676, 169].map((n) => [1, n, 80]),
      ...[2_704, 676, 169].map((n) => [1, n, 32]),
    ]),
    'nanodet',
    416,
    80,
  ],
])('%s is known by its shapes', (_, shapes, decoding, side, classes) => {
  const card = guessCard('own.onnx', shapes, undefined);
  expect([card.decoding, card.input, card.classes.length]).toEqual([
    decoding,
    { width: side, height: side },
    classes,
  ]);
});

test('names of classes come from the file, else from COCO, else they are numbered', () => {
  const labels = (classes: number, names?: string) =>
    guessCard('own.onnx', face(image(320), [[1, 4 + classes, 2_100]], names), undefined).classes;
  expect(labels(2, `{0: 'fox', 1: "stone's marten"}`)).toEqual(['fox', "stone's marten"]);
  expect(labels(80)).toBe(cocoClasses);
  expect(labels(3, `{0: 'fox'}`)).toEqual(['class_0', 'class_1', 'class_2']);
  expect(Object.hasOwn({}, labels(1, `{0: '__proto__'}`)[0]!)).toBe(false);
});

test('an open size is the one that the settings ask for; a fixed one cannot be changed', () => {
  const asked = { width: 416, height: 256 };
  expect(guessCard('own.onnx', face([1, 3, -1, -1], [[1, 84, -1]]), asked).input).toEqual(asked);
  expect(() => guessCard('own.onnx', face(image(640), [[1, 84, 8_400]]), asked)).toThrow(
    'own.onnx: its input is fixed at 640x640; take processing.detection.input_size out of the settings',
  );
});

test.each([
  ['faces', face([1, 3, 112, 112], [[1, 128]])],
  ['boxes after suppression', face(image(640), [[1, 300, 6]])],
  ['other places', face(image(640), [[1, 84, 1_234]])],
  ['channels last', face([1, 640, 640, 3], [[1, 84, 8_400]])],
  ['nothing', face([], [])],
])('%s are no detector that we can read, and the error shows the shapes', (_, shapes) => {
  expect(() => guessCard('own.onnx', shapes, undefined)).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/^own\.onnx: .*\((images \[.*)?->/),
    }),
  );
});
