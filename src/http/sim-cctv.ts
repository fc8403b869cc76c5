import {
  LiveHub,
  type CameraView,
  type CctvPort,
  type CctvView,
  type StoredAlert,
  type StoredEvent,
  type SuppressedRow,
} from '#cctv/index.ts';
import type { GuardPort, HomeMode } from '#guard/index.ts';
import { LaresError } from '#kernel/errors.ts';

/** Cameras for tests of routes and pages: what they show is set from outside. */
export class SimCctv implements CctvPort {
  cameras: CctvView['cameras'] = [];
  eventRows: StoredEvent[] = [];
  alertRows: StoredAlert[] = [];
  suppressedRows: SuppressedRow[] = [];
  /** Absolute files by event. */
  readonly pictures = new Map<string, string>();
  readonly videos = new Map<string, Uint8Array>();
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();

  constructor(now: () => number) {
    this.#now = now;
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  view(): CctvView {
    return {
      at: this.#now(),
      cameras: this.cameras,
      detector: undefined,
      eventsToday: this.eventRows.length,
      alertsToday: this.alertRows.length,
      eventsWritten: true,
      diskBytes: undefined,
    };
  }

  events: CctvPort['events'] = ({ camera }) => ({
    rows: this.eventRows.filter((e) => camera === undefined || e.camera === camera),
  });

  event: CctvPort['event'] = (id) => this.eventRows.find((e) => e.id === id);

  alerts: CctvPort['alerts'] = ({ event }) => ({
    rows: this.alertRows.filter((a) => event === undefined || a.event === event),
  });

  suppressions: CctvPort['suppressions'] = ({ rule }) => ({
    rows: this.suppressedRows.filter((r) => rule === undefined || r.rule === rule),
  });

  falseAlarm: CctvPort['falseAlarm'] = async (id, on) => {
    const index = this.alertRows.findIndex((a) => a.id === id);
    const row = this.alertRows[index];
    if (row === undefined) throw new LaresError('NOT_FOUND', `there is no alert ${id}`);
    this.alertRows[index] = { ...row, falsePositive: on };
  };

  snapshot: CctvPort['snapshot'] = (event) => this.pictures.get(event);

  clip: CctvPort['clip'] = async (event) => {
    const video = this.videos.get(event);
    if (video === undefined) throw new LaresError('NOT_FOUND', `there is no video of ${event}`);
    return {
      bytes: video.length,
      endAt: this.#now(),
      async *stream(from?: number, to?: number) {
        yield video.subarray(from, to);
      },
    };
  };

  onChange: CctvPort['onChange'] = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}

/** A camera that gives no picture. */
export const simCamera = (id: string, name: string): CameraView => ({
  id,
  name,
  enabled: true,
  address: 'rtsp://192.0.2.21:554/stream1',
  state: 'down',
  since: 0,
  cause: 'RTSP_CONNECT',
  detail: 'no answer from 192.0.2.21',
  streams: {},
  calibrated: false,
  record: 'off',
  recording: false,
  objects: [],
});

/** A guard for tests of routes: without rules, in a mode that is only ever set by hand. */
export class SimGuard implements GuardPort {
  hand: HomeMode | undefined;
  until: number | undefined;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  mode: GuardPort['mode'] = () => ({
    mode: this.hand ?? 'home',
    why: this.hand === undefined ? 'somebody is home' : 'set by hand',
    until: this.until,
  });

  setMode: GuardPort['setMode'] = async (mode, ms) => {
    this.hand = mode;
    this.until = mode === undefined || ms === undefined ? undefined : this.#now() + ms;
  };

  rules: GuardPort['rules'] = () => [];
  channels: GuardPort['channels'] = () => [];
}

/** A live view of no camera at all. */
export function simLive(): { readonly port: { has(camera: string): boolean }; readonly hub: LiveHub } {
  const port = {
    has: () => false,
    watch: () => undefined,
    picture: () => Promise.reject(new LaresError('NOT_FOUND', 'there is no camera')),
  };
  return { port, hub: new LiveHub(port, { monotonic: () => 0 }) };
}
