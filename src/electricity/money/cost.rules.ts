import { slotMs, type Period, type Slot } from '../energy/model.ts';
import type { Cost, Intensity, Rate, Tariff } from './model.ts';
import { Sum } from './sum.rules.ts';
import { localDays, type LocalDay } from './wall.rules.ts';

export interface CostOptions {
  /** Whether the standing charge is part of it: true for the house (the default), false for a device. */
  readonly standing?: boolean;
}

/**
 * What energy costs. A slot that a rate or the period cuts is shared in proportion to time, so a period should end
 * with a slot: for today, pass the end of the day. The standing charge of a local day falls due at its first instant,
 * so costs of neighbouring periods add up and a day never begins with less than nothing.
 */
export function costOf(
  slots: readonly Slot[],
  tariff: Tariff,
  period: Period,
  timeZone: string,
  options: CostOptions = {},
): Cost {
  return costIn(
    slots.toSorted((a, b) => a.at - b.at),
    tariff,
    period,
    options.standing === false ? [] : localDays(period.from, period.to, timeZone),
  );
}

export interface DayCost extends LocalDay {
  readonly cost: Cost;
}

/** The cost of each local day that a period overlaps, as far as it lies in the period. */
export function costByDay(
  slots: readonly Slot[],
  tariff: Tariff,
  period: Period,
  timeZone: string,
  options: CostOptions = {},
): DayCost[] {
  const sorted = slots.toSorted((a, b) => a.at - b.at);
  return localDays(period.from, period.to, timeZone).map((day) => {
    const part = { from: Math.max(day.from, period.from), to: Math.min(day.to, period.to) };
    return { ...day, cost: costIn(sorted, tariff, part, options.standing === false ? [] : [day]) };
  });
}

/** Costs of parts as one, for example of the days of a month. */
export function addCosts(costs: readonly Cost[]): Cost {
  const add = (key: keyof Cost) => {
    const sum = new Sum();
    for (const cost of costs) sum.add(cost[key]);
    return sum.value;
  };
  return {
    total: add('total'),
    import: add('import'),
    export: add('export'),
    standing: add('standing'),
    unpricedWh: add('unpricedWh'),
  };
}

/** Index of the first slot that ends after `at`. */
function firstSlot(sorted: readonly Slot[], at: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.at + slotMs > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

function costIn(
  sorted: readonly Slot[],
  tariff: Tariff,
  { from, to }: Period,
  days: readonly LocalDay[],
): Cost {
  const drawn = charge(sorted, 'wh', tariff.rates(from, to), from, to);
  const fed =
    tariff.exportRates === undefined
      ? { money: [], unpriced: [] }
      : charge(sorted, 'exportWh', tariff.exportRates(from, to), from, to);
  const standing = days
    .filter((day) => day.from >= from && day.from < to)
    .map((day) => tariff.standingOn?.(day.from) ?? tariff.standingPerDay);
  return {
    total: Sum.of(
      drawn.money,
      fed.money.map((m) => -m),
      standing,
    ),
    import: Sum.of(drawn.money),
    export: Sum.of(fed.money),
    standing: Sum.of(standing),
    unpricedWh: Sum.of(drawn.unpriced, fed.unpriced),
  };
}

/** Lays energy over rates: money of each piece in currency units, and the Wh of each piece that has no rate. */
function charge(
  sorted: readonly Slot[],
  key: 'wh' | 'exportWh',
  rates: readonly Rate[],
  from: number,
  to: number,
): { money: number[]; unpriced: number[] } {
  const [money, unpriced]: [number[], number[]] = [[], []];
  let r = 0;
  for (let s = firstSlot(sorted, from); s < sorted.length; s += 1) {
    const slot = sorted[s]!;
    if (slot.at >= to) break;
    const wh = slot[key];
    if (wh === 0) continue;
    const [start, end] = [Math.max(slot.at, from), Math.min(slot.at + slotMs, to)];
    let pricedMs = 0;
    while (r < rates.length && rates[r]!.to <= start) r += 1;
    for (let i = r; i < rates.length && rates[i]!.from < end; i += 1) {
      const rate = rates[i]!;
      const ms = Math.min(end, rate.to) - Math.max(start, rate.from);
      pricedMs += ms;
      // Multiplied before divided: a whole slot at one rate then costs exactly wh × price, rounded once or twice.
      money.push((wh * rate.perKwh * ms) / (slotMs * 1000));
    }
    if (pricedMs < end - start) unpriced.push((wh * (end - start - pricedMs)) / slotMs);
  }
  return { money, unpriced };
}

/** Carbon dioxide of energy drawn, and how much of the energy has no known intensity. `intensities` oldest first, without overlaps. */
export function carbonOf(
  slots: readonly Slot[],
  intensities: readonly Intensity[],
  period: Period = { from: -Infinity, to: Infinity },
): { readonly grams: number; readonly unknownWh: number } {
  const rates = intensities.map(({ from, to, gramsPerKwh }) => ({ from, to, perKwh: gramsPerKwh }));
  const { money, unpriced } = charge(
    slots.toSorted((a, b) => a.at - b.at),
    'wh',
    rates,
    period.from,
    period.to,
  );
  return { grams: Sum.of(money), unknownWh: Sum.of(unpriced) };
}
