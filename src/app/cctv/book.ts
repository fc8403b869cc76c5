import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { EventBook } from '#cctv/book/book.ts';
import { migrateBook, type Migrated } from '#cctv/book/migrate.ts';
import type { BookQuery, StoredAlert } from '#cctv/book/model.ts';
import { renderAnalysis } from '#guard/rules/analyse.render.ts';
import { analyse } from '#guard/rules/analyse.rules.ts';
import { systemClock } from '#platform/clock.ts';
import { numberOf } from '#platform/flags.ts';
import type { cliHouse } from '../context.ts';

type House = ReturnType<typeof cliHouse>;

const dayMs = 86_400_000;

/** Reads the book beside the running service, and lets go of it. Throws NOT_FOUND when there is none yet. */
export async function withBook<T>(house: House, use: (book: EventBook) => T | Promise<T>): Promise<T> {
  const book = await EventBook.open({
    dataDir: house.dataDir(),
    clock: systemClock,
    log: house.log,
    guest: true,
  });
  try {
    return await use(book);
  } finally {
    await book.close();
  }
}

/** Every alert of a span, oldest first. */
export function allAlerts(book: EventBook, query: Pick<BookQuery, 'from' | 'to'>): StoredAlert[] {
  const all: StoredAlert[] = [];
  for (let page: string | undefined; ;) {
    const { rows, next } = book.alerts({ ...query, order: 'asc', limit: 1_000, page });
    all.push(...rows);
    if (next === undefined) return all;
    page = next;
  }
}

export const daysOption = ['--days <count>', 'how many days back', '30'] as const;
/** Throws USAGE. */
export const daysOf = (text: string): number => Number(numberOf('--days', text, { most: 400 }));

/** `lares cctv analyze` and `migrate`: the original's `analyze_alerts` and `migrate_database`. */
export function bookCommands(cctv: Command, house: House): void {
  cctv
    .command('analyze')
    .description(
      'alerts by rule, camera, class and hour, how many were false, and which settings would have helped',
    )
    .option(...daysOption)
    .action(async (options: { days: string }) => {
      const days = daysOf(options.days);
      const now = systemClock.now();
      const settings = house.configFile() === undefined ? undefined : await house.config();
      const alerts = await withBook(house, (book) =>
        allAlerts(book, { from: now - days * dayMs, to: now + 1 }),
      );
      const analysis = analyse(alerts, {
        rules: settings?.alert_rules ?? [],
        timeZone: settings?.home.time_zone,
      });
      house.print(analysis, () => renderAnalysis(analysis, days));
    });
  cctv
    .command('migrate')
    .description(
      'bring data/events.db to the layout of this version, or take over that of the original; keeps a copy',
    )
    .option('--dry-run', 'say what would be done, and do nothing')
    .action(async ({ dryRun = false }: { dryRun?: boolean }) => {
      const file = path.join(house.dataDir(), 'events.db');
      if (!dryRun) mkdirSync(house.dataDir(), { recursive: true, mode: 0o700 });
      const done = await migrateBook({ file, now: systemClock.now(), log: house.log, dryRun });
      house.print({ file, ...done }, () => migratedText(file, done, dryRun));
    });
}

function migratedText(file: string, { from, to, steps, copy }: Migrated, dryRun: boolean): string {
  if (steps.length === 0) return `${file} has layout ${to} already; there is nothing to do`;
  return [
    `${file}: ${dryRun ? 'would go' : 'went'} from layout ${from} to ${to}`,
    ...steps.map((step) => `  ${step.replaceAll(/\s+/g, ' ')}`),
    ...(copy === undefined ? [] : [`the book as it was is in ${copy}`]),
  ].join('\n');
}
