import type { Period } from '../energy/model.ts';

/** A price that holds for a stretch of time. May be negative: the supplier pays. */
export interface Rate extends Period {
  /** Currency units (pounds, euros: not pence) per kWh, taxes included. */
  readonly perKwh: number;
}

/** What supplying the house costs. Instants without a rate have no price: their energy is reported as unpriced, never as free. */
export interface Tariff {
  readonly name: string;
  /** ISO 4217: `GBP`. */
  readonly currency: string;
  /** Rates for energy drawn, oldest first, without overlaps, for any span asked. */
  rates(from: number, to: number): readonly Rate[];
  /** Rates for energy fed back; nothing is paid for it when absent. */
  exportRates?(from: number, to: number): readonly Rate[];
  /** Currency units per local day; where it changed over time, the newest. */
  readonly standingPerDay: number;
  /** Currency units for the local day that begins at `at`, where it changed over time. */
  standingOn?(at: number): number;
}

export interface Cost {
  /** Currency units: import minus export plus standing charge. Exact sums; rounded only when shown. */
  readonly total: number;
  readonly import: number;
  readonly export: number;
  readonly standing: number;
  /** Wh that had no price. */
  readonly unpricedWh: number;
}

/** How much carbon dioxide a kWh of the grid stands for during a stretch of time. */
export interface Intensity extends Period {
  readonly gramsPerKwh: number;
}

/** What an importer read. */
export interface Imported<T> {
  /** Oldest first, without overlaps; `to` is Infinity where the end is not known yet. */
  readonly rates: readonly T[];
  /** Address of the next page, where the reply has more. */
  readonly next?: string | undefined;
  /** Whether it lists the newest first, so that later pages are older. */
  readonly newestFirst?: boolean;
  /** What a person should know: prices that contradict each other, rows left out. */
  readonly notes: readonly string[];
}

/** The price that a smart meter showed from `at` on, until it shows another one. */
export interface MeterPrice {
  readonly at: number;
  /** Currency units per kWh. */
  readonly perKwh?: number | undefined;
  /** Currency units per day. */
  readonly standingPerDay?: number | undefined;
}
