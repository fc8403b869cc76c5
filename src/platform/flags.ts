import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import { parseInstant } from './wire.ts';

/** What `withSpan` gives to the action of a command. */
export interface Span {
  readonly from?: string;
  readonly to?: string;
  readonly days?: string;
}

const dayMs = 86_400_000;

/** `from` and `to` of a query string. Throws USAGE for what is no instant. */
export function spanQuery({ from, to, days }: Span, now: number): Record<string, string> {
  const instant = (flag: string, text: string) => {
    const at = parseInstant(text);
    if (at === undefined)
      throw new LaresError(
        'USAGE',
        `${flag} ${text}: expected an instant like 2026-01-31T08:00:00Z, or a date`,
      );
    return new Date(at).toISOString();
  };
  const count = days === undefined ? undefined : Number(days);
  if (count !== undefined && !(count > 0 && count <= 400))
    throw new LaresError('USAGE', `--days ${days ?? ''}: expected a number from 1 to 400`);
  return {
    ...(count === undefined ? {} : { from: new Date(now - count * dayMs).toISOString() }),
    ...(from === undefined ? {} : { from: instant('--from', from) }),
    ...(to === undefined ? {} : { to: instant('--to', to) }),
  };
}

/** A number of a command line, within what the service takes. Throws USAGE for what is none, or out of bounds. */
export function numberOf(
  what: string,
  text: string,
  { most, whole = false }: { most: number; whole?: boolean },
): string {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (value >= 1 && value <= most && (!whole || Number.isInteger(value))) return `${value}`;
  const kind = whole ? 'a whole number' : 'a number';
  throw new LaresError('USAGE', `${what} ${JSON.stringify(text)}: expected ${kind} from 1 to ${most}`);
}

/** Adds the flags of a span of time to a command. */
export const withSpan = (command: Command, usual: string): Command =>
  command
    .option('--days <count>', `how many days back; ${usual} unless given`)
    .option('--from <instant>', 'ISO 8601 with a zone, a date, or epoch seconds')
    .option('--to <instant>', 'the same; now unless given');
