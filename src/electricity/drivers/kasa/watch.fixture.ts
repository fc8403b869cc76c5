import type { Clock } from '#kernel/driver.ts';
import { ManualClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import type { Answer, Poll } from '../../driver.ts';
import type { KasaConfig } from './config.ts';
import { config, protocol } from './driver.ts';
import type { KasaTarget } from './model.ts';
import { KasaSim, simLogin, type KasaSimOptions } from './sim.ts';

export const hour = 3_600_000;
export const day = 24 * hour;
/** When simulated devices live unless told otherwise. */
export const start = Date.UTC(2026, 10, 21, 8);

/** What a test has opened; it closes them by `closeAll` after each test. */
export const closers: (() => unknown)[] = [];
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

export async function device(options: KasaSimOptions): Promise<KasaSim> {
  const sim = await new KasaSim({ now: () => start, ...options }).listen();
  closers.push(() => sim.close());
  return sim;
}

export interface Watch {
  readonly login?: object;
  readonly target?: Partial<KasaTarget>;
  readonly clock?: Clock;
  readonly settings?: object;
}

/** A station for a simulated device, and its polls with a time limit that only a hang reaches. */
export function watch(sim: KasaSim, { login = simLogin, target = {}, clock, settings = {} }: Watch = {}) {
  const unused = { local: 1, http: 1 };
  const ports = { ...unused, [sim.way === 'xor' ? 'local' : 'http']: sim.port };
  const all: KasaConfig = config.parse({ timeout_seconds: 60, ...login, ports, ...settings });
  const context = { clock: clock ?? new ManualClock(start), log: silent, random: () => 0.5 };
  const station = protocol.open({ host: sim.host, ...target }, all, context);
  closers.push(() => station.close());
  return { poll: (ms = 60_000) => station.poll(AbortSignal.timeout(ms)), station };
}

export const values = (poll: Poll) => poll.answers.map((a) => a.values);
export const last = (poll: Poll): Answer => poll.answers.at(-1)!;
export const signal = () => AbortSignal.timeout(60_000);
