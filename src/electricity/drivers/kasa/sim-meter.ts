import { flow, type PowerAt } from '../shared/sim-meter.ts';
import type { OffsetAt } from './zones.rules.ts';

/** Whole Wh as a display counts them. The margin keeps a sum of many small parts from missing its last one. */
export const counted = (wh: number): number => Math.floor(wh + 1e-6);

const hourMs = 3_600_000;
const stepMs = 60_000;

export interface SimMeterOptions {
  /** Watts that the appliance draws at an instant (epoch ms) while it is switched on. */
  readonly power: PowerAt;
  /** From when on the device remembers, epoch ms. */
  readonly since: number;
  readonly offsetAt: OffsetAt;
  /** Milliseconds that the clock of the device is ahead. */
  readonly skewMs: () => number;
}

/** What a simulated socket has counted: since its last power cut, and by hour, day and month of its own calendar. */
export class SimMeter {
  readonly #options: SimMeterOptions;
  #at: number;
  #total = 0;
  readonly #hours = new Map<number, number>();
  readonly #days = new Map<number, number>();
  readonly #months = new Map<number, number>();
  on = true;

  constructor(options: SimMeterOptions) {
    this.#options = options;
    this.#at = options.since;
  }

  /** Wh since the last power cut. */
  get total(): number {
    return this.#total;
  }

  /** Watts now. */
  watts(at: number): number {
    return this.on ? this.#options.power(at) : 0;
  }

  /** Counts what was drawn until `to` (epoch ms). */
  advance(to: number): void {
    const next = (at: number) =>
      Math.min(at + stepMs, at + (hourMs - (((this.local(at) % hourMs) + hourMs) % hourMs)));
    for (const { at, wh } of flow((at) => this.watts(at), this.#at, to, next))
      if (wh > 0) this.#book(this.local(at), wh);
    this.#at = Math.max(this.#at, to);
  }

  /** A power cut: the counter starts again, the statistics stay. */
  reset(): void {
    this.#total = 0;
  }

  erase(): void {
    this.#total = 0;
    for (const kept of [this.#hours, this.#days, this.#months]) kept.clear();
  }

  /** The device's own clock at an instant, as if it were UTC. */
  local(at: number): number {
    const shown = at + this.#options.skewMs();
    return shown + this.#options.offsetAt(shown);
  }

  /** Wh of the hour, day or month of the device's calendar that holds a local time. */
  hour(local: number): number {
    return this.#hours.get(Math.floor(local / hourMs)) ?? 0;
  }

  day(local: number): number {
    return this.#days.get(Math.floor(local / (24 * hourMs))) ?? 0;
  }

  month(local: number): number {
    return this.#months.get(monthOf(local)) ?? 0;
  }

  #book(local: number, wh: number): void {
    this.#total += wh;
    add(this.#hours, Math.floor(local / hourMs), wh);
    add(this.#days, Math.floor(local / (24 * hourMs)), wh);
    add(this.#months, monthOf(local), wh);
  }
}

function monthOf(local: number): number {
  const date = new Date(local);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

function add(map: Map<number, number>, key: number, wh: number): void {
  map.set(key, (map.get(key) ?? 0) + wh);
}
