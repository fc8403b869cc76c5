import { slotMs, type Period, type Slot } from '../energy/model.ts';
import type { Tariff } from './model.ts';
import { Sum } from './sum.rules.ts';
import { localDays } from './wall.rules.ts';

export interface Window extends Period {
  /** Mean price in currency units per kWh, for something that draws the same power all the time. */
  readonly perKwh: number;
}

/**
 * The stretch of `durationMs` within `from`..`to` (epoch ms) in which a constant load costs least; the earliest of
 * equals. Undefined when no such stretch is priced throughout.
 */
export function cheapestWindow(
  tariff: Tariff,
  from: number,
  to: number,
  durationMs: number,
): Window | undefined {
  const rates = tariff.rates(from, to);
  // The price of a window changes evenly while no edge of it meets a rate's edge, so the best one begins or ends at one.
  const edges = [from, to, ...rates.flatMap((r) => [r.from, r.to])];
  const starts = [...new Set(edges.flatMap((edge) => [edge, edge - durationMs]))]
    .filter((start) => start >= from && start + durationMs <= to)
    .toSorted((a, b) => a - b);
  let best: Window | undefined;
  let first = 0;
  for (const start of starts) {
    const end = start + durationMs;
    while (first < rates.length && rates[first]!.to <= start) first += 1;
    const sum = new Sum();
    let pricedMs = 0;
    for (let i = first; i < rates.length && rates[i]!.from < end; i += 1) {
      const ms = Math.min(end, rates[i]!.to) - Math.max(start, rates[i]!.from);
      pricedMs += ms;
      sum.add((rates[i]!.perKwh * ms) / durationMs);
    }
    // A hair's breadth of rounding must not move a window to a later one that costs the same.
    if (pricedMs === durationMs && (best === undefined || sum.value < best.perKwh - 1e-12))
      best = { from: start, to: end, perKwh: sum.value };
  }
  return best;
}

/** What could have been saved by starting appliances at other times. */
export interface Shift {
  /** Runs that were looked at. */
  readonly runs: number;
  /** Wh of those runs. */
  readonly wh: number;
  /** Currency units that they cost, and would have cost at their best times. */
  readonly actual: number;
  readonly best: number;
}

// A quarter of an hour belongs to a run from 20 W on; a dishwasher pauses for up to half an hour; what runs for half
// a day is no appliance that somebody starts.
const runningWh = 5;
const longestPause = 2;
const longestRun = 48;

/**
 * What the runs of an appliance would have cost, had each begun at the cheapest quarter of the local day on which it
 * began, with the same course of power. Runs longer than 12 hours, and runs without prices, are left out.
 */
export function shiftRuns(slots: readonly Slot[], tariff: Tariff, timeZone: string): Shift {
  const runs = runsOf(slots.toSorted((a, b) => a.at - b.at));
  const [actual, best, wh] = [new Sum(), new Sum(), new Sum()];
  let counted = 0;
  for (const run of runs) {
    const [first] = run;
    const course = courseOf(run);
    const [day] = localDays(first!.at, first!.at + 1, timeZone);
    const prices = quarterPrices(tariff, day!.from, day!.to + course.length * slotMs);
    const costAt = (start: number) =>
      Sum.of(
        course.map((energy, i) => (energy === 0 ? 0 : (energy * (prices[start + i] ?? Number.NaN)) / 1000)),
      );
    const happened = costAt((first!.at - day!.from) / slotMs);
    if (Number.isNaN(happened)) continue;
    let least = happened;
    for (let start = 0; start < (day!.to - day!.from) / slotMs; start += 1) {
      const cost = costAt(start);
      if (cost < least) least = cost;
    }
    counted += 1;
    actual.add(happened);
    best.add(least);
    for (const energy of course) wh.add(energy);
  }
  return { runs: counted, wh: wh.value, actual: actual.value, best: best.value };
}

/** Slots cut into runs by pauses; what is not known when it happened cannot be moved. */
function runsOf(sorted: readonly Slot[]): Slot[][] {
  const runs: Slot[][] = [];
  for (const slot of sorted) {
    if (slot.wh < runningWh || slot.how === 'spread' || slot.how === 'missing') continue;
    const last = runs.at(-1)?.at(-1);
    if (last !== undefined && slot.at - last.at <= (longestPause + 1) * slotMs) runs.at(-1)!.push(slot);
    else runs.push([slot]);
  }
  return runs.filter((run) => courseLength(run) <= longestRun);
}

const courseLength = (run: readonly Slot[]) => (run.at(-1)!.at - run[0]!.at) / slotMs + 1;

/** Wh of each quarter of a run, 0 in its pauses. */
function courseOf(run: readonly Slot[]): number[] {
  const course = Array<number>(courseLength(run)).fill(0);
  for (const slot of run) course[(slot.at - run[0]!.at) / slotMs] = slot.wh;
  return course;
}

/** Mean price of each quarter of an hour from `from` on; undefined where a part of it has none. */
function quarterPrices(tariff: Tariff, from: number, to: number): (number | undefined)[] {
  const count = Math.ceil((to - from) / slotMs);
  const [money, priced] = [Array<number>(count).fill(0), Array<number>(count).fill(0)];
  for (const rate of tariff.rates(from, to))
    for (let i = Math.floor((rate.from - from) / slotMs); from + i * slotMs < rate.to; i += 1) {
      const start = from + i * slotMs;
      const ms = Math.min(start + slotMs, rate.to) - Math.max(start, rate.from);
      money[i]! += (rate.perKwh * ms) / slotMs;
      priced[i]! += ms;
    }
  return money.map((price, i) => (priced[i] === slotMs ? price : undefined));
}
