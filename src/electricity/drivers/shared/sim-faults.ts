// A timer of Node cannot be longer.
const longestMs = 2 ** 31 - 1;

/** What a simulator does wrong at the moment. */
export class Faults<Name extends string> {
  readonly #timers = new Map<Name, NodeJS.Timeout | undefined>();

  has(name: Name): boolean {
    return this.#timers.has(name);
  }

  /** Begins; after `ms` of real time, where that is given, `over` ends it. */
  begin(name: Name, ms?: number, over: () => void = () => this.end(name)): void {
    this.end(name);
    const timed = ms !== undefined && ms <= longestMs;
    this.#timers.set(name, timed ? setTimeout(over, ms).unref() : undefined);
  }

  /** True when it was on. */
  end(name: Name): boolean {
    clearTimeout(this.#timers.get(name));
    return this.#timers.delete(name);
  }

  clear(): void {
    for (const name of this.#timers.keys()) this.end(name);
  }
}
