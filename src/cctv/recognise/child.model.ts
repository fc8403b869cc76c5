import type { Code } from '#kernel/errors.ts';
import type { Box, Identity } from '../model.ts';
import type { RecogniserKind } from './registry.ts';

/** What the core and the process that recognises say to each other. Neither pictures nor vectors of faces come back. */

/** Core to child. */
export type Order =
  | {
      readonly kind: 'configure';
      readonly dataDir: string;
      /** Those that are switched on, with their settings. */
      readonly wanted: readonly Wanted[];
    }
  | {
      readonly kind: 'look';
      readonly id: number;
      readonly recogniser: RecogniserKind;
      readonly jpeg: Uint8Array;
      readonly box: Box;
    };

export interface Wanted {
  readonly recogniser: RecogniserKind;
  readonly settings: unknown;
}

/** Child to core. */
export type Report =
  | { readonly kind: 'ready'; readonly recogniser: RecogniserKind; readonly about: string }
  | {
      readonly kind: 'refused';
      readonly recogniser: RecogniserKind;
      readonly code: Code;
      readonly message: string;
    }
  | { readonly kind: 'seen'; readonly id: number; readonly identities: readonly Identity[] }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'warn'; readonly message: string }
  /** Once a second. */
  | { readonly kind: 'alive' };
