import { minuteMs, type Minute, type Samples } from './codec.ts';
import type { ChartPoint } from './model.ts';
import { hourMs, type Tier } from './tables.ts';

const mostPoints = 10_000;

/** The buckets of a chart: `count` of them, each `bucketMs` long, the first at `from`. */
export interface Plan {
  readonly tier: Tier;
  readonly from: number;
  readonly to: number;
  readonly bucketMs: number;
  readonly count: number;
}

/** Buckets are whole minutes or hours where they are that long, so that summaries fall into exactly one of them. */
export function plan(from: number, to: number, points: number): Plan {
  const most = Math.min(mostPoints, Math.max(1, Math.floor(points)));
  const ideal = (to - from) / most;
  const tier: Tier = ideal >= hourMs ? 'hour' : ideal >= minuteMs ? 'minute' : 'raw';
  const unit = { hour: hourMs, minute: minuteMs, raw: 1 }[tier];
  const start = Math.floor(from / unit) * unit;
  const end = Math.ceil(to / unit) * unit;
  const bucketMs = Math.max(unit, Math.ceil((end - start) / most / unit) * unit);
  return { tier, from: start, to: end, bucketMs, count: Math.max(0, Math.ceil((end - start) / bucketMs)) };
}

/** Sums up samples and summaries into the buckets of a plan. */
export class Buckets {
  readonly #plan: Plan;
  readonly #n: Float64Array;
  readonly #sum: Float64Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;

  constructor(of: Plan) {
    this.#plan = of;
    this.#n = new Float64Array(of.count);
    this.#sum = new Float64Array(of.count);
    this.#min = new Float64Array(of.count).fill(Infinity);
    this.#max = new Float64Array(of.count).fill(-Infinity);
  }

  /** A summary belongs to the bucket of its start; one that began before the chart, to the first. */
  add({ at, n, sum, min, max }: Minute): void {
    const { from, to, bucketMs } = this.#plan;
    if (at >= to) return;
    const i = Math.max(0, Math.floor((at - from) / bucketMs));
    this.#n[i]! += n;
    this.#sum[i]! += sum;
    if (min < this.#min[i]!) this.#min[i] = min;
    if (max > this.#max[i]!) this.#max[i] = max;
  }

  addSamples({ at, value }: Samples): void {
    const { from, to, bucketMs } = this.#plan;
    for (let j = 0; j < at.length; j += 1) {
      const t = at[j]!;
      if (t < from || t >= to) continue;
      const i = Math.floor((t - from) / bucketMs);
      const v = value[j]!;
      this.#n[i]! += 1;
      this.#sum[i]! += v;
      if (v < this.#min[i]!) this.#min[i] = v;
      if (v > this.#max[i]!) this.#max[i] = v;
    }
  }

  points(): ChartPoint[] {
    const { from, bucketMs, count } = this.#plan;
    const points: ChartPoint[] = [];
    for (let i = 0; i < count; i += 1) {
      const n = this.#n[i]!;
      if (n === 0) continue;
      const [min, max] = [this.#min[i]!, this.#max[i]!];
      // Rounding must not put a mean outside of its own extremes.
      const mean = Math.min(max, Math.max(min, this.#sum[i]! / n));
      points.push({ at: from + i * bucketMs, mean, min, max });
    }
    return points;
  }
}

/** Both in ascending order; where both have an instant, `newer` wins. */
export function merge(older: Samples, newer: Samples): Samples {
  if (older.at.length === 0) return newer;
  if (newer.at.length === 0) return older;
  const at = new Float64Array(older.at.length + newer.at.length);
  const value = new Float64Array(at.length);
  let n = 0;
  for (let i = 0, j = 0; i < older.at.length || j < newer.at.length; n += 1) {
    const a = older.at[i] ?? Infinity;
    const b = newer.at[j] ?? Infinity;
    at[n] = Math.min(a, b);
    value[n] = b <= a ? newer.value[j]! : older.value[i]!;
    if (a <= b) i += 1;
    if (b <= a) j += 1;
  }
  return { at: at.slice(0, n), value: value.slice(0, n) };
}

/** One summary of everything between two instants of a tier: minutes, or the hour. */
export function summarise(samples: Samples, unitMs: number): Minute[] {
  const found: { at: number; n: number; sum: number; min: number; max: number }[] = [];
  for (let i = 0; i < samples.at.length; i += 1) {
    const at = Math.floor(samples.at[i]! / unitMs) * unitMs;
    const v = samples.value[i]!;
    const last = found.at(-1);
    if (last?.at === at) {
      last.n += 1;
      last.sum += v;
      if (v < last.min) last.min = v;
      if (v > last.max) last.max = v;
    } else found.push({ at, n: 1, sum: v, min: v, max: v });
  }
  return found;
}

/** Adds summaries of the same units; for samples that came after the raw ones had been let go. */
export function addUp(a: readonly Minute[], b: readonly Minute[]): Minute[] {
  const all = new Map(a.map((m) => [m.at, m]));
  for (const m of b) {
    const same = all.get(m.at);
    all.set(
      m.at,
      same === undefined
        ? m
        : {
            at: m.at,
            n: same.n + m.n,
            sum: same.sum + m.sum,
            min: Math.min(same.min, m.min),
            max: Math.max(same.max, m.max),
          },
    );
  }
  return [...all.values()].toSorted((x, y) => x.at - y.at);
}
