import { setImmediate as breathe } from 'node:timers/promises';
import type { Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { QueueStats } from './model.ts';

// Longer than any commit on a healthy disk, shorter than a tick.
const patienceMs = 1_000;
const retryMs = { first: 250, longest: 5_000 };
const summaryEveryMs = 60_000;

export interface QueueOptions<T> {
  /** For log lines: `readings`. */
  readonly name: string;
  /** Items kept while writing fails; beyond that the oldest go. */
  readonly capacity: number;
  /** Items per write. */
  readonly batch: number;
  /** Writes all or nothing. May be called again with items that were written already: must be idempotent. */
  readonly write: (items: readonly T[]) => Promise<void>;
  readonly log: Log;
}

/**
 * Keeps what cannot be written yet, in order, and writes it as soon as it can be. One write at a time;
 * an item leaves only after its write has succeeded, so a crash of the database never loses one.
 */
export class WriteQueue<T> {
  readonly #options: QueueOptions<T>;
  readonly #items: T[] = [];
  #inFlight = 0;
  #flushing: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failuresInARow = 0;
  #saidAt = 0;
  #closed = false;
  #stats = { dropped: 0, errors: 0, lastWriteMs: 0, problem: undefined as string | undefined };

  constructor(options: QueueOptions<T>) {
    this.#options = options;
  }

  /** What waits, oldest first, what is being written at this moment included. */
  get pending(): readonly T[] {
    return this.#items;
  }

  get stats(): QueueStats {
    return { ...this.#stats, pending: this.#items.length };
  }

  /** Resolves when the item is written, or after a second in which it could not be. Never rejects. */
  async push(item: T): Promise<void> {
    this.#items.push(item);
    const over = this.#items.length - this.#options.capacity;
    if (over > 0) {
      // What is being written at this moment may yet succeed.
      this.#items.splice(this.#inFlight, over);
      this.#stats.dropped += over;
    }
    // While waiting for the next try, a new item does not hammer the database.
    if (this.#retry !== undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, patienceMs).unref()));
    await Promise.race([this.flush(), patience]);
    clearTimeout(timer);
  }

  /** Tries to write everything; resolves when nothing waits or a write has failed. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#drain().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  /** One last try, then no more. Says what is lost. */
  async close(): Promise<void> {
    clearTimeout(this.#retry);
    this.#closed = true;
    await this.#flushing;
    await this.flush();
    clearTimeout(this.#retry);
    const left = this.#items.length;
    if (left > 0)
      this.#options.log.error(`store error: ${left} ${this.#options.name} could not be written and are lost`);
  }

  async #drain(): Promise<void> {
    while (this.#items.length > 0) {
      const items = this.#items.slice(0, this.#options.batch);
      const began = performance.now();
      try {
        this.#inFlight = items.length;
        await this.#options.write(items);
      } catch (error) {
        return this.#failed(error);
      } finally {
        this.#inFlight = 0;
      }
      this.#items.splice(0, items.length);
      this.#stats.lastWriteMs = performance.now() - began;
      this.#worked();
      if (this.#items.length > 0) await breathe();
    }
  }

  #worked(): void {
    const { log, name } = this.#options;
    if (this.#failuresInARow > 0)
      log.info(`store works again: ${name} are written`, {
        waiting: this.#items.length,
        dropped: this.#stats.dropped,
      });
    this.#failuresInARow = 0;
    this.#stats.problem = undefined;
  }

  #failed(error: unknown): void {
    const { log, name } = this.#options;
    this.#stats.errors += 1;
    const why = reason(error);
    const now = performance.now();
    if (this.#failuresInARow === 0 || now - this.#saidAt > summaryEveryMs) {
      log.error(`store error: ${name} wait in memory: ${why}`, {
        error,
        waiting: this.#items.length,
        dropped: this.#stats.dropped,
      });
      this.#saidAt = now;
    }
    this.#stats.problem = why;
    const wait = Math.min(retryMs.longest, retryMs.first * 2 ** this.#failuresInARow);
    this.#failuresInARow += 1;
    if (this.#closed) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.flush();
    }, wait).unref();
  }
}
