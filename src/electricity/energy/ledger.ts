import type { Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Store } from '#store/model.ts';
import type { Device, EnergySlot, Values } from '../model.ts';
import { periods } from './calendar.rules.ts';
import { advance, defaultLimits, remembering, replaced, rewind, type CounterState } from './counter.rules.ts';
import type { Piece } from './profile.rules.ts';
import { House } from './house.ts';
import { heal, noteGap, type Gap } from './heal.rules.ts';
import { houseId, type EnergyBook, type Period, type PeriodEnergy, type Slot, type Totals } from './model.ts';
import { Pages } from './pages.ts';
import { Running } from './running.ts';
import { add, sane, type Changes } from './slots.rules.ts';

export interface LedgerParts {
  readonly store: Pick<Store, 'db'>;
  readonly log: Log;
  /** Wall clock, epoch ms. */
  readonly now: () => number;
  /** IANA name of the home's time zone; may change while running. */
  readonly timeZone: () => string;
  /** Slots older than this are let go. 10 unless given. */
  readonly retentionYears?: () => number;
  /** No device draws more, W; what says so is held back. 25,000 unless given. */
  readonly maxPowerW?: () => number;
}

/** What the ledger needs to know of a device. */
export type Metered = Pick<Device, 'id' | 'wrapsAtWh' | 'medium'>;

interface Entry {
  counter: CounterState | undefined;
  gaps: readonly Gap[];
  /** What the device remembered of a time that no reading has closed yet. */
  memory: readonly EnergySlot[];
  /** A gap has come since `memory` was last tried. */
  gapped: boolean;
  /** House time of the last reading that counted, epoch ms. */
  heardAt: number;
  /** The device dates its readings wrongly: they count when they arrive. */
  clockOff: boolean;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** A step back of the house's clock that is not just its fine adjustment. */
const setBackMs = 5_000;
/** A device whose readings are dated this near to now has a clock that can be trusted. */
const trustedMs = 60_000;
const keptGaps = 200;
const keptMemory = 3_000;
/** A memory that has not filled a gap for so long after its end never will, ms; what comes by itself is still used. */
const askMs = dayMs;
/** Asked on both sides of a gap, so that memory and measurement can be compared. */
const marginMs = 2 * hourMs;

/**
 * Turns what devices say into energy that adds up. Without timers: the service calls `flush` every minute and at the
 * end. The house is a series of its own, fed by its members as they count, so another choice of members changes only what comes.
 */
export class Ledger implements EnergyBook {
  readonly #parts: LedgerParts;
  readonly #log: Log;
  readonly #pages: Pages;
  readonly #running = new Running();
  readonly #entries = new Map<string, Entry>();
  readonly #house: House;
  #failing = false;
  #prunedAt = -Infinity;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
    this.#log = parts.log.child('energy');
    this.#pages = new Pages(parts.store);
    this.#house = new House(this.#pages, this.#running);
  }

  /** Reads counters and running totals; once, before anything else. Throws STORE_UNAVAILABLE. */
  async load(): Promise<void> {
    for (const [id, state] of await this.#pages.load()) {
      if (id === houseId) {
        this.#house.restore(state);
      } else {
        const { counter, gaps, memory } = state as Pick<Entry, 'counter' | 'gaps' | 'memory'>;
        this.#entries.set(id, {
          counter,
          gaps,
          memory,
          gapped: false,
          heardAt: counter?.at ?? 0,
          clockOff: false,
        });
      }
    }
    await this.#sumUp();
  }

  /** Takes what a `measured` signal says: `energy_wh`, `export_wh` and `power_watts`; the rest is ignored. Throws nothing but INTERNAL for the id of the house. */
  observe(device: Metered, at: number, values: Values): void {
    const { energy_wh: energyWh, export_wh: exportWh, power_watts: powerW } = values;
    if (energyWh === undefined && exportWh === undefined && powerW === undefined) return;
    const now = this.#parts.now();
    this.#running.roll(now, this.#parts.timeZone());
    const entry = this.#entry(device.id);
    if (entry.counter !== undefined && entry.counter.at > now + setBackMs)
      entry.counter = rewind(entry.counter, now);
    const said = { at: this.#dated(device.id, entry, at, now), energyWh, exportWh, powerW };
    const before = entry.counter;
    const { state, pieces, lost } = advance(before, said, {
      ...defaultLimits,
      maxPowerW: this.#maxPowerW(),
      wrapsAtWh: device.wrapsAtWh,
    });
    if (state === before) return;
    entry.counter = state;
    entry.heardAt = now;
    this.#pages.touch(device.id);
    this.#book(device, entry, pieces, lost);
  }

  /** The next reading of the device begins anew: another thing hangs under the same id. */
  replaced(id: string): void {
    const entry = this.#entries.get(id);
    if (entry?.counter === undefined) return;
    entry.counter = replaced(entry.counter);
    this.#pages.touch(id);
  }

  /**
   * Takes what a `remembered` signal says and heals gaps with it; what lies after the last reading waits for the next
   * one. A device that was never measured is known by its memory alone. Throws STORE_UNAVAILABLE.
   */
  async remember(id: string, slots: readonly EnergySlot[]): Promise<void> {
    const now = this.#parts.now();
    const told = sane(slots, this.#maxPowerW()).filter(({ from }) => from < now);
    if (told.length === 0 || id === houseId) return;
    const entry = this.#entry(id);
    this.#pages.touch(id);
    const { state, gap } = remembering(entry.counter, told, now);
    entry.counter = state;
    if (gap !== undefined) entry.gaps = [...entry.gaps, { ...gap, wh: 0, exportWh: 0, sum: 'unknown' }];
    const known = new Map(entry.memory.map((slot) => [`${slot.from}-${slot.to}`, slot]));
    for (const slot of told) if (slot.to > state.at) known.set(`${slot.from}-${slot.to}`, slot);
    entry.memory = [...known.values()].slice(-keptMemory);
    await this.#heal(id, entry, told);
  }

  /** Stretches for which the memory of the device should be asked, oldest first: open gaps with a margin, by which its clock is judged. Empty when there is nothing left to ask. */
  gaps(id: string): readonly Period[] {
    const now = this.#parts.now();
    return (this.#entries.get(id)?.gaps ?? [])
      .filter(({ to }) => now - to < askMs)
      .map(({ from, to }) => ({ from: from - marginMs, to: Math.min(to + marginMs, Math.max(now, to)) }));
  }

  /**
   * Names the devices whose sum is the house from now on: the main meter, or else all top-level devices, whether
   * they answer at the moment or not. What was counted before stays as it was. Call it at every change.
   */
  houseOf(ids: readonly string[]): void {
    this.#house.choose(ids, this.#parts.now());
  }

  /** From memory, O(1). Undefined for a device that was never observed; `houseId` for the house. */
  totals(id: string, now: number): Totals | undefined {
    this.#running.roll(now, this.#parts.timeZone());
    const total = id === houseId ? this.#house : this.#entries.get(id)?.counter;
    return total && this.#running.totals(id, total.wh, total.exportWh);
  }

  async slots(device: string, from: number, to: number): Promise<readonly Slot[]> {
    return this.#pages.slots(device, from, to);
  }

  /** When the oldest energy of a device or the house was recorded, epoch ms; undefined where none was. */
  async firstAt(device: string): Promise<number | undefined> {
    return this.#pages.firstAt(device);
  }

  /** Every local day that overlaps `from`..`to`, whole, oldest first, unflushed energy included. */
  async days(device: string, from: number, to: number): Promise<readonly PeriodEnergy[]> {
    return this.#pages.days(device, periods('today', from, to, this.#parts.timeZone()), this.#parts.now());
  }

  async devices(): Promise<readonly string[]> {
    const known = [...this.#entries].filter(([, entry]) => entry.counter !== undefined).map(([id]) => id);
    return this.#house.exists ? [...known, houseId] : known;
  }

  /**
   * Writes what is new, counters and slots in one transaction. While the database cannot be written it all waits in
   * memory, bounded, and is written by a later flush; never throws.
   */
  async flush(): Promise<void> {
    try {
      for (const [id, entry] of this.#entries) {
        const at = entry.counter?.at ?? 0;
        if (entry.memory.length === 0 || !(entry.gapped || entry.memory.some((slot) => slot.to <= at)))
          continue;
        entry.gapped = false;
        await this.#heal(id, entry, entry.memory);
        entry.memory = entry.memory.filter((slot) => slot.to > (entry.counter?.at ?? 0));
      }
      await this.#pages.save((id) => this.#stateOf(id));
      if (this.#running.stale) await this.#sumUp();
      await this.#prune();
      if (this.#failing) this.#log.info('store works again: energy is written');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log.error(`store error: energy waits in memory: ${reason(error)}`, { error });
      this.#failing = true;
      this.#pages.limit();
    }
  }

  #entry(id: string): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      if (id === houseId || id === '')
        throw new LaresError('INTERNAL', `a device must not be called '${id}'`);
      entry = { counter: undefined, gaps: [], memory: [], gapped: false, heardAt: 0, clockOff: false };
      this.#entries.set(id, entry);
    }
    return entry;
  }

  /** When a reading counts: by its own date, unless that lies ahead of now or the clock of the device does not go on. */
  #dated(id: string, entry: Entry, at: number, now: number): number {
    if (!Number.isFinite(at) || at > now) return now;
    if (Math.abs(now - at) < trustedMs) entry.clockOff = false;
    else if (!entry.clockOff && at < (entry.counter?.at ?? 0) && now - entry.heardAt > defaultLimits.holdMs) {
      entry.clockOff = true;
      this.#log.warn('the clock of a device was set back: its readings count when they arrive', { id });
    }
    return entry.clockOff ? now : Math.round(at);
  }

  #book(device: Metered, entry: Entry, pieces: readonly Piece[], lost: boolean): void {
    const changes: Changes = new Map();
    let [wh, exportWh] = [0, 0];
    for (const piece of pieces) {
      add(changes, piece);
      wh += piece.wh;
      exportWh += piece.exportWh;
      if (piece.how !== 'spread' && piece.how !== 'missing') continue;
      entry.gaps = noteGap(entry.gaps, piece, lost).slice(-keptGaps);
      entry.gapped = true;
    }
    this.#apply(device.id, changes, wh, exportWh, device.medium !== 'gas');
  }

  /** `wh` and `exportWh`: what the house counts more by it. */
  #apply(id: string, changes: Changes, wh: number, exportWh: number, electric = true): void {
    for (const [at, change] of changes) {
      this.#pages.add(id, at, change);
      this.#running.add(id, at, change.wh, change.exportWh);
    }
    if (electric && this.#house.has(id)) this.#house.add(changes, wh, exportWh);
  }

  async #heal(id: string, entry: Entry, memory: readonly EnergySlot[]): Promise<void> {
    for (const gap of entry.gaps) {
      const near = memory.filter(({ from, to }) => to > gap.from - dayMs && from < gap.to + dayMs);
      if (!near.some(({ from, to }) => to > gap.from && from < gap.to)) continue;
      const from = Math.min(gap.from, ...near.map((slot) => slot.from));
      const to = Math.max(gap.to, ...near.map((slot) => slot.to));
      const own = await this.slots(id, from, to);
      // Another memory may have come meanwhile.
      if (!entry.gaps.includes(gap) || entry.counter === undefined) continue;
      const others = entry.gaps.filter((other) => other !== gap);
      const healing = heal(gap, own, near, others);
      if (healing.note !== undefined)
        this.#log.info(`the memory of a device is not used: ${healing.note}`, {
          id,
          from: gap.from,
          to: gap.to,
        });
      if (healing.changes.size === 0) continue;
      entry.gaps = [...others, ...healing.left].toSorted((a, b) => a.from - b.from);
      entry.counter = {
        ...entry.counter,
        wh: entry.counter.wh + healing.wh,
        exportWh: entry.counter.exportWh + healing.exportWh,
      };
      this.#pages.touch(id);
      this.#apply(id, healing.changes, healing.wh, healing.exportWh);
      if (this.#house.has(id)) await this.#house.regard(gap);
    }
  }

  async #sumUp(): Promise<void> {
    const zone = this.#parts.timeZone();
    const { from, to } = this.#running.begin(this.#parts.now(), zone);
    const days = periods('today', from, to, zone);
    const now = this.#parts.now();
    for (const id of [...this.#entries.keys(), houseId])
      this.#running.set(id, await this.#pages.days(id, days, now));
  }

  /** What is kept of a device beside its slots. */
  #stateOf(id: string): unknown {
    const entry = this.#entries.get(id);
    return entry === undefined
      ? this.#house.kept()
      : { counter: entry.counter, gaps: entry.gaps, memory: entry.memory };
  }

  #maxPowerW(): number {
    return this.#parts.maxPowerW?.() ?? defaultLimits.maxPowerW;
  }

  /** A clock that runs ahead for a while makes everything look old: at most one day is let go in an hour. */
  async #prune(): Promise<void> {
    const now = this.#parts.now();
    if (Math.abs(now - this.#prunedAt) < hourMs) return;
    this.#prunedAt = now;
    const years = this.#parts.retentionYears?.() ?? 10;
    await this.#pages.prune(now - years * 365.25 * dayMs, dayMs);
  }
}
