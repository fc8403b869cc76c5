/** What was measured, and what of it may be. */
export interface Gate {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** At most this. */
  readonly budget: number;
}

export interface StressFigures {
  /** Frames that were looked at, and those that should have been. */
  readonly looked: number;
  readonly dropped: number;
  /** Milliseconds from a frame to its objects, means of a second and a camera. */
  readonly frameMs: readonly number[];
  readonly apiMs: readonly number[];
  readonly apiFailures: number;
  /** Milliseconds from the picture to the webhook. */
  readonly alertMs: readonly number[];
  /** Alerts in the book, those that arrived, and how many of these twice. */
  readonly alerts: number;
  readonly delivered: number;
  readonly doubled: number;
  readonly wantedAlerts: number;
  readonly memoryMibPerMinute: number;
  /** Cameras that gave no pictures at the end. */
  readonly camerasDown: number;
}

/** The value below which a share of all lies; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? 0;
}

/** MiB a minute that a house may grow by: a heap that warms up grows for its first minutes. */
export const memoryBudget = (seconds: number): number => (seconds < 120 ? 60 : 10);

/** Percent. Every camera sees somebody at the same time here, and looks twice at each frame: worse than any garden. */
const droppedBudget = 10;

/** Everything that the run is judged by. */
export function gatesOf(figures: StressFigures, seconds: number): Gate[] {
  const { looked, dropped, frameMs, apiMs, alertMs, alerts, delivered, doubled, wantedAlerts } = figures;
  return [
    {
      name: 'frames dropped',
      value: looked === 0 ? 100 : (100 * dropped) / (looked + dropped),
      unit: '%',
      budget: droppedBudget,
    },
    { name: 'frame to objects, p95', value: quantile(frameMs, 0.95), unit: 'ms', budget: 700 },
    { name: 'API, p99', value: quantile(apiMs, 0.99), unit: 'ms', budget: 1_000 },
    { name: 'API answers that failed', value: figures.apiFailures, unit: '', budget: 0 },
    { name: 'frame to webhook, p95', value: quantile(alertMs, 0.95), unit: 'ms', budget: 2_000 },
    { name: 'alerts that were not made', value: Math.max(0, wantedAlerts - alerts), unit: '', budget: 0 },
    { name: 'alerts lost on the way', value: Math.max(0, alerts - delivered), unit: '', budget: 0 },
    { name: 'alerts told twice', value: doubled, unit: '', budget: 0 },
    { name: 'memory', value: figures.memoryMibPerMinute, unit: 'MiB/min', budget: memoryBudget(seconds) },
    { name: 'cameras down', value: figures.camerasDown, unit: '', budget: 0 },
  ];
}

export const isKept = ({ value, budget }: Gate): boolean => value <= budget;
