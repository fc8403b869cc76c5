import type { Box, CameraState, CameraStats, Cause, Polygon, Role, StreamInfo, Track } from '../model.ts';

/**
 * What the core and a child that reads cameras say to each other (`child_process.fork`, `serialization: 'advanced'`).
 * Frames for the detector do not pass here; they go over the detector's own socket (`detect/wire.ts`).
 */

/** All that a child needs to know of one camera. Plain data. */
export interface CameraPlan {
  readonly id: string;
  /** URL by role, with credentials: `rtsp:`, `rtsps:`, `http:` and `https:` (MJPEG), `file:` (demo and tests). Equal URLs share one connection. */
  readonly urls: Readonly<Partial<Record<Role, string>>>;
  readonly transport: 'tcp' | 'udp';
  /** Frames a second to look at, after `frameSkip`. */
  readonly fps: number;
  /** Every (frameSkip + 1)th decoded frame is a candidate. */
  readonly frameSkip: number;
  readonly detect: boolean;
  readonly hardware: 'auto' | 'off';
  /** Where motion does not count, and where objects do not. */
  readonly motionMasks: readonly Polygon[];
  readonly objectMasks: readonly Polygon[];
  readonly labels: readonly string[];
  readonly threshold: number;
  readonly motionGate: boolean;
  /** At most this many crops at full resolution a frame, beside the whole picture. */
  readonly regions: number;
  readonly record: RecordPlan;
  /** Where what it usually sees is kept; without it a knock during a restart is not noticed. */
  readonly sceneFile?: string;
}

export interface RecordPlan {
  readonly mode: 'off' | 'events' | 'continuous';
  /** Absolute folder of this camera. */
  readonly folder: string;
  readonly segmentSeconds: number;
  readonly preSeconds: number;
  readonly postSeconds: number;
}

/** Core to child. */
export type Order =
  | {
      readonly kind: 'configure';
      readonly cameras: readonly CameraPlan[];
      /** Unix socket of the detector; absent while there is none. */
      readonly detector?: string;
      /** IANA zone for folders by local day. */
      readonly timeZone: string;
    }
  /** A clip must hold what happens until told otherwise; `event` names it. */
  | {
      readonly kind: 'event';
      readonly camera: string;
      readonly event: string;
      readonly open: boolean;
      readonly at: number;
    }
  /** Whether anybody watches: packets are remuxed only then. */
  | { readonly kind: 'watch'; readonly camera: string; readonly on: boolean }
  /** A picture of now, answered by `picture` with the same `request`. */
  | { readonly kind: 'picture'; readonly camera: string; readonly request: number; readonly width?: number }
  | { readonly kind: 'stop' };

/** Child to core. */
export type Signal =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'state';
      readonly camera: string;
      readonly at: number;
      readonly state: CameraState;
      readonly cause?: Cause;
      readonly detail?: string;
      /** True for the one message of an outage that is to be logged as `reconnect`. */
      readonly lost?: boolean;
    }
  | { readonly kind: 'stream'; readonly camera: string; readonly role: Role; readonly info: StreamInfo }
  /** The tracks of one frame that was looked at; `ended` are ids that are gone for good. */
  | {
      readonly kind: 'tracks';
      readonly camera: string;
      /** Epoch milliseconds of capture, as the frame came in. */
      readonly at: number;
      readonly width: number;
      readonly height: number;
      readonly tracks: readonly Track[];
      readonly ended: readonly number[];
      readonly inferMs: number;
    }
  /** The best frame so far of one track, or the answer to a request. JPEG of the whole frame, without and with the box. */
  | {
      readonly kind: 'picture';
      readonly camera: string;
      readonly at: number;
      readonly track?: number;
      readonly request?: number;
      readonly box?: Box;
      readonly score?: number;
      readonly clean: Uint8Array;
      readonly boxed?: Uint8Array;
    }
  /** A finished or growing file of video. */
  | {
      readonly kind: 'segment';
      readonly camera: string;
      readonly file: string;
      readonly startAt: number;
      readonly endAt: number;
      readonly bytes: number;
      readonly closed: boolean;
      /** Events whose time it holds. */
      readonly events: readonly string[];
    }
  /** A piece of fragmented MP4 for browsers. `init` starts a new stream; `key` starts with a keyframe. */
  | {
      readonly kind: 'live';
      readonly camera: string;
      readonly part: 'init' | 'fragment';
      readonly key: boolean;
      readonly at: number;
      readonly mime: string;
      readonly data: Uint8Array;
    }
  | {
      readonly kind: 'scene';
      readonly camera: string;
      readonly at: number;
      readonly problem: 'moved' | 'blurred' | 'covered' | 'dark' | 'infrared' | 'fine';
      readonly detail: string;
    }
  | { readonly kind: 'stats'; readonly camera: string; readonly at: number; readonly stats: CameraStats }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly camera?: string;
      readonly code?: string;
      readonly message: string;
      /** About the machine: every process says it alike, and people want to hear it once. */
      readonly once?: true;
    };
