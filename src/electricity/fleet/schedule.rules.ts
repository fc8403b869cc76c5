/** What the past polls of one station say about the next one. */
export interface Breaker {
  /** Failures in a row. */
  readonly failures: number;
  /** Epoch ms before which it is left alone. */
  readonly restUntil: number;
}

export const closed: Breaker = { failures: 0, restUntil: 0 };

// A lost packet is not worth a change of pace; from the third failure on the device gets rest.
const patience = 2;
const longestRestMs = 300_000;
// The fractional part of the golden ratio: every new member falls into the largest gap that the others leave.
const golden = 0.618_033_988_749_895;

/** Where in the interval the poll of member number `index` lies, in ms; the members before it stay where they are. */
export function phase(index: number, intervalMs: number): number {
  return Math.floor(((index * golden) % 1) * intervalMs);
}

/** The first instant after `now` that lies `phaseMs` into an interval, and after the rest of an open breaker. */
export function nextPollAt(now: number, intervalMs: number, phaseMs: number, breaker: Breaker): number {
  const after = Math.max(now, breaker.restUntil);
  const at = Math.floor((after - phaseMs) / intervalMs) * intervalMs + phaseMs;
  return at > after ? at : at + intervalMs;
}

/**
 * A failed poll: twice the device is asked again at its usual time; then the rest doubles from one interval to five
 * minutes, shortened by up to a quarter by `random` (0 to 1) so that devices that failed together return apart.
 * `needsHelp`: only a person can mend it, so it rests the longest at once.
 */
export function failed(
  breaker: Breaker,
  now: number,
  intervalMs: number,
  random: number,
  needsHelp = false,
): Breaker {
  const failures = breaker.failures + 1;
  if (failures <= patience && !needsHelp) return { failures, restUntil: now };
  const doubled = needsHelp ? longestRestMs : intervalMs * 2 ** Math.min(20, failures - patience);
  const rest = Math.max(intervalMs, Math.min(longestRestMs, doubled) * (1 - random / 4));
  return { failures, restUntil: now + rest };
}
