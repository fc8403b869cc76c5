/** What the beat does next: measure the slot `at`, or wait. Epoch milliseconds. */
export type Beat = { readonly at: number; readonly skipped: number } | { readonly waitMs: number };

/**
 * Decides by wall clock alone: the current slot is the last multiple of the interval. A slot is measured once;
 * whole slots that passed while the process was held up are skipped, never bunched. A step back of less than one
 * interval is waited out; after a larger one the beat goes on at the new time instead of standing still.
 */
export function beat(now: number, lastAt: number, intervalMs: number): Beat {
  const at = Math.floor(now / intervalMs) * intervalMs;
  if (at === lastAt) return { waitMs: at + intervalMs - now };
  if (at < lastAt && lastAt - now < intervalMs) return { waitMs: lastAt + intervalMs - now };
  return { at, skipped: at > lastAt ? Math.round((at - lastAt) / intervalMs) - 1 : 0 };
}

/** How far the wall clock was set between two looks at both clocks, in ms; 0 below `toleranceMs`. */
export function jump(
  before: { readonly wall: number; readonly monotonic: number },
  after: { readonly wall: number; readonly monotonic: number },
  toleranceMs = 1_000,
): number {
  const byMs = after.wall - before.wall - (after.monotonic - before.monotonic);
  return Math.abs(byMs) < toleranceMs ? 0 : Math.round(byMs);
}

/** Upper bounds of the lateness buckets, in ms. */
export const jitterBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000] as const;

// One hour of ticks at 5 s.
const remembered = 720;

/** How late the ticks came. */
export interface Jitter {
  readonly lastMs: number;
  readonly maxMs: number;
  readonly sumMs: number;
  readonly count: number;
  /** Ticks of at most `jitterBounds[i]` ms, cumulatively, as Prometheus wants. */
  readonly buckets: readonly number[];
  /** Lateness of the newest ticks, in ms. */
  readonly recent: readonly number[];
}

export const noJitter: Jitter = {
  lastMs: 0,
  maxMs: 0,
  sumMs: 0,
  count: 0,
  buckets: jitterBounds.map(() => 0),
  recent: [],
};

export function late(jitter: Jitter, ms: number): Jitter {
  return {
    lastMs: ms,
    maxMs: Math.max(jitter.maxMs, ms),
    sumMs: jitter.sumMs + ms,
    count: jitter.count + 1,
    buckets: jitter.buckets.map((n, i) => n + (ms <= jitterBounds[i]! ? 1 : 0)),
    recent: [...jitter.recent.slice(1 - remembered), ms],
  };
}

/** The lateness that the share `p` (0 to 1) of the newest ticks does not exceed, in ms; 0 before the first. */
export function latenessAt(jitter: Jitter, p: number): number {
  const sorted = jitter.recent.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * p) - 1)] ?? 0;
}
