import type { Recogniser } from '../contract.ts';
import { faceConfig, type FaceSettings } from './config.ts';
import { faceDetectors, faceEmbedders } from './nets.ts';

/** Tells enrolled people by their faces. */
export const face = {
  kind: 'face',
  title: 'Faces of enrolled people',
  section: 'faces',
  labels: ['person'],
  config: faceConfig,
  models: [...Object.values(faceDetectors), ...Object.values(faceEmbedders)],
  open: async (settings, place) => (await import('./open.ts')).openFaces(settings, place),
} as const satisfies Recogniser<FaceSettings>;
