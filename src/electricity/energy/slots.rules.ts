import type { EnergySlot } from '../model.ts';
import { worse } from './share.rules.ts';
import type { Piece } from './profile.rules.ts';
import { slotMs, type Period, type PeriodEnergy, type Provenance, type Slot } from './model.ts';

/** What is to be added to one slot. Amounts may be negative where healing takes back what lay evenly over a gap. */
export interface Change {
  wh: number;
  exportWh: number;
  coveredMs: number;
  how: Provenance;
  /** `how` takes the place of what the slot has, instead of being merged with it. */
  healed: boolean;
}

export type Changes = Map<number, Change>;

export const slotOf = (at: number): number => Math.floor(at / slotMs) * slotMs;

/** Calls `each` for every slot that `from`..`to` touches with the part of the stretch in it; an instant is the whole of its slot's. */
export function eachSlot(
  from: number,
  to: number,
  each: (at: number, part: number, ms: number) => void,
): void {
  if (to <= from) return each(slotOf(from), 1, 0);
  for (let at = slotOf(from); at < to; at += slotMs) {
    const ms = Math.min(to, at + slotMs) - Math.max(from, at);
    each(at, ms / (to - from), ms);
  }
}

/** Adds a piece to the slots that it touches. Nothing is noted where nothing is known. */
export function add(changes: Changes, piece: Piece): void {
  if (piece.how === 'missing' && piece.wh === 0 && piece.exportWh === 0) return edges(changes, piece);
  const first =
    piece.covers && (piece.how === 'counter' || piece.how === 'integrated' || piece.how === 'remembered');
  eachSlot(piece.from, piece.to, (at, part, ms) =>
    merge(changes, at, {
      wh: piece.wh * part,
      exportWh: piece.exportWh * part,
      coveredMs: first ? ms : 0,
      how: piece.how,
      healed: false,
    }),
  );
}

/** A slot that is known in part says so; one in which nothing is known stays absent. */
function edges(changes: Changes, { from, to, how }: Piece): void {
  const nothing = { wh: 0, exportWh: 0, coveredMs: 0, how, healed: false };
  if (from % slotMs !== 0) merge(changes, slotOf(from), nothing);
  if (to % slotMs !== 0 && slotOf(to) !== slotOf(from)) merge(changes, slotOf(to), nothing);
}

export function merge(changes: Changes, at: number, more: Change): void {
  const known = changes.get(at);
  if (known === undefined) {
    changes.set(at, { ...more });
    return;
  }
  known.how = more.healed ? more.how : worse(known.how, more.how);
  known.healed ||= more.healed;
  known.wh += more.wh;
  known.exportWh += more.exportWh;
  known.coveredMs += more.coveredMs;
}

/** A slot as it stands after a change. */
export function changed(slot: Slot | undefined, at: number, change: Change): Slot {
  const old = slot ?? { at, wh: 0, exportWh: 0, how: change.how, coveredMs: 0 };
  return {
    at,
    // Taking back what was added leaves dust of floating point.
    wh: Math.max(0, old.wh + change.wh),
    exportWh: Math.max(0, old.exportWh + change.exportWh),
    how: change.healed ? change.how : worse(old.how, change.how),
    coveredMs: Math.min(slotMs, Math.round(old.coveredMs + change.coveredMs)),
  };
}

/** Slots, oldest first, after changes; those outside `from`..`to` are left out. */
export function overlay(slots: readonly Slot[], changes: Changes, from: number, to: number): readonly Slot[] {
  const all = new Map(slots.map((slot) => [slot.at, slot]));
  let added = false;
  for (const [at, change] of changes) {
    if (at + slotMs <= from || at >= to) continue;
    added ||= !all.has(at);
    all.set(at, changed(all.get(at), at, change));
  }
  const found = [...all.values()];
  return added ? found.sort((a, b) => a.at - b.at) : found;
}

/** Sums of slots for periods that do not overlap and begin and end with slots. What lies after `now` is not missing yet. */
export function sums(slots: readonly Slot[], periods: readonly Period[], now = Infinity): PeriodEnergy[] {
  let next = 0;
  return periods.map(({ from, to }) => {
    const sum = { from, to, wh: 0, exportWh: 0, coveredMs: 0, how: 'counter' as Provenance };
    let present = 0;
    while (next < slots.length && slots[next]!.at < from) next += 1;
    for (; next < slots.length && slots[next]!.at < to; next += 1) {
      const slot = slots[next]!;
      sum.wh += slot.wh;
      sum.exportWh += slot.exportWh;
      sum.coveredMs += slot.coveredMs;
      sum.how = worse(sum.how, slot.how);
      present += 1;
    }
    return present * slotMs < slotOf(Math.min(to, now)) - from ? { ...sum, how: 'missing' } : sum;
  });
}

/** Lets the oldest changes grow together into the newest of them, so that at most `most` are left. No energy is lost. */
export function shrink(changes: Changes, most: number): void {
  if (changes.size <= most) return;
  const oldest = [...changes.keys()].sort((a, b) => a - b).slice(0, changes.size - Math.max(1, most) + 1);
  const last = oldest.pop()!;
  for (const at of oldest) {
    merge(changes, last, { ...changes.get(at)!, coveredMs: 0, how: 'spread' });
    changes.delete(at);
  }
}

export const worstOf = (hows: readonly Provenance[]): Provenance => hows.reduce(worse);

/** What the device remembers, without what no device can mean. */
export function sane(slots: readonly EnergySlot[], maxPowerW: number): EnergySlot[] {
  return slots.filter(({ from, to, wh, exportWh = 0 }) => {
    const most = (maxPowerW * (to - from)) / 3_600_000 + 1;
    return (
      [from, to].every(Number.isSafeInteger) &&
      to > from &&
      from >= 0 &&
      wh >= 0 &&
      wh <= most &&
      exportWh >= 0 &&
      exportWh <= most
    );
  });
}
