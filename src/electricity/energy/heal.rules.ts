import type { EnergySlot } from '../model.ts';
import { worse } from './share.rules.ts';
import type { Piece } from './profile.rules.ts';
import { slotMs, type Period, type Slot } from './model.ts';
import { eachSlot, merge, slotOf, type Changes } from './slots.rules.ts';

/** A stretch in which nobody asked. Its energy lies evenly in the slots until memory says more. */
export interface Gap extends Period {
  /** Wh that lie evenly over it. */
  readonly wh: number;
  readonly exportWh: number;
  /** How good these are: `known` from the counter, `least` where the counter began anew meanwhile, `unknown` without a counter. */
  readonly sum: 'known' | 'least' | 'unknown';
}

export interface Healing {
  /** What is to be added to the device's slots. */
  readonly changes: Changes;
  /** Wh that the virtual counter lacked because the device's own counter had lost them. */
  readonly wh: number;
  readonly exportWh: number;
  /** What of the gap is still open. */
  readonly left: readonly Gap[];
  /** Why the memory was not believed, for people. */
  readonly note?: string;
}

/** Adds the gap that a `spread` or `missing` piece tells of. Without a counter, gaps that touch are one. */
export function noteGap(gaps: readonly Gap[], piece: Piece, lost: boolean): readonly Gap[] {
  const { from, to, wh, exportWh, how } = piece;
  if (to <= from) return gaps;
  const sum = how === 'missing' ? 'unknown' : lost ? 'least' : 'known';
  const last = gaps.at(-1);
  if (sum === 'unknown' && last?.sum === 'unknown' && last.to === from)
    return [...gaps.slice(0, -1), { ...last, to }];
  return [...gaps, { from, to, wh, exportWh, sum }];
}

type Channel = 'wh' | 'exportWh';

/** A part of the gap about which the memory says something. */
interface Fill extends Period {
  wh: number;
  exportWh: number;
}

// Memories round to 10 Wh, clocks are some seconds off, edges of the gap are shared by time.
const agreement = { part: 0.3, wh: 50 };
/** Where both the memory and we know, they may differ by this part altogether; more, and its clock or its scale is off. */
const overlapAgreement = 0.35;
const overlapLeast = { count: 2, wh: 30 };

/**
 * Fills a gap with what the device remembers. The finest memory wins; coarser ones give what is left of them. The sum
 * over the gap stays what the counter says, and slots that were measured stay as they are.
 * `own`: our slots for the whole span of the memory. `others`: the other gaps of the device.
 */
export function heal(
  gap: Gap,
  own: readonly Slot[],
  memory: readonly EnergySlot[],
  others: readonly Gap[] = [],
): Healing {
  const nothing = { changes: new Map(), wh: 0, exportWh: 0, left: [gap] };
  const measured = outside(gap, own);
  const fills = fill(gap, measured, memory);
  if (fills.length === 0) return nothing;
  const differs = disagreement(own, memory, [gap, ...others]);
  if (differs !== undefined) return { ...nothing, note: differs };

  const open = holes(gap, fills);
  const amounts = {} as Record<Channel, { readonly filled: number; readonly rest: number }>;
  for (const channel of ['wh', 'exportWh'] as const) {
    const told = channel === 'wh' || memory.some((slot) => slot.exportWh !== undefined);
    const amount = told ? reconcile(gap, channel, fills, open) : undefined;
    if (told && amount === undefined)
      return {
        ...nothing,
        note: `its memory says ${Math.round(total(fills, channel))} Wh where its counter says ${Math.round(gap[channel])} Wh`,
      };
    amounts[channel] = amount ?? even(gap, channel, fills);
  }
  return apply(gap, own, others, fills, open, amounts);
}

/** Our own energy outside the gap, with the time that is known. */
function outside(gap: Gap, own: readonly Slot[]): (Fill & { readonly knownMs: number })[] {
  return own.flatMap((slot) => {
    const end = slot.at + slotMs;
    const inside = overlap(gap, { from: slot.at, to: end });
    const parts = [
      { from: slot.at, to: Math.min(end, gap.from) },
      { from: Math.max(slot.at, gap.to), to: end },
    ].filter(({ from, to }) => to > from);
    const share = inside / (gap.to - gap.from);
    return (inside === 0 ? [{ from: slot.at, to: end }] : parts).map(({ from, to }) => {
      const part = (to - from) / (slotMs - inside);
      return {
        from,
        to,
        wh: Math.max(0, slot.wh - gap.wh * share) * part,
        exportWh: Math.max(0, slot.exportWh - gap.exportWh * share) * part,
        knownMs: Math.min(to - from, slot.coveredMs * part),
      };
    });
  });
}

/** Lays the memories into the gap, finest first; each gives what finer ones and our own slots leave of it. */
function fill(
  gap: Gap,
  measured: readonly (Fill & { readonly knownMs: number })[],
  memory: readonly EnergySlot[],
): Fill[] {
  let fills: Fill[] = [];
  const finest = memory
    .filter((slot) => overlap(gap, slot) > 0)
    .toSorted((a, b) => a.to - a.from - (b.to - b.from) || a.from - b.from);
  for (const slot of finest) {
    const free = holes({ from: Math.max(gap.from, slot.from), to: Math.min(gap.to, slot.to) }, fills);
    const freeMs = length(free);
    if (freeMs === 0) continue;
    let [wh, exportWh] = [slot.wh, slot.exportWh ?? 0];
    let unknownMs = slot.to - slot.from - overlap(gap, slot);
    if (overlap(gap, slot) > freeMs || unknownMs > 0) {
      for (const known of [...measured, ...fills]) {
        const ms = overlap(slot, known);
        if (ms === 0) continue;
        const part = ms / (known.to - known.from);
        wh -= known.wh * part;
        exportWh -= known.exportWh * part;
        if ('knownMs' in known) unknownMs -= (known.knownMs as number) * part;
      }
    }
    const part = freeMs / (freeMs + Math.max(0, unknownMs));
    for (const { from, to } of free) {
      const share = (part * (to - from)) / freeMs;
      fills.push({ from, to, wh: Math.max(0, wh) * share, exportWh: Math.max(0, exportWh) * share });
    }
    fills = fills.sort((a, b) => a.from - b.from);
  }
  return fills;
}

/** A sentence when the memory contradicts what we measured ourselves, undefined when it does not or cannot be compared. */
function disagreement(
  own: readonly Slot[],
  memory: readonly EnergySlot[],
  gaps: readonly Gap[],
): string | undefined {
  const complete = new Map(
    own.filter((slot) => slot.coveredMs > 0.99 * slotMs).map((slot) => [slot.at, slot.wh]),
  );
  const stretches = new Map<number, Fill>();
  for (const slot of memory) {
    if (gaps.some((gap) => overlap(gap, slot) > 0)) continue;
    const start = slot.to - slot.from >= slotMs ? slot.from : slotOf(slot.from);
    const known = stretches.get(start);
    if (known === undefined) stretches.set(start, { from: slot.from, to: slot.to, wh: slot.wh, exportWh: 0 });
    else if (slot.from === known.to && slot.to <= start + slotMs)
      stretches.set(start, { ...known, to: slot.to, wh: known.wh + slot.wh });
  }
  let [count, sum, apart] = [0, 0, 0];
  for (const { from, to, wh } of stretches.values()) {
    if (from % slotMs !== 0 || to % slotMs !== 0) continue;
    let mine = 0;
    for (let at = from; at < to; at += slotMs) mine += complete.get(at) ?? NaN;
    if (Number.isNaN(mine)) continue;
    count += 1;
    sum += mine;
    apart += Math.max(0, Math.abs(mine - wh) - 1);
  }
  return count >= overlapLeast.count && sum >= overlapLeast.wh && apart > overlapAgreement * sum
    ? `its memory differs by ${Math.round((100 * apart) / sum)} % from what was measured at the same time; its clock may be off`
    : undefined;
}

/** What the fills and the rest of the gap get; undefined when memory and counter cannot both be right. */
function reconcile(
  gap: Gap,
  channel: Channel,
  fills: readonly Fill[],
  open: readonly Period[],
): { readonly filled: number; readonly rest: number } | undefined {
  const filled = total(fills, channel);
  if (gap.sum === 'unknown') return { filled, rest: 0 };
  const truth = gap[channel];
  const whole = length(open) <= 0.01 * (gap.to - gap.from);
  const tolerance = Math.max(agreement.part * truth, agreement.wh);
  if (gap.sum === 'least')
    return {
      filled: whole ? Math.max(filled, truth) : filled,
      rest: whole ? 0 : Math.max(0, truth - filled),
    };
  if (filled - truth > tolerance || (whole && truth - filled > tolerance)) return undefined;
  return whole || filled > truth ? { filled: truth, rest: 0 } : { filled, rest: truth - filled };
}

/** What lies evenly anyway. */
function even(gap: Gap, channel: Channel, fills: readonly Fill[]): { filled: number; rest: number } {
  const filled = (gap[channel] * length(fills)) / (gap.to - gap.from);
  return { filled, rest: gap[channel] - filled };
}

function apply(
  gap: Gap,
  own: readonly Slot[],
  others: readonly Gap[],
  fills: readonly Fill[],
  open: readonly Period[],
  amounts: Readonly<Record<Channel, { readonly filled: number; readonly rest: number }>>,
): Healing {
  const changes: Changes = new Map();
  const put = (at: number, wh: number, exportWh: number, coveredMs: number) =>
    merge(changes, at, { wh, exportWh, coveredMs, how: 'remembered', healed: true });
  eachSlot(gap.from, gap.to, (at, part) => put(at, -gap.wh * part, -gap.exportWh * part, 0));
  const [openMs, fillMs] = [length(open), length(fills)];
  const share = (channel: Channel, piece: Fill) => {
    const sum = total(fills, channel);
    return amounts[channel].filled * (sum > 0 ? piece[channel] / sum : (piece.to - piece.from) / fillMs);
  };
  for (const piece of fills) {
    const [wh, exportWh] = [share('wh', piece), share('exportWh', piece)];
    eachSlot(piece.from, piece.to, (at, part, ms) => put(at, wh * part, exportWh * part, ms));
  }
  const left = open.map(({ from, to }): Gap => {
    const part = (to - from) / openMs;
    return { from, to, wh: amounts.wh.rest * part, exportWh: amounts.exportWh.rest * part, sum: gap.sum };
  });
  for (const piece of left)
    eachSlot(piece.from, piece.to, (at, part) => put(at, piece.wh * part, piece.exportWh * part, 0));
  // A slot that is still open in part stays as doubtful as it was.
  const before = new Map(own.map((slot) => [slot.at, slot.how]));
  for (const [at, change] of changes) {
    const slot = { from: at, to: at + slotMs };
    if ([...left, ...others].some((other) => overlap(other, slot) > 0))
      change.how = worse(gap.sum === 'unknown' ? 'missing' : 'spread', before.get(at));
  }
  const gained = (channel: Channel) => amounts[channel].filled + amounts[channel].rest - gap[channel];
  return {
    changes: new Map([...changes].filter(([at, change]) => change.coveredMs !== 0 || before.has(at))),
    wh: gap.sum === 'known' ? 0 : gained('wh'),
    exportWh: gap.sum === 'known' ? 0 : gained('exportWh'),
    left,
  };
}

function overlap(a: Period, b: Period): number {
  return Math.max(0, Math.min(a.to, b.to) - Math.max(a.from, b.from));
}

const length = (stretches: readonly Period[]): number => {
  let ms = 0;
  for (const { from, to } of stretches) ms += to - from;
  return ms;
};

const total = (fills: readonly Fill[], channel: Channel): number => {
  let wh = 0;
  for (const piece of fills) wh += piece[channel];
  return wh;
};

/** The stretches of `whole` that none of `parts` (in order of time) touches. */
function holes(whole: Period, parts: readonly Period[]): Period[] {
  const free: Period[] = [];
  let at = whole.from;
  for (const { from, to } of parts) {
    if (to <= at) continue;
    if (from >= whole.to) break;
    if (from > at) free.push({ from: at, to: from });
    at = to;
  }
  if (at < whole.to) free.push({ from: at, to: whole.to });
  return free;
}
