import type { Bus } from '#kernel/bus.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import { cpuLimit, cpuShare, noCpuWatch, watchCpu } from '#platform/cpu.rules.ts';
import { contradiction } from '#presence/invariant.rules.ts';

export interface WatchParts {
  readonly bus: Pick<Bus, 'on'>;
  readonly log: Log;
  /** The machine's own: processor time does not run faster in a sped-up demo. */
  readonly clock: Pick<Clock, 'monotonic'>;
  /** User and system time of this process so far. */
  readonly cpuSeconds: () => number;
  /** Names of the people and the prefix of their metrics, as configured now. */
  readonly presence: () => { readonly prefix: string; readonly people: readonly string[] };
}

/**
 * Looks over the house's own shoulder once a tick and says when what it sends contradicts itself, or when it works
 * too hard; once when it begins and once when it ends. Returns a function that ends the watch.
 */
export function watchHouse({ bus, log, clock, cpuSeconds, presence }: WatchParts): () => void {
  let alert: string | undefined;
  let cpu = noCpuWatch;
  return bus.on('tick', ({ values }) => {
    const { prefix, people } = presence();
    const found = contradiction(values, prefix, people);
    if (found !== undefined && alert === undefined) log.error(`presence investigation alert: ${found}`);
    if (found === undefined && alert !== undefined) log.info('presence metrics are consistent again');
    alert = found;
    const before = cpu.high;
    cpu = watchCpu(cpu, { at: clock.monotonic(), cpuSeconds: cpuSeconds() });
    if (cpu.high === before) return;
    const percent = ((cpuShare(cpu) ?? 0) * 100).toFixed(1);
    if (cpu.high)
      log.warn(
        `this process used ${percent} % of a core for ${cpuLimit.forMs / 60_000} minutes, more than ${cpuLimit.share * 100} %; look at lares_scan_duration_seconds and at the size of wifi.networks`,
      );
    else log.info(`this process uses ${percent} % of a core again`);
  });
}
