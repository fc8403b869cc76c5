import type { Batch } from '#kernel/reading.ts';
import type { ReadingLog, StateStore } from '#store/model.ts';

/** What sinks need of the reading log. */
export type Spool = Pick<ReadingLog, 'append' | 'range' | 'count'>;

/** The spool half of the reading log, kept in memory: for tests of sinks alone, without a database. */
export class MemoryReadings implements Spool {
  readonly batches: Batch[] = [];

  async append(batch: Batch): Promise<void> {
    this.batches.push(batch);
  }

  async *range(from: number, to: number): AsyncIterable<Batch> {
    yield* this.#between(from, to);
  }

  async count(from: number, to: number): Promise<number> {
    return this.#between(from, to).reduce((points, { values }) => points + values.size, 0);
  }

  #between(from: number, to: number): Batch[] {
    return this.batches.filter(({ at }) => at >= from && at < to).toSorted((a, b) => a.at - b.at);
  }
}

/** A state store in memory. Values pass through JSON, as in the real one. */
export class MemoryState implements StateStore {
  readonly #values: Map<string, string>;
  #frozen = false;

  constructor(values = new Map<string, string>()) {
    this.#values = values;
  }

  /** From now on nothing is kept any more, as after a crash. */
  freeze(): void {
    this.#frozen = true;
  }

  /** What the next run finds. */
  copy(): MemoryState {
    return new MemoryState(this.#values);
  }

  async get<T>(key: string): Promise<T | undefined> {
    const text = this.#values.get(key);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  async set(key: string, value: unknown): Promise<void> {
    if (!this.#frozen) this.#values.set(key, JSON.stringify(value));
  }

  async delete(key: string): Promise<void> {
    this.#values.delete(key);
  }
}
