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

/** Distances between neighbours, the shortest first. */
function stepsOf(times: readonly number[]): number[] {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted
    .slice(1)
    .map((time, index) => time - (sorted[index] ?? 0))
    .filter((step) => step > 0)
    .toSorted((a, b) => a - b);
}
