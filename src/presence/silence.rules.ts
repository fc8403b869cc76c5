/**
 * How long a phone stays silent while its owner is home.
 *
 * Phones on Wi-Fi doze, skip broadcasts and switch their radio off, so silence alone proves little. What it
 * proves depends on the phone: the habit learned here is the rate (per hour at home) of silences longer than s.
 */
export interface SilenceHabit {
  /** Hours at home that this habit was watched. */
  readonly hours: number;
  /** Weighted number of silences by length; bin k holds lengths from `edges[k]` up to `edges[k + 1]`. */
  readonly counts: readonly number[];
}

const shortestMs = 60_000;
const growth = 1.25;
const bins = 26;

/** Lower edges of the bins, ms: 60 s to about 4.4 h, each a quarter longer than the one before. */
export const edges: readonly number[] = Array.from({ length: bins }, (_, k) => shortestMs * growth ** k);

/**
 * What is believed of a phone never met before: half a silence an hour, log-normal lengths. Median and rate are
 * of the order that sleeping-phone reports suggest; the spread is wider than any one of them, because a wrong
 * "away" annoys more than a late one. It weighs as much as one day of watching.
 */
const prior = { perHour: 0.5, medianMs: 90_000, sigma: 1.4, weightHours: 24 } as const;

/** Trips out of the house: median 90 minutes, from a walk round the block to a day at work. */
const trip = { medianMs: 90 * 60_000, sigma: 1.2 } as const;

export const noHabit: SilenceHabit = { hours: 0, counts: [] };

/** Upper tail of the standard normal distribution; Abramowitz and Stegun 26.2.17, error below 7.5e-8. */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.231_641_9 * z);
  const poly =
    t *
    (0.319_381_53 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * poly;
}

const tail = (ms: number, of: { medianMs: number; sigma: number }) =>
  normalTail(Math.log(ms / of.medianMs) / of.sigma);

function density(ms: number, of: { medianMs: number; sigma: number }): number {
  const z = Math.log(ms / of.medianMs) / of.sigma;
  return Math.exp((-z * z) / 2) / (Math.sqrt(2 * Math.PI) * of.sigma * ms);
}

/**
 * Silences longer than `ms` per hour at home. Below a minute it rises towards the rate of probing itself
 * (every 10 s), because between two probes every phone is silent.
 */
export function silencesPerHour(habit: SilenceHabit, ms: number): number {
  if (ms < shortestMs) {
    const atMinute = silencesPerHour(habit, shortestMs);
    const share = Math.log(shortestMs / Math.max(ms, 10_000)) / Math.log(6);
    return atMinute * (360 / atMinute) ** share;
  }
  let longer = 0;
  for (const [k, count] of habit.counts.entries()) {
    const low = edges[k] ?? Number.POSITIVE_INFINITY;
    const high = low * growth;
    // Lengths are spread evenly over the logarithm of their bin.
    if (ms <= low) longer += count;
    else if (ms < high) longer += count * (Math.log(high / ms) / Math.log(growth));
  }
  const expected = prior.perHour * tail(ms, prior);
  return (prior.weightHours * expected + longer) / (prior.weightHours + habit.hours);
}

/** Probability that a silence of this length was sleep at home and not a trip, when nothing else is known. */
export function sleepLikelihood(ms: number, departuresPerHour: number): number {
  const slept = prior.perHour * density(ms, prior);
  const went = departuresPerHour * density(ms, trip);
  return slept / (slept + went);
}

/** Adds one ended silence; `weight` is the probability that the owner was home during it. Shorter than a minute: no news. */
export function learnSilence(habit: SilenceHabit, ms: number, weight: number): SilenceHabit {
  if (ms < shortestMs || weight <= 0) return habit;
  const k = Math.min(bins - 1, Math.floor(Math.log(ms / shortestMs) / Math.log(growth)));
  const counts = Array.from({ length: bins }, (_, i) => (habit.counts[i] ?? 0) + (i === k ? weight : 0));
  return { hours: habit.hours, counts };
}

// After four weeks the past fades, so that a new phone system with other habits is learned within weeks.
const memoryHours = 4 * 112;

/** Adds time at home during which silences were watched for. */
export function watchHours(habit: SilenceHabit, hours: number): SilenceHabit {
  const total = habit.hours + hours;
  if (total <= memoryHours) return { hours: total, counts: habit.counts };
  const fade = memoryHours / total;
  return { hours: memoryHours, counts: habit.counts.map((count) => count * fade) };
}
