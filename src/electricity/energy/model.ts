/** The grid on which energy is kept: quarter hours of UTC, so that days and half-hours are whole in every time zone on earth. */
export const slotMs = 900_000;

/**
 * How an amount is known, best first. `counter`: difference of the device's own counter. `integrated`: power over time.
 * `remembered`: from the device's memory, after the fact. `spread`: the counter says how much was used in a gap but
 * nobody knows when, so it lies evenly over it. `missing`: nothing is known; the amount is 0 and does not mean nothing was used.
 */
export const provenances = ['counter', 'integrated', 'remembered', 'spread', 'missing'] as const;
export type Provenance = (typeof provenances)[number];

/** Energy of one device in one quarter of an hour. */
export interface Slot {
  /** Epoch ms of its start, a multiple of `slotMs`. */
  readonly at: number;
  /** Wh drawn; never negative. */
  readonly wh: number;
  /** Wh fed back; never negative. */
  readonly exportWh: number;
  /** The worst way in which a part of it is known. */
  readonly how: Provenance;
  /** How much of the slot is known first hand or remembered, ms, 0 to `slotMs`. */
  readonly coveredMs: number;
}

/** The series of the whole house in the book, beside the ids of devices. */
export const houseId = 'house';

/** Kept energy, for money and insight. `device` is a device id or `houseId`. */
export interface EnergyBook {
  /** Slots that overlap `from`..`to` (epoch ms), oldest first; slots in which nothing is known are absent. */
  slots(device: string, from: number, to: number): Promise<readonly Slot[]>;
  /** Ids of everything that has slots. */
  devices(): Promise<readonly string[]>;
}

/** A stretch of local calendar time: epoch ms, `to` exclusive. A day has 23, 24 or 25 hours. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

/** One local day (or other stretch) of one device. */
export interface PeriodEnergy extends Period {
  /** Wh drawn. */
  readonly wh: number;
  /** Wh fed back. */
  readonly exportWh: number;
  /** How much of it is known first hand or remembered, ms. */
  readonly coveredMs: number;
  /** The worst way in which a part of it is known; `missing` also where slots are absent. */
  readonly how: Provenance;
}

/** What a device used in the running local day, week (from Monday), month and year, and in all since it is known. Wh. */
export interface Totals {
  readonly todayWh: number;
  readonly weekWh: number;
  readonly monthWh: number;
  readonly yearWh: number;
  /** The virtual counter: never falls. */
  readonly totalWh: number;
  readonly todayExportWh: number;
  readonly weekExportWh: number;
  readonly monthExportWh: number;
  readonly yearExportWh: number;
  readonly totalExportWh: number;
}
