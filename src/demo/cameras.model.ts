import type { Faults } from '#cctv/sim/rtsp.model.ts';

/** What the house and the child that plays its cameras say to each other. */

/** House to child, first of all. */
export interface PlayOrder {
  readonly kind: 'play';
  /** A video file that the second camera plays instead of a drawn scene. */
  readonly video?: string | undefined;
}

export interface FaultOrder {
  readonly kind: 'fault';
  readonly camera: string;
  readonly fault: string;
  /** Real time. */
  readonly ms: number;
}

/** Child to house. */
export type DemoCamerasReport =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'failed'; readonly message: string };

/** What the simulated cameras can do wrong, by the word of `lares demo fault`; `drop` and `rst` end connections. */
export const cameraFaults: Readonly<Record<string, Partial<Faults> | 'fin' | 'rst'>> = {
  drop: 'fin',
  rst: 'rst',
  refuse: { refuse: true },
  hang: { hang: true, halfOpen: true },
  stall: { halfOpen: true },
  garbage: { garbage: true },
  corrupt: { corrupt: 0.05 },
  loss: { loss: 0.03 },
  nokeyframes: { noKeyframes: true },
  login: { status: { DESCRIBE: 401 } },
};

export interface DemoCamera {
  readonly id: string;
  readonly name: string;
  /** The camera of its scene: metres, degrees. */
  readonly height: number;
  readonly tilt: number;
  readonly fov: number;
  /** Milliseconds by which its people walk later. */
  readonly laterMs: number;
}

export const demoCameras: readonly DemoCamera[] = [
  { id: 'front', name: 'Front gate', height: 3, tilt: 14, fov: 42, laterMs: 0 },
  { id: 'drive', name: 'Drive', height: 4.2, tilt: 19, fov: 46, laterMs: 40_000 },
];

export const cameraSize = { width: 640, height: 360, fps: 10 } as const;
