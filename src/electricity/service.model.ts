import type { Bus } from '#kernel/bus.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import type { Store } from '#store/model.ts';
import type { Totals } from './energy/model.ts';
import type { Announcement, Device, EnergySlot, Quantity, Values } from './model.ts';
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

/** One value and the instant of its measurement, epoch ms. */
export interface Said {
  readonly value: number;
  readonly at: number;
}

/** What the house knows of one device. */
export interface Known {
  /** As the driver said it; what the settings change is applied when it is read, so that new settings apply to the original. */
  announcement: Announcement;
  path: string;
  /** The last of each quantity: a source that pushes tells only what changed. */
  readonly said: Map<Quantity, Said>;
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

/** Instant of its last measurement, epoch ms; undefined before the first. */
export function measuredAt({ said }: Pick<Known, 'said'>): number | undefined {
  let last: number | undefined;
  for (const { at } of said.values()) last = Math.max(last ?? at, at);
  return last;
}

/** Since when a measurement must be for it to hold still, epoch ms. */
const heldSince = ({ announcement }: Pick<Known, 'announcement'>, now: number): number =>
  now - Math.max(shortestHoldMs, holdIntervals * (announcement.everyMs ?? usualEveryMs));

/** What a device said last of each quantity, as far as it still holds. */
export function heldValues(known: Pick<Known, 'announcement' | 'said'>, now: number): Values {
  const since = heldSince(known, now);
  return Object.fromEntries(
    [...known.said].flatMap(([name, { value, at }]) => (at < since ? [] : [[name, value]])),
  );
}

/** Whether anything that a device said still holds. */
export function isFresh(known: Pick<Known, 'announcement' | 'said'>, now: number): boolean {
  return (measuredAt(known) ?? -Infinity) >= heldSince(known, now);
}
