import type { Period } from '../energy/model.ts';
import type { Rate } from './model.ts';

/**
 * Makes stretches that may overlap into stretches that do not: where several hold, the one that began last wins, and
 * of those the shortest, and of those the one that is last in the list. Oldest first; empty ones are left out.
 */
export function untangle<T extends Period>(tangled: readonly T[]): T[] {
  const sorted = tangled
    .map((rate, index) => ({ rate, index }))
    .filter(({ rate }) => rate.to > rate.from)
    .toSorted((a, b) => a.rate.from - b.rate.from || fromLongest(a.rate, b.rate) || a.index - b.index)
    .map(({ rate }) => rate);
  const out: T[] = [];
  // Those that have begun, the winner on top; what has ended below is dropped when it surfaces.
  const open: T[] = [];
  let at = -Infinity;
  const advance = (until: number) => {
    for (let top = open.at(-1); top !== undefined && at < until; top = open.at(-1)) {
      const end = Math.min(top.to, until);
      if (end > at) out.push(at === top.from && end === top.to ? top : { ...top, from: at, to: end });
      at = Math.max(at, end);
      if (top.to <= at) open.pop();
    }
    at = until;
  };
  for (const rate of sorted) {
    advance(rate.from);
    open.push(rate);
  }
  advance(Infinity);
  return out;
}

// Not a difference: two open ends would make it NaN.
const fromLongest = (a: Period, b: Period) => (a.to === b.to ? 0 : a.to > b.to ? -1 : 1);

/** Index of the first stretch that ends after `at`. */
function firstAfter(sorted: readonly Period[], at: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.to > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The part of sorted stretches that lies in `from`..`to`, cut at both ends. */
export function clip<T extends Period>(sorted: readonly T[], from: number, to: number): T[] {
  const out: T[] = [];
  for (let i = firstAfter(sorted, from); i < sorted.length; i += 1) {
    const each = sorted[i]!;
    if (each.from >= to) break;
    const whole = each.from >= from && each.to <= to;
    out.push(whole ? each : { ...each, from: Math.max(each.from, from), to: Math.min(each.to, to) });
  }
  return out;
}

/** The stretches of `from`..`to` that nothing covers: half-hours without a price. */
export function gaps(sorted: readonly Period[], from: number, to: number): Period[] {
  const out: Period[] = [];
  let at = from;
  for (const each of clip(sorted, from, to)) {
    if (each.from > at) out.push({ from: at, to: each.from });
    at = Math.max(at, each.to);
  }
  if (at < to) out.push({ from: at, to });
  return out;
}

/** The parts of `sorted` during which `other` has something too. */
export function during<T extends Period>(sorted: readonly T[], other: readonly Period[]): T[] {
  return other.flatMap(({ from, to }) => clip(sorted, from, to));
}

/** Makes imported rates clean, and says where two different prices hold for the same stretch. */
export function tidy(listed: readonly Rate[]): { rates: Rate[]; notes: string[] } {
  const first = new Map<string, number>();
  const disputed = new Set<string>();
  for (const { from, to, perKwh } of listed) {
    const key = `${from} ${to}`;
    const before = first.get(key);
    if (before !== undefined && before !== perKwh) disputed.add(key);
    first.set(key, perKwh);
  }
  const [example] = disputed;
  const notes =
    example === undefined
      ? []
      : [
          `${disputed.size} stretches have two prices, the first at ${new Date(Number(example.split(' ')[0])).toISOString()}; the one listed last is used`,
        ];
  return { rates: untangle(listed), notes };
}

/**
 * What was known with what was fetched. The server is believed from the first instant it speaks of; half-hours that it
 * left out keep the price that it once had, but not a price whose end was unknown then.
 */
export function merge<T extends Period>(known: readonly T[], fetched: readonly T[]): T[] {
  const first = fetched[0]?.from;
  if (first === undefined) return [...known];
  const finite = known.filter((k) => k.to !== Infinity);
  const holes = gaps(fetched, first, Infinity);
  return [...clip(known, -Infinity, first), ...fetched, ...during(finite, holes)].toSorted(
    (a, b) => a.from - b.from,
  );
}
