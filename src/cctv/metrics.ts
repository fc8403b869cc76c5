import { normaliseNode, type Reading } from '#kernel/reading.ts';
import type { CameraStats } from './model.ts';
import type { CameraView, CctvView } from './view.model.ts';

export const defaultPrefix = 'home.cctv';

interface Row<Subject> {
  /** Last node of the series. */
  readonly leaf: string;
  readonly title: string;
  readonly unit: string;
  /** Undefined where nothing is known; the reading is then left out, never 0. */
  readonly read: (subject: Subject) => number | undefined;
}

export type CameraMetric = Row<CameraView>;
export type CctvMetric = Row<CctvView>;

/** Figures of a camera that gives no pictures are those of before; only that it does not is true. */
const stat =
  (read: (stats: CameraStats) => number) =>
  ({ state, stats }: CameraView) =>
    state === 'live' && stats !== undefined ? read(stats) : undefined;

const total =
  (read: (stats: CameraStats) => number) =>
  ({ stats }: CameraView) =>
    stats === undefined ? undefined : read(stats);

const objects =
  (label: string) =>
  ({ state, objects: all }: CameraView) =>
    state === 'live' ? all.filter((o) => o.label === label).length : undefined;

/** One row per reading of a camera: `home.cctv.<camera>.<leaf>`. Disabled cameras have none. */
export const cameraMetrics: readonly CameraMetric[] = [
  {
    leaf: 'online',
    title: 'Gives pictures',
    unit: '',
    read: ({ state }) => (state === 'live' ? 1 : 0),
  },
  { leaf: 'fps', title: 'Frames looked at', unit: '1/s', read: stat((s) => s.fps) },
  { leaf: 'decoded_fps', title: 'Frames decoded', unit: '1/s', read: stat((s) => s.decodedFps) },
  { leaf: 'infer_ms', title: 'Mean time of an inference', unit: 'ms', read: stat((s) => s.inferMs) },
  {
    leaf: 'latency_ms',
    title: 'Mean time from frame to objects',
    unit: 'ms',
    read: stat((s) => s.latencyMs),
  },
  { leaf: 'motion_share', title: 'Share of frames with motion', unit: '0 to 1', read: stat((s) => s.motion) },
  { leaf: 'people', title: 'People in the picture', unit: '', read: objects('person') },
  { leaf: 'cars', title: 'Cars in the picture', unit: '', read: objects('car') },
  {
    leaf: 'objects',
    title: 'Objects in the picture',
    unit: '',
    read: ({ state, objects: all }) => (state === 'live' ? all.length : undefined),
  },
  { leaf: 'detections_total', title: 'Detections', unit: '', read: total((s) => s.detections) },
  {
    leaf: 'dropped_total',
    title: 'Frames not looked at because the detector was busy',
    unit: '',
    read: total((s) => s.dropped),
  },
  { leaf: 'reconnects_total', title: 'Reconnections', unit: '', read: total((s) => s.reconnects) },
  {
    leaf: 'decode_errors_total',
    title: 'Frames that could not be decoded',
    unit: '',
    read: total((s) => s.decodeErrors),
  },
  { leaf: 'received_bytes_total', title: 'Video received', unit: 'B', read: total((s) => s.bytes) },
];

/** One row per reading of all cameras: `home.cctv.<leaf>`. */
export const cctvMetrics: readonly CctvMetric[] = [
  {
    leaf: 'cameras_online',
    title: 'Cameras that give pictures',
    unit: '',
    read: ({ cameras }) => cameras.filter((c) => c.state === 'live').length,
  },
  {
    leaf: 'cameras_enabled',
    title: 'Cameras that should',
    unit: '',
    read: ({ cameras }) => cameras.filter((c) => c.enabled).length,
  },
  {
    leaf: 'events_written',
    title: 'Events and alerts can be written to disk',
    unit: '',
    read: ({ eventsWritten }) => (eventsWritten ? 1 : 0),
  },
  { leaf: 'events_today', title: 'Events since midnight', unit: '', read: (v) => v.eventsToday },
  { leaf: 'alerts_today', title: 'Alerts since midnight', unit: '', read: (v) => v.alertsToday },
  {
    leaf: 'alerts_waiting',
    title: 'Alerts on their way to people',
    unit: '',
    read: (v) => v.telling?.waiting,
  },
  {
    leaf: 'alerts_lost_total',
    title: 'Alerts that could not be told',
    unit: '',
    read: (v) => v.telling?.lost,
  },
  {
    leaf: 'recordings_bytes',
    title: 'Disk used by recordings',
    unit: 'B',
    read: (v) => v.diskBytes?.recordings,
  },
  {
    leaf: 'snapshots_bytes',
    title: 'Disk used by snapshots',
    unit: 'B',
    read: (v) => v.diskBytes?.snapshots,
  },
];

/** Nodes under the prefix that are no cameras; a camera of such a name gets `camera_` before it. */
const taken = new Set(cctvMetrics.map((row) => row.leaf));

/** The node of a camera in series. */
export function cameraNode(id: string): string {
  const node = normaliseNode(id.replaceAll('-', '_'), 'camera');
  return taken.has(node) ? `camera_${node}` : node;
}

/** The readings of one instant, `view.at`. */
export function cctvReadings(view: CctvView, prefix: string = defaultPrefix): Reading[] {
  const all: Reading[] = [];
  const add = <S>(path: string, rows: readonly Row<S>[], subject: S) => {
    for (const { leaf, read } of rows) {
      const value = read(subject);
      if (value !== undefined) all.push({ series: `${path}.${leaf}`, at: view.at, value });
    }
  };
  // A house without cameras has nothing to say, and its presence metrics stay those that were promised.
  if (view.cameras.length === 0) return all;
  for (const camera of view.cameras)
    if (camera.enabled) add(`${prefix}.${cameraNode(camera.id)}`, cameraMetrics, camera);
  add(prefix, cctvMetrics, view);
  return all;
}
