import { instantsOf, localDate, startOfDate } from './wall.rules.ts';

const minuteMs = 60_000;

export interface FetchState {
  /** Epoch ms of the last success, undefined before the first. */
  readonly okAt: number | undefined;
  /** Epoch ms of the last try. */
  readonly triedAt: number | undefined;
  /** Failures since the last success. */
  readonly failures: number;
  /** What the server asked for at the last failure. */
  readonly retryAfterMs?: number | undefined;
  /** End of the newest price, epoch ms; Infinity where it is open. */
  readonly knownUntil: number;
}

/**
 * When to ask for prices next (epoch ms, may be past). After a failure: 1 min, doubled up to an hour. Otherwise once
 * a day after 16:00 local, when suppliers have published tomorrow's prices, and every half an hour from then until
 * the evening of tomorrow is priced. `random` (0 to 1) spreads homes, so that they do not all ask at once.
 */
export function nextFetchAt(state: FetchState, timeZone: string, random: number): number {
  const { okAt, triedAt, failures, knownUntil } = state;
  if (failures > 0 && triedAt !== undefined) {
    const backOff = Math.min(60, 2 ** (failures - 1)) * minuteMs * (1 + random / 2);
    return triedAt + Math.max(backOff, state.retryAfterMs ?? 0);
  }
  if (okAt === undefined) return 0;
  const published = atHour(okAt, 16, timeZone);
  if (okAt < published) return published + random * 10 * minuteMs;
  const tomorrow = dateAfter(okAt, timeZone);
  const evening = wallHour(tomorrow, 20, timeZone);
  const again = okAt + (30 + random * 10) * minuteMs;
  const midnight = startOfDate(tomorrow, timeZone);
  if (knownUntil < evening && again < midnight) return again;
  return wallHour(tomorrow, 16, timeZone) + random * 10 * minuteMs;
}

/** Thirty hours after its first instant a day of 23, 24 or 25 hours is over and the next one is not. */
const dateAfter = (at: number, timeZone: string) =>
  localDate(startOfDate(localDate(at, timeZone), timeZone) + 30 * 60 * minuteMs, timeZone);

const atHour = (at: number, hour: number, timeZone: string) =>
  wallHour(localDate(at, timeZone), hour, timeZone);

function wallHour(date: string, hour: number, timeZone: string): number {
  return instantsOf(Date.parse(`${date}T${String(hour).padStart(2, '0')}:00:00Z`), timeZone)[0]!;
}
