/** Watts at an instant (epoch ms): an appliance profile. Negative feeds into the grid. */
export type PowerAt = (at: number) => number;

const minuteMs = 60_000;

/** Energy of a piece of time. */
export interface Piece {
  /** Epoch ms of its start. */
  readonly at: number;
  /** Negative where it was fed in. */
  readonly wh: number;
}

/** What flows between two instants (epoch ms), in pieces that end where `next` says, with the power in the middle of each. */
export function* flow(
  power: PowerAt,
  from: number,
  to: number,
  next: (at: number) => number,
): Generator<Piece> {
  for (let at = from; at < to;) {
    const end = Math.min(to, next(at));
    yield { at, wh: (power((at + end) / 2) * (end - at)) / 3_600_000 };
    at = end;
  }
}

const mostSteps = 1_500;

/** What a simulated meter has counted up to an instant. */
export interface Counted {
  /** Epoch ms. */
  readonly at: number;
  readonly energyWh: number;
  readonly exportWh: number;
}

/** Counts on to `now`: the power in steps of a minute, longer ones over a long time, drawn and fed in apart. */
export function countOn({ at, energyWh, exportWh }: Counted, now: number, power: PowerAt): Counted {
  const step = Math.max(minuteMs, (now - at) / mostSteps);
  const pieces = [...flow(power, at, now, (start) => start + step)];
  const drawn = pieces.reduce((sum, { wh }) => sum + Math.max(0, wh), energyWh);
  const fed = pieces.reduce((sum, { wh }) => sum - Math.min(0, wh), exportWh);
  return { at: Math.max(at, now), energyWh: drawn, exportWh: fed };
}

const minuteOf = (at: number) => Math.floor(at / minuteMs) * minuteMs;
const longestStepMs = 10_000;
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
    const power = on ? this.#power : () => 0;
    const next = (at: number) => Math.min(minuteOf(at) + minuteMs, at + longestStepMs);
    for (const { at, wh } of flow(power, this.#upTo, now, next)) this.#count(minuteOf(at), wh);
    this.#upTo = Math.max(this.#upTo, now);
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
