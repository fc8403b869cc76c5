import type { Store } from '#store/model.ts';
import type { Period, PeriodEnergy, Slot } from './model.ts';
import { EnergyRepository, type Write } from './repository.ts';
import { merge, overlay, shrink, sums, type Change, type Changes } from './slots.rules.ts';

const dayMs = 86_400_000;
/** Changes that wait for the database, over all devices; beyond that the oldest grow together. */
const capacity = 100_000;

/** The slots of all devices: those in the database, and on top of them what waits in memory to be written. */
export class Pages {
  readonly #repository: EnergyRepository;
  #changes = new Map<string, Changes>();
  #dirty = new Set<string>();
  /** Handed to the database, which has not confirmed it; tried again unchanged. */
  #writing: Write | undefined;
  #saving: Promise<void> | undefined;
  #revision = 0;

  constructor(store: Pick<Store, 'db'>) {
    this.#repository = new EnergyRepository(store);
  }

  /** The kept state of every device; once, before anything else. Throws STORE_UNAVAILABLE. */
  async load(): Promise<ReadonlyMap<string, unknown>> {
    const { states, revision } = await this.#repository.load();
    this.#revision = revision;
    return states;
  }

  /** The state of a device is to be written. */
  touch(id: string): void {
    this.#dirty.add(id);
  }

  /** Adds to the slot that begins at `at`. */
  add(id: string, at: number, change: Change): void {
    let changes = this.#changes.get(id);
    if (changes === undefined) this.#changes.set(id, (changes = new Map()));
    merge(changes, at, change);
  }

  async slots(id: string, from: number, to: number): Promise<readonly Slot[]> {
    return this.#read(
      () => this.#repository.slots(id, from, to),
      (slots) => this.#overlay(id, slots, from, to),
    );
  }

  /** When the oldest slot begins, epoch ms; undefined where there is none. */
  async firstAt(id: string): Promise<number | undefined> {
    return this.#read(
      () => this.#repository.firstAt(id),
      (kept) => {
        const first = Math.min(kept ?? Infinity, ...(this.#changes.get(id)?.keys() ?? []));
        return Number.isFinite(first) ? first : undefined;
      },
    );
  }

  /** Sums of whole local `days`, oldest first. */
  async days(id: string, days: readonly Period[], now: number): Promise<PeriodEnergy[]> {
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

  /** Writes what waits, states and slots in one transaction. Throws STORE_UNAVAILABLE; it all waits on then. */
  async save(stateOf: (id: string) => unknown): Promise<void> {
    await (this.#saving ??= this.#save(stateOf).finally(() => (this.#saving = undefined)));
  }

  /** Keeps what waits for the database from growing for ever. */
  limit(): void {
    const each = Math.floor(capacity / Math.max(1, this.#changes.size));
    for (const changes of this.#changes.values()) shrink(changes, each);
  }

  /** Lets go what is older than `before` (epoch ms), `atMostMs` of it. */
  async prune(before: number, atMostMs: number): Promise<void> {
    await this.#repository.prune(before, atMostMs);
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

  async #save(stateOf: (id: string) => unknown): Promise<void> {
    // First what an earlier save has left, then what came since.
    for (let turn = 0; turn < 2; turn += 1) {
      const again = this.#writing !== undefined;
      this.#writing ??= this.#take(stateOf);
      if (this.#writing === undefined) return;
      await this.#repository.write(this.#writing);
      this.#revision = this.#writing.revision;
      this.#writing = undefined;
      if (!again) return;
    }
  }

  #take(stateOf: (id: string) => unknown): Write | undefined {
    for (const id of this.#changes.keys()) this.#dirty.add(id);
    if (this.#dirty.size === 0) return undefined;
    const states = new Map([...this.#dirty].map((id) => [id, stateOf(id)]));
    const slots = this.#changes;
    this.#changes = new Map();
    this.#dirty = new Set();
    return { revision: this.#revision + 1, states, slots };
  }
}
