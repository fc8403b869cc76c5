import type { Measured } from './measure.model.ts';

const leastFrames = 5;

/**
 * The rate of frames and the interval of keyframes, from presentation times in seconds in any order. The rate is the
 * inverse of the median step, so that a gap or a burst at the start does not count.
 */
export function paceOf(
  times: readonly number[],
  keys: readonly number[],
): Pick<Measured, 'fps' | 'keyframeSeconds' | 'keyframeBeyond'> {
  const steps = stepsOf(times);
  const step = steps[Math.floor(steps.length / 2)] ?? 0;
  const intervals = stepsOf(keys);
  const longest = intervals.at(-1);
  const [firstKey] = keys;
  const last = times.length === 0 ? 0 : times.reduce((a, b) => Math.max(a, b));
  return {
    ...(times.length >= leastFrames && step > 0 && { fps: Math.round(10 / step) / 10 }),
    ...(longest !== undefined && { keyframeSeconds: Math.round(longest * 100) / 100 }),
    ...(longest === undefined &&
      firstKey !== undefined && { keyframeBeyond: Math.round((last - firstKey) * 10) / 10 }),
  };
}

/** One packet: when it is to be shown, where it says so, when it came, and whether it is a keyframe. Seconds. */
export interface Sample {
  readonly time?: number;
  readonly cameAt: number;
  readonly key: boolean;
}

/**
 * Times of one clock for all packets: of presentation, where a missing one (that of the first packet often is) lies a
 * step before the next; or of arrival where packets tell none.
 */
export function timesOf(samples: readonly Sample[]): { readonly times: number[]; readonly keys: number[] } {
  const told = samples.flatMap(({ time }) => time ?? []);
  const steps = stepsOf(told);
  const step = steps[Math.floor(steps.length / 2)];
  const times = samples.map(({ time, cameAt }, index) => {
    if (step === undefined) return cameAt;
    const next = samples[index + 1]?.time;
    return time ?? (next === undefined ? undefined : next - step);
  });
  return {
    times: times.flatMap((time) => time ?? []),
    keys: samples.flatMap(({ key }, index) => (key ? (times[index] ?? []) : [])),
  };
}

/** Distances between neighbours, the shortest first. */
function stepsOf(times: readonly number[]): number[] {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted
    .slice(1)
    .map((time, index) => time - (sorted[index] ?? 0))
    .filter((step) => step > 0)
    .toSorted((a, b) => a - b);
}
