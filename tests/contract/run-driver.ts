import type { Clock, Driver } from '#kernel/driver.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';

/** One run of a driver, as the supervisor would start it, with everything that it said. */
export interface DriverRun<Signal> {
  readonly signals: Signal[];
  readonly lines: string[];
  readonly details: (string | undefined)[];
  /** Resolves with what the run threw, or with undefined when it ended. */
  readonly ended: Promise<unknown>;
  /** Aborts and waits. */
  stop(): Promise<unknown>;
}

/** Starts a driver with raw settings, which its own schema checks. */
export function runDriver<Config, Signal>(
  driver: Driver<string, Config, Signal>,
  config: unknown,
  clock: Clock = systemClock,
): DriverRun<Signal> {
  const stop = new AbortController();
  const run = { signals: [] as Signal[], lines: [] as string[], details: [] as (string | undefined)[] };
  const log = new Logger({ level: 'debug', write: (line) => run.lines.push(line) });
  const ended = driver
    .run(driver.config.parse(config), {
      clock,
      log,
      signal: stop.signal,
      random: Math.random,
      emit: (signal) => run.signals.push(signal),
      alive: (detail) => run.details.push(detail),
    })
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  return { ...run, ended, stop: () => (stop.abort(), ended) };
}
