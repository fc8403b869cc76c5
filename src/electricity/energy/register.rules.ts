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
  /** A reading that cannot be believed before another one confirms it. */
  readonly held: { readonly raw: number; readonly at: number } | null;
  /** Where it stood before it began anew, and what was counted since: it may yet come back. */
  readonly before: { readonly raw: number; readonly at: number; readonly counted: number } | null;
}

/**
 * What a reading means. `move`: the counter went on by so much. `reset`: it began again at 0. `rebase`: it goes on
 * from another level that has nothing to do with the old one. `back`: it returned to the level before a reset or rebase.
 */
export type Verdict =
  | { readonly kind: 'hold' }
  | { readonly kind: 'move' | 'reset' | 'rebase' | 'back'; readonly wh: number };

/** A reading that repeats an odd one this soon, ms, is the same message again and confirms nothing. */
const confirmMs = 1_000;
/** A device that restores an older count goes on from near the last one; only below this part of it does it begin at 0. */
const restartBelow = 0.5;
/** Floating-point noise of counters in kWh. */
const noise = 1e-9;

interface Beliefs {
  readonly maxPowerW: number;
  readonly wrapsAtWh?: number | undefined;
}

/**
 * Judges a reading by what could have been used since. One that is impossible (a fall, a jump) is held back; if the
 * next one goes on from it the counter did begin anew, else it never happened.
 */
export function judge(
  register: Register,
  raw: number,
  at: number,
  beliefs: Beliefs,
  rememberMs: number,
): Verdict {
  const slack = Math.max(register.step ?? 0, 1);
  const most = (since: number) => (beliefs.maxPowerW * Math.max(0, at - since)) / 3_600_000 + slack;
  const goesOn = (from: number, since: number) =>
    raw - from >= -Math.max(raw, from) * noise && raw - from <= most(since);

  let moved = raw - register.raw;
  if (Math.abs(moved) <= Math.max(raw, register.raw) * noise) return { kind: 'move', wh: 0 };
  const wrapped = moved + (beliefs.wrapsAtWh ?? -Infinity);
  if (moved < 0 && raw < (beliefs.wrapsAtWh ?? 0) && wrapped >= 0 && wrapped <= most(register.seenAt))
    moved = wrapped;
  if (moved >= 0 && moved <= most(register.seenAt)) return { kind: 'move', wh: moved };

  const { held, before } = register;
  if (held === null || at - held.at < confirmMs || !goesOn(held.raw, held.at)) return { kind: 'hold' };
  if (before !== null && at - before.at <= rememberMs && goesOn(before.raw, before.at))
    return { kind: 'back', wh: Math.max(0, raw - before.raw - before.counted) };
  // A counter that is only brought up to date now and then: all that was used since it last moved.
  if (moved >= 0 && moved <= most(register.from)) return { kind: 'move', wh: moved };
  if (moved < 0 && raw < register.raw * restartBelow && raw <= most(register.seenAt))
    return { kind: 'reset', wh: raw };
  return { kind: 'rebase', wh: Math.max(0, raw - held.raw) };
}
