import type { CameraView, CctvView } from '#cctv/index.ts';
import type { AlertChannelStats } from '#platform/stats.ts';
import type { Row, Sample, Subjects } from './prometheus.ts';

type Stats = NonNullable<CameraView['stats']>;

const perCamera = (read: (camera: CameraView) => number | undefined) => (s: Subjects) =>
  (s.cctv?.cameras ?? [])
    .filter((c) => c.enabled)
    .map((camera): Sample | undefined => {
      const value = read(camera);
      return value === undefined ? undefined : { labels: { camera: camera.id }, value };
    });
const counted = (read: (stats: Stats) => number) =>
  perCamera(({ stats }) => (stats === undefined ? undefined : read(stats)));
const now = (read: (stats: Stats) => number) =>
  perCamera(({ state, stats }) => (state !== 'live' || stats === undefined ? undefined : read(stats)));
const whole =
  (read: (view: CctvView) => number | undefined) =>
  ({ cctv }: Subjects): readonly (Sample | undefined)[] => {
    const value = cctv === undefined || cctv.cameras.length === 0 ? undefined : read(cctv);
    return value === undefined ? [] : [{ value }];
  };

const perChannel = (read: (channel: AlertChannelStats) => number) => (s: Subjects) =>
  (s.alerts ?? []).map((stats): Sample => ({ labels: { channel: stats.channel }, value: read(stats) }));

/** What `/metrics` shows of the cameras and of the alerts that they cause. */
export const cctvRows: readonly Row[] = [
  {
    name: 'lares_camera_up',
    help: '1 while the camera gives pictures.',
    type: 'gauge',
    read: perCamera(({ state }) => (state === 'live' ? 1 : 0)),
  },
  {
    name: 'lares_camera_frames_per_second',
    help: 'Frames looked at.',
    type: 'gauge',
    read: now((s) => s.fps),
  },
  {
    name: 'lares_camera_decoded_frames_per_second',
    help: 'Frames decoded.',
    type: 'gauge',
    read: now((s) => s.decodedFps),
  },
  {
    name: 'lares_camera_inference_seconds',
    help: 'Mean time of an inference in the last period.',
    type: 'gauge',
    read: now((s) => s.inferMs / 1000),
  },
  {
    name: 'lares_camera_latency_seconds',
    help: 'Mean time from a frame to its objects in the last period.',
    type: 'gauge',
    read: now((s) => s.latencyMs / 1000),
  },
  {
    name: 'lares_camera_motion_ratio',
    help: 'Share of frames with motion in the last period.',
    type: 'gauge',
    read: now((s) => s.motion),
  },
  {
    name: 'lares_camera_objects',
    help: 'Objects in the picture.',
    type: 'gauge',
    read: perCamera(({ state, objects }) => (state === 'live' ? objects.length : undefined)),
  },
  {
    name: 'lares_camera_detections_total',
    help: 'Detections since the start.',
    type: 'counter',
    read: counted((s) => s.detections),
  },
  {
    name: 'lares_camera_dropped_frames_total',
    help: 'Frames that were not looked at because the detector was busy.',
    type: 'counter',
    read: counted((s) => s.dropped),
  },
  {
    name: 'lares_camera_decode_errors_total',
    help: 'Frames that could not be decoded.',
    type: 'counter',
    read: counted((s) => s.decodeErrors),
  },
  {
    name: 'lares_camera_reconnects_total',
    help: 'Reconnections since the start.',
    type: 'counter',
    read: counted((s) => s.reconnects),
  },
  {
    name: 'lares_camera_received_bytes_total',
    help: 'Video received since the start.',
    type: 'counter',
    read: counted((s) => s.bytes),
  },
  {
    name: 'lares_cctv_events_today',
    help: 'Events since local midnight.',
    type: 'gauge',
    read: whole((v) => v.eventsToday),
  },
  {
    name: 'lares_cctv_alerts_today',
    help: 'Alerts since local midnight.',
    type: 'gauge',
    read: whole((v) => v.alertsToday),
  },
  {
    name: 'lares_cctv_disk_bytes',
    help: 'Disk used, by kind.',
    type: 'gauge',
    read: ({ cctv }) =>
      Object.entries(cctv?.diskBytes ?? {}).map(([kind, value]) => ({ labels: { kind }, value })),
  },
  {
    name: 'lares_alerts_waiting',
    help: 'Alerts on their way to people.',
    type: 'gauge',
    read: perChannel((c) => c.waiting),
  },
  {
    name: 'lares_alerts_delivered_total',
    help: 'Alerts that arrived.',
    type: 'counter',
    read: perChannel((c) => c.delivered),
  },
  {
    name: 'lares_alerts_failed_tries_total',
    help: 'Tries to tell an alert that failed; another follows.',
    type: 'counter',
    read: perChannel((c) => c.failures),
  },
  {
    name: 'lares_alerts_lost_total',
    help: 'Alerts that were too late to tell, or could never be told.',
    type: 'counter',
    read: perChannel((c) => c.givenUp + c.failed),
  },
  {
    name: 'lares_alerts_delivery_seconds',
    help: 'Time from an alert to its delivery.',
    type: 'gauge',
    read: ({ alerts = [] }) =>
      alerts.flatMap(({ channel, secondsP50, secondsP95 }): Sample[] => [
        ...(secondsP50 === undefined ? [] : [{ labels: { channel, statistic: 'p50' }, value: secondsP50 }]),
        ...(secondsP95 === undefined ? [] : [{ labels: { channel, statistic: 'p95' }, value: secondsP95 }]),
      ]),
  },
];
