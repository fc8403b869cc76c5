import type * as z from 'zod';
import type { Frame } from '../detect/model.ts';
import type { Box, Identity } from '../model.ts';

/** A network that a recogniser can use: what it is for, where it comes from, and whether one may pass it on. */
export interface NetCard {
  /** The name in the settings; a path stands for one of the user's own. */
  readonly name: string;
  readonly title: string;
  readonly licence: string;
  /** Files of a package that is installed, each with its SHA-256; or a file that the user brings. */
  readonly source:
    | {
        readonly kind: 'package';
        readonly name: string;
        readonly files: readonly { readonly path: string; readonly sha256: string }[];
      }
    | { readonly kind: 'file' };
}

/** What an open recogniser may use. */
export interface RecogniserPlace {
  readonly dataDir: string;
  /** Told once each, in words for the log; never who or what was recognised. */
  readonly warn: (message: string) => void;
}

/** A recogniser with its networks loaded. Blocks while it runs, so it lives in a process of its own. */
export interface OpenRecogniser {
  /** What it works with, in a few words for the log. */
  readonly about: string;
  /**
   * What it read of the object in `box` (fractions of the picture), the surest first; empty where nothing can be read
   * well enough. An entry without a name was read and is not known.
   */
  recognise(picture: Frame, box: Box): Promise<readonly Identity[]>;
  close(): Promise<void>;
}

/** Settings that every recogniser has. */
export interface CommonSettings {
  readonly enabled: boolean;
  readonly agreeing_pictures: number;
}

/**
 * One way to tell who or what an object is. A new one is a folder with an object of this shape, a line in the registry
 * and one in the settings. Whatever loads native code stands behind `open`.
 */
export interface Recogniser<Settings extends CommonSettings = CommonSettings> {
  readonly kind: Identity['kind'];
  readonly title: string;
  /** The key of its settings below `cctv.recognition`. */
  readonly section: 'faces' | 'plates';
  /** The objects that it looks at, in the words of the detectors. */
  readonly labels: readonly string[];
  readonly config: z.ZodType<Settings, unknown>;
  readonly models: readonly NetCard[];
  /** Loads what the settings name. Throws NOT_FOUND or CONFIG_INVALID with what to do. */
  open(settings: Settings, place: RecogniserPlace): Promise<OpenRecogniser>;
}
