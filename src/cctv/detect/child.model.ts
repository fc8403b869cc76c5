import type { Code } from '#kernel/errors.ts';
import type { WantedModel } from './prepare.ts';
import type { DetectorStats } from './server.ts';
import type { ModelFace } from './wire.codec.ts';

/** What the core and the detector's process say to each other; pictures go over the socket. */

/** What is to be loaded, and on what. */
export interface DetectorPlan extends WantedModel {
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  readonly threads: number;
}

/** Core to detector. */
export interface Configure {
  readonly kind: 'configure';
  readonly plan: DetectorPlan;
  /** Folder of the models. */
  readonly folder: string;
  /** Where to listen. */
  readonly path: string;
}

/** Detector to core. */
export type Report =
  | { readonly kind: 'ready'; readonly model: ModelFace; readonly device: string }
  /** `standIn`: nothing was loaded, so the model that comes with Lares follows. */
  | { readonly kind: 'refused'; readonly code: Code; readonly message: string; readonly standIn: boolean }
  | { readonly kind: 'log'; readonly level: 'info' | 'warn'; readonly message: string }
  /** Once a second, also as a sign of life. */
  | { readonly kind: 'stats'; readonly stats: DetectorStats };
