import { LaresError } from '#kernel/errors.ts';
import { slotMs, type Period, type Provenance, type Slot } from '../energy/model.ts';
import { addCosts, costByDay, type CostOptions } from './cost.rules.ts';
import type { Cost, Tariff } from './model.ts';
import { during } from './rates.rules.ts';
import { Sum } from './sum.rules.ts';
import { dayMs, localDays } from './wall.rules.ts';

/** How much of the energy is known how well, each 0 to 1. */
export interface Confidence {
  /** Share of the energy whose time was measured, counted or remembered by the device. */
  readonly timed: number;
  /** Share of the energy whose amount is known but not when within a gap it was used. */
  readonly spread: number;
  /** Share of the time of which anything is known at all. */
  readonly covered: number;
}

export interface WhatIfTariff {
  readonly name: string;
  /** One for each month of `WhatIf.months`. */
  readonly months: readonly Cost[];
  readonly total: Cost;
  /** Share of the energy, drawn and paid-for export, that has no price, 0 to 1. */
  readonly unpriced: number;
  /**
   * What it would have cost more than the present tariff (negative: less), over the times that both can price;
   * undefined for the present one, without one, or when there is no such time.
   */
  readonly difference?: number | undefined;
  /** Share of the energy drawn that the difference rests on, 0 to 1. */
  readonly compared?: number | undefined;
}

export interface WhatIf extends Period {
  readonly currency: string;
  /** Local months, `2026-03`. */
  readonly months: readonly string[];
  /** Wh drawn in each month. */
  readonly wh: readonly number[];
  readonly totalWh: number;
  readonly confidence: Confidence;
  /** The present tariff first where there is one. */
  readonly tariffs: readonly WhatIfTariff[];
}

export interface WhatIfQuestion extends CostOptions {
  readonly slots: readonly Slot[];
  readonly period: Period;
  readonly timeZone: string;
  readonly present?: Tariff | undefined;
  readonly others: readonly Tariff[];
}

/**
 * What one's own history would have cost under other tariffs. Without a change of habits, which a tariff of many
 * prices rewards. Throws USAGE when the currencies differ.
 */
export function whatIf(question: WhatIfQuestion): WhatIf {
  const { period, timeZone, present, others } = question;
  const slots = question.slots
    .filter((s) => s.at < period.to && s.at + slotMs > period.from)
    .toSorted((a, b) => a.at - b.at);
  const tariffs = present === undefined ? others : [present, ...others];
  const [currency, second] = [...new Set(tariffs.map((t) => t.currency))];
  if (currency === undefined) throw new LaresError('USAGE', 'name at least one tariff to calculate with');
  if (second !== undefined)
    throw new LaresError(
      'USAGE',
      `tariffs in ${currency} and ${second} cannot be compared; use one currency`,
    );
  const days = localDays(period.from, period.to, timeZone);
  const months = [...new Set(days.map((day) => day.date.slice(0, 7)))];
  const flat = energyTariff(currency);
  const byMonth = (tariff: Tariff, options: CostOptions) => {
    const costs = costByDay(slots, tariff, period, timeZone, options);
    return months.map((month) => addCosts(costs.filter((d) => d.date.startsWith(month)).map((d) => d.cost)));
  };
  // Money of a tariff of one unit per kWh is the energy itself, cut by the same rules.
  const wh = byMonth(flat, { standing: false }).map((cost) => cost.import * 1000);
  const totalWh = Sum.of(wh);
  const exportWh = Sum.of(slots.map((s) => s.exportWh));
  return {
    ...period,
    currency,
    months,
    wh,
    totalWh,
    confidence: confidenceOf(slots, period),
    tariffs: tariffs.map((tariff) => {
      const costs = byMonth(tariff, question);
      const total = addCosts(costs);
      const sold = tariff.exportRates === undefined ? 0 : exportWh;
      return {
        name: tariff.name,
        months: costs,
        total,
        unpriced: share(total.unpricedWh, totalWh + sold),
        ...(present !== undefined &&
          tariff !== present &&
          compare(tariff, present, slots, question, totalWh)),
      };
    }),
  };
}

/** A part of a whole, 0 to 1, without the dust that sums leave behind. */
const share = (part: number, whole: number) =>
  whole > 0 ? Math.round(Math.min(1, part / whole) * 1e9) / 1e9 : 0;

const energyTariff = (currency: string): Tariff => ({
  name: 'energy',
  currency,
  rates: (from, to) => [{ from, to, perKwh: 1 }],
  standingPerDay: 0,
});

function compare(
  tariff: Tariff,
  present: Tariff,
  slots: readonly Slot[],
  { period, timeZone, standing }: WhatIfQuestion,
  totalWh: number,
): Pick<WhatIfTariff, 'difference' | 'compared'> {
  const cost = (one: Tariff) =>
    addCosts(costByDay(slots, one, period, timeZone, { standing: standing ?? true }).map((day) => day.cost));
  const both = where(tariff, present);
  const [theirs, ours] = [cost(both), cost(where(present, tariff))];
  const priced: Tariff = {
    ...energyTariff(tariff.currency),
    rates: (from, to) => both.rates(from, to),
  };
  const unknown = addCosts(
    costByDay(slots, priced, period, timeZone, { standing: false }).map((day) => day.cost),
  ).unpricedWh;
  const compared = totalWh > 0 ? 1 - share(unknown, totalWh) : 0;
  return compared === 0 ? { compared } : { compared, difference: theirs.total - ours.total };
}

/** A tariff that has prices, and charges for days, only where another one has prices too. */
function where(tariff: Tariff, other: Tariff): Tariff {
  const known = (at: number) =>
    tariff.rates(at, at + dayMs).length > 0 && other.rates(at, at + dayMs).length > 0;
  return {
    ...tariff,
    rates: (from, to) => during(tariff.rates(from, to), other.rates(from, to)),
    ...(tariff.exportRates !== undefined && {
      exportRates: (from: number, to: number) => {
        const mine = tariff.exportRates!(from, to);
        return other.exportRates === undefined ? mine : during(mine, other.exportRates(from, to));
      },
    }),
    standingOn: (at) => (known(at) ? (tariff.standingOn?.(at) ?? tariff.standingPerDay) : 0),
  };
}

const timed: readonly Provenance[] = ['counter', 'integrated', 'remembered'];

/** How well the energy of a period is known. */
export function confidenceOf(slots: readonly Slot[], period: Period): Confidence {
  const energy = (hows: readonly Provenance[]) =>
    Sum.of(slots.filter((s) => hows.includes(s.how)).map((s) => s.wh + s.exportWh));
  const [exact, spread] = [energy(timed), energy(['spread', 'missing'])];
  const known = Sum.of(slots.map((s) => s.coveredMs));
  return {
    timed: share(exact, exact + spread),
    spread: share(spread, exact + spread),
    covered: share(known, period.to - period.from),
  };
}
