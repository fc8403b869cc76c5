import type { CameraPlan } from './messages.ts';

/** A group of cameras that share a process, by a number that stays theirs. */
export type Groups = ReadonlyMap<number, readonly string[]>;

/** Whether a camera has anything to do; one that has not needs no process until somebody watches. */
export const isBusy = (plan: CameraPlan): boolean => plan.detect || plan.record.mode !== 'off';

/**
 * Spreads cameras over processes. Cameras stay where they are, so that adding one disturbs none; new ones fill the fullest
 * process that has room. `alone` names cameras that kill their process: each gets one of its own.
 */
export function assign(
  before: Groups,
  cameras: readonly string[],
  alone: ReadonlySet<string>,
  perProcess: number,
): Groups {
  const groups = new Map<number, string[]>();
  const placed = new Set<string>();
  for (const [group, ids] of before) {
    const single = ids.length === 1 && alone.has(ids[0]!);
    const kept = ids
      .filter((id) => cameras.includes(id) && !placed.has(id) && (single || !alone.has(id)))
      .slice(0, perProcess);
    for (const id of kept) placed.add(id);
    if (kept.length > 0) groups.set(group, kept);
  }
  let next = Math.max(-1, ...before.keys()) + 1;
  for (const id of cameras) {
    if (placed.has(id)) continue;
    placed.add(id);
    const room = alone.has(id)
      ? undefined
      : [...groups.values()]
          .filter((ids) => ids.length < perProcess && !ids.some((other) => alone.has(other)))
          .toSorted((a, b) => b.length - a.length)[0];
    if (room !== undefined) room.push(id);
    else groups.set(next++, [id]);
  }
  return groups;
}
