import type { Cause } from '../model.ts';

/** What the parent and the child that measures a stream say to each other. */

export interface MeasureOrder {
  /** With credentials. */
  readonly url: string;
  readonly transport: 'tcp' | 'udp';
  /** Milliseconds to look, at most. */
  readonly forMs: number;
  /** Keyframes after which enough is known; three unless given, as an interval needs two. */
  readonly keys?: number;
}

export interface Measured {
  /** `h264`, `h265`, `mjpeg`; `other` for what is none of these. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Frames a second as they came; absent when fewer than five did. */
  readonly fps?: number;
  /** Seconds between keyframes, the longest seen; absent when fewer than two came. */
  readonly keyframeSeconds?: number;
  /** Seconds without a second keyframe, when only one came: the interval is longer. */
  readonly keyframeBeyond?: number;
}

export type MeasureReply =
  | { readonly ok: true; readonly measured: Measured }
  | { readonly ok: false; readonly detail: string; readonly cause?: Cause };
