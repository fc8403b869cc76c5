import { LaresError, reason } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { table } from '#platform/table.ts';

export type Outcome = 'pass' | 'fail' | 'skipped';

export interface Step {
  readonly step: string;
  readonly outcome: Outcome;
  /** From its start to its end. */
  readonly ms: number;
  /** What was seen, or what went wrong. */
  readonly detail: string;
}

/** Why a step cannot be made on this machine; thrown by a step, it is no failure. */
export class Skipped extends Error {}

const lookMs = 100;

/** A row of things to prove, one after the other, within one span of time. */
export class Steps {
  readonly all: Step[] = [];
  readonly #end: number;
  readonly #startedAt = performance.now();
  readonly #tell: (line: string) => void;
  readonly #signal: AbortSignal;

  constructor(limitMs: number, tell: (line: string) => void, signal: AbortSignal) {
    this.#end = this.#startedAt + limitMs;
    this.#tell = tell;
    this.#signal = signal;
  }

  get leftMs(): number {
    return Math.max(0, this.#end - performance.now());
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  get passed(): boolean {
    return this.all.every((s) => s.outcome !== 'fail');
  }

  /** `prove` gives what it saw, in words. */
  async step(step: string, prove: () => Promise<string>): Promise<boolean> {
    const startedAt = performance.now();
    const end = (outcome: Outcome, detail: string) => {
      const ms = performance.now() - startedAt;
      this.all.push({ step, outcome, ms, detail });
      this.#tell(`${outcome.padEnd(7)} ${(ms / 1000).toFixed(2).padStart(6)} s  ${step}: ${detail}`);
      return outcome !== 'fail';
    };
    try {
      return end('pass', await prove());
    } catch (error) {
      return end(error instanceof Skipped ? 'skipped' : 'fail', reason(error));
    }
  }

  /** Looks again until there is something, for as long as there is time. Throws TIMEOUT with `what` was missing. */
  async until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (this.leftMs === 0 || this.#signal.aborted)
        throw new LaresError('TIMEOUT', `${what} did not come within the time`);
      await systemClock.sleep(lookMs, this.#signal);
    }
  }

  text(): string {
    return table(
      ['STEP', 'RESULT', 'SECONDS', ''],
      this.all.map((s) => [s.step, s.outcome, (s.ms / 1000).toFixed(2), s.detail]),
    );
  }
}
