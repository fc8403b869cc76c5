import { cameraMetrics, cctvMetrics, defaultPrefix } from '#cctv/index.ts';
import { dashboard, datasource, lines, onOff, stat, stepped, timeline } from './panels.ts';
import { targets as presence } from './targets.ts';

const cameraLeaves = new Set(cameraMetrics.map((row) => row.leaf));
const wholeLeaves = new Set(cctvMetrics.map((row) => row.leaf));

/** Path of a reading of the chosen cameras. Throws when the table has no such row. */
export function ofCamera(leaf: string, camera = '$camera'): string {
  if (!cameraLeaves.has(leaf)) throw new RangeError(`no reading ${leaf} of a camera`);
  return `${defaultPrefix}.${camera}.${leaf}`;
}

/** Path of a reading of all cameras. Throws when the table has no such row. */
export function ofCctv(leaf: string): string {
  if (!wholeLeaves.has(leaf)) throw new RangeError(`no reading ${leaf} of the cameras`);
  return `${defaultPrefix}.${leaf}`;
}

const each = (leaf: string) => `aliasByNode(${ofCamera(leaf)}, 2)`;
const perMinute = (leaf: string) =>
  `aliasByNode(summarize(nonNegativeDerivative(keepLastValue(${ofCamera(leaf)})), '1min', 'sum'), 2)`;
const smooth = { drawStyle: 'line', lineInterpolation: 'stepAfter', lineWidth: 1, fillOpacity: 10 };

/** Every Graphite expression of the camera dashboard, by what it shows. */
export const cctvTargets = {
  online: `alias(${ofCctv('cameras_online')}, 'give pictures')`,
  enabled: `alias(${ofCctv('cameras_enabled')}, 'should')`,
  events: `alias(${ofCctv('events_today')}, 'events')`,
  alerts: `alias(${ofCctv('alerts_today')}, 'alerts')`,
  waiting: `alias(${ofCctv('alerts_waiting')}, 'on their way')`,
  lost: `alias(nonNegativeDerivative(keepLastValue(${ofCctv('alerts_lost_total')})), 'could not be told')`,
  blind: `aliasByNode(offset(scale(${ofCamera('online', '*')}, -1), 1), 2)`,
  stuck: `alias(movingMin(${ofCctv('alerts_waiting')}, '2min'), 'waiting for 2 minutes')`,
  untold: `alias(movingSum(nonNegativeDerivative(keepLastValue(${ofCctv('alerts_lost_total')})), '15min'), 'lost in 15 minutes')`,
  recordings: `alias(${ofCctv('recordings_bytes')}, 'recordings')`,
  snapshots: `alias(${ofCctv('snapshots_bytes')}, 'snapshots')`,
  up: `aliasByNode(consolidateBy(${ofCamera('online')}, 'min'), 2)`,
  fps: each('fps'),
  decoded: each('decoded_fps'),
  infer: each('infer_ms'),
  latency: each('latency_ms'),
  people: each('people'),
  cars: each('cars'),
  motion: each('motion_share'),
  detections: perMinute('detections_total'),
  dropped: perMinute('dropped_total'),
  reconnects: perMinute('reconnects_total'),
  decodeErrors: perMinute('decode_errors_total'),
  names: `expand(${ofCamera('online', '*')})`,
} as const;

const t = cctvTargets;

/** Panels from top to bottom; the grid of Grafana is 24 wide. */
const panels = (): object[] => [
  stat('Cameras that give pictures', t.online, { x: 0, y: 0, w: 6, h: 4 }),
  stat('Cameras that should', t.enabled, { x: 6, y: 0, w: 6, h: 4 }),
  stat('Events today', t.events, { x: 12, y: 0, w: 6, h: 4 }),
  stat('Alerts today', t.alerts, { x: 18, y: 0, w: 6, h: 4 }),
  timeline('Gives pictures', t.up, { x: 0, y: 4, w: 24, h: 6 }, onOff('No', 'Yes')),
  lines(
    'People in the picture, and at home',
    [t.people, presence.count],
    { x: 0, y: 10, w: 12, h: 8 },
    stepped,
  ),
  lines('Cars in the picture', [t.cars], { x: 12, y: 10, w: 12, h: 8 }, stepped),
  lines('Frames looked at a second', [t.fps], { x: 0, y: 18, w: 12, h: 7 }, smooth),
  lines('Frames decoded a second', [t.decoded], { x: 12, y: 18, w: 12, h: 7 }, smooth),
  lines('Inference', [t.infer], { x: 0, y: 25, w: 12, h: 7 }, smooth, { unit: 'ms' }),
  lines('From frame to objects', [t.latency], { x: 12, y: 25, w: 12, h: 7 }, smooth, { unit: 'ms' }),
  lines('Share of frames with motion', [t.motion], { x: 0, y: 32, w: 12, h: 7 }, smooth, {
    unit: 'percentunit',
  }),
  lines('Detections a minute', [t.detections], { x: 12, y: 32, w: 12, h: 7 }, smooth),
  lines('Frames dropped a minute', [t.dropped], { x: 0, y: 39, w: 8, h: 7 }, smooth),
  lines('Reconnections a minute', [t.reconnects], { x: 8, y: 39, w: 8, h: 7 }, smooth),
  lines('Decode errors a minute', [t.decodeErrors], { x: 16, y: 39, w: 8, h: 7 }, smooth),
  lines('Disk', [t.recordings, t.snapshots], { x: 0, y: 46, w: 12, h: 7 }, smooth, { unit: 'bytes' }),
  lines('Telling people', [t.waiting, t.lost], { x: 12, y: 46, w: 12, h: 7 }, stepped),
];

/** The camera dashboard of Grafana, for a Graphite data source of any name. */
export function cctvDashboard(): object {
  return dashboard({
    uid: 'lares-cctv',
    title: 'Lares: cameras',
    tag: 'cctv',
    variables: [
      {
        name: 'camera',
        label: 'Camera',
        type: 'query',
        datasource,
        query: t.names,
        definition: t.names,
        regex: '/^home\\.cctv\\.([^.]+)\\.online$/',
        multi: true,
        includeAll: true,
        allValue: '*',
        current: { text: ['All'], value: ['$__all'] },
        refresh: 2,
        sort: 1,
      },
    ],
    panels: panels(),
  });
}
