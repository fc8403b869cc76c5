import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { recognisers } from './registry.ts';

/** The section `cctv.recognition`: who and what objects are. All of it is off unless somebody switches it on. */
export const recognitionConfig = z
  .strictObject({
    faces: recognisers.face.config,
    plates: recognisers.plate.config,
  })
  .prefault({})
  .meta({
    title: 'Recognition',
    description: 'Telling enrolled people by their faces, and cars by their plates; off unless switched on',
    reload: 'live',
  } satisfies SettingMeta);
export type RecognitionConfig = z.infer<typeof recognitionConfig>;
