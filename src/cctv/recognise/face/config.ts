import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { consentSetting, needsConsent } from '../consent.ts';
import { faceDetectors, faceEmbedders } from './nets.ts';

const meta = (m: SettingMeta) => m;

const net = (known: Readonly<Record<string, { source: { kind: string } }>>, what: string) => {
  const shipped = Object.entries(known).flatMap(([name, { source }]) =>
    source.kind === 'package' ? [name] : [],
  );
  return z
    .string()
    .max(1_000)
    .refine((name) => shipped.includes(name) || /\.onnx$/i.test(name), {
      error: `expected ${shipped.join(' or ')}, or the path of an ONNX file of ${what}`,
    });
};

const fields = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .meta(
      meta({
        title: 'Recognise faces',
        description: 'Tells people who were enrolled by lares cctv faces enrol',
        reload: 'live',
      }),
    ),
  consent: consentSetting,
  detector: net(faceDetectors, 'YuNet')
    .default('blazeface')
    .meta(
      meta({
        title: 'Face detector',
        description: 'What finds faces: blazeface, which comes by npm, or the path of an ONNX file of YuNet',
        reload: 'live',
        examples: ['blazeface', '/srv/models/yunet_n.onnx'],
      }),
    ),
  embedding: net(faceEmbedders, 'a network that takes aligned faces of 112x112 (ArcFace, MobileFaceNet)')
    .default('faceres')
    .meta(
      meta({
        title: 'Face model',
        description:
          'What tells faces apart: faceres, which comes by npm, or the path of an ONNX file that takes aligned faces of 112x112. After a change everybody is enrolled again',
        reload: 'live',
        examples: ['faceres', '/srv/models/arcface.onnx'],
      }),
    ),
  threshold: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .meta(
      meta({
        title: 'Threshold',
        description:
          'How alike a face must be to an enrolled one to get its name (cosine). Leave it out for the one that was measured for the model; higher names fewer strangers, and misses more',
        reload: 'live',
        examples: [0.75],
      }),
    ),
  min_pixels: z
    .int()
    .min(16)
    .max(1_000)
    .default(40)
    .meta(
      meta({
        title: 'Smallest face',
        description: 'Faces of fewer pixels across get no name',
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
        description: 'So many pictures of one person must show the same face before it is told',
        reload: 'live',
      }),
    ),
});

/** The section `cctv.recognition.faces`. */
export const faceConfig = fields
  .superRefine(needsConsent('the people whose faces are enrolled'))
  .prefault({})
  .meta(meta({ title: 'Faces', description: 'Telling enrolled people by their faces', reload: 'live' }));
export type FaceSettings = z.infer<typeof faceConfig>;
