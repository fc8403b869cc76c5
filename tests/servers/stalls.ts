import { Worker } from 'node:worker_threads';

const beatMs = 20;
/** A wake-up this late is no usual jitter. */
const lateMs = 100;

/**
 * How long the machine itself stood still: a thread that only sleeps, and adds up how much too late it woke.
 * Tests that count polls or pictures take it off, so that a virtual machine that was halted for a second does not look
 * like a product that was.
 */
export class Stalls implements Disposable {
  readonly #sum = new Float64Array(new SharedArrayBuffer(8));
  readonly #worker = new Worker(
    `const { workerData: { sum, beatMs, lateMs } } = require('node:worker_threads');
     let last = performance.now();
     setInterval(() => {
       const now = performance.now();
       const late = now - last - beatMs;
       last = now;
       if (late > lateMs) sum[0] += late;
     }, beatMs);`,
    { eval: true, workerData: { sum: this.#sum, beatMs, lateMs } },
  );
  readonly #here: NodeJS.Timeout | undefined;
  #hereMs = 0;

  /** `here`: also takes off how long this process did not come to it, as its simulators then answer nobody. */
  constructor(options: { readonly here?: boolean } = {}) {
    if (options.here !== true) return;
    let last = performance.now();
    this.#here = setInterval(() => {
      const now = performance.now();
      const late = now - last - beatMs;
      last = now;
      if (late > lateMs) this.#hereMs += late;
    }, beatMs);
  }

  /** Milliseconds since this watch began. */
  get totalMs(): number {
    return Math.max(this.#sum[0]!, this.#hereMs);
  }

  /** How many beats of a house that ticks every `intervalMs` may be missing for that. */
  beats(intervalMs: number): number {
    return Math.ceil(this.totalMs / intervalMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#here);
    void this.#worker.terminate();
  }
}
