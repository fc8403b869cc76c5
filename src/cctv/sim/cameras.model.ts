import type { Cut, Faults, PathCounts, PathOptions } from './rtsp.model.ts';

/** What the process of the simulated cameras and its parent say to each other. */

export type WeatherName = 'lamp' | 'noise' | 'rain' | 'headlights' | 'infrared' | 'clouds';

/** What one simulated camera shows. */
export type Show =
  /** The drawn drive, with its walkers or empty. Its truth is `truthAt(driveway(startAt), at)`, epoch milliseconds. */
  | {
      readonly kind: 'scene';
      readonly walkers: boolean;
      readonly startAt: number;
      readonly weather: readonly WeatherName[];
      /** Where the camera hangs, where not as usual: metres, degrees down, degrees from top to bottom. */
      readonly view?: { readonly height: number; readonly tilt: number; readonly fov: number };
    }
  /** A square that moves: cheap. */
  | { readonly kind: 'square' }
  /** Any video file; encoded anew unless it is H.264 and `asItIs`. */
  | { readonly kind: 'file'; readonly file: string; readonly asItIs: boolean };

export interface CameraSpec extends PathOptions {
  /** `/driveway/main`. */
  readonly path: string;
  readonly show: Show;
  readonly codec: 'h264' | 'h265';
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly keyframeSeconds: number;
}

export type SimOrder =
  | { readonly kind: 'start'; readonly cameras: readonly CameraSpec[]; readonly port: number }
  | { readonly kind: 'fault'; readonly path: string; readonly faults: Partial<Faults> }
  | { readonly kind: 'heal'; readonly path: string }
  | { readonly kind: 'cut'; readonly path: string; readonly how: Cut }
  | { readonly kind: 'replace'; readonly path: string; readonly by: string }
  | { readonly kind: 'counts'; readonly path: string; readonly request: number }
  | { readonly kind: 'stop' };

export type SimSignal =
  | { readonly kind: 'started'; readonly urls: Readonly<Record<string, string>> }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'counts'; readonly request: number; readonly counts: PathCounts };
