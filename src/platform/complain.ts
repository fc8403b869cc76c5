import type { Clock, Log } from '#kernel/driver.ts';

/** Warns at most once a minute, and says how much was left unsaid: strangers must not fill the log. */
export function complainer(
  log: Log,
  clock: Pick<Clock, 'monotonic'>,
  everyMs = 60_000,
): (text: string) => void {
  let last = Number.NEGATIVE_INFINITY;
  let more = 0;
  return (text) => {
    const now = clock.monotonic();
    if (now - last < everyMs) return void (more += 1);
    log.warn(`${text}${more === 0 ? '' : `, and ${more} more complaints since the last one`}`);
    last = now;
    more = 0;
  };
}
