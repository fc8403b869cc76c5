import type { Level } from './levels.rules.ts';
import type { Box, CameraState, CameraStats, Cause, Identity, Role, StreamInfo } from './model.ts';

/** One object that a camera sees now. */
export interface SeenObject {
  readonly event: string;
  readonly label: string;
  readonly score: number;
  readonly box: Box;
  /** Epoch milliseconds. */
  readonly since: number;
  readonly stationary: boolean;
  /** Metres to each reference, with one standard deviation. */
  readonly distances: Readonly<Record<string, { readonly metres: number; readonly sigma: number }>>;
  /** Metres a second. */
  readonly speed?: number;
  readonly zones: readonly string[];
  readonly identity?: Identity;
}

export interface CameraView {
  readonly id: string;
  readonly name: string;
  readonly enabled: boolean;
  /** Without credentials. */
  readonly address: string;
  readonly state: CameraState;
  /** Epoch milliseconds since when it is in that state. */
  readonly since: number;
  readonly cause?: Cause;
  readonly detail?: string;
  readonly streams: Readonly<Partial<Record<Role, StreamInfo>>>;
  readonly stats?: CameraStats;
  /** What is wrong with its picture, where something is. */
  readonly picture?: { readonly problem: string; readonly detail: string; readonly since: number };
  readonly calibrated: boolean;
  readonly record: 'off' | 'events' | 'continuous';
  readonly recording: boolean;
  readonly objects: readonly SeenObject[];
  /** What it gave in the last 30 days; absent until that is known. */
  readonly level?: Level;
}

export interface CctvView {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly cameras: readonly CameraView[];
  readonly detector: { readonly model: string; readonly device: string; readonly state: string } | undefined;
  /** Events and alerts since local midnight. */
  readonly eventsToday: number;
  readonly alertsToday: number;
  /** Whether events and alerts can be written to disk now. */
  readonly eventsWritten: boolean;
  /** Alerts on their way to people, and those since the start that could not be told; absent where nobody is told. */
  readonly telling?: { readonly waiting: number; readonly lost: number };
  /** Bytes under recordings and snapshots; undefined until measured. */
  readonly diskBytes: { readonly recordings: number; readonly snapshots: number } | undefined;
}
