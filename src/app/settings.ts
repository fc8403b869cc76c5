import path from 'node:path';
import type { Clock } from '#kernel/driver.ts';
import { changeText, type Change } from '#config/changes.ts';
import type { Logger } from '#platform/log.ts';
import type { Journal } from '#store/model.ts';

/** Settings that were saved while the house runs. */
export interface SettingsChange {
  /** Without secrets. */
  readonly changes: readonly Change[];
  /** Files that were written since the settings until now were taken. */
  readonly from: readonly string[];
}

export interface TellParts {
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly journal: Pick<Journal, 'append'>;
}

// A file that is replaced as a whole differs everywhere.
const mostTold = 20;
const mostKept = 100;

function told(changes: readonly Change[]): string {
  const more = changes.length - mostTold;
  return [...changes.slice(0, mostTold).map(changeText), ...(more > 0 ? [`and ${more} more`] : [])].join(
    '; ',
  );
}

/** Writes changed settings into the log, with the word `config` by which operators look for them, and into the journal. */
export function tellSettings({ changes, from }: SettingsChange, { clock, log, journal }: TellParts): void {
  const where = from.length === 0 ? '' : ` (from ${from.join(', ')})`;
  const live = changes.filter((c) => c.live);
  const later = changes.filter((c) => !c.live);
  if (live.length > 0) log.info(`config: settings applied: ${told(live)}${where}`);
  if (later.length > 0) log.warn(`config: settings that need a restart: ${told(later)}${where}`);
  if (changes.length === 0) return;
  const at = clock.now();
  void journal.append({
    at,
    kind: 'config.changed',
    subject: `config:${path.basename(from[0] ?? 'environment')}`,
    cause: 'file',
    evidence: [{ at, source: 'config', text: told(changes) }],
    data: { from, changes: changes.slice(0, mostKept), count: changes.length },
  });
}
