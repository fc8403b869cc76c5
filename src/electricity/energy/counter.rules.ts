import { provenances, slotMs, type Provenance } from './model.ts';
import {
  fresh,
  grow,
  integrate,
  sum,
  total,
  type Channel,
  type Piece,
  type Segment,
} from './profile.rules.ts';
import { judge, type Register, type Verdict } from './register.rules.ts';

/** One thing that a device said, from a `measured` signal. */
export interface Observation {
  /** Epoch ms. */
  readonly at: number;
  readonly energyWh?: number | undefined;
  readonly exportWh?: number | undefined;
  /** Negative while it feeds in. */
  readonly powerW?: number | undefined;
}

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

/** A counter that has not moved for so long although power was drawn does not count; power is believed instead. */
const stuckMs = 6 * 3_600_000;
const dayMs = 86_400_000;
/** A jump back to the level before is recognised for this long. */
const rememberMs = dayMs;

/** What one counter, or the power in its place, says about the stretch since the last observation. */
interface Share {
  readonly register: Register | null;
  /** Wh of the new stretch. */
  readonly wh: number;
  readonly how: Provenance | undefined;
  /** Of earlier stretches: each covers nothing. */
  readonly late: readonly Late[];
  readonly lost: boolean;
}

interface Late {
  readonly from: number;
  readonly to: number;
  readonly wh: number;
  readonly how: Provenance;
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
  const hasCounter = state.import !== null || state.export !== null;
  if (hasCounter && !counted && passed > limits.gapMs) {
    // Devices that send power and counter in two messages: the counter tells what the gap held.
    const waiting = state.waiting ?? seen.at;
    if (seen.at - waiting <= limits.gapMs) return { state: { ...state, waiting }, pieces: [], lost: false };
  }

  const held = state.power !== null && seen.at - state.power.at <= limits.holdMs ? state.power.w : undefined;
  const profile = held === undefined ? undefined : integrate(state.at, seen.at, held, seen.powerW ?? held);
  const drawn = share('import', state, seen.energyWh, seen.at, profile, limits);
  const fed = share('export', state, seen.exportWh, seen.at, profile, limits);
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

function fitted(raw: number, at: number): Register {
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

function share(
  channel: Channel,
  state: CounterState,
  raw: number | undefined,
  at: number,
  profile: readonly Segment[] | undefined,
  limits: Limits,
): Share {
  const register = state[channel];
  const drawn = total(profile, channel);
  if (register === null) {
    const none = channel === 'export' ? drawn === 0 : profile === undefined && state.export !== null;
    return {
      register: raw === undefined ? null : fitted(raw, at),
      wh: drawn,
      how: none ? undefined : profile === undefined ? 'missing' : 'integrated',
      late: [],
      lost: false,
    };
  }
  const passed = at - state.at;
  const verdict: Verdict =
    raw === undefined ? { kind: 'hold' } : judge(register, raw, at, limits, rememberMs);
  if (verdict.kind === 'hold' || (verdict.wh === 0 && verdict.kind === 'move')) {
    const shape = passed > 0 ? grow(register.shape, profile, channel) : register.shape;
    const waiting = {
      ...register,
      shape,
      ...(verdict.kind === 'hold'
        ? raw !== undefined && { held: { raw, at } }
        : { seenAt: at, unstepped: sum(shape), held: null }),
    };
    // Silence that ends with nothing but power is a gap like any other.
    const how = raw === undefined && passed > limits.gapMs ? 'missing' : 'counter';
    return unstick({ register: waiting, wh: 0, how, late: [], lost: false }, at);
  }
  return settle(register, verdict, { channel, state, raw: raw!, at, profile, drawn, limits });
}

interface Settling {
  readonly channel: Channel;
  readonly state: CounterState;
  readonly raw: number;
  readonly at: number;
  readonly profile: readonly Segment[] | undefined;
  /** Wh that the power says of the new stretch. */
  readonly drawn: number;
  readonly limits: Limits;
}

/** The counter moved: shares the amount between the new stretch and the time in which it stood still. */
function settle(register: Register, verdict: Exclude<Verdict, { kind: 'hold' }>, now: Settling): Share {
  const { state, at, profile, drawn, limits } = now;
  const pending = sum(register.shape);
  const begun = verdict.kind === 'reset' || verdict.kind === 'rebase';
  const paid = begun ? 0 : Math.min(register.ahead, verdict.wh);
  // What had not made a whole step of the old counter was never counted; what power says since is the least.
  const unstepped = begun ? Math.min(register.unstepped, register.step ?? Infinity) : 0;
  const since = pending - register.unstepped + drawn;
  const amount = begun ? unstepped + Math.max(verdict.wh, since) : verdict.wh - paid;
  const step = verdict.kind === 'move' ? Math.min(register.step ?? Infinity, verdict.wh) : register.step;

  const steady = register.seenAt === state.at && register.held === null;
  const earlier = Math.min(state.at - register.from, dayMs);
  const passed = at - state.at;
  const most = passed === 0 ? amount : steady && !begun ? (step ?? amount) : amount;
  const early = Math.min(
    most,
    passed === 0 ? amount : split(amount, pending, drawn, earlier, passed, profile),
  );
  const integrated = begun && unstepped + since > verdict.wh;
  const spread = passed > limits.gapMs && (begun || amount - early > 0);
  const how: Provenance = spread ? 'spread' : integrated ? 'integrated' : 'counter';
  const counted = { raw: register.raw, at: register.seenAt, counted: amount };
  return {
    register: {
      raw: now.raw,
      seenAt: at,
      from: at,
      step,
      ahead: begun ? 0 : register.ahead - paid,
      shape: [],
      unstepped: 0,
      held: null,
      before: begun
        ? counted
        : verdict.kind === 'back' || register.before === null || at - register.before.at > rememberMs
          ? null
          : { ...register.before, counted: register.before.counted + amount },
    },
    wh: amount - early,
    how,
    late: backdate(
      register.shape,
      pending,
      early,
      state.at - earlier,
      state.at,
      integrated ? 'integrated' : 'counter',
    ),
    lost: begun,
  };
}

/** Wh of `amount` that belong before the new stretch. */
function split(
  amount: number,
  pending: number,
  drawn: number,
  earlierMs: number,
  passedMs: number,
  profile: readonly Segment[] | undefined,
): number {
  if (profile !== undefined && pending + drawn > 0) return (amount * pending) / (pending + drawn);
  if (profile === undefined && pending > 0) return Math.min(pending, amount);
  return (amount * earlierMs) / (earlierMs + passedMs);
}

/** Lays `wh` over the time in which the counter stood still, as the power went. */
function backdate(
  shape: Register['shape'],
  pending: number,
  wh: number,
  from: number,
  to: number,
  how: Provenance,
): readonly Late[] {
  if (wh <= 0) return [];
  if (pending <= 0) return [{ from, to, wh, how }];
  return shape.map(([start, part]) => ({
    from: start,
    to: Math.min(start + slotMs, Math.max(to, start)),
    wh: (wh * part) / pending,
    how,
  }));
}

/** Believes the power where the counter has stood still for hours against it; what the counter says later is set off. */
function unstick(share: Share, at: number): Share {
  const register = share.register!;
  if (at - register.from < stuckMs) return share;
  const pending = sum(register.shape);
  if (pending < 3 * Math.max(register.step ?? 0, 100)) return share;
  return {
    ...share,
    register: { ...register, from: at, shape: [], unstepped: 0, ahead: register.ahead + pending },
    late: backdate(register.shape, pending, pending, register.from, at, 'integrated'),
  };
}

export function worse(a: Provenance, b: Provenance | undefined): Provenance {
  return b !== undefined && provenances.indexOf(b) > provenances.indexOf(a) ? b : a;
}
