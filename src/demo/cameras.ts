import path from 'node:path';
import { calibrate } from '#cctv/ground/calibrate.ts';
import { cameraSpec, startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import type { Faults } from '#cctv/sim/rtsp.model.ts';
import type { Faulty } from './faults.ts';

export interface CamerasOptions {
  /** A video file that the second camera plays. */
  readonly video?: string | undefined;
  /** Folder of the settings, to which the calibrations belong. */
  readonly folder: string;
  readonly now: number;
}

export interface DemoCameras {
  readonly settings: object;
  readonly faulty: readonly Faulty[];
  close(): Promise<void>;
}

interface DemoCamera {
  readonly id: string;
  readonly name: string;
  /** Metres, degrees down, degrees from top to bottom. */
  readonly height: number;
  readonly tilt: number;
  readonly fov: number;
  /** Milliseconds by which its people walk later. */
  readonly laterMs: number;
}

const demoCameras: readonly DemoCamera[] = [
  { id: 'front', name: 'Front gate', height: 3, tilt: 14, fov: 42, laterMs: 0 },
  { id: 'drive', name: 'Drive', height: 4.2, tilt: 19, fov: 46, laterMs: 40_000 },
];
const cameraSize = { width: 640, height: 360 } as const;

interface Wrong {
  readonly faults?: Partial<Faults>;
  /** Ends the connection: some faults are noticed only by who connects anew. */
  readonly cut?: 'fin' | 'rst';
}

/** What the simulated cameras can do wrong, by the word of `lares demo fault`. */
const cameraFaults: Readonly<Record<string, Wrong>> = {
  drop: { cut: 'fin', faults: { refuse: true } },
  rst: { cut: 'rst' },
  hang: { cut: 'fin', faults: { hang: true } },
  stall: { faults: { halfOpen: true } },
  garbage: { faults: { garbage: true } },
  babble: { cut: 'fin', faults: { babble: true } },
  corrupt: { faults: { corrupt: 0.05 } },
  loss: { faults: { loss: 0.03 } },
  nokeyframes: { cut: 'fin', faults: { noKeyframes: true } },
  login: { cut: 'fin', faults: { status: { DESCRIBE: 401 } } },
};

const whole = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

/**
 * The cameras of the demo house: RTSP on loopback with drawn people whose true places are known, in a process of its own
 * as real cameras are. Throws UNREACHABLE for a video that cannot be read.
 */
export async function openCameras({ video, folder, now }: CamerasOptions): Promise<DemoCameras> {
  const sim = await startCameras(
    demoCameras.map((camera, index) =>
      cameraSpec(
        `/${camera.id}`,
        video !== undefined && index === demoCameras.length - 1
          ? { kind: 'file', file: path.resolve(video), asItIs: true }
          : {
              kind: 'scene',
              walkers: true,
              startAt: Date.now() + camera.laterMs,
              weather: [],
              view: { height: camera.height, tilt: camera.tilt, fov: camera.fov },
            },
      ),
    ),
  );
  const drawn = video === undefined ? demoCameras : demoCameras.slice(0, -1);
  for (const { id, height, tilt, fov } of drawn)
    await calibrate({
      configFolder: path.join(folder, 'config'),
      camera: id,
      now,
      height,
      tilt,
      fov: horizontal(fov),
      picture: cameraSize,
      references: ['gate=line:-1.4,12;1.4,12', 'door=point:-0.5,1'],
      people: [],
    });
  return {
    settings: {
      cameras: demoCameras.map(({ id, name }) => ({
        id,
        name,
        url: sim.url(`/${id}`),
        zones: [{ name: 'view', polygon: whole }],
      })),
      // The trees of the drawn garden look like birds to some detectors.
      processing: { detection: { classes: ['person', 'car'] } },
      alert_rules: [
        {
          id: 'person_at_gate',
          name: 'Somebody at the gate',
          cameras: drawn.map((c) => c.id),
          classes: ['person'],
          conditions: { distance_to_reference: { reference: 'gate', operator: '<', value: 3 } },
          cooldown: 60,
        },
        { id: 'car', name: 'A car', classes: ['car'], severity: 'info', cooldown: 60, actions: [] },
      ],
    },
    faulty: demoCameras.map(({ id, name }): Faulty => ({
      paths: [`camera.${id}`],
      what: `camera ${name}, RTSP`,
      faults: Object.keys(cameraFaults),
      fault: (fault, ms) => misbehave(sim, `/${id}`, cameraFaults[fault]!, ms),
    })),
    close: () => sim.close(),
  };
}

function misbehave(sim: SimulatedCameras, place: string, what: Wrong, ms: number): void {
  if (what.faults !== undefined) sim.fault(place, what.faults);
  if (what.cut !== undefined) sim.cut(place, what.cut);
  setTimeout(() => sim.heal(place), ms).unref();
}

/** Degrees from left to right of a picture of our size that shows so many from top to bottom. */
function horizontal(vertical: number): number {
  const { width, height } = cameraSize;
  return (2 * Math.atan((Math.tan((vertical * Math.PI) / 360) * width) / height) * 180) / Math.PI;
}
