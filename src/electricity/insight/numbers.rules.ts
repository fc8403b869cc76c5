/** The value below which the share `q` (0 to 1) of the finite numbers lies, between neighbours linearly; NaN for none. */
export function quantile(numbers: Iterable<number>, q: number): number {
  const sorted = Array.from(numbers)
    .filter(Number.isFinite)
    .toSorted((a, b) => a - b);
  if (sorted.length === 0) return Number.NaN;
  const place = (sorted.length - 1) * Math.min(1, Math.max(0, q));
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? low;
  return low + (high - low) * (place - Math.floor(place));
}

export const median = (numbers: Iterable<number>): number => quantile(numbers, 0.5);

export function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
}

/** The middle of the densest stretch of `width` (a share of the value) among weighted numbers, or undefined for none. */
export function densest(
  items: readonly { readonly value: number; readonly weight: number }[],
  width: number,
): { readonly value: number; readonly weight: number } | undefined {
  const sorted = items.toSorted((a, b) => a.value - b.value);
  let best: { value: number; weight: number } | undefined;
  let [first, weight, sum] = [0, 0, 0];
  for (const item of sorted) {
    weight += item.weight;
    sum += item.weight * item.value;
    while ((sorted[first]?.value ?? item.value) < item.value * (1 - width)) {
      const left = sorted[first];
      weight -= left?.weight ?? 0;
      sum -= (left?.weight ?? 0) * (left?.value ?? 0);
      first += 1;
    }
    if (best === undefined || weight > best.weight) best = { value: sum / weight, weight };
  }
  return best;
}
