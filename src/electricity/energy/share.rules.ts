import { provenances, slotMs, type Provenance } from './model.ts';
import { grow, sum, total, type Channel, type Segment } from './profile.rules.ts';
import { fitted, judge, rememberMs, type Limits, type Register, type Verdict } from './register.rules.ts';

/** A counter that has not moved for so long although power was drawn does not count; power is believed instead. */
const stuckMs = 6 * 3_600_000;
const dayMs = 86_400_000;

/** What one counter, or the power in its place, says about the stretch since the last observation. */
export interface Share {
  readonly register: Register | null;
  /** Wh of the new stretch. */
  readonly wh: number;
  readonly how: Provenance | undefined;
  /** Of earlier stretches: each covers nothing. */
  readonly late: readonly Late[];
  readonly lost: boolean;
  /** The reading cannot be believed before another one confirms it. */
  readonly doubtful: boolean;
}

/** A device as it was known before: up to when its time is accounted for (epoch ms), and its counters. */
interface Meter {
  readonly at: number;
  readonly import: Register | null;
  readonly export: Register | null;
}

interface Late {
  readonly from: number;
  readonly to: number;
  readonly wh: number;
  readonly how: Provenance;
}

/** What `raw`, a reading of one counter at `at`, or else the power since the last one, adds to what is known. */
export function share(
  channel: Channel,
  state: Meter,
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
      doubtful: false,
    };
  }
  const passed = at - state.at;
  const verdict: Verdict =
    raw === undefined
      ? { kind: 'hold', held: register.held }
      : judge(register, raw, at, limits, passed > limits.gapMs);
  if (verdict.kind === 'hold' || (verdict.wh === 0 && verdict.kind === 'move')) {
    const shape = passed > 0 ? grow(register.shape, profile, channel) : register.shape;
    const silent = verdict.kind === 'hold';
    const waiting = {
      ...register,
      shape,
      ...(silent ? { held: verdict.held } : { seenAt: at, unstepped: sum(shape), held: null }),
    };
    // Silence that ends with nothing but power, or with nonsense, is a gap like any other.
    const how = silent && passed > limits.gapMs ? 'missing' : 'counter';
    const doubtful = silent && raw !== undefined;
    return unstick({ register: waiting, wh: 0, how, late: [], lost: false, doubtful }, at);
  }
  return settle(register, verdict, { channel, state, raw: raw!, at, profile, drawn, limits });
}

interface Settling {
  readonly channel: Channel;
  readonly state: Meter;
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
  const back = verdict.kind === 'back';
  const paid = begun || back ? 0 : Math.min(register.ahead, verdict.wh);
  // What had not made a whole step of the old counter was never counted; what power says since is the least. A level
  // that has not moved may be a glitch, of which power must not make energy.
  const sure = begun && !verdict.idle;
  const unstepped = sure ? Math.min(register.unstepped, register.step ?? Infinity) : 0;
  const since = sure ? pending - register.unstepped + drawn : 0;
  const amount = begun ? unstepped + Math.max(verdict.wh, since) : Math.max(0, verdict.wh - paid);
  const left = begun || (verdict.kind === 'move' && verdict.doubtful === true);
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
  return {
    register: {
      ...fitted(now.raw, at),
      step,
      ahead: begun ? 0 : back ? Math.max(0, -verdict.wh) : register.ahead - paid,
      before: back ? null : remembered(register, now, amount, left),
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
    doubtful: false,
  };
}

/** The level to which a counter may yet return, after it moved by `amount` Wh, or `left` for another level. */
function remembered(
  register: Register,
  { raw, at }: Settling,
  amount: number,
  left: boolean,
): Register['before'] {
  const before =
    register.before === null || at - register.before.at > rememberMs
      ? null
      : { ...register.before, counted: register.before.counted + amount };
  if (!left) return before;
  // A level that never moved is no place to return to.
  if (before !== null && register.raw === before.left) return { ...before, left: raw };
  return { raw: register.raw, at: register.seenAt, counted: amount + register.ahead, left: raw };
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
    register: {
      ...register,
      from: at,
      shape: [],
      unstepped: 0,
      ahead: register.ahead + pending,
      before: register.before && { ...register.before, counted: register.before.counted + pending },
    },
    late: backdate(register.shape, pending, pending, register.from, at, 'integrated'),
  };
}

/** The worse of two ways in which an amount may be known. */
export function worse(a: Provenance, b: Provenance | undefined): Provenance {
  return b !== undefined && provenances.indexOf(b) > provenances.indexOf(a) ? b : a;
}
