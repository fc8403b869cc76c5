import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { LaresError, reason } from '#kernel/errors.ts';
import { DeviceRepository } from '#devices/repository.ts';
import type { CliHouse } from '#platform/command.ts';
import { HomeAssistant } from '#platform/homeassistant/client.ts';
import { duration, localTime, table } from '#platform/table.ts';
import { iso, isoOrNull } from '#platform/wire.ts';
import type { Store } from '#store/model.ts';
import type { PresenceConfig } from './config.ts';
import type { PersonState } from './model.ts';
import { transitionKinds } from './port.ts';
import {
  falseDepartures,
  freshness,
  occupancy,
  staleAddresses,
  troubles,
  type FalseDeparture,
  type Freshness,
  type LogTrouble,
  type Occupancy,
  type StaleAddress,
} from './report.rules.ts';
import { staysOf } from './stays.rules.ts';

/** What a report reads of the settings. */
interface Settings {
  readonly presence: PresenceConfig;
  readonly home: { readonly time_zone?: string | undefined };
  readonly homeassistant?:
    | { readonly url: string; readonly token: string; readonly verify_tls: boolean }
    | undefined;
}

/** Everything that a weekly or monthly look back says. Instants are epoch ms. */
export interface PresenceReport {
  readonly from: number;
  readonly to: number;
  /** Undefined when there is no log to read. */
  readonly troubles: readonly LogTrouble[] | undefined;
  readonly freshness: Freshness;
  readonly people: readonly Occupancy[];
  readonly falseDepartures: readonly FalseDeparture[];
  /** Only in a monthly report. */
  readonly stale: readonly StaleAddress[] | undefined;
  /** What Home Assistant says to the token, in a monthly report where it is configured. */
  readonly token: string | undefined;
}

const dayMs = 86_400_000;
const spans = { weekly: 7 * dayMs, monthly: 30 * dayMs } as const;
type Span = keyof typeof spans;

const isSpan = (word: string): word is Span => Object.hasOwn(spans, word);
// Far more than a household makes in a month.
const mostTransitions = 20_000;

/** `lares presence report weekly|monthly`. */
export function reportCommand(presence: Command, house: CliHouse<Settings>): void {
  presence
    .command('report <span>')
    .description('look back on a week or a month: weekly or monthly')
    .option('--log <file>', 'the log to sum up; the journal of presence-monitoring unless given')
    .option('--to <instant>', 'look back from here: a date or an instant; now unless given')
    .action(async (span: string, options: { log?: string; to?: string }) => {
      if (!isSpan(span)) throw new LaresError('USAGE', `report ${span}: expected weekly or monthly`);
      const to = options.to === undefined ? Date.now() : Date.parse(options.to);
      if (Number.isNaN(to))
        throw new LaresError('USAGE', `--to ${options.to}: expected a date like 2026-01-31`);
      const lines = await logLines(options.log, to - spans[span]);
      const made = await makeReport(house, span, to, lines);
      const { home } = await house.config();
      house.print(toReportBody(made), () => renderReport(made, home.time_zone));
    });
}

async function makeReport(
  house: CliHouse<Settings>,
  span: Span,
  to: number,
  lines: readonly string[] | undefined,
): Promise<PresenceReport> {
  const settings = await house.config();
  const from = to - spans[span];
  const store = await house.store();
  try {
    const { people, metrics } = settings.presence;
    const kinds = transitionKinds;
    const transitions = await store.journal.list({ kinds, from, to, order: 'asc', limit: mostTransitions });
    const stays = await Promise.all(people.map(({ person }) => staysIn(store, person, from, to)));
    const ticks = await minutesWithTick(store, `${metrics.prefix}.count_home`, from, to);
    const monthly = span === 'monthly';
    return {
      from,
      to,
      troubles: lines === undefined ? undefined : troubles(lines),
      freshness: freshness(ticks, to),
      people: people.map(({ person }, i) => occupancy(person, stays[i] ?? [], transitions, from, to)),
      falseDepartures: falseDepartures(transitions),
      stale: monthly ? staleAddresses(people, await lastSeen(store), to) : undefined,
      token: monthly ? await tokenSays(settings, house.signal) : undefined,
    };
  } finally {
    await store.close();
  }
}

const minuteMs = 60_000;

/** Starts of the minutes (epoch ms) that have a value of the series; asked day by day, so that buckets stay minutes. */
async function minutesWithTick(
  store: Pick<Store, 'readings'>,
  series: string,
  from: number,
  to: number,
): Promise<number[]> {
  const minutes: number[] = [];
  const end = Math.ceil(to / minuteMs) * minuteMs;
  for (let day = Math.floor(from / minuteMs) * minuteMs; day < end; day += dayMs) {
    const until = Math.min(day + dayMs, end);
    const points = await store.readings.chart(series, day, until, (until - day) / minuteMs);
    minutes.push(...points.map((point) => point.at));
  }
  return minutes;
}

/** The stays of one person; the state before the first transition and after the last comes from the neighbours in the journal. */
export async function staysIn(store: Pick<Store, 'journal'>, person: string, from: number, to: number) {
  const subject = `person:${person}`;
  const query = { kinds: transitionKinds, subject };
  const [events, [next], [last]] = await Promise.all([
    store.journal.list({ ...query, from, to, order: 'asc', limit: mostTransitions }),
    store.journal.list({ ...query, from: to, order: 'asc', limit: 1 }),
    store.journal.list({ ...query, to, order: 'desc', limit: 1 }),
  ]);
  const state = (last?.data['to'] ?? 'unknown') as PersonState;
  return staysOf({ person, state, since: next?.at ?? last?.at }, events, from, to, next);
}

async function lastSeen(store: Store): Promise<Map<string, number>> {
  const devices = await new DeviceRepository(store).all();
  return new Map(devices.map((device) => [device.mac, device.lastSeen]));
}

async function tokenSays({ homeassistant }: Settings, signal: AbortSignal): Promise<string | undefined> {
  if (homeassistant === undefined) return undefined;
  const { url, token, verify_tls } = homeassistant;
  try {
    return await new HomeAssistant({ url, token, verifyTls: verify_tls }).greeting(signal);
  } catch (error) {
    return reason(error);
  }
}

/** Lines of a log file, or of the journal since `from` (epoch ms); undefined where there is neither. */
async function logLines(file: string | undefined, from: number): Promise<string[] | undefined> {
  if (file !== undefined) {
    try {
      const since = iso(from);
      return readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line >= since);
    } catch (cause) {
      throw new LaresError('NOT_FOUND', `${file} cannot be read: ${reason(cause)}`, { cause });
    }
  }
  const since = `@${Math.floor(from / 1000)}`;
  const words = ['-u', 'presence-monitoring', '--since', since, '-o', 'cat', '--no-pager', '-q'];
  const journal = await promisify(execFile)('journalctl', words, {
    timeout: 30_000,
    maxBuffer: 256 * 2 ** 20,
  }).catch(() => undefined);
  const lines = journal?.stdout.split('\n').filter((line) => line !== '');
  return lines === undefined || lines.length === 0 ? undefined : lines;
}

const percent = (part: number, whole: number) =>
  whole <= 0 ? '-' : `${((part / whole) * 100).toFixed(1)} %`;

/** The report for a terminal. */
export function renderReport(report: PresenceReport, timeZone: string | undefined): string {
  const { from, to } = report;
  const time = (at: number | undefined) => localTime(at, timeZone);
  const section = (title: string, lines: readonly string[]) => ['', title, ...lines.map((l) => `  ${l}`)];
  const rows = (head: readonly string[], cells: readonly (readonly string[])[]) =>
    table(head, cells).split('\n');
  const { covered, minutes, gaps, newest } = report.freshness;
  const fresh = [
    newest === undefined
      ? 'no tick is in the database'
      : `${covered} of ${minutes} minutes have a tick (${percent(covered, minutes)}); the newest is of ${time(newest)}`,
    ...gaps.map((gap) => `gap of ${duration(gap.to - gap.from)} from ${time(gap.from)}`),
  ];
  const known = report.troubles;
  const errors =
    known === undefined
      ? ['there is no journal of presence-monitoring on this machine; name a log with --log']
      : known.length === 0
        ? ['none']
        : rows(
            ['LEVEL', 'TIMES', 'PART', 'CODE', 'LAST'],
            known.map((t) => [t.level, String(t.count), t.component, t.code, t.last.slice(0, 120)]),
          );
  const people = rows(
    ['WHO', 'HOME', 'AWAY', 'UNKNOWN', 'CAME', 'LEFT', 'CONFLICTS'],
    report.people.map((p) => [
      p.person,
      percent(p.homeMs, to - from),
      percent(p.awayMs, to - from),
      percent(p.unknownMs, to - from),
      String(p.arrivals),
      String(p.departures),
      String(p.conflicts),
    ]),
  );
  const back =
    report.falseDepartures.length === 0
      ? ['none']
      : report.falseDepartures.map(
          (f) => `${f.person}  ${time(f.leftAt)}, back after ${duration(f.backAt - f.leftAt)}: ${f.because}`,
        );
  const stale =
    report.stale?.map(
      (s) =>
        `${s.person}  ${s.mac}  ${s.lastSeen === undefined ? 'never seen' : `not seen since ${time(s.lastSeen)}`}`,
    ) ?? [];
  return [
    `${time(from)} to ${time(to)}`,
    ...section('Errors and warnings', errors),
    ...section('Freshness', fresh),
    ...section('Occupancy', people),
    ...section('Departures taken back within 15 minutes (probably none at all)', back),
    ...(report.stale === undefined
      ? []
      : section('Addresses not seen for 30 days', stale.length === 0 ? ['none'] : stale)),
    ...(report.token === undefined ? [] : section('Home Assistant says to the token', [report.token])),
  ].join('\n');
}

const toReportBody = (report: PresenceReport) => ({
  from: iso(report.from),
  to: iso(report.to),
  troubles: report.troubles ?? null,
  freshness: {
    covered_minutes: report.freshness.covered,
    minutes: report.freshness.minutes,
    newest: isoOrNull(report.freshness.newest),
    gaps: report.freshness.gaps.map((gap) => ({ from: iso(gap.from), to: iso(gap.to) })),
  },
  people: report.people.map((p) => ({
    person: p.person,
    home_seconds: Math.round(p.homeMs / 1000),
    away_seconds: Math.round(p.awayMs / 1000),
    unknown_seconds: Math.round(p.unknownMs / 1000),
    arrivals: p.arrivals,
    departures: p.departures,
    conflicts: p.conflicts,
  })),
  false_departures: report.falseDepartures.map((f) => ({
    person: f.person,
    left_at: iso(f.leftAt),
    back_at: iso(f.backAt),
    because: f.because,
  })),
  stale_addresses:
    report.stale?.map((s) => ({ person: s.person, mac: s.mac, last_seen: isoOrNull(s.lastSeen) })) ?? null,
  homeassistant_token: report.token ?? null,
});
