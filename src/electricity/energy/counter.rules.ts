import { fresh, integrate, type Piece } from './profile.rules.ts';
import { fitted, type Limits, type Register } from './register.rules.ts';
import { share, worse, type Share } from './share.rules.ts';

export type { Limits } from './register.rules.ts';

/** One thing that a device said, from a `measured` signal. */
export interface Observation {
  /** Epoch ms. */
  readonly at: number;
  readonly energyWh?: number | undefined;
  readonly exportWh?: number | undefined;
  /** Negative while it feeds in. */
  readonly powerW?: number | undefined;
}

export const defaultLimits: Limits = { maxPowerW: 25_000, holdMs: 300_000, gapMs: 900_000 };

/** Everything that must survive a restart; plain JSON. */
export interface CounterState {
  /** Up to where time is accounted for, epoch ms. */
  readonly at: number;
  /** When the device was first heard, epoch ms. */
  readonly since: number;
  /** The virtual counters: the sum of all pieces. Never fall. */
  readonly wh: number;
  readonly exportWh: number;
  readonly power: { readonly w: number; readonly at: number } | null;
  readonly import: Register | null;
  readonly export: Register | null;
  /** Since when it says power again after a gap, but not yet what its counter holds. */
  readonly waiting: number | null;
}

export interface Advance {
  /** Undefined as long as the device has said nothing about energy or power. */
  readonly state: CounterState | undefined;
  readonly pieces: readonly Piece[];
  /** The counter began anew after a gap: more may have been used in it than the pieces say. */
  readonly lost: boolean;
}

/**
 * Takes one observation into account. The counter is the truth about how much, the power about when; without a counter
 * power is integrated. What lies before `state.at`, repeats it or is no number changes nothing: the next counter
 * reading makes up for it.
 */
export function advance(state: CounterState | undefined, said: Observation, limits: Limits): Advance {
  const seen = clean(said, limits);
  const counted = seen.energyWh !== undefined || seen.exportWh !== undefined;
  if (!counted && seen.powerW === undefined) return { state, pieces: [], lost: false };
  if (state === undefined) return { state: begin(seen), pieces: [], lost: false };
  if (seen.at < state.at) return { state, pieces: [], lost: false };
  const passed = seen.at - state.at;
  const held = state.power !== null && seen.at - state.power.at <= limits.holdMs ? state.power.w : undefined;
  const profile = held === undefined ? undefined : integrate(state.at, seen.at, held, seen.powerW ?? held);
  const drawn = share('import', state, seen.energyWh, seen.at, profile, limits);
  const fed = share('export', state, seen.exportWh, seen.at, profile, limits);
  const hasCounter = state.import !== null || state.export !== null;
  if (passed > limits.gapMs && ((hasCounter && !counted) || drawn.doubtful || fed.doubtful)) {
    // Power without the counter, or a counter that may have begun anew: the next reading tells what the gap held.
    const waiting = state.waiting ?? seen.at;
    if (seen.at - waiting <= limits.gapMs)
      return { state: { ...state, waiting, ...heldBack(state, drawn, fed) }, pieces: [], lost: false };
  }
  const how = worse(drawn.how ?? 'missing', fed.how);
  const pieces = [
    ...drawn.late.map(({ wh, ...late }): Piece => ({ ...late, wh, exportWh: 0, covers: false })),
    ...fed.late.map(({ wh, ...late }): Piece => ({ ...late, wh: 0, exportWh: wh, covers: false })),
    ...fresh(state.at, seen.at, profile, drawn.wh, fed.wh, how),
  ];
  let { wh, exportWh } = state;
  for (const piece of pieces) {
    wh += piece.wh;
    exportWh += piece.exportWh;
  }
  return {
    state: {
      at: seen.at,
      since: state.since,
      wh,
      exportWh,
      power: seen.powerW === undefined ? state.power : { w: seen.powerW, at: seen.at },
      import: drawn.register,
      export: fed.register,
      waiting: null,
    },
    pieces,
    lost: (drawn.lost || fed.lost) && passed > limits.gapMs,
  };
}

/** The registers as they were, and the odd readings that wait for the next. */
function heldBack(state: CounterState, drawn: Share, fed: Share): Pick<CounterState, 'import' | 'export'> {
  const keep = (register: Register | null, { register: after }: Share) =>
    register === null || after === null ? register : { ...register, held: after.held };
  return { import: keep(state.import, drawn), export: keep(state.export, fed) };
}

/** The house's clock was set back to `now`: what is accounted for stays, time goes on from here. */
export function rewind(state: CounterState, now: number): CounterState {
  const back = (register: Register | null) =>
    register === null
      ? null
      : {
          ...register,
          seenAt: Math.min(register.seenAt, now),
          from: Math.min(register.from, now),
          held: null,
          before: null,
        };
  return {
    ...state,
    at: Math.min(state.at, now),
    power: state.power === null ? null : { ...state.power, at: Math.min(state.power.at, now) },
    import: back(state.import),
    export: back(state.export),
    waiting: null,
  };
}

/** Another device took the place of this one: its counters begin anew, the virtual ones go on. */
export function replaced(state: CounterState): CounterState {
  return { ...state, power: null, import: null, export: null, waiting: null };
}

/**
 * A device that has never measured anything is known up to where its memory reaches; `gap` is what that adds, to be
 * filled from the memory. For any other device nothing changes.
 */
export function remembering(
  state: CounterState | undefined,
  slots: readonly { readonly from: number; readonly to: number }[],
  now: number,
): { readonly state: CounterState; readonly gap?: { readonly from: number; readonly to: number } } {
  if (state !== undefined && (state.import ?? state.export ?? state.power) !== null) return { state };
  let [first, last] = [Infinity, -Infinity];
  for (const { from, to } of slots) [first, last] = [Math.min(first, from), Math.max(last, to)];
  const to = Math.min(now, last);
  if (state === undefined) return { state: begin({ at: to }, first), gap: { from: first, to } };
  return to > state.at ? { state: { ...state, at: to }, gap: { from: state.at, to } } : { state };
}

function begin(seen: Observation, since = seen.at): CounterState {
  return {
    at: seen.at,
    since,
    wh: 0,
    exportWh: 0,
    power: seen.powerW === undefined ? null : { w: seen.powerW, at: seen.at },
    import: seen.energyWh === undefined ? null : fitted(seen.energyWh, seen.at),
    export: seen.exportWh === undefined ? null : fitted(seen.exportWh, seen.at),
    waiting: null,
  };
}

function clean(said: Observation, limits: Limits): Observation {
  const counter = (raw: number | undefined, most = Infinity) =>
    raw !== undefined && Number.isFinite(raw) && raw >= 0 && raw <= most ? raw : undefined;
  const power = said.powerW;
  return {
    at: said.at,
    energyWh: counter(said.energyWh, limits.wrapsAtWh),
    exportWh: counter(said.exportWh),
    powerW:
      power !== undefined && Number.isFinite(power) && Math.abs(power) <= limits.maxPowerW
        ? power
        : undefined,
  };
}
