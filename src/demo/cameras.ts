import { fork } from 'node:child_process';
import path from 'node:path';
import { calibrate } from '#cctv/ground/calibrate.ts';
import { LaresError } from '#kernel/errors.ts';
import {
  cameraFaults,
  cameraSize,
  demoCameras,
  type DemoCamerasReport,
  type FaultOrder,
  type PlayOrder,
} from './cameras.model.ts';
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

// Encoding a long video anew takes its time.
const startMs = 120_000;
const whole = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

/**
 * The cameras of the demo house: RTSP on loopback with drawn people whose true places are known, calibrated as somebody
 * would with a tape measure. Throws NOT_FOUND for a video that cannot be read.
 */
export async function openCameras({ video, folder, now }: CamerasOptions): Promise<DemoCameras> {
  const child = fork(path.join(import.meta.dirname, 'cameras.child.ts'), [], { execArgv: [] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const close = async () => {
    if (child.connected) child.disconnect();
    await exited;
  };
  const order: PlayOrder = { kind: 'play', ...(video === undefined ? {} : { video: path.resolve(video) }) };
  child.send(order);
  const port = await new Promise<number>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new LaresError('TIMEOUT', 'the simulated cameras did not start')),
      startMs,
    );
    child.once('message', (report: DemoCamerasReport) => {
      clearTimeout(late);
      if (report.kind === 'ready') resolve(report.port);
      else reject(new LaresError('NOT_FOUND', report.message));
    });
    void exited.then(() => reject(new LaresError('INTERNAL', 'the simulated cameras ended at once')));
  }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const drawn = video === undefined ? demoCameras : demoCameras.slice(0, -1);
  for (const { id, height, tilt, fov } of drawn)
    await calibrate({
      configFolder: path.join(folder, 'config'),
      camera: id,
      now,
      height,
      tilt,
      fov: horizontal(fov),
      picture: { width: cameraSize.width, height: cameraSize.height },
      references: ['gate=line:-1.4,12;1.4,12', 'door=point:-0.5,1'],
      people: [],
    });
  return {
    settings: {
      cameras: demoCameras.map(({ id, name }) => ({
        id,
        name,
        url: `rtsp://127.0.0.1:${port}/${id}`,
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
      fault: (fault, ms) => {
        const wrong: FaultOrder = { kind: 'fault', camera: id, fault, ms };
        child.send(wrong);
      },
    })),
    close,
  };
}

/** Degrees from left to right of a picture of our size that shows so many from top to bottom. */
function horizontal(vertical: number): number {
  const { width, height } = cameraSize;
  return (2 * Math.atan((Math.tan((vertical * Math.PI) / 360) * width) / height) * 180) / Math.PI;
}
