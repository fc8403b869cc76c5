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
  /** Currency units per local day. */
  readonly standingPerDay: number;
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
