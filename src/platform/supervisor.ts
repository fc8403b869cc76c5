import type { Clock, Context, Driver, Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Health } from './health.ts';

const firstWaitMs = 1_000;
const longestWaitMs = 60_000;
// A run of this length was a success, however it ended; the next failure starts from the shortest wait.
const goodRunMs = 60_000;
const complainAgainMs = 60_000;

/** Milliseconds before try number `attempt` (from 0): doubling from 1 s to 60 s, with jitter between half and all of it. */
export function backoff(attempt: number, random: number): number {
  const ceiling = Math.min(longestWaitMs, firstWaitMs * 2 ** attempt);
  return Math.round(ceiling * (0.5 + random / 2));
}

export interface SupervisorIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly health: Health;
  readonly random: () => number;
}

interface Running {
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/**
 * Keeps sources alive: restart with jittered back-off, parking on errors that only a person can mend,
 * staleness, and health. One source's failure or hang never reaches another.
 */
export class Supervisor {
  readonly #io: SupervisorIo;
  readonly #running = new Map<string, Running>();

  constructor(io: SupervisorIo) {
    this.#io = io;
  }

  /** Starts a driver under `name`, replacing a running one of that name. `config` is validated already. */
  start<Config, Signal>(
    name: string,
    driver: Driver<string, Config, Signal>,
    config: Config,
    emit: (signal: Signal) => void,
  ): void {
    void this.stop(name);
    const stop = new AbortController();
    const staleMs = driver.traits.cadence === 'push' ? undefined : driver.traits.cadence.everyMs * 3;
    const done = this.#keep(name, staleMs, stop.signal, (context) =>
      driver.run(config, {
        ...context,
        emit: (signal: Signal) => {
          context.alive();
          emit(signal);
        },
      }),
    );
    this.#running.set(name, { stop, done });
  }

  /** Stops one source and waits for it. */
  async stop(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    this.#running.delete(name);
    running.stop.abort();
    await running.done;
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.stop(name)));
  }

  async #keep(
    name: string,
    staleMs: number | undefined,
    signal: AbortSignal,
    run: (context: Omit<Context<never>, 'emit'>) => Promise<void>,
  ): Promise<void> {
    const { clock, health, random } = this.#io;
    const log = this.#io.log.child(name);
    health.set(name, 'starting', 'starting');
    let complaint = { text: '', at: Number.NEGATIVE_INFINITY };
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const startedAt = clock.monotonic();
      const round = new AbortController();
      const roundSignal = AbortSignal.any([signal, round.signal]);
      let lastAlive = clock.monotonic();
      let told = 'working';
      const alive = (detail = told) => {
        // What a run that is over still hears says nothing of the one that follows.
        if (roundSignal.aborted) return;
        told = detail;
        lastAlive = clock.monotonic();
        if (attempt > 0 && health.get(name)?.state !== 'ok') {
          log.info(`${name} works again`);
          complaint.text = '';
        }
        attempt = 0;
        health.set(name, 'ok', detail);
      };
      if (staleMs !== undefined) void watchStaleness();
      let failure: unknown = new LaresError('UNREACHABLE', 'ended by itself');
      try {
        await run({ clock, log, signal: roundSignal, random, alive });
      } catch (error) {
        failure = error;
      }
      round.abort();
      if (signal.aborted) break;
      const remedy = failure instanceof LaresError ? failure.remedy : 'retry';
      if (remedy === 'fix-config') {
        // What a person mends outside our settings (a login, a ban) is looked at again, rarely.
        const again = failure instanceof LaresError ? failure.retryAfterMs : undefined;
        const until = again === undefined ? '' : ` or ${Math.round(again / 60_000)} min pass`;
        if (health.get(name)?.detail !== reason(failure))
          log.error(`${name} error: ${reason(failure)}; it waits until its settings change${until}`, {
            error: failure,
          });
        health.set(name, 'parked', reason(failure));
        if (again === undefined) return;
        await clock.sleep(again, signal);
        continue;
      }
      if (clock.monotonic() - startedAt > goodRunMs) attempt = 0;
      const wait = Math.max(
        backoff(attempt, random()),
        failure instanceof LaresError ? (failure.retryAfterMs ?? 0) : 0,
      );
      // The same trouble is told once, and then once a minute: retries come more often than news.
      const text = reason(failure);
      if (text !== complaint.text || clock.monotonic() - complaint.at >= complainAgainMs) {
        complaint = { text, at: clock.monotonic() };
        log.warn(`${name} error: ${text}`, { error: failure, retry_in_s: Math.round(wait / 1000) });
      }
      health.set(name, 'down', reason(failure));
      await clock.sleep(wait, signal);

      async function watchStaleness(): Promise<void> {
        while (!roundSignal.aborted) {
          await clock.sleep(staleMs!, roundSignal);
          if (roundSignal.aborted || clock.monotonic() - lastAlive < staleMs!) continue;
          const silentS = Math.round((clock.monotonic() - lastAlive) / 1000);
          if (health.get(name)?.state === 'ok') log.warn(`${name} error: nothing heard for ${silentS} s`);
          health.set(name, 'degraded', `nothing heard for ${silentS} s`);
        }
      }
    }
    // A newer run of the same name may have taken over; its health is not ours to write.
    if (this.#running.get(name) === undefined) health.set(name, 'off', 'stopped');
  }
}
