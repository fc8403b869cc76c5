/** What is believed of one device. */
export interface Limits {
  /** More than this, over the time that passed, was not used: the reading is held back until another one confirms it. */
  readonly maxPowerW: number;
  /** Power is integrated between two readings that lie at most this far apart, ms. */
  readonly holdMs: number;
  /** A longer silence is a gap: its energy is known in sum but not in time, ms. */
  readonly gapMs: number;
  /** The counter starts again at this value. */
  readonly wrapsAtWh?: number | undefined;
}

/** One counter of a device as it was last believed; plain JSON. Energy in Wh, times epoch ms. */
export interface Register {
  /** The last reading that was believed, and when. */
  readonly raw: number;
  readonly seenAt: number;
  /** When it last moved: what was used since has not made a whole step yet. */
  readonly from: number;
  /** The smallest movement seen, which the resolution of the counter cannot exceed. */
  readonly step: number | null;
  /** Accounted for by power while the counter stood still; its next movements are set off against it. */
  readonly ahead: number;
  /** What power says was used since `from`, by slot: `[start of slot, Wh]`. Waits for the counter to move. */
  readonly shape: readonly (readonly [at: number, wh: number])[];
  /** Of `shape`, what lies before `seenAt`. */
  readonly unstepped: number;
  /** Another level, which cannot be believed before it lives: its first reading, and when. */
  readonly held: Level | null;
  /** Where it stood before it went on from another level: it may yet come back. */
  readonly before: Before | null;
}

interface Level {
  readonly raw: number;
  readonly at: number;
}

interface Before extends Level {
  /** Wh that were counted since, those that the power had said ahead of it included. */
  readonly counted: number;
  /** The reading with which the other level was believed. */
  readonly left: number;
}

/**
 * What a reading means. `move`: the counter went on by so much. `reset`: it began again at 0. `rebase`: it goes on
 * from another level that has nothing to do with the old one; `idle` where that level has not moved yet. `back`: it
 * returned to the level before; `wh` below 0 is what was counted too much in the meantime.
 */
export type Verdict =
  | { readonly kind: 'hold'; readonly held: Level | null }
  | { readonly kind: 'move' | 'back'; readonly wh: number; readonly doubtful?: boolean }
  | { readonly kind: 'reset' | 'rebase'; readonly wh: number; readonly idle: boolean };

/** A reading that repeats an odd one this soon, ms, is the same message again and confirms nothing. */
const confirmMs = 1_000;
/** A jump back to the level before is recognised for this long. */
export const rememberMs = 86_400_000;
/** A device that restores an older count goes on from near the last one; only below this part of it does it begin at 0. */
const restartBelow = 0.5;
/** Floating-point noise of counters in kWh. */
const noise = 1e-9;

/** A counter of which nothing is known but where it stands. */
export function fitted(raw: number, at: number): Register {
  return {
    raw,
    seenAt: at,
    from: at,
    step: null,
    ahead: 0,
    shape: [],
    unstepped: 0,
    held: null,
    before: null,
  };
}

/**
 * Judges a reading by what could have been used since. One that is impossible (a fall, a jump) is held back. Only a
 * level that lives, by going on from there, takes the place of the old one: glitches repeat themselves but do not
 * count. `afterGap`: nobody knows how the level was reached, and its repetition is all that can be had.
 */
export function judge(
  register: Register,
  raw: number,
  at: number,
  limits: Pick<Limits, 'maxPowerW' | 'wrapsAtWh'>,
  afterGap: boolean,
): Verdict {
  const { held, before } = register;
  const slack = Math.max(register.step ?? 0, 1);
  const most = (since: number, until = at) =>
    (limits.maxPowerW * Math.max(0, until - since)) / 3_600_000 + slack;
  /** How far the counter went on from a level, wrapped or not; undefined where it cannot have. */
  const gone = (from: number, since: number, until = at): number | undefined => {
    const moved = raw - from;
    if (Math.abs(moved) <= Math.max(raw, from) * noise) return 0;
    const whole = moved < 0 && raw < (limits.wrapsAtWh ?? 0) ? moved + limits.wrapsAtWh! : moved;
    return whole >= 0 && whole <= most(since, until) ? whole : undefined;
  };

  const moved = gone(register.raw, register.seenAt);
  if (moved === 0) return { kind: 'move', wh: 0 };
  const returned = before !== null && at - before.at <= rememberMs ? gone(before.raw, before.at) : undefined;
  const dead = returned !== undefined && register.raw === before!.left;
  const lived = held === null ? undefined : gone(held.raw, held.at);
  // Between two levels the nearer one explains a reading; time alone makes a far one possible.
  const near = Math.min(lived ?? Infinity, dead ? returned : Infinity);
  if (moved !== undefined && moved <= near) return { kind: 'move', wh: moved };

  if (held === null || lived === undefined) return { kind: 'hold', held: { raw, at } };
  if (at - held.at < confirmMs) return { kind: 'hold', held };
  // A counter that is only brought up to date now and then: all that was used since it last moved.
  // Judged when it came, or time would make any jump possible; but a first step may be of any size.
  const late = gone(register.raw, register.from, register.step === null ? at : held.at);
  if (returned !== undefined && returned < (late ?? Infinity))
    return { kind: 'back', wh: returned - before!.counted };
  if (late !== undefined) return { kind: 'move', wh: late, doubtful: true };
  const idle = lived === 0;
  if (idle && !afterGap) return { kind: 'hold', held };
  if (raw < register.raw * restartBelow && raw <= most(register.seenAt))
    return { kind: 'reset', wh: raw, idle };
  return { kind: 'rebase', wh: lived, idle };
}
