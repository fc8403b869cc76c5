import type { Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Store } from '#store/model.ts';
import type { Device, EnergySlot, Values } from '../model.ts';
import { periods } from './calendar.rules.ts';
import { advance, defaultLimits, remembering, replaced, rewind, type CounterState } from './counter.rules.ts';
import type { Piece } from './profile.rules.ts';
import { heal, noteGap, type Gap } from './heal.rules.ts';
import {
  houseId,
  slotMs,
  type EnergyBook,
  type Period,
  type PeriodEnergy,
  type Slot,
  type Totals,
} from './model.ts';
import { EnergyRepository, type Write } from './repository.ts';
import { Running } from './running.ts';
import { add, merge, overlay, sane, shrink, slotOf, sums, worstOf, type Changes } from './slots.rules.ts';

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

interface House {
  wh: number;
  exportWh: number;
  members: ReadonlySet<string>;
  /** Since when they are, epoch ms. */
  since: number;
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
/** A step back of the house's clock that is not just its fine adjustment. */
const setBackMs = 5_000;
/** A device whose readings are dated this near to now has a clock that can be trusted. */
const trustedMs = 60_000;
const keptGaps = 200;
const keptMemory = 3_000;
/** Changes that wait for the database, over all devices; beyond that the oldest grow together. */
const capacity = 100_000;
/** Asked on both sides of a gap, so that memory and measurement can be compared. */
const marginMs = 2 * hourMs;

/**
 * Turns what devices say into energy that adds up. Without timers: the service calls `flush` every minute and at the
 * end. The house is a series of its own, fed by its members as they count, so another choice of members changes only what comes.
 */
export class Ledger implements EnergyBook {
  readonly #parts: LedgerParts;
  readonly #log: Log;
  readonly #repository: EnergyRepository;
  readonly #running = new Running();
  readonly #entries = new Map<string, Entry>();
  #house: House = { wh: 0, exportWh: 0, members: new Set(), since: 0 };
  #changes = new Map<string, Changes>();
  #dirty = new Set<string>();
  /** Handed to the database, which has not confirmed it; tried again unchanged. */
  #writing: Write | undefined;
  #saving: Promise<void> | undefined;
  #revision = 0;
  #failing = false;
  #prunedAt = -Infinity;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
    this.#log = parts.log.child('energy');
    this.#repository = new EnergyRepository(parts.store);
  }

  /** Reads counters and running totals; once, before anything else. Throws STORE_UNAVAILABLE. */
  async load(): Promise<void> {
    const { states, revision } = await this.#repository.load();
    this.#revision = revision;
    for (const [id, state] of states) {
      if (id === houseId) {
        const { members, ...house } = state as Omit<House, 'members'> & { members: string[] };
        this.#house = { ...house, members: new Set(members) };
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
    this.#dirty.add(device.id);
    this.#book(device, entry, pieces, lost);
  }

  /** The next reading of the device begins anew: another thing hangs under the same id. */
  replaced(id: string): void {
    const entry = this.#entries.get(id);
    if (entry?.counter === undefined) return;
    entry.counter = replaced(entry.counter);
    this.#dirty.add(id);
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
    this.#dirty.add(id);
    const { state, gap } = remembering(entry.counter, told, now);
    entry.counter = state;
    if (gap !== undefined) entry.gaps = [...entry.gaps, { ...gap, wh: 0, exportWh: 0, sum: 'unknown' }];
    const known = new Map(entry.memory.map((slot) => [`${slot.from}-${slot.to}`, slot]));
    for (const slot of told) if (slot.to > state.at) known.set(`${slot.from}-${slot.to}`, slot);
    entry.memory = [...known.values()].slice(-keptMemory);
    await this.#heal(id, entry, told);
  }

  /** Stretches for which the memory of the device should be asked, oldest first: open gaps with a margin, by which its clock is judged. */
  gaps(id: string): readonly Period[] {
    const now = this.#parts.now();
    return (this.#entries.get(id)?.gaps ?? []).map(({ from, to }) => ({
      from: from - marginMs,
      to: Math.min(to + marginMs, Math.max(now, to)),
    }));
  }

  /**
   * Names the devices whose sum is the house from now on: the main meter, or else all top-level devices, whether
   * they answer at the moment or not. What was counted before stays as it was. Call it at every change.
   */
  houseOf(ids: readonly string[]): void {
    const members = new Set(ids);
    if (members.size === this.#house.members.size && ids.every((id) => this.#house.members.has(id))) return;
    this.#house = { ...this.#house, members, since: this.#parts.now() };
    this.#dirty.add(houseId);
  }

  /** From memory, O(1). Undefined for a device that was never observed; `houseId` for the house. */
  totals(id: string, now: number): Totals | undefined {
    this.#running.roll(now, this.#parts.timeZone());
    const total = id === houseId ? this.#house : this.#entries.get(id)?.counter;
    return total && this.#running.totals(id, total.wh, total.exportWh);
  }

  async slots(device: string, from: number, to: number): Promise<readonly Slot[]> {
    return this.#read(
      () => this.#repository.slots(device, from, to),
      (slots) => this.#overlay(device, slots, from, to),
    );
  }

  /** Every local day that overlaps `from`..`to`, whole, oldest first, unflushed energy included. */
  async days(device: string, from: number, to: number): Promise<readonly PeriodEnergy[]> {
    return this.#days(device, periods('today', from, to, this.#parts.timeZone()));
  }

  async devices(): Promise<readonly string[]> {
    const known = [...this.#entries].filter(([, entry]) => entry.counter !== undefined).map(([id]) => id);
    return this.#house.since > 0 ? [...known, houseId] : known;
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
      await (this.#saving ??= this.#save().finally(() => (this.#saving = undefined)));
      if (this.#running.stale) await this.#sumUp();
      await this.#prune();
      if (this.#failing) this.#log.info('store works again: energy is written');
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log.error(`store error: energy waits in memory: ${reason(error)}`, { error });
      this.#failing = true;
      this.#limit();
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
    const house = electric && this.#house.members.has(id);
    for (const [at, change] of changes) {
      merge(this.#changesOf(id), at, change);
      this.#running.add(id, at, change.wh, change.exportWh);
      if (!house) continue;
      const part = { ...change, coveredMs: change.coveredMs / this.#house.members.size, healed: false };
      merge(this.#changesOf(houseId), at, part);
      this.#running.add(houseId, at, change.wh, change.exportWh);
    }
    if (!house) return;
    this.#house = {
      ...this.#house,
      wh: this.#house.wh + wh,
      exportWh: this.#house.exportWh + exportWh,
    };
    this.#dirty.add(houseId);
  }

  #changesOf(id: string): Changes {
    let changes = this.#changes.get(id);
    if (changes === undefined) this.#changes.set(id, (changes = new Map()));
    return changes;
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
      this.#dirty.add(id);
      this.#apply(id, healing.changes, healing.wh, healing.exportWh);
      if (this.#house.members.has(id)) await this.#regard(gap);
    }
  }

  /** How the house is known follows its members, as far back as they are the same. */
  async #regard(gap: Period): Promise<void> {
    const from = Math.max(slotOf(gap.from), slotOf(this.#house.since) + slotMs);
    const known = new Map<number, Slot['how'][]>();
    for (const member of this.#house.members)
      for (const slot of await this.slots(member, from, gap.to))
        known.set(slot.at, [...(known.get(slot.at) ?? []), slot.how]);
    for (const [at, hows] of known)
      merge(this.#changesOf(houseId), at, {
        wh: 0,
        exportWh: 0,
        coveredMs: 0,
        how: hows.length < this.#house.members.size ? 'missing' : worstOf(hows),
        healed: true,
      });
  }

  /** What the database does not hold yet of a device, oldest first. */
  #pending(id: string): Changes[] {
    return [this.#writing?.slots.get(id), this.#changes.get(id)].filter((changes) => changes !== undefined);
  }

  #overlay(id: string, slots: readonly Slot[], from: number, to: number): readonly Slot[] {
    let all = slots;
    for (const changes of this.#pending(id)) all = overlay(all, changes, from, to);
    return all;
  }

  /** Reads the database and, in the same instant, what it does not hold yet. */
  async #read<T, R>(read: () => Promise<T>, combine: (found: T) => R): Promise<R> {
    for (;;) {
      // A failed save has left everything where it was.
      await this.#saving?.catch(() => {});
      const before = this.#revision;
      const found = await read();
      if (before === this.#revision && this.#saving === undefined) return combine(found);
    }
  }

  async #days(id: string, days: readonly Period[]): Promise<PeriodEnergy[]> {
    const now = this.#parts.now();
    for (;;) {
      const open = this.#openDays(id, days, now);
      const found = await this.#read(
        async () => {
          const slots: Slot[][] = [];
          for (const day of open) slots.push(await this.#repository.slots(id, day.from, day.to));
          return { slots, sums: await this.#repository.sums(id, days) };
        },
        (rows) => {
          // Energy that came meanwhile may lie in a day that was not read.
          if (this.#openDays(id, days, now).some((day) => !open.includes(day))) return undefined;
          const fresh = new Map(
            open.map((day, i): [number, PeriodEnergy] => {
              const slots = this.#overlay(id, rows.slots[i]!, day.from, day.to);
              return [day.from, sums(slots, [day], now)[0]!];
            }),
          );
          return rows.sums.map((day) => fresh.get(day.from) ?? day);
        },
      );
      if (found !== undefined) return found;
    }
  }

  /** The days that the database alone does not know: the running one, and those with changes to come. */
  #openDays(id: string, days: readonly Period[], now: number): Period[] {
    const first = days[0]?.from ?? 0;
    const open = new Set<Period>();
    // Most days have 24 hours, so the guess is at most one off.
    const find = (at: number) => {
      const guess = Math.floor((at - first) / dayMs);
      for (const day of [days[guess], days[guess - 1], days[guess + 1]])
        if (day !== undefined && at >= day.from && at < day.to) open.add(day);
    };
    find(now);
    for (const changes of this.#pending(id)) for (const at of changes.keys()) find(at);
    return [...open];
  }

  async #sumUp(): Promise<void> {
    const zone = this.#parts.timeZone();
    const { from, to } = this.#running.begin(this.#parts.now(), zone);
    const days = periods('today', from, to, zone);
    for (const id of [...this.#entries.keys(), houseId]) this.#running.set(id, await this.#days(id, days));
  }

  async #save(): Promise<void> {
    // First what an earlier save has left, then what came since.
    for (let turn = 0; turn < 2; turn += 1) {
      const again = this.#writing !== undefined;
      this.#writing ??= this.#take();
      if (this.#writing === undefined) return;
      await this.#repository.write(this.#writing);
      this.#revision = this.#writing.revision;
      this.#writing = undefined;
      if (!again) return;
    }
  }

  #take(): Write | undefined {
    for (const id of this.#changes.keys()) this.#dirty.add(id);
    if (this.#dirty.size === 0) return undefined;
    const states = new Map<string, unknown>();
    for (const id of this.#dirty) {
      const entry = this.#entries.get(id);
      states.set(
        id,
        entry === undefined
          ? { ...this.#house, members: [...this.#house.members] }
          : { counter: entry.counter, gaps: entry.gaps, memory: entry.memory },
      );
    }
    const slots = this.#changes;
    this.#changes = new Map();
    this.#dirty = new Set();
    return { revision: this.#revision + 1, states, slots };
  }

  #maxPowerW(): number {
    return this.#parts.maxPowerW?.() ?? defaultLimits.maxPowerW;
  }

  #limit(): void {
    const each = Math.floor(capacity / Math.max(1, this.#changes.size));
    for (const changes of this.#changes.values()) shrink(changes, each);
  }

  /** A clock that runs ahead for a while makes everything look old: at most one day is let go in an hour. */
  async #prune(): Promise<void> {
    const now = this.#parts.now();
    if (Math.abs(now - this.#prunedAt) < hourMs) return;
    this.#prunedAt = now;
    const years = this.#parts.retentionYears?.() ?? 10;
    await this.#repository.prune(now - years * 365.25 * dayMs, dayMs);
  }
}
