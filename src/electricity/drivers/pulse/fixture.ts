import { ManualClock } from '#platform/clock.ts';
import { webRequest } from '#platform/http-client.ts';
import { runDriver, type DriverRun } from '../../../../tests/contract/run-driver.ts';
import { MemoryState } from '../../../../tests/servers/memory-store.ts';
import { until } from '../../../../tests/servers/process.ts';
import type { ElectricitySignal } from '../../model.ts';
import { makePulseDriver } from './driver.ts';
import { PulseSim, type PulseSimOptions } from './sim.ts';

/** When simulated meters live. */
export const start = Date.UTC(2026, 10, 21, 8);
export const token = 'token-of-the-house-meter';

/** What a test has opened; it closes them by `closeAll` after each test. */
export const closers: (() => unknown)[] = [];
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

export const measured = (run: DriverRun<ElectricitySignal>) =>
  run.signals.flatMap((s) => (s.kind === 'measured' ? [{ at: s.at - start, ...s.values }] : []));

/** A driver that runs with one meter, simulated devices that post to it, and anybody else that calls it. */
export async function house(options: { meter?: object; more?: object; state?: MemoryState } = {}) {
  const clock = new ManualClock(start);
  const state = options.state ?? new MemoryState();
  const driver = makePulseDriver({ state });
  const settings = {
    meters: [{ name: 'meter', id: 'house-meter', token, ...options.meter }],
    http: { port: 0 },
    ...options.more,
  };
  const run = runDriver(driver, settings, clock);
  closers.push(() => run.stop());
  await until(() => driver.port !== undefined);
  const url = `http://127.0.0.1:${driver.port}`;
  const sim = (more: PulseSimOptions = {}) => {
    const made = new PulseSim({
      now: () => clock.now(),
      url: `${url}/api/electricity/pulse`,
      token,
      ...more,
    });
    closers.push(() => made.close());
    return made;
  };
  const call = (
    path: string,
    more: { method?: 'GET' | 'POST'; body?: string; headers?: Record<string, string> } = {},
  ) => webRequest({ url: `${url}${path}`, ...more });
  return { clock, state, driver, run, url, sim, call };
}
