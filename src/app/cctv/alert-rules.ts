import type { Command } from 'commander';
import type { EventBook } from '#cctv/book/book.ts';
import { calibrationFolder } from '#cctv/ground/folder.rules.ts';
import { pastObservations } from '#cctv/past.rules.ts';
import { handOf } from '#guard/mode.rules.ts';
import type { Situation } from '#guard/model.ts';
import type { AlertRule } from '#guard/rules/config.ts';
import { renderReplay } from '#guard/rules/replay.render.ts';
import { replay, type Replay } from '#guard/rules/replay.rules.ts';
import { pastSituations } from '#guard/situation.rules.ts';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { table } from '#platform/table.ts';
import { staysIn } from '#presence/report.ts';
import type { Store } from '#store/model.ts';
import path from 'node:path';
import { Calibrations } from './calibrations.ts';
import { allAlerts, daysOf, daysOption, withBook } from './book.ts';
import { loadHouse, type cliHouse } from '../context.ts';
import type { HouseConfig } from '../config.ts';

type House = ReturnType<typeof cliHouse>;

const dayMs = 86_400_000;
const mostHands = 10_000;

/** `lares cctv rules list | try`. */
export function rulesCommands(cctv: Command, house: House): void {
  const rules = cctv.command('rules').description('the rules that say when people are told');
  rules
    .command('list')
    .description('every rule: what it looks at, when it is in force, and how it tells')
    .action(async () => {
      const { alert_rules: list } = await house.config();
      house.print(list, () => rulesText(list));
    });
  rules
    .command('try')
    .description(
      'which alerts the rules as they are now would have given for what was seen, beside those that were given',
    )
    .option(...daysOption)
    .option('--rule <id>', 'only this one')
    .option('--config-file <file>', 'rules and zones of another settings file')
    .action(async (options: { days: string; rule?: string; configFile?: string }) => {
      const days = daysOf(options.days);
      const { result, timeZone } = await tryRules(house, { ...options, days });
      house.print(result, () => renderReplay(result, days, timeZone));
    });
}

interface Trying {
  readonly days: number;
  readonly rule?: string;
  readonly configFile?: string;
}

async function tryRules(
  house: House,
  { days, rule, configFile }: Trying,
): Promise<{ result: Replay; timeZone: string }> {
  const own = await house.config();
  const calibrated = calibrationFolder(path.dirname(path.resolve(house.configFile()!)));
  // Settings elsewhere have no calibrations beside them; the cameras are those of this house.
  const settings = configFile === undefined ? own : loadHouse(configFile, house.env, calibrated).config;
  const rules = settings.alert_rules.filter((r) => rule === undefined || r.id === rule);
  if (rule !== undefined && rules.length === 0)
    throw new LaresError(
      'NOT_FOUND',
      `there is no rule ${rule}; there are ${settings.alert_rules.map((r) => r.id).join(', ') || 'none'}`,
    );
  const timeZone = own.home.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const to = systemClock.now() + 1;
  const from = to - days * dayMs;
  const calibrations = new Calibrations(calibrated, house.log);
  calibrations.load(settings.cameras);
  const scenes = new Map(
    settings.cameras.map((c) => [
      c.id,
      { camera: c.id, zones: c.zones, newPath: calibrations.groundOf(c.id) },
    ]),
  );
  const store = await house.store();
  try {
    const situationAt = await situations(store, own, { from, to, timeZone });
    house.progress(`replaying ${days} ${days === 1 ? 'day' : 'days'}`);
    const result = await withBook(house, (book) =>
      replay({
        rules,
        observations: pastObservations({
          points: book.paths(from, to),
          eventOf: (id) => book.event(id),
          sceneOf: (camera) => scenes.get(camera),
        }),
        situationAt,
        real: realAlerts(book, { from, to, rule }),
        cameraName: (camera) => settings.cameras.find((c) => c.id === camera)?.name ?? camera,
      }),
    );
    return { result, timeZone };
  } finally {
    await store.close();
  }
}

const realAlerts = (
  book: EventBook,
  { from, to, rule }: { from: number; to: number; rule: string | undefined },
) => allAlerts(book, { from, to }).filter((alert) => rule === undefined || alert.rule === rule);

/** Who was home and what mode the house was in, from the journal. Phones of strangers are not kept, so none was there. */
async function situations(
  store: Pick<Store, 'journal'>,
  { guard, presence }: HouseConfig,
  { from, to, timeZone }: { from: number; to: number; timeZone: string },
): Promise<(at: number) => Situation> {
  const { people } = presence;
  const stays = await Promise.all(people.map(({ person }) => staysIn(store, person, from, to)));
  // A mode that was set before may still hold.
  const changes = await store.journal.list({ kinds: ['guard.mode'], to, order: 'asc', limit: mostHands });
  return pastSituations(guard, {
    timeZone,
    stays: stays.flat(),
    names: new Map(people.map(({ person, name }) => [person, name ?? person])),
    phones: [],
    hands: changes.map(({ at, data }) => ({ at, hand: handOf(data) })),
  });
}

function rulesText(rules: readonly AlertRule[]): string {
  if (rules.length === 0)
    return 'There is no rule yet, so nobody is told anything. They stand under alert_rules.';
  return table(
    ['RULE', 'NAME', 'ABOUT', 'CAMERAS', 'ZONES', 'WHEN', 'SEVERITY', 'TELLS'],
    rules.map((r) => [
      r.id,
      r.name ?? '',
      r.classes.join(', '),
      r.cameras?.join(', ') ?? 'all',
      r.zones?.join(', ') ?? 'everywhere',
      whenText(r),
      r.severity,
      r.actions?.map((a) => a.type).join(', ') ?? 'every channel',
    ]),
  );
}

function whenText({ enabled, schedule, home_mode: modes }: AlertRule): string {
  if (!enabled) return 'switched off';
  const hours = schedule?.map(
    (h) => `${h.days === undefined ? '' : `${h.days.join(' ')} `}${h.from}–${h.to}`,
  );
  return (
    [...(hours ?? []), ...(modes === undefined ? [] : [`mode ${modes.join(', ')}`])].join('; ') || 'always'
  );
}
