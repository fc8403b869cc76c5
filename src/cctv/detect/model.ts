import type { Detection } from '../model.ts';

/** How raw outputs become boxes. */
export type Decoding = 'yolox' | 'yolov8' | 'nanodet' | 'decoded';

/** One model that can be used: what it wants, what it gives, where it comes from, and whether one may pass it on. */
export interface ModelCard {
  /** The name in `processing.detection.model`: `centernet`, `nanodet`, `yolox_nano`. */
  readonly name: string;
  readonly title: string;
  readonly decoding: Decoding;
  /** Pixels; what the weights were made for or converted to. */
  readonly input: { readonly width: number; readonly height: number };
  /** Class names by index. */
  readonly classes: readonly string[];
  /** The score below which it is wrong more often than useful. Models differ: YOLOX-Nano 0.6, YOLOv8n 0.4. */
  readonly threshold: number;
  readonly licence: string;
  /** The weights work at any size of which both sides are multiples of 32; absent where the file fixes it. */
  readonly resizable?: boolean;
  /** Where the weights come from: an npm package that is installed, a tarball of one, or its publisher's address. */
  readonly source:
    | { readonly kind: 'package'; readonly name: string; readonly files: readonly string[] }
    | {
        readonly kind: 'tarball';
        readonly url: string;
        readonly integrity: string;
        readonly files: readonly string[];
      }
    | { readonly kind: 'url'; readonly url: string; readonly sha256: string }
    | { readonly kind: 'file' };
}

/** A picture as the detector takes it: 8 bit RGB, rows without padding, of exactly the input size of the model. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A loaded model. Blocks while it runs, so it lives in a process of its own. */
export interface Detector {
  readonly card: ModelCard;
  /** What it runs on: `cpu`, `cuda:0`. */
  readonly device: string;
  /** How many pictures it looks at in one run: more than 1 where that is cheaper than one after the other. */
  readonly atOnce: number;
  /** One list a frame; boxes in fractions of the frame; scores at or above `threshold`; overlaps of a class suppressed. */
  detect(frames: readonly Frame[], threshold: number): Promise<Detection[][]>;
  close(): Promise<void>;
}
