import { describe, expect, it } from 'vitest';
import { cameraNode, cctvReadings } from './metrics.ts';
import type { CameraView, CctvView } from './view.model.ts';

const stats = {
  decodedFps: 10,
  fps: 5,
  frames: 100,
  detections: 12,
  dropped: 1,
  decodeErrors: 2,
  reconnects: 3,
  inferMs: 7,
  latencyMs: 20,
  motion: 0.25,
  bytes: 1_000,
};

const camera = (more: Partial<CameraView>): CameraView => ({
  id: 'front-gate',
  name: 'Front gate',
  enabled: true,
  address: 'rtsp://192.0.2.20/s',
  state: 'live',
  since: 0,
  streams: {},
  stats,
  calibrated: false,
  record: 'off',
  recording: false,
  objects: [],
  ...more,
});

const view = (cameras: CameraView[]): CctvView => ({
  at: 5_000,
  cameras,
  detector: undefined,
  eventsToday: 4,
  alertsToday: 1,
  eventsWritten: true,
  diskBytes: undefined,
});

const asObject = (v: CctvView) => Object.fromEntries(cctvReadings(v).map((r) => [r.series, r.value]));

describe('the readings of the cameras', () => {
  it('of a camera that works are its figures', () => {
    expect(asObject(view([camera({})]))).toEqual({
      'home.cctv.front_gate.online': 1,
      'home.cctv.front_gate.fps': 5,
      'home.cctv.front_gate.decoded_fps': 10,
      'home.cctv.front_gate.infer_ms': 7,
      'home.cctv.front_gate.latency_ms': 20,
      'home.cctv.front_gate.motion_share': 0.25,
      'home.cctv.front_gate.people': 0,
      'home.cctv.front_gate.cars': 0,
      'home.cctv.front_gate.objects': 0,
      'home.cctv.front_gate.detections_total': 12,
      'home.cctv.front_gate.dropped_total': 1,
      'home.cctv.front_gate.reconnects_total': 3,
      'home.cctv.front_gate.decode_errors_total': 2,
      'home.cctv.front_gate.received_bytes_total': 1000,
      'home.cctv.cameras_online': 1,
      'home.cctv.cameras_enabled': 1,
      'home.cctv.events_written': 1,
      'home.cctv.events_today': 4,
      'home.cctv.alerts_today': 1,
    });
  });

  it('of a camera that is down are that it is, and its counters', () => {
    const down = asObject(view([camera({ state: 'down' })]));
    expect([down['home.cctv.front_gate.online'], down['home.cctv.front_gate.fps']]).toEqual([0, undefined]);
    expect(down['home.cctv.front_gate.reconnects_total']).toBe(3);
  });

  it('of a camera that is switched off, and of a house without cameras, are none', () => {
    expect(cctvReadings(view([]))).toEqual([]);
    const off = Object.keys(asObject(view([camera({ enabled: false, state: 'off' })])));
    expect(off.filter((s) => s.includes('front_gate'))).toEqual([]);
  });

  it('never collide with those of the whole', () => {
    expect([cameraNode('events_today'), cameraNode('gate-2')]).toEqual(['camera_events_today', 'gate_2']);
  });
});
