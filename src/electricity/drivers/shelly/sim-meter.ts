/** Watts at an instant (epoch ms): an appliance profile. Negative feeds into the grid. */
export type PowerAt = (at: number) => number;

const longestStepMs = 10_000;
const minuteMs = 60_000;
/** What a Pro 3EM keeps: 60 days of minutes. */
const mostMinutes = 60 * 24 * 60;

export interface Minute {
  /** Epoch ms of its start. */
  readonly at: number;
  wh: number;
  exportWh: number;
}

/** The counter of a simulated meter: adds up a power profile and remembers every minute, whether anybody asks or not. */
export class SimMeter {
  wh: number;
  exportWh: number;
  /** Whole minutes and the running one, oldest first. */
  readonly minutes: Minute[] = [];
  readonly #power: PowerAt;
  #upTo: number;

  constructor(power: PowerAt, now: number, start: { wh?: number; exportWh?: number } = {}) {
    this.#power = power;
    this.#upTo = now;
    this.wh = start.wh ?? 0;
    this.exportWh = start.exportWh ?? 0;
  }

  /** Watts now; counts what happened since the last call. `on` false: nothing flows from now on. */
  advance(now: number, on = true): number {
    while (this.#upTo < now) {
      const minute = Math.floor(this.#upTo / minuteMs) * minuteMs;
      const to = Math.min(now, minute + minuteMs, this.#upTo + longestStepMs);
      const watts = on ? this.#power((this.#upTo + to) / 2) : 0;
      this.#count(minute, (watts * (to - this.#upTo)) / 3_600_000);
      this.#upTo = to;
    }
    return on ? this.#power(now) : 0;
  }

  /** A reboot of a device whose counters do not survive it. */
  reset(): void {
    this.wh = 0;
    this.exportWh = 0;
  }

  /** The last whole minute counts `back` minutes ago; zeros where the memory does not reach. */
  minuteBefore(now: number, back: number): { wh: number; exportWh: number } {
    const at = (Math.floor(now / minuteMs) - back) * minuteMs;
    return this.minutes.findLast((m) => m.at === at) ?? { wh: 0, exportWh: 0 };
  }

  #count(at: number, wh: number): void {
    let minute = this.minutes.at(-1);
    if (minute?.at !== at) {
      minute = { at, wh: 0, exportWh: 0 };
      this.minutes.push(minute);
      if (this.minutes.length > mostMinutes) this.minutes.splice(0, this.minutes.length - mostMinutes);
    }
    if (wh >= 0) {
      minute.wh += wh;
      this.wh += wh;
    } else {
      minute.exportWh -= wh;
      this.exportWh -= wh;
    }
  }
}
