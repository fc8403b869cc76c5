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
  /** Instant of its last reading, epoch ms, also of one that told nothing; undefined before the first. */
  measuredAt: number | undefined;
  /** What it is being switched to: when it says so meanwhile, nobody pressed its button. */
  turning: boolean | undefined;
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

/** Whether the last reading of a device still holds. */
export function isFresh(known: Pick<Known, 'announcement' | 'measuredAt'>, now: number): boolean {
  return (known.measuredAt ?? -Infinity) >= heldSince(known, now);
}

/** Forgets what a device said: what comes next is another thing, or nothing. */
export function forgetValues(known: Known): void {
  known.said.clear();
  known.measuredAt = undefined;
}

/** Takes a reading. False when it is no news: newer ones of all that it tells are known. */
export function takeReading(known: Known, at: number, values: Values): boolean {
  const told = Object.entries(values) as [Quantity, number][];
  const isOlderThan = (before: number | undefined) => at < (before ?? -Infinity);
  // It answers and has nothing to tell: what it told before is true no more.
  if (told.length === 0 && !isOlderThan(known.measuredAt)) known.said.clear();
  const news = told.filter(([name]) => !isOlderThan(known.said.get(name)?.at));
  if (news.length === 0 && (told.length > 0 || isOlderThan(known.measuredAt))) return false;
  for (const [name, value] of news) known.said.set(name, { value, at });
  known.measuredAt = Math.max(known.measuredAt ?? at, at);
  return true;
}

/** The wall clock was moved by `byMs` and is `now`; what was dated by the new time already is no older than now. */
export function shiftReadings(known: Known, byMs: number, now: number): void {
  if (known.measuredAt === undefined) return;
  const moved = (at: number) => Math.min(at + byMs, now);
  for (const [name, { value, at }] of known.said) known.said.set(name, { value, at: moved(at) });
  known.measuredAt = moved(known.measuredAt);
  known.lastSeen = moved(known.lastSeen);
}
