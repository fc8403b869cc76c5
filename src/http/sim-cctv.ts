import type { CctvPort, CctvView, StoredAlert, StoredEvent } from '#cctv/index.ts';
import { LaresError } from '#kernel/errors.ts';

/** Cameras for tests of routes and pages: what they show is set from outside. */
export class SimCctv implements CctvPort {
  cameras: CctvView['cameras'] = [];
  eventRows: StoredEvent[] = [];
  alertRows: StoredAlert[] = [];
  /** Absolute files by event. */
  readonly pictures = new Map<string, string>();
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

  falseAlarm: CctvPort['falseAlarm'] = async (id, on) => {
    const index = this.alertRows.findIndex((a) => a.id === id);
    const row = this.alertRows[index];
    if (row === undefined) throw new LaresError('NOT_FOUND', `there is no alert ${id}`);
    this.alertRows[index] = { ...row, falsePositive: on };
  };

  snapshot: CctvPort['snapshot'] = (event) => this.pictures.get(event);

  clip: CctvPort['clip'] = async (event) => {
    const file = this.pictures.get(event);
    if (file === undefined) throw new LaresError('NOT_FOUND', `there is no video of ${event}`);
    return { file, done: () => undefined };
  };

  onChange: CctvPort['onChange'] = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
}
