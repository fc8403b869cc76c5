import type { Graphite } from '../../tests/servers/graphite.ts';

/** How complete Graphite is, point by point. A point is one series at one tick. */
export interface Count {
  readonly ticks: number;
  readonly series: number;
  readonly expected: number;
  readonly present: number;
  readonly missing: number;
  /** Present with another value than was measured. */
  readonly wrong: number;
  /** Points at instants that never were a tick: what a replay under a second timestamp would leave. */
  readonly surplus: number;
  /** Epoch ms of ticks with at least one missing point. */
  readonly missingTicks: readonly number[];
}

export interface Expectation {
  /** Epoch ms of every tick that was measured. */
  readonly ticks: readonly number[];
  readonly series: readonly string[];
  readonly valueOf: (series: string, at: number) => number;
}

/** Reads back every expected point. Carbon's finest archive must be as fine as the ticks and reach back to the first one. */
export async function countPoints(graphite: Graphite, expectation: Expectation): Promise<Count> {
  const { ticks, series, valueOf } = expectation;
  const [first, last] = [Math.min(...ticks), Math.max(...ticks)];
  const shown = await graphite.points(series, first, last);
  const missingTicks = new Set<number>();
  let [present, wrong] = [0, 0];
  for (const name of series)
    for (const at of ticks) {
      const value = shown.get(name)?.get(at / 1000);
      if (value === undefined) missingTicks.add(at);
      else present += 1;
      if (value !== undefined && value !== valueOf(name, at)) wrong += 1;
    }
  const instants = new Set(ticks.map((at) => at / 1000));
  const surplus = [...shown.values()].reduce(
    (n, points) => n + [...points.keys()].filter((t) => t * 1000 >= first && !instants.has(t)).length,
    0,
  );
  const expected = ticks.length * series.length;
  return {
    ticks: ticks.length,
    series: series.length,
    expected,
    present,
    missing: expected - present,
    wrong,
    surplus,
    missingTicks: [...missingTicks].toSorted((a, b) => a - b),
  };
}

/**
 * Counts until nothing is missing, at most `tries` times: between leaving Carbon's memory and reaching its file a point is
 * visible in neither for a moment.
 */
export async function countSettled(graphite: Graphite, expectation: Expectation, tries = 5): Promise<Count> {
  let count = await countPoints(graphite, expectation);
  for (let i = 1; i < tries && count.missing > 0; i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    count = await countPoints(graphite, expectation);
  }
  return count;
}

/** The value below which the share `p` (0 to 1) of the numbers lies; NaN for none. */
export function percentile(numbers: readonly number[], p: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN;
}
