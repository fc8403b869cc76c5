import type { Clock } from '#kernel/driver.ts';

// setTimeout overflows to 1 ms above this many milliseconds.
const longestTimer = 2 ** 31 - 1;

/** Waits real milliseconds; resolves early when the signal aborts. */
function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, Math.min(Math.max(0, ms), longestTimer));
    signal?.addEventListener('abort', done, { once: true });
  });
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: wait,
};

/** A clock that starts at `startAt` (epoch ms) and runs `speed` times as fast as the real one. */
export function scaledClock(speed: number, startAt: number = Date.now()): Clock {
  const origin = performance.now();
  const elapsed = () => (performance.now() - origin) * speed;
  return {
    now: () => Math.round(startAt + elapsed()),
    monotonic: elapsed,
    sleep: (ms, signal) => wait(ms / speed, signal),
  };
}

/** A clock that stands still until a test moves it; sleepers wake in order of their instants. */
export class ManualClock implements Clock {
  #now: number;
  #monotonic = 0;
  #sleepers: { at: number; wake: () => void }[] = [];

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const sleeper = { at: this.#monotonic + Math.max(0, ms), wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((s) => s !== sleeper);
        resolve();
      });
    });
  }

  /** Lets `ms` pass, waking each sleeper at its own instant and letting its continuation run. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    for (;;) {
      await settle();
      const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#sleepers = this.#sleepers.filter((s) => s !== next);
      this.#pass(next.at - this.#monotonic);
      next.wake();
    }
    this.#pass(end - this.#monotonic);
    await settle();
  }

  /** Sets the wall clock without letting time pass, as NTP or an operator does. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #pass(ms: number): void {
    this.#monotonic += ms;
    this.#now += ms;
  }
}

/** Lets everything that is ready to run, run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
