import { firstAfter, type Span } from '#devices/lan/phone-model.ts';

/** Power in a stretch of time. Those that overlap add up. */
export interface Piece extends Span {
  readonly watts: number;
  /** How far it swings around that, W; the mean stays. */
  readonly ripple?: number;
}

interface Step {
  /** Epoch ms from which on it holds. */
  readonly at: number;
  readonly watts: number;
  readonly ripple: number;
}

const dayMs = 86_400_000;
// A motor, a picture or a processor changes about this often.
const rippleMs = 2_000;
const keptDays = 4;

/**
 * Power over time, made day by day from a plan and then looked up: fast enough to be asked for every tenth of a second
 * of a sped-up day. Pieces may reach into the next day, no further.
 */
export class Timeline {
  readonly #plan: (dayIndex: number) => readonly Piece[];
  readonly #offsetMs: number;
  readonly #salt: number;
  readonly #days = new Map<number, readonly Step[]>();
  #index = Number.NaN;
  #steps: readonly Step[] = [];

  /** `offsetMs`: local time minus UTC. `salt` keeps two appliances from swinging alike. */
  constructor(plan: (dayIndex: number) => readonly Piece[], offsetMs: number, salt: number) {
    this.#plan = plan;
    this.#offsetMs = offsetMs;
    this.#salt = salt;
  }

  /** W at an instant, epoch ms. */
  power(at: number): number {
    const index = Math.floor((at + this.#offsetMs) / dayMs);
    if (index !== this.#index) {
      this.#steps = this.#day(index);
      this.#index = index;
    }
    const step = this.#steps[firstAfter(this.#steps, at, (s) => s.at) - 1]!;
    return step.ripple === 0 ? step.watts : step.watts + step.ripple * swing(at, this.#salt);
  }

  #day(index: number): readonly Step[] {
    const known = this.#days.get(index);
    if (known !== undefined) return known;
    const from = index * dayMs - this.#offsetMs;
    const pieces = [...this.#plan(index - 1), ...this.#plan(index)];
    const steps = stepsOf(pieces, { from, to: from + dayMs });
    this.#days.set(index, steps);
    for (const old of this.#days.keys()) if (this.#days.size > keptDays) this.#days.delete(old);
    return steps;
  }
}

/** What the pieces add up to, as steps; the first one begins with the span. */
function stepsOf(pieces: readonly Piece[], span: Span): readonly Step[] {
  const changes = pieces
    .filter((p) => p.to > span.from && p.from < span.to && p.to > p.from)
    .flatMap(({ from, to, watts, ripple = 0 }) => [
      { at: Math.max(from, span.from), watts, ripple },
      { at: to, watts: -watts, ripple: -ripple },
    ])
    .toSorted((a, b) => a.at - b.at);
  const steps: Step[] = [];
  let [watts, ripple] = [0, 0];
  for (const change of [{ at: span.from, watts: 0, ripple: 0 }, ...changes]) {
    watts += change.watts;
    ripple += change.ripple;
    // Sums of tenths leave a rest when they are taken back.
    const step = { at: change.at, watts: tidy(watts), ripple: tidy(ripple) };
    if (steps.at(-1)?.at === change.at) steps.pop();
    steps.push(step);
  }
  return steps;
}

const tidy = (value: number) => Math.round(value * 1e6) / 1e6;

/** From -1 to 1, the same for the same instant. */
function swing(at: number, salt: number): number {
  let x = Math.imul(Math.floor(at / rippleMs) ^ salt, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca77);
  return ((x ^ (x >>> 13)) >>> 0) / 2 ** 31 - 1;
}
