import type { HouseEvent } from './event.ts';
import type { Batch } from './reading.ts';

/** Evidence that somebody passed a door: from a camera, a door sensor, or a phone that said goodbye. */
export interface Movement {
  readonly direction: 'entry' | 'exit';
  /** Epoch milliseconds. */
  readonly at: number;
  readonly source: string;
  /** The person, where the source knows. */
  readonly person?: string;
  /** Probability that the movement really happened, 0 to 1. */
  readonly confidence: number;
  /** Id of the journal event that proves it. */
  readonly ref?: string;
}

/** What areas tell each other while running. Facts only; nobody is told what to do. */
export interface Topics {
  event: HouseEvent;
  movement: Movement;
  tick: Batch;
  /** The wall clock was set; `byMs` is how far it moved. */
  'clock.jumped': { readonly byMs: number };
  'config.changed': { readonly paths: readonly string[] };
}

type Listener<T> = (value: T) => void;

/** A typed, synchronous bus. A listener that throws is reported and does not stop the others. */
export class Bus<T extends object = Topics> {
  readonly #listeners = new Map<keyof T, Set<Listener<never>>>();
  readonly #onError: (error: unknown, topic: string) => void;

  constructor(onError: (error: unknown, topic: string) => void) {
    this.#onError = onError;
  }

  /** Returns a function that unsubscribes. */
  on<K extends keyof T>(topic: K, listener: Listener<T[K]>): () => void {
    const set = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, set.add(listener as Listener<never>));
    return () => set.delete(listener as Listener<never>);
  }

  emit<K extends keyof T>(topic: K, value: T[K]): void {
    for (const listener of this.#listeners.get(topic) ?? []) {
      try {
        (listener as Listener<T[K]>)(value);
      } catch (error) {
        this.#onError(error, String(topic));
      }
    }
  }
}
