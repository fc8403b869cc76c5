import { LaresError } from '#kernel/errors.ts';
import { cocoClasses } from './classes.ts';
import type { OnnxFace, Port } from './convert/onnx.codec.ts';
import type { Preparation } from './convert/wrap.codec.ts';
import { nanodetSides, type InputSize } from './heads.codec.ts';
import type { ModelCard } from './model.ts';

/** The families whose files people bring; the others only our converter writes. */
type Foreign = 'yolox' | 'yolov8' | 'nanodet';

/** How the families of foreign files want their pictures: what their own exporters and demos do. */
export const preparations: Readonly<Record<Foreign, Preparation>> = {
  yolox: { mean: [0, 0, 0], deviation: [1, 1, 1], bgr: true },
  yolov8: { mean: [0, 0, 0], deviation: [255, 255, 255], bgr: false },
  nanodet: { mean: [103.53, 116.28, 123.675], deviation: [57.375, 57.12, 58.395], bgr: true },
};

const usualThresholds: Readonly<Record<Foreign, number>> = {
  yolox: 0.6,
  yolov8: 0.4,
  nanodet: 0.5,
};

interface Head {
  readonly decoding: Foreign;
  readonly classes: number;
}

const places = ({ width, height }: InputSize) =>
  [8, 16, 32].map((stride) => Math.ceil(width / stride) * Math.ceil(height / stride));
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const sized = (port: Port | undefined, axis: number): number | undefined => {
  const size = port?.shape[axis];
  return typeof size === 'number' && size > 0 ? size : undefined;
};

/** One test a family, on the shapes of the outputs for pictures of `input`. An open number of places fits any. */
const tests: readonly ((outputs: readonly Port[], input: InputSize) => Head | undefined)[] = [
  ([output, ...more], input) => {
    const rows = sized(output, 1);
    const columns = sized(output, 2);
    if (more.length > 0 || output?.shape.length !== 3 || columns === undefined) return undefined;
    if ((rows ?? sum(places(input))) !== sum(places(input)) || columns < 6) return undefined;
    const sides = nanodetSides(columns);
    // 80 classes make 85 columns in YOLOX and 112 or 124 in NanoDet.
    return columns >= 112 && (columns - sides) % 10 === 0
      ? { decoding: 'nanodet', classes: columns - sides }
      : { decoding: 'yolox', classes: columns - 5 };
  },
  ([output, ...more], input) => {
    const rows = sized(output, 1);
    const columns = sized(output, 2) ?? sum(places(input));
    return more.length === 0 &&
      output?.shape.length === 3 &&
      rows !== undefined &&
      rows > 4 &&
      columns === sum(places(input))
      ? { decoding: 'yolov8', classes: rows - 4 }
      : undefined;
  },
  (outputs, input) => {
    const classes = sized(outputs[0], 2);
    const fits = outputs.every(
      (o, i) =>
        o.shape.length === 3 &&
        sized(o, 1) === places(input)[i % 3] &&
        (i < 3 ? sized(o, 2) === classes : [32, 44].includes(sized(o, 2) ?? 0)),
    );
    return outputs.length === 6 && fits && classes !== undefined
      ? { decoding: 'nanodet', classes }
      : undefined;
  },
];

const shapeText = ({ name, shape }: Port) => `${name.slice(0, 40)} [${shape.join(', ').slice(0, 80)}]`;

/**
 * The card of somebody's own ONNX file, worked out from its inputs, outputs and metadata. `asked` is the input size
 * for a file that leaves it open. Throws CONFIG_INVALID with the shapes where it is none of the families that we know,
 * or fixes another size than asked.
 */
export function guessCard(name: string, face: OnnxFace, asked: InputSize | undefined): ModelCard {
  const [input] = face.inputs;
  const shapes = [...face.inputs, '->', ...face.outputs].map((p) =>
    typeof p === 'string' ? p : shapeText(p),
  );
  const refuse = (why: string) =>
    new LaresError('CONFIG_INVALID', `${name}: ${why} (${shapes.join(' ').slice(0, 500)})`);
  if (input === undefined || face.inputs.length > 1 || input.shape.length !== 4 || sized(input, 1) !== 3)
    throw refuse('it does not take one picture of three channels, channels first');
  if (input.type !== 1) throw refuse('it does not take pictures as 32 bit floating point');
  const own = { width: sized(input, 3), height: sized(input, 2) };
  const size = {
    width: own.width ?? asked?.width ?? 640,
    height: own.height ?? asked?.height ?? 640,
  };
  if (asked !== undefined && (asked.width !== size.width || asked.height !== size.height))
    throw refuse(
      `its input is fixed at ${size.width}x${size.height}; take processing.detection.input_size out of the settings or export the file with another size`,
    );
  const head = tests.map((test) => test(face.outputs, size)).find((h) => h !== undefined);
  if (head === undefined)
    throw refuse('its outputs are not those of YOLOX, YOLOv8, YOLO11 or NanoDet without post-processing');
  return {
    name,
    title: `a file of your own, decoded as ${head.decoding}`,
    decoding: head.decoding,
    input: size,
    classes: classNames(face, head.classes),
    threshold: usualThresholds[head.decoding],
    licence: 'that of your file',
    source: { kind: 'file' },
  };
}

const longestLabel = 60;

/** Names from the metadata that Ultralytics writes (`{0: 'person', 1: 'bicycle'}`), else COCO's, else numbers. */
function classNames(face: OnnxFace, count: number): readonly string[] {
  const named = new Map<number, string>();
  for (const [, index, single, double] of (face.metadata.get('names') ?? '').matchAll(
    /(\d{1,5})\s*:\s*(?:'([^']{1,200})'|"([^"]{1,200})")/g,
  ))
    named.set(Number(index), (single ?? double ?? '').slice(0, longestLabel));
  if (named.size === count) return Array.from({ length: count }, (_, i) => named.get(i) ?? `class_${i}`);
  return count === cocoClasses.length ? cocoClasses : Array.from({ length: count }, (_, i) => `class_${i}`);
}
