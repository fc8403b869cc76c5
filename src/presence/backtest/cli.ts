import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { phoneHabits, sleepierHabits, type Span } from '#devices/lan/phone-model.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { CliHouse } from '#platform/command.ts';
import { table } from '#platform/table.ts';
import { backtest, policies, type Result } from './backtest.ts';
import { parseSchedule, type Schedule } from './schedule.codec.ts';

/** Makes up the times at home of the people of a household for a number of days from `from` (epoch ms). */
export type GenerateDays = (seed: string, span: Span) => readonly { name: string; home: readonly Span[] }[];

interface Options {
  readonly schedule?: string;
  readonly generated?: string;
  readonly seeds: string;
}

const dayMs = 86_400_000;
const mostDays = 366;
const mostSeeds = 100;
// A Monday; generated weeks begin with it.
const firstDay = Date.UTC(2026, 0, 5);

/** `lares presence backtest`. `generate` supplies days when no recorded schedule is given. */
export function backtestCommand(
  presence: Command,
  house: Pick<CliHouse<unknown>, 'print' | 'progress'>,
  generate: GenerateDays,
): void {
  presence
    .command('backtest')
    .description('false departures and latencies of each policy, on simulated phones that follow a schedule')
    .option('--schedule <file>', 'CSV with the columns time and occupied')
    .option(
      '--generated <days>',
      'make up this many days of a household of six (14 unless a schedule is given)',
    )
    .option('--seeds <count>', 'how many times to throw the dice', '5')
    .action(async (options: Options) => {
      const count = wholeNumber('--seeds', options.seeds, mostSeeds);
      const seeds = Array.from({ length: count }, (_, i) => i + 1);
      const schedules = await schedulesOf(options, generate);
      house.progress(`replaying ${schedules.map((s) => s.name).join(', ')} with ${count} seeds`);
      const usual = backtest(schedules, phoneHabits, seeds);
      const sleepier = backtest(schedules, sleepierHabits, seeds);
      house.print({ schedules: schedules.map((s) => s.name), seeds: count, usual, sleepier }, () =>
        [
          resultTable(usual),
          '',
          'The same with sleepier phones (radio off once an hour, median 180 s):',
          resultTable(sleepier),
          '',
          ...Object.entries(policies).map(([name, p]) => `${name.padEnd(10)} ${p.title}`),
          'A departure is false when the schedule says home at that moment. Spread: lowest to highest seed.',
          'How phones sleep is an assumption, not a measurement; compare policies, not absolute figures.',
        ].join('\n'),
      );
    });
}

function wholeNumber(option: string, text: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new LaresError('USAGE', `${option} ${text}: expected a whole number from 1 to ${most}`);
}

async function schedulesOf({ schedule, generated }: Options, generate: GenerateDays): Promise<Schedule[]> {
  if (schedule !== undefined && generated !== undefined)
    throw new LaresError('USAGE', 'give either --schedule or --generated, not both');
  if (schedule === undefined) {
    const days = wholeNumber('--generated', generated ?? '14', mostDays);
    const span = { from: firstDay, to: firstDay + days * dayMs };
    return generate('backtest', span).map(({ name, home }) => scheduleOf(name, span, home));
  }
  const text = await readFile(schedule, 'utf8').catch((error: unknown) => {
    throw new LaresError('USAGE', `--schedule ${schedule} cannot be read: ${reason(error)}`, {
      cause: error,
    });
  });
  return [parseSchedule(text, path.basename(schedule))];
}

/** Spans at home as samples, two at each change so that nothing is left to chance, and one at each end. */
export function scheduleOf(name: string, span: Span, home: readonly Span[]): Schedule {
  const at = (instant: number) => home.some((s) => instant >= s.from && instant < s.to);
  const changes = home.flatMap((s) => [s.from, s.to]).filter((c) => c > span.from && c < span.to);
  const instants = [span.from, ...changes.flatMap((c) => [c - 1, c]), span.to];
  const unique = [...new Set(instants)].toSorted((a, b) => a - b);
  return { name, samples: unique.map((i) => ({ at: i, home: at(Math.min(i, span.to - 1)) })) };
}

const cell = (value: number | undefined, unit = '') => (value === undefined ? '-' : `${value}${unit}`);

/** One line per policy, for people. */
export function resultTable(results: readonly Result[]): string {
  const head = [
    'POLICY',
    'FALSE/PERSON-WEEK',
    'SPREAD',
    'DEPARTURE P50',
    'P95',
    'ARRIVAL P50',
    'P95',
    'MISSED',
    'UNNOTICED',
  ];
  return table(
    head,
    results.map(({ policy, pooled, perSeed }) => [
      policy,
      pooled.false_departures_per_person_week.toFixed(2),
      `${Math.min(...perSeed).toFixed(2)} to ${Math.max(...perSeed).toFixed(2)}`,
      cell(pooled.departure_p50_s, ' s'),
      cell(pooled.departure_p95_s, ' s'),
      cell(pooled.arrival_p50_s, ' s'),
      cell(pooled.arrival_p95_s, ' s'),
      `${pooled.missed_departures} of ${pooled.departures}`,
      String(pooled.unnoticed_absences),
    ]),
  );
}
