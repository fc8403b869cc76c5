import { LaresError } from '#kernel/errors.ts';
import type { Ledger } from '../energy/ledger.ts';
import { houseId, type EnergyBook, type Period, type Slot } from '../energy/model.ts';
import { costByDay, costOf } from './cost.rules.ts';
import type { Cost, Intensity, Tariff } from './model.ts';
import { rateAt } from './tariff.rules.ts';
import { localDays } from './wall.rules.ts';

export interface SpendingParts {
  readonly book: EnergyBook & Pick<Ledger, 'firstAt'>;
  readonly tariff: () => Tariff | undefined;
  readonly carbon: () => readonly Intensity[];
  readonly timeZone: () => string;
  /** Ids of what draws electricity; gas has prices of its own. */
  readonly devices: () => readonly string[];
}

/** What one thing drew and cost on one local day. */
export interface Spent extends Cost, Period {
  /** A device id, or `houseId`. */
  readonly id: string;
  /** Wh drawn. */
  readonly wh: number;
}

/** Money of what is in the book: of today, kept at hand for every tick, and of any days that somebody asks for. */
export class Spending {
  readonly #parts: SpendingParts;
  #today = new Map<string, Cost>();

  constructor(parts: SpendingParts) {
    this.#parts = parts;
  }

  currency(): string | undefined {
    return this.#parts.tariff()?.currency;
  }

  /** Price of one kWh at an instant; undefined where none is known. */
  priceAt(at: number): number | undefined {
    const tariff = this.#parts.tariff();
    return tariff === undefined ? undefined : rateAt(tariff, at)?.perKwh;
  }

  /** Grams of CO2 per kWh at an instant; undefined where none is known. */
  carbonAt(at: number): number | undefined {
    return this.#parts.carbon().findLast((i) => i.from <= at && at < i.to)?.gramsPerKwh;
  }

  /** Cost of the present local day as of the last `refresh`. */
  costToday(id: string): Cost | undefined {
    return this.#today.get(id);
  }

  /** Adds up the present day of every device and the house; to be called every minute. `now` is epoch ms. */
  async refresh(now: number): Promise<void> {
    const tariff = this.#parts.tariff();
    const timeZone = this.#parts.timeZone();
    const [today] = localDays(now, now + 1, timeZone);
    const next = new Map<string, Cost>();
    if (tariff !== undefined && today !== undefined)
      for (const id of [houseId, ...this.#parts.devices()]) {
        const slots = await this.#parts.book.slots(id, today.from, today.to);
        next.set(id, costOf(slots, tariff, today, timeZone, { standing: id === houseId }));
      }
    this.#today = next;
  }

  /**
   * Cost per local day, whole days, of one thing or of all. Only the house carries the standing
   * charge, and no day before anything was recorded is among them. @throws LaresError USAGE where there is no tariff.
   */
  async days(id: string | undefined, { from, to }: Period): Promise<Spent[]> {
    const tariff = this.#parts.tariff();
    if (tariff === undefined)
      throw new LaresError(
        'USAGE',
        'there is no tariff; write what a kWh costs under electricity.tariff in lares.yaml (docs/tariffs.md)',
      );
    const timeZone = this.#parts.timeZone();
    const days = localDays(from, to, timeZone);
    const [first, last] = [days[0], days.at(-1)];
    if (first === undefined || last === undefined) return [];
    const whole = { from: first.from, to: last.to };
    const ids = id === undefined ? [houseId, ...this.#parts.devices()] : [id];
    const began = (await this.#parts.book.firstAt(houseId)) ?? Infinity;
    const all: Spent[] = [];
    for (const each of ids) {
      const slots = await this.#parts.book.slots(each, whole.from, whole.to);
      const costs = costByDay(slots, tariff, whole, timeZone, { standing: each === houseId });
      for (const { cost, ...day } of costs) {
        const wh = drawn(slots, day);
        // What a device remembers may be older than what is known of the house.
        if (day.to > began || wh > 0) all.push({ id: each, from: day.from, to: day.to, wh, ...cost });
      }
    }
    return all;
  }
}

/** Days begin with a slot in every time zone, so no slot has to be cut. */
const drawn = (slots: readonly Slot[], { from, to }: Period) =>
  slots.reduce((sum, slot) => (slot.at >= from && slot.at < to ? sum + slot.wh : sum), 0);
