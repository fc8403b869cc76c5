import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { CameraBody, CctvBody } from '#cctv/body.ts';
import { calibrate } from '#cctv/ground/calibrate.ts';
import type { CameraSpec } from '#cctv/sim/cameras.model.ts';
import { cameraSpec } from '#cctv/sim/cameras.ts';
import type { LaresProcess } from './house.ts';
import { childrenOf } from './lab.ts';
import { scratch, until } from './process.ts';

/** What the drawn drive looks like through its camera: metres, degrees down, degrees from top to bottom. */
const view = { height: 3, tilt: 14, fov: 42 };
const picture = { width: 640, height: 360 };
const roundMs = 90_000;

export const whole = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 1],
];

/** The drawn drive with its people; at the instant of the call it has played for so many seconds of its round. */
export const drive = (place: string, seconds: number, rest: Partial<CameraSpec> = {}): CameraSpec =>
  cameraSpec(
    place,
    { kind: 'scene', walkers: true, startAt: Date.now() - seconds * 1_000 - roundMs, weather: [] },
    { fps: 5, ...rest },
  );

/** A small picture in which only a square moves: costs next to nothing. */
export const square = (place: string, rest: Partial<CameraSpec> = {}): CameraSpec =>
  cameraSpec(place, { kind: 'square' }, { width: 160, height: 96, fps: 5, ...rest });

/** A folder for a house with cameras, with the calibrations of those that look at the drive. */
export async function cameraFolder(
  calibrated: readonly string[] = [],
): Promise<{ dir: string; remove: () => void }> {
  const { dir, remove } = scratch('cameras');
  mkdirSync(path.join(dir, 'data'), { mode: 0o700 });
  const half = Math.tan((view.fov * Math.PI) / 360) * (picture.width / picture.height);
  for (const camera of calibrated)
    await calibrate({
      configFolder: path.join(dir, 'config'),
      camera,
      now: Date.now(),
      ...view,
      fov: (2 * Math.atan(half) * 180) / Math.PI,
      picture,
      references: ['gate=line:-1.4,12;1.4,12'],
      people: [],
    });
  return { dir, remove };
}

/** Rows of `events.db` as a program beside the house reads them. */
export function bookRows<T>(dir: string, sql: string, ...values: readonly (string | number)[]): T[] {
  const file = path.join(dir, 'data', 'events.db');
  if (!existsSync(file)) return [];
  const db = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
  try {
    return db.prepare(sql).all(...values) as T[];
  } catch (error) {
    // A house that has just begun, or was killed then, has a file without tables.
    if (error instanceof Error && error.message.startsWith('no such table')) return [];
    throw error;
  } finally {
    db.close();
  }
}

export const cctvOf = (house: LaresProcess): Promise<CctvBody> => house.get<CctvBody>('/api/cctv');

export async function cameraOf(house: LaresProcess, id: string): Promise<CameraBody> {
  const camera = (await cctvOf(house)).cameras.find((c) => c.id === id);
  if (camera === undefined) throw new RangeError(`the house has no camera ${id}`);
  return camera;
}

/** Resolves once a camera is as wanted. */
export async function cameraIs(
  house: LaresProcess,
  id: string,
  wanted: (camera: CameraBody) => boolean,
  timeoutMs = 30_000,
): Promise<CameraBody> {
  let last: CameraBody | undefined;
  await until(
    async () => wanted((last = await cameraOf(house, id))),
    () => `camera ${id} is ${JSON.stringify(last)}\n${house.lines.slice(-15).join('\n')}`,
    timeoutMs,
  );
  return last!;
}

export const sees = (camera: CameraBody): boolean => camera.state === 'live' && (camera.decoded_fps ?? 0) > 0;

/** Outages of a camera as operators count them: one line of app.log each. */
export const outages = (house: LaresProcess, id: string): number =>
  house.lines.filter((line) => line.includes(`|camera ${id} `) && line.includes('reconnect')).length;

export interface Part {
  readonly pid: number;
  /** Title of the process: `lares-cameras`, `lares-detector`. */
  readonly title: string;
}

/** The processes that a house has started, in the order in which it did: numbers of processes begin again at some time. */
export const partsOf = (house: LaresProcess): Part[] => {
  const order = readProc(house.pid, `task/${house.pid}/children`).trim().split(' ').map(Number);
  return childrenOf(house.pid)
    .toSorted((a, b) => order.indexOf(a) - order.indexOf(b))
    .map((pid) => ({ pid, title: readProc(pid, 'cmdline').split('\0')[0]!.trim() }));
};

const readProc = (pid: number, name: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
};

/** True while a process lives; one that nobody has waited for is dead. */
export const lives = (pid: number): boolean => /^State:\s+[^ZX]/m.test(readProc(pid, 'status'));

/** Open descriptors of a process. */
export const descriptors = (pid: number): number => {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
};
