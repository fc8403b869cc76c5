import type { CameraBody } from '#cctv/body.ts';
import type { CameraSpec } from '#cctv/sim/cameras.model.ts';
import type { SimulatedCameras } from '#cctv/sim/cameras.ts';
import type { Faults } from '#cctv/sim/rtsp.model.ts';

/** Where one camera is, and what stands between it and the house. */
export interface Scene {
  readonly sim: SimulatedCameras;
  readonly path: string;
  /** The line to the one camera that has one: what a router or a cable does. */
  readonly line: { refuse(): Promise<void>; heal(): Promise<void> };
}

/** What one camera does wrong, and what becomes of it. */
export interface CameraRow {
  readonly fault: string;
  /** What health says of it; undefined where it must go on without a word. */
  readonly cause?: CameraBody['cause'];
  /** Why it was lost at first, where that is something else: the connection ended before the next one failed. */
  readonly first?: readonly string[];
  /** It is live again before it is healed: the fault was a moment. */
  readonly moment?: true;
  readonly breaks: (scene: Scene) => void | Promise<void>;
  readonly heals?: (scene: Scene) => void | Promise<void>;
  /** What its stream is afterwards, where the fault changed it. */
  readonly becomes?: { readonly codec?: string; readonly width?: number };
  /** Its line can be cut. */
  readonly wired?: true;
}

/** Wrong from now on, for the connection that is open as well. */
const meanwhile =
  (faults: Partial<Faults>): CameraRow['breaks'] =>
  ({ sim, path }) =>
    sim.fault(path, faults);

/** Wrong for who connects: the connection that is open ends. */
const anew =
  (faults: Partial<Faults>): CameraRow['breaks'] =>
  ({ sim, path }) => {
    sim.fault(path, faults);
    sim.cut(path, 'fin');
  };

// Where the connection that is open ends, that is told first.
const first = ['RTSP_ENDED'];

/** Cameras of which others are turned into: another size, another codec. */
export const others: Readonly<Record<string, Partial<CameraSpec>>> = {
  '/smaller': { width: 128, height: 72 },
  '/h265': { codec: 'h265' },
};

/** One victim for each; all of them live in one house. */
export const cameraRows: readonly CameraRow[] = [
  { fault: 'connection ended, then refused', cause: 'RTSP_ENDED', breaks: anew({ refuse: true }) },
  {
    fault: 'connection reset',
    cause: 'RTSP_ENDED',
    moment: true,
    breaks: ({ sim, path }) => sim.cut(path, 'rst'),
  },
  {
    fault: 'nothing listens',
    cause: 'RTSP_CONNECT',
    first,
    wired: true,
    breaks: ({ line }) => line.refuse(),
    heals: ({ line }) => line.heal(),
  },
  { fault: 'accepts and stays silent', cause: 'RTSP_SILENT', first, breaks: anew({ hang: true }) },
  { fault: 'half-open connection', cause: 'RTSP_STALLED', breaks: meanwhile({ halfOpen: true }) },
  {
    fault: 'noise in place of pictures',
    cause: 'RTSP_GARBAGE',
    first: ['RTSP_STALLED', 'RTSP_GARBAGE', 'RTSP_ENDED'],
    breaks: meanwhile({ garbage: true }),
  },
  { fault: 'noise in place of replies', cause: 'RTSP_GARBAGE', first, breaks: anew({ babble: true }) },
  { fault: 'bits flipped in 5 % of packets', breaks: meanwhile({ corrupt: 0.05 }) },
  { fault: '3 % of packets lost', breaks: meanwhile({ loss: 0.03 }) },
  { fault: 'no keyframes', cause: 'NO_KEYFRAME', first, breaks: anew({ noKeyframes: true }) },
  {
    fault: 'another size',
    breaks: ({ sim, path }) => sim.replace(path, '/smaller'),
    becomes: { width: 128 },
  },
  {
    fault: 'another codec',
    cause: 'RTSP_ENDED',
    first: ['RTSP_ENDED', 'RTSP_GARBAGE', 'RTSP_STALLED'],
    moment: true,
    breaks: ({ sim, path }) => sim.replace(path, '/h265'),
    becomes: { codec: 'hevc' },
  },
  { fault: 'wrong password (401)', cause: 'RTSP_AUTH', first, breaks: anew({ status: { DESCRIBE: 401 } }) },
  {
    fault: 'no such path (404)',
    cause: 'RTSP_NOT_FOUND',
    first,
    breaks: anew({ status: { DESCRIBE: 404 } }),
  },
  { fault: 'no such session (454)', cause: 'RTSP_SESSION', first, breaks: anew({ status: { SETUP: 454 } }) },
  { fault: 'answers slowly', cause: 'RTSP_ENDED', moment: true, breaks: anew({ slowMs: 700 }) },
  { fault: 'timestamps 5 s late', breaks: meanwhile({ lateMs: 5_000 }) },
];
