import type { Bus } from '#kernel/bus.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import type { Store } from '#store/model.ts';
import type { Totals } from './energy/model.ts';
import type { Announcement, Device, EnergySlot, Values } from './model.ts';
import type { Cost } from './money/model.ts';

/** The ledger as the service needs it; `Ledger` is one. */
export interface EnergyLedger {
  observe(device: Pick<Device, 'id' | 'wrapsAtWh' | 'medium'>, at: number, values: Values): void;
  remember(id: string, slots: readonly EnergySlot[]): Promise<void>;
  /** Another thing hangs under the same id: its next reading begins anew. */
  replaced(id: string): void;
  houseOf(ids: readonly string[]): void;
  totals(id: string, now: number): Totals | undefined;
}

/** What money knows now; absent answers mean that there is no tariff, or no price at that instant. */
export interface Money {
  readonly currency: () => string | undefined;
  readonly priceAt: (at: number) => number | undefined;
  readonly carbonAt: (at: number) => number | undefined;
  /** Money of the present local day of one device, from the last minute. */
  readonly costToday: (id: string) => Cost | undefined;
}

export interface ElectricityParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly bus: Pick<Bus, 'on'>;
  readonly store: Pick<Store, 'journal' | 'state'>;
  readonly ledger: EnergyLedger;
  readonly money: Money;
  readonly baseLoadWatts: () => number | undefined;
  /** Whether a source runs: what a source measured that the settings no longer have is no part of the house. */
  readonly runs?: (kind: string) => boolean;
}

/** What the house knows of one device. */
export interface Known {
  /** As the driver said it; what the settings change is applied when it is read, so that new settings apply to the original. */
  announcement: Announcement;
  path: string;
  values: Values;
  measuredAt: number | undefined;
  problem: string | undefined;
  lastSeen: number;
  /** Name of its driver; undefined for what was kept by an earlier version. */
  kind: string | undefined;
}

/** A known device as the settings want it seen. */
export interface Shown {
  readonly known: Known;
  readonly device: Device;
}

const usualEveryMs = 60_000;
const shortestHoldMs = 15_000;
// One lost poll must not tear a hole into a chart; two in a row must not be hidden.
const holdIntervals = 2.5;

/** Whether what a device said last still holds. */
export function isFresh({ announcement, measuredAt }: Known, now: number): boolean {
  const holdMs = Math.max(shortestHoldMs, holdIntervals * (announcement.everyMs ?? usualEveryMs));
  return measuredAt !== undefined && now - measuredAt <= holdMs;
}
