import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { consentSetting, needsConsent } from '../consent.ts';
import { normalisePlate, plateDistance } from './text.rules.ts';

const meta = (m: SettingMeta) => m;

const onnx = z
  .string()
  .max(1_000)
  .regex(/\.onnx$/i, 'expected the path of an ONNX file')
  .optional();

const knownPlates = z
  .array(
    z.strictObject({
      plate: z
        .string()
        .max(32)
        .refine((text) => normalisePlate(text).length >= 2, 'expected the letters and digits of a plate')
        .meta(
          meta({
            title: 'Plate',
            description: 'As it is written; spaces and dashes do not matter',
            reload: 'live',
            examples: ['AB 123 C'],
          }),
        ),
      name: z
        .string()
        .min(1)
        .max(64)
        .meta(
          meta({
            title: 'Name',
            description: 'What rules and messages call it',
            reload: 'live',
            examples: ['family car'],
          }),
        ),
    }),
  )
  .max(500)
  .superRefine((list, ctx) => {
    for (const [index, { plate }] of list.entries()) {
      const twin = list.slice(0, index).find((other) => plateDistance(other.plate, plate) === 0);
      if (twin !== undefined)
        ctx.addIssue({
          code: 'custom',
          path: [index, 'plate'],
          message: `${plate} reads like ${twin.plate}, which stands before it; neither could be told`,
        });
    }
  });

const fields = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .meta(
      meta({
        title: 'Read number plates',
        description: 'With networks of your own; Lares comes with none for plates',
        reload: 'live',
      }),
    ),
  consent: consentSetting,
  detector: onnx.meta(
    meta({
      title: 'Plate detector',
      description: 'An ONNX file of YOLOX, YOLOv8, YOLO11 or NanoDet that was trained to find plates',
      reload: 'live',
      examples: ['/srv/models/plates.onnx'],
    }),
  ),
  reader: onnx.meta(
    meta({
      title: 'Plate reader',
      description:
        'An ONNX file that reads a line of text: of the form of PaddleOCR (3 channels, 32 bit floating point) or of fast-plate-ocr (8 bit)',
      reload: 'live',
      examples: ['/srv/models/plate-text.onnx'],
    }),
  ),
  charset: z
    .string()
    .max(1_000)
    .optional()
    .meta(
      meta({
        title: 'Characters',
        description:
          'A text file with the characters of the reader in its order, one a line or all in one line; <blank> marks the blank where that is not the first',
        reload: 'live',
        examples: ['/srv/models/plate-text.txt'],
      }),
    ),
  known_plates: knownPlates
    .default([])
    .meta(meta({ title: 'Known plates', description: 'The cars that have names', reload: 'live' })),
  tolerance: z
    .int()
    .min(0)
    .max(3)
    .default(1)
    .meta(
      meta({
        title: 'Misread characters',
        description:
          'So many characters of a known plate may be read wrong; 0 and O, 1 and I and their like are the same anyway',
        reload: 'live',
      }),
    ),
  threshold: z
    .number()
    .min(0)
    .max(1)
    .default(0.6)
    .meta(
      meta({
        title: 'Threshold',
        description: 'Readings of a lower mean probability are passed over',
        reload: 'live',
      }),
    ),
  min_pixels: z
    .int()
    .min(16)
    .max(1_000)
    .default(48)
    .meta(
      meta({
        title: 'Smallest plate',
        description: 'Plates of fewer pixels across are not read',
        unit: 'px',
        reload: 'live',
      }),
    ),
  agreeing_pictures: z
    .int()
    .min(1)
    .max(10)
    .default(2)
    .meta(
      meta({
        title: 'Pictures that must agree',
        description: 'So many pictures of one car must be read before it is told',
        reload: 'live',
      }),
    ),
});

/** The section `cctv.recognition.plates`. */
export const plateConfig = fields
  .superRefine(needsConsent('the owners of the cars'))
  .superRefine((settings, ctx) => {
    if (!settings.enabled) return;
    for (const key of ['detector', 'reader', 'charset'] as const)
      if (settings[key] === undefined)
        ctx.addIssue({
          code: 'custom',
          path: [key],
          message: `Lares comes with no network for plates: name your own file here (docs/recognition.md), or set enabled: false`,
        });
  })
  .prefault({})
  .meta(
    meta({ title: 'Plates', description: 'Reading number plates with networks of your own', reload: 'live' }),
  );
export type PlateSettings = z.infer<typeof plateConfig>;
