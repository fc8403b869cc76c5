import { createHash } from 'node:crypto';
import type { StateStore } from '#store/model.ts';
import type { Period } from '../energy/model.ts';
import type { Validators } from './import/fetch.ts';

/** A stretch and its number; an open end is null. */
type Row = readonly [from: number, to: number | null, value: number];

interface Head extends Validators {
  readonly okAt: number;
  /** Epoch ms back to which the server was asked. */
  readonly since: number;
  /** UTC months that have a document of their own, so that a daily refresh rewrites one of them. */
  readonly months: readonly string[];
}

export interface Kept<T> extends Omit<Head, 'months'> {
  readonly rates: readonly T[];
}

/** How a stretch becomes three numbers and back. */
export interface Shape<T extends Period> {
  readonly value: (rate: T) => number;
  readonly make: (from: number, to: number, value: number) => T;
}

const monthOf = (at: number) => new Date(at).toISOString().slice(0, 7);

/** What was fetched from one address, month by month in the state store. */
export class RateShelf<T extends Period> {
  readonly #state: StateStore;
  readonly #key: string;
  readonly #shape: Shape<T>;
  readonly #written = new Map<string, string>();

  constructor(state: StateStore, source: string, shape: Shape<T>) {
    this.#state = state;
    this.#key = `electricity.prices.${createHash('sha256').update(source).digest('hex').slice(0, 16)}`;
    this.#shape = shape;
  }

  async load(): Promise<Kept<T> | undefined> {
    const head = await this.#state.get<Head>(this.#key);
    if (head === undefined) return undefined;
    const rates: T[] = [];
    for (const month of head.months) {
      const rows = (await this.#state.get<readonly Row[]>(`${this.#key}.${month}`)) ?? [];
      this.#written.set(month, JSON.stringify(rows));
      for (const [from, to, value] of rows) rates.push(this.#shape.make(from, to ?? Infinity, value));
    }
    return { ...head, rates };
  }

  /** Writes the months that changed, then the head that names them. Throws STORE_UNAVAILABLE. */
  async save(kept: Kept<T>): Promise<void> {
    const { rates, ...head } = kept;
    const byMonth = Map.groupBy(rates, (rate) => monthOf(rate.from));
    for (const [month, list] of byMonth) {
      const rows = list.map((r): Row => [r.from, r.to === Infinity ? null : r.to, this.#shape.value(r)]);
      const text = JSON.stringify(rows);
      if (this.#written.get(month) === text) continue;
      await this.#state.set(`${this.#key}.${month}`, rows);
      this.#written.set(month, text);
    }
    await this.#state.set(this.#key, { ...head, months: [...byMonth.keys()].toSorted() });
  }
}
