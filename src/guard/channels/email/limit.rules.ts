/** The stretch of time over which mails are counted. */
export const windowMs = 600_000;

/** Milliseconds until another mail may go, 0 for at once; `sent` are the instants of earlier ones (epoch ms). */
export function waitMs(sent: readonly number[], most: number, now: number): number {
  // A clock that was set back must not hold mails for longer than the window.
  const recent = sent.filter((at) => now - at < windowMs && at <= now).toSorted((a, b) => a - b);
  return recent.length < most ? 0 : recent[recent.length - most]! + windowMs - now;
}
