import { median, quantile } from './numbers.rules.ts';

/** A stretch of minutes with a steady load on top of the rest: a heater of a machine, at one wattage. */
export interface Block {
  /** Index of its first minute. */
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** W above what runs beside it. */
  readonly watts: number;
  /** W by which it began, W by which it ended, and the most that it reached: other things may have changed on one side. */
  readonly sizes: readonly number[];
}

/** Whether two blocks may be the same heater: one of their sizes agrees within the share `by`. */
export function isAlike(a: Block, b: Pick<Block, 'sizes'>, by: number): boolean {
  return a.sizes.some((x) => b.sizes.some((y) => Math.abs(x - y) <= by * Math.max(x, y)));
}

/** Shorter loads (kettles, hobs that click) are cut off before blocks are looked for. */
export const shortestBlock = 5;
const longestBlock = 60;
const heater = { least: 1_200, most: 3_300 } as const;

/**
 * Morphological opening: every load that lasts less than `minutes` is cut off, all others stay as they are. NaN near
 * minutes that were not measured.
 */
export function opened(power: readonly number[], minutes: number): number[] {
  const low = power.map((_, i) => {
    let least = Number.POSITIVE_INFINITY;
    for (let k = i; k < Math.min(power.length, i + minutes); k += 1)
      least = Math.min(least, power[k] ?? Number.NaN);
    return least;
  });
  return power.map((_, i) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let k = Math.max(0, i - minutes + 1); k <= i; k += 1) most = Math.max(most, low[k] ?? Number.NaN);
    return most;
  });
}

/** Heater blocks, oldest first. `level` is `power` opened by `shortestBlock`. */
export function blocksIn(power: readonly number[], level: readonly number[]): Block[] {
  const found: Block[] = [];
  const at = (i: number) => level[i] ?? Number.NaN;
  for (let start = 2; start < level.length; start += 1) {
    const before = Math.min(at(start - 1), at(start - 2));
    const up = at(start) - before;
    // The block begins with the minute that rises most, not with a partial one.
    if (!(up >= 700) || at(start + 1) - at(start) > up) continue;
    let end = start + 1;
    while (end < level.length && end - start <= longestBlock && at(end) >= before + 0.6 * up) end += 1;
    if (end >= level.length || end - start > longestBlock) continue;
    const after = Math.min(at(end), at(end + 1));
    const inside = level.slice(start, end);
    const ground = (before + (Number.isNaN(after) ? before : after)) / 2;
    const watts = quantile(inside, 0.6) - ground;
    const first = median(level.slice(start, start + 4)) - before;
    const last = median(level.slice(end - 4, end)) - after;
    const raw = power.slice(start, end);
    const sizes = [watts, first, last, median(raw.slice(-4)) - after, quantile(raw, 0.6) - ground].filter(
      (w) => w >= heater.least && w <= heater.most,
    );
    if (watts < heater.least || watts > heater.most || end - start < shortestBlock) continue;
    found.push({ start, end, watts, sizes });
    start = end - 1;
  }
  return found;
}
