import type { Batch } from '#kernel/reading.ts';
import type { Samples } from './codec.ts';

/** Samples of one series from one layer: chunk, loose rows or memory. */
export interface Column extends Samples {
  readonly series: string;
}

/** Turns rows or values of several series into one column each. */
export class Columns {
  readonly #lists = new Map<string, { at: number[]; value: number[] }>();

  /** Instants of one series must ascend. */
  add(series: string, at: number, value: number): void {
    const list = this.#lists.get(series) ?? { at: [], value: [] };
    if (list.at.length === 0) this.#lists.set(series, list);
    list.at.push(at);
    list.value.push(value);
  }

  columns(): Column[] {
    return [...this.#lists].map(([series, { at, value }]) => ({
      series,
      at: Float64Array.from(at),
      value: Float64Array.from(value),
    }));
  }
}

/**
 * The ticks of `from <= at < to`, oldest first, in portions of `portionMs` so that a caller can rest between two.
 * Where columns disagree about an instant, the later column wins.
 */
export function* portions(
  columns: readonly Column[],
  from: number,
  to: number,
  portionMs: number,
): Generator<Batch[]> {
  const positions = columns.map(() => 0);
  for (let start = from; start < to; start += portionMs) {
    const end = Math.min(to, start + portionMs);
    const ticks = new Map<number, Map<string, number>>();
    for (let c = 0; c < columns.length; c += 1) {
      const { series, at, value } = columns[c]!;
      let i = positions[c]!;
      for (; i < at.length && at[i]! < end; i += 1) {
        const t = at[i]!;
        if (t < start) continue;
        let tick = ticks.get(t);
        if (tick === undefined) ticks.set(t, (tick = new Map()));
        tick.set(series, value[i]!);
      }
      positions[c] = i;
    }
    yield [...ticks].toSorted((a, b) => a[0] - b[0]).map(([at, values]) => ({ at, values }));
  }
}
