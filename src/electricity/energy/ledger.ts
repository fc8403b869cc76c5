import type { Log } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import type { Store } from '#store/model.ts';
import type { Device, EnergySlot, Values } from '../model.ts';
import type { EnergyBook, Period, PeriodEnergy, Slot, Totals } from './model.ts';

export interface LedgerParts {
  readonly store: Pick<Store, 'db' | 'kind'>;
  readonly log: Log;
  /** Wall clock, epoch ms. */
  readonly now: () => number;
  /** IANA name of the home's time zone; may change while running. */
  readonly timeZone: () => string;
  /** Slots older than this are let go at a flush, at most once an hour. 10 unless given. */
  readonly retentionYears?: () => number;
}

/** What the ledger needs to know of a device. */
export type Metered = Pick<Device, 'id' | 'wrapsAtWh' | 'medium'>;

const pending = (): never => {
  throw new LaresError('INTERNAL', 'the ledger is not built yet');
};

/** Turns what devices say into energy that adds up. Has no timers: the service calls `flush` every minute and at the end. */
export class Ledger implements EnergyBook {
  readonly #parts: LedgerParts;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
  }

  /** Reads counters and running totals; once, before anything else. Throws STORE_UNAVAILABLE. */
  load(): Promise<void> {
    return pending();
  }

  /** Takes what a `measured` signal says: `energy_wh`, `export_wh` and `power_watts`; the rest is ignored. Never throws. */
  observe(_device: Metered, _at: number, _values: Values): void {
    pending();
  }

  /** The next reading of the device begins anew: another thing hangs under the same id. */
  replaced(_id: string): void {
    pending();
  }

  /** Takes what a `remembered` signal says and heals gaps with it. Throws STORE_UNAVAILABLE. */
  remember(_id: string, _slots: readonly EnergySlot[]): Promise<void> {
    return pending();
  }

  /** Stretches for which the memory of the device should be asked, oldest first: unhealed gaps. */
  gaps(_id: string): readonly Period[] {
    return pending();
  }

  /**
   * Names the devices whose sum is the house from now on: the main meter, or else all top-level devices, whether
   * they answer at the moment or not. What was counted before stays as it was. Call it at every change.
   */
  houseOf(_ids: readonly string[]): void {
    pending();
  }

  /** From memory, O(1). Undefined for a device that was never observed; `houseId` for the house. */
  totals(_id: string, _now: number): Totals | undefined {
    return pending();
  }

  slots(_device: string, _from: number, _to: number): Promise<readonly Slot[]> {
    return pending();
  }

  /** Every local day that overlaps `from`..`to`, whole, oldest first, unflushed energy included. */
  days(_device: string, _from: number, _to: number): Promise<readonly PeriodEnergy[]> {
    return pending();
  }

  devices(): Promise<readonly string[]> {
    return pending();
  }

  /**
   * Writes what is new, counters and slots in one transaction. While the database cannot be written it all waits in
   * memory, bounded, and is written by a later flush; never throws.
   */
  flush(): Promise<void> {
    return pending();
  }
}
