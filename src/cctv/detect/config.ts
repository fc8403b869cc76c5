import { closest, distance } from 'fastest-levenshtein';
import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { cocoClasses } from './classes.ts';
import type { InputSize } from './heads.codec.ts';
import { defaultModel, isModelName, isPath, modelNames, models } from './registry.ts';
import { usualThreshold } from './scale.rules.ts';

const meta = (m: SettingMeta) => m;

const smallestSide = 64;
const largestSide = 1_920;

/** `512x288`, or one number for a square; undefined for what is no size that a model can have. */
export function parseInputSize(text: string): InputSize | undefined {
  const [, width, height] = /^(\d{2,4})(?:\s*[x×]\s*(\d{2,4}))?$/i.exec(text.trim()) ?? [];
  const size = { width: Number(width), height: Number(height ?? width) };
  const fits = (side: number) => side % 32 === 0 && side >= smallestSide && side <= largestSide;
  return fits(size.width) && fits(size.height) ? size : undefined;
}

const model = z.string().superRefine((name, ctx) => {
  if (isModelName(name) || (isPath(name) && name.length <= 1_000)) return;
  const near = closest(name, [...modelNames]);
  ctx.addIssue(
    `expected one of ${modelNames.join(', ')} or the path of an ONNX file, found ${JSON.stringify(name.slice(0, 80))}${distance(name, near) <= 3 ? ` (did you mean ${near}?)` : ''}`,
  );
});

const device = z
  .string()
  .superRefine((name, ctx) => {
    if (/^(cpu|cuda(:\d{1,2})?)$/.test(name)) return;
    const known = ['openvino', 'coreml', 'coral', 'tensorrt', 'mps', 'gpu'].find((other) =>
      name.toLowerCase().startsWith(other),
    );
    ctx.addIssue(
      known === undefined
        ? `expected cpu or cuda:0, found ${JSON.stringify(name.slice(0, 40))}`
        : `${known} is not among what ONNX Runtime for Node brings on Linux; write cpu or cuda:0`,
    );
  })
  .transform((name) => (name === 'cuda' ? 'cuda:0' : name));

const inputSize = z.union([z.string(), z.int()]).transform((value, ctx): InputSize => {
  const size = parseInputSize(String(value));
  if (size !== undefined) return size;
  ctx.addIssue(
    `expected width and height in multiples of 32 from ${smallestSide} to ${largestSide} like 512x288, found ${JSON.stringify(value)}`,
  );
  return z.NEVER;
});

/** What a camera at a house is there for. Models know 80 kinds; the rest would be chairs and bottles. */
export const usualClasses = [
  'person',
  'bicycle',
  'car',
  'motorcycle',
  'bus',
  'truck',
  'bird',
  'cat',
  'dog',
] as const;

const detectionFields = z.strictObject({
  model: model.default(defaultModel).meta(
    meta({
      title: 'Model',
      description:
        'What finds objects: a name of `lares cctv models list`, or the path of an ONNX file of YOLOX, YOLOv8, YOLO11 or NanoDet',
      reload: 'live',
      examples: [defaultModel, '/srv/models/garden.onnx'],
    }),
  ),
  confidence_threshold: z
    .number()
    .min(0)
    .max(1)
    .default(usualThreshold)
    .meta(
      meta({
        title: 'Confidence threshold',
        description:
          'The score from which on an object counts, 0 to 1. Scores of every model are brought to one scale, on which 0.5 is the threshold that was measured best for it',
        reload: 'live',
        examples: [0.5],
      }),
    ),
  device: device.default('cpu').meta(
    meta({
      title: 'Device',
      description: 'cpu or cuda:0; a device that is not there is replaced by the processor with one warning',
      reload: 'live',
      examples: ['cpu', 'cuda:0'],
    }),
  ),
  input_size: inputSize.optional().meta(
    meta({
      title: 'Input size',
      description:
        'Width and height of the pictures that the model sees, in multiples of 32; smaller is faster and misses what is far. Models in files of your own have theirs fixed',
      unit: 'px',
      reload: 'live',
      examples: ['416x256'],
    }),
  ),
  threads: z
    .int()
    .min(1)
    .max(64)
    .default(1)
    .meta(
      meta({
        title: 'Threads',
        description: 'Threads of one inference. Two are up to 1.5 times as fast and cost a third more in all',
        reload: 'live',
      }),
    ),
  classes: z
    .array(z.string().min(1).max(60))
    .min(1)
    .default([...usualClasses])
    .meta(
      meta({
        title: 'Classes',
        description: `What is looked for, in the words of the model. Those of COCO are ${cocoClasses.length}: person, car, dog and so on`,
        reload: 'live',
        examples: [['person', 'car']],
      }),
    ),
});

/** A word that the model does not know would never be found, and nobody would be told. */
const detection = detectionFields.superRefine(({ model: name, classes }, ctx) => {
  const known = isModelName(name) ? models[name].classes : undefined;
  for (const [i, label] of classes.entries()) {
    if (known === undefined || known.includes(label)) continue;
    const near = closest(label, [...known]);
    ctx.addIssue({
      code: 'custom',
      path: ['classes', i],
      message: `${name} does not know ${JSON.stringify(label)}${distance(label, near) <= 3 ? ` (did you mean ${near}?)` : ''}`,
    });
  }
});

/** The section `processing` of the settings. */
export const processingConfig = z.strictObject({
  detection: detection
    .prefault({})
    .meta(meta({ title: 'Detection', description: 'How objects are found in pictures', reload: 'live' })),
});
export type ProcessingConfig = z.infer<typeof processingConfig>;
