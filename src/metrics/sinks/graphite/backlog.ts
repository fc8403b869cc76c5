import type { Batch } from '#kernel/reading.ts';
import type { ReadingLog } from '#store/model.ts';
import type { Range } from './rules.ts';

/** Number of readings in all ranges. */
export async function pointsIn(
  readings: Pick<ReadingLog, 'count'>,
  ranges: readonly Range[],
): Promise<number> {
  let points = 0;
  for (const { from, to } of ranges) points += await readings.count(from, to);
  return points;
}

export interface Excess {
  /** What to give up, oldest first. */
  readonly ranges: readonly Range[];
  readonly points: number;
}

/** What exceeds the limits of the backlog: everything before `oldest` (epoch ms), then the oldest points above `mostPoints`. */
export async function excess(
  readings: Pick<ReadingLog, 'count'>,
  pending: readonly Range[],
  limits: { readonly oldest: number; readonly mostPoints: number },
): Promise<Excess> {
  const given: Range[] = [];
  let over = (await pointsIn(readings, pending)) - limits.mostPoints;
  let points = 0;
  for (const { from, to } of pending) {
    const aged = Math.min(to, limits.oldest);
    if (over <= 0 && aged <= from) break;
    const until = Math.max(aged, over > 0 ? await instantOf(readings, { from, to }, over) : from);
    const here = await readings.count(from, until);
    given.push({ from, to: until });
    points += here;
    over -= here;
  }
  return { ranges: given, points };
}

/** The earliest instant before which the range holds at least `points` readings; its end when it holds fewer. */
async function instantOf(readings: Pick<ReadingLog, 'count'>, range: Range, points: number): Promise<number> {
  let [low, high] = [range.from, range.to];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await readings.count(range.from, middle)) >= points) high = middle;
    else low = middle + 1;
  }
  return high;
}

/** The ticks of one replay window, read into memory so that no query stays open while Carbon is waited for. */
export async function ticksIn(readings: Pick<ReadingLog, 'range'>, { from, to }: Range): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of readings.range(from, to)) batches.push(batch);
  return batches;
}
