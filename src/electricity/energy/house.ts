import { houseId, slotMs, type Period, type Slot } from './model.ts';
import type { Pages } from './pages.ts';
import type { Running } from './running.ts';
import { slotOf, worstOf, type Changes } from './slots.rules.ts';

interface Kept {
  readonly wh: number;
  readonly exportWh: number;
  readonly members: readonly string[];
  /** Since when they are, epoch ms. */
  readonly since: number;
}

/** The series of the house: fed by its members as they count, so another choice of them changes only what comes. */
export class House {
  readonly #pages: Pages;
  readonly #running: Running;
  #members: ReadonlySet<string> = new Set();
  #since = 0;
  wh = 0;
  exportWh = 0;

  constructor(pages: Pages, running: Running) {
    this.#pages = pages;
    this.#running = running;
  }

  /** Takes back what `kept` gave. */
  restore(state: unknown): void {
    const { wh, exportWh, members, since } = state as Kept;
    [this.wh, this.exportWh, this.#members, this.#since] = [wh, exportWh, new Set(members), since];
  }

  kept(): Kept {
    return { wh: this.wh, exportWh: this.exportWh, members: [...this.#members], since: this.#since };
  }

  /** Whether it ever had members. */
  get exists(): boolean {
    return this.#since > 0;
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  choose(ids: readonly string[], now: number): void {
    const members = new Set(ids);
    if (members.size === this.#members.size && ids.every((id) => this.#members.has(id))) return;
    this.#members = members;
    this.#since = now;
    this.#pages.touch(houseId);
  }

  /** Takes what a member counted: its changes, and the Wh by which its virtual counters grew. */
  add(changes: Changes, wh: number, exportWh: number): void {
    for (const [at, change] of changes) {
      const part = { ...change, coveredMs: change.coveredMs / this.#members.size, healed: false };
      this.#pages.add(houseId, at, part);
      this.#running.add(houseId, at, change.wh, change.exportWh);
    }
    this.wh += wh;
    this.exportWh += exportWh;
    this.#pages.touch(houseId);
  }

  /** A gap of a member was healed: how the house is known follows its members, as far back as they are the same. */
  async regard(gap: Period): Promise<void> {
    const from = Math.max(slotOf(gap.from), slotOf(this.#since) + slotMs);
    const known = new Map<number, Slot['how'][]>();
    for (const member of this.#members)
      for (const slot of await this.#pages.slots(member, from, gap.to))
        known.set(slot.at, [...(known.get(slot.at) ?? []), slot.how]);
    for (const [at, hows] of known)
      this.#pages.add(houseId, at, {
        wh: 0,
        exportWh: 0,
        coveredMs: 0,
        how: hows.length < this.#members.size ? 'missing' : worstOf(hows),
        healed: true,
      });
  }
}
