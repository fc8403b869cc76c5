import type { Medium } from '../../model.ts';
import type { MeterMessage } from './codec.ts';

// The display speaks every 10 s, but the gas meter sleeps and is asked every half hour.
const staleMs: Readonly<Record<Medium, number>> = { electricity: 300_000, gas: 5_400_000 };
const aheadMs = 300_000;

/** How a message relates to what is known: `old` is not of now, `again` was told before. */
export type Age = 'new' | 'old' | 'again';

/**
 * Judges the age of a message. A retained one without an instant may be of any time. `at` is the instant of its
 * measurement, epoch ms: its own, or now where the clock of the display is ahead or says nothing.
 */
export function judge(
  { at, medium }: Pick<MeterMessage, 'at' | 'medium'>,
  retained: boolean,
  toldAt: number | undefined,
  now: number,
): { age: Age; at: number } {
  if (at === undefined) return { age: retained ? 'old' : 'new', at: now };
  if (now - at > staleMs[medium]) return { age: 'old', at };
  if (at - now > aheadMs) return { age: retained ? 'old' : 'new', at: now };
  const measured = Math.min(at, now);
  return { age: toldAt !== undefined && measured <= toldAt ? 'again' : 'new', at: measured };
}
