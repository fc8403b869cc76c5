import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { phoneHabits, sleepierHabits } from '#devices/lan/phone-model.ts';
import { backtest, type Result } from '#presence/backtest/backtest.ts';
import { resultTable } from '#presence/backtest/cli.ts';
import { parseSchedule } from '#presence/backtest/schedule.codec.ts';
import { table } from '#platform/table.ts';
import type { Suite } from './suite.ts';

/** False departures per person-week that a home with exit evidence may have. */
const goalWithExit = 0.5;
/** Share of the original policy's false departures that a home without exit evidence may have. */
const goalShare = 0.25;
const seeds = Array.from({ length: 20 }, (_, i) => i + 1);
const keys = [
  'false_departures_per_person_week',
  'departure_p50_s',
  'departure_p95_s',
  'arrival_p50_s',
  'arrival_p95_s',
  'missed_departures',
  'unnoticed_absences',
] as const;

/**
 * Occupancy of real homes, `<home>.csv` with `time,occupied`, each taken as one person with one phone. The phones,
 * the door and the other people are simulated; whose presence it is, is not. An item is a home; it is right when it
 * meets both goals over all seeds. No parameter of the policies was chosen on this data.
 */
const suite: Suite = {
  name: 'presence-homes',
  folder: 'presence/homes',
  run: (dir) => {
    const files = globSync('*.csv', { cwd: dir }).toSorted();
    if (files.length === 0) return Promise.resolve(undefined);
    const schedules = files.map((file) =>
      parseSchedule(readFileSync(path.join(dir, file), 'utf8'), path.basename(file, '.csv')),
    );
    const usual = backtest(schedules, phoneHabits, seeds);
    const sleepier = backtest(schedules, sleepierHabits, seeds.slice(0, 5));
    const rate = (policy: Result['policy'], home: string) =>
      usual.find((r) => r.policy === policy)?.perSchedule[home]?.false_departures_per_person_week ??
      Number.NaN;
    const homes = schedules.map(({ name }) => {
      const [original, ours, exit] = [rate('original', name), rate('ours', name), rate('ours_exit', name)];
      return { name, original, ours, exit, right: exit <= goalWithExit && ours <= original * goalShare };
    });
    const flat = (prefix: string, { pooled }: Result) =>
      keys.map((key) => [`${prefix}${key}`, pooled[key]] as const);
    const exit = usual.find((r) => r.policy === 'ours_exit');
    return Promise.resolve({
      items: homes.length,
      right: homes.filter((h) => h.right).length,
      scores: Object.fromEntries([
        ...(exit === undefined ? [] : flat('', exit)),
        ...usual.flatMap((r) => flat(`${r.policy}.`, r)),
        ...sleepier.flatMap((r) => flat(`sleepier.${r.policy}.`, r)),
      ]),
      report: [
        `${files.length} homes, ${seeds.length} seeds`,
        resultTable(usual),
        '',
        `Sleepier phones (radio off once an hour, median 180 s), 5 seeds`,
        resultTable(sleepier),
        '',
        table(
          ['HOME', 'ORIGINAL', 'LARES', 'WITH EXIT', 'MEETS THE GOALS'],
          homes.map((h) => [
            h.name,
            h.original.toFixed(2),
            h.ours.toFixed(2),
            h.exit.toFixed(2),
            h.right ? 'yes' : 'no',
          ]),
        ),
      ].join('\n'),
    });
  },
};

export default suite;
