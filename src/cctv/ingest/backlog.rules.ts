/**
 * Frames that wait while the one before them is looked at. A hiccup of the machine is caught up with, so none is lost;
 * when more than `limit` wait the detector is too slow for its cameras, and only the newest is worth a look.
 */
export class Backlog<T> {
  readonly #limit: number;
  readonly #waiting: T[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Gives back those that will not be looked at, oldest first. */
  push(one: T): readonly T[] {
    this.#waiting.push(one);
    return this.#waiting.length > this.#limit ? this.#waiting.splice(0, this.#waiting.length - 1) : [];
  }

  /** The one that waited longest. */
  take(): T | undefined {
    return this.#waiting.shift();
  }

  /** Empties it. */
  clear(): readonly T[] {
    return this.#waiting.splice(0);
  }
}
