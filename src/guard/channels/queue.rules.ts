import type { Remedy } from '#kernel/errors.ts';
import type { Severity } from '../model.ts';

const firstMs = 1_000;
const longestMs = 600_000;
/** What a person must mend is tried again this rarely, in case it was mended outside our settings. */
const parkedMs = 3_600_000;

/** Milliseconds before try number `attempt` (from 0): 1 s doubling to 10 min, with jitter between half and all of it. */
export const retryMs = (attempt: number, random: number): number =>
  Math.round(Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 20)) * (0.5 + random / 2));

/** What follows from a failed try. */
export interface Consequence {
  /** Whether the others of the lane wait as well: their try would fail in the same way. */
  readonly rest: 'lane' | 'row';
  readonly waitMs: number;
  /** Whether the try counts; being asked to wait is no failure. */
  readonly counts: boolean;
  readonly parked: boolean;
}

/** `tries` failed before in this lane, or of this delivery where only it is concerned. */
export function consequence(
  failure: { readonly remedy: Remedy; readonly code: string; readonly retryAfterMs: number | undefined },
  tries: { readonly lane: number; readonly row: number },
  random: number,
): Consequence {
  const { remedy, code, retryAfterMs } = failure;
  if (code === 'RATE_LIMITED' && retryAfterMs !== undefined)
    return { rest: 'lane', waitMs: Math.max(firstMs, retryAfterMs), counts: false, parked: false };
  if (remedy === 'fix-config') return { rest: 'lane', waitMs: parkedMs, counts: true, parked: true };
  if (remedy === 'retry')
    return {
      rest: 'lane',
      waitMs: Math.max(retryMs(tries.lane, random), retryAfterMs ?? 0),
      counts: true,
      parked: false,
    };
  // The peer is well and refuses this one: the others need not wait.
  return { rest: 'row', waitMs: retryMs(tries.row, random), counts: true, parked: false };
}

const ranks: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };

interface Candidate {
  readonly severity: Severity;
  readonly attempts: number;
  readonly dueAt: number;
}

/** The most severe first; of those the ones that failed least, so that one that nobody takes blocks nobody. */
export const byUrgency = (a: Candidate, b: Candidate): number =>
  ranks[b.severity] - ranks[a.severity] || a.attempts - b.attempts || a.dueAt - b.dueAt;

/** The value below which `share` (0 to 1) of the values lie, by nearest rank; undefined without values. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

/** `3 h`, `90 s`: for sentences. */
export function spell(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
