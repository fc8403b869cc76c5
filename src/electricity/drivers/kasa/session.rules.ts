const minuteMs = 60_000;
const usualMs = 24 * 60 * minuteMs;

/**
 * How long a session is used, from the cookie TIMEOUT (seconds): it is renewed 20 minutes before its end, or at half
 * time where it is short.
 */
export function sessionLifeMs(timeoutSeconds: number | undefined): number {
  const life = timeoutSeconds === undefined || timeoutSeconds <= 0 ? usualMs : timeoutSeconds * 1000;
  return Math.max(life - 20 * minuteMs, life / 2);
}
