import { systemClock } from '#platform/clock.ts';
import type { Health } from '#platform/health.ts';
import type { SinkStats } from '#platform/stats.ts';

const lookLimitMs = 10_000;
// Devices of one source answer one after the other; when none came for this long, all have that will.
const settledMs = 1_500;

/** Resolves once every source has answered or failed, at most after 10 s. `answering` counts the devices that have been measured. */
export async function untilLooked(
  health: Health,
  answering: () => number,
  signal: AbortSignal,
): Promise<void> {
  const end = performance.now() + lookLimitMs;
  let before = answering();
  let grewAt = before === 0 ? Number.NEGATIVE_INFINITY : performance.now();
  const waiting = () => {
    const now = answering();
    if (now > before) grewAt = performance.now();
    before = now;
    if (performance.now() - grewAt < settledMs) return true;
    return health.report().components.some((c) => c.name !== 'graphite' && c.state === 'starting');
  };
  while (waiting() && performance.now() < end && !signal.aborted) await systemClock.sleep(50, signal);
}

/** Resolves with true once every sink has confirmed something, with false when that takes longer. */
export async function firstReceipt(
  sinks: readonly { stats(): SinkStats }[],
  timeoutMs: number,
): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  const confirmed = () => sinks.every((sink) => sink.stats().lastReceiptAt !== undefined);
  while (!confirmed() && performance.now() < end) await systemClock.sleep(50);
  return confirmed();
}
