import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import type { CliHouse } from '#platform/command.ts';
import { duration, localTime, table } from '#platform/table.ts';
import { parseInstant, toEventBody, type EventBody } from '#platform/wire.ts';
import type { PresenceConfig } from './config.ts';
import type { PresenceBody } from './http.ts';
import type { Suggestion } from './model.ts';
import { rejectedKey, suggestionsKey } from './relink.ts';
import { transitionKinds } from './port.ts';

/** What the presence commands need beyond their settings: the one edit that they make. */
export interface PresenceCommands extends CliHouse<{
  readonly presence: PresenceConfig;
  readonly home: { readonly time_zone?: string | undefined };
}> {
  /** Adds an address to `presence.people[index].wifi_macs` in the configuration file, keeping its comments. */
  addMac(index: number, mac: string): Promise<void>;
}

/** `lares presence status | why | history | suggestions`. */
export function presenceCommands(presence: Command, house: PresenceCommands): void {
  presence
    .command('status')
    .description('who is home now (asks the running service)')
    .action(async () => {
      const body = (await house.get('/api/presence')) as PresenceBody;
      house.print(body, () => statusText(body));
    });

  presence
    .command('why <person>')
    .description('the evidence of the last transitions of a person')
    .option('-n, --last <count>', 'how many transitions', '3')
    .action(async (person: string, options: { last: string }) => {
      const events = await transitions(house, person, count(options.last));
      const timeZone = await zone(house);
      house.print(events, () => whyText(person, events, timeZone));
    });

  presence
    .command('history [person]')
    .description('arrivals and departures')
    .option('--from <instant>', 'ISO 8601 with a zone, a date, or epoch seconds; a week ago unless given')
    .option('-n, --last <count>', 'how many at most', '50')
    .action(async (person: string | undefined, options: { from?: string; last: string }) => {
      const from = options.from === undefined ? undefined : parseInstant(options.from);
      if (options.from !== undefined && from === undefined)
        throw new LaresError(
          'USAGE',
          `--from ${options.from}: expected an instant like 2026-01-31T08:00:00Z`,
        );
      const events = await transitions(house, person, count(options.last), from);
      const timeZone = await zone(house);
      house.print(events, () =>
        table(
          ['WHEN', 'WHO', 'WHAT', 'BECAUSE'],
          events.map((e) => [
            localTime(Date.parse(e.at), timeZone),
            e.subject.slice(7),
            e.kind.slice(9),
            e.evidence[0]?.text ?? '',
          ]),
        ),
      );
    });

  const suggestions = presence
    .command('suggestions', { isDefault: false })
    .description('phones that seem to have changed their address')
    .action(() => listSuggestions(house));
  suggestions
    .command('accept <id>')
    .description('write the new address into the configuration file')
    .action(async (id: string) => {
      const suggestion = await find(house, id);
      const { presence: settings } = await house.config();
      const index = settings.people.findIndex((p) => p.person === suggestion.person);
      if (index < 0) throw new LaresError('NOT_FOUND', `${suggestion.person} is no longer configured`);
      if (settings.people[index]?.wifi_macs.includes(suggestion.mac) !== true)
        await house.addMac(index, suggestion.mac);
      house.print(
        { ...suggestion, status: 'accepted' },
        () => `${suggestion.mac} now belongs to ${suggestion.person}`,
      );
    });
  suggestions
    .command('reject <id>')
    .description('never propose this link again')
    .action(async (id: string) => {
      const suggestion = await find(house, id);
      await withStore(house, async ({ state }) => {
        const rejected = (await state.get<string[]>(rejectedKey)) ?? [];
        await state.set(rejectedKey, [...new Set([...rejected, suggestion.id])]);
      });
      house.print(
        { ...suggestion, status: 'rejected' },
        () => `${suggestion.mac} will not be proposed for ${suggestion.person} again`,
      );
    });
}

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= 1_000) return value;
  throw new LaresError('USAGE', `--last ${text}: expected a number from 1 to 1000`);
}

/** The home's time zone where there are settings; the demo house has none. */
const zone = async (house: PresenceCommands): Promise<string | undefined> =>
  house.configFile() === undefined ? undefined : (await house.config()).home.time_zone;

/** From the running service, which needs no settings to be found; from the database when it does not run. */
async function fromService<T>(ask: () => Promise<T>, otherwise: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof LaresError && error.code === 'UNREACHABLE')) throw error;
    return otherwise();
  }
}

async function withStore<T>(
  house: Pick<PresenceCommands, 'store'>,
  work: (store: Awaited<ReturnType<PresenceCommands['store']>>) => Promise<T>,
): Promise<T> {
  const store = await house.store();
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

async function named(house: PresenceCommands, person: string) {
  const config = await house.config();
  const names = config.presence.people.map((p) => p.person);
  if (!names.includes(person))
    throw new LaresError(
      'NOT_FOUND',
      `nobody is called ${person}; known: ${names.join(', ') || 'nobody yet'}`,
    );
  return config;
}

/** Transitions of one person or of everybody, newest first. Throws NOT_FOUND with the known names for a stranger. */
function transitions(
  house: PresenceCommands,
  person: string | undefined,
  limit: number,
  from?: number,
): Promise<readonly EventBody[]> {
  return fromService(
    async () => {
      if (person !== undefined) await house.get(`/api/presence/${encodeURIComponent(person)}?limit=1`);
      const query = new URLSearchParams({ kinds: transitionKinds.join(','), limit: String(limit) });
      if (person !== undefined) query.set('subject', `person:${person}`);
      if (from !== undefined) query.set('from', new Date(from).toISOString());
      return ((await house.get(`/api/events?${query.toString()}`)) as { events: EventBody[] }).events;
    },
    async () => {
      if (person !== undefined) await named(house, person);
      const subject = person === undefined ? {} : { subject: `person:${person}` };
      const since = from === undefined ? {} : { from };
      return withStore(house, async ({ journal }) =>
        (await journal.list({ kinds: transitionKinds, ...subject, ...since, limit })).map(toEventBody),
      );
    },
  );
}

const storedSuggestions = (house: PresenceCommands) =>
  withStore(house, async ({ state }) => (await state.get<Suggestion[]>(suggestionsKey)) ?? []);

async function find(house: PresenceCommands, id: string): Promise<Suggestion> {
  const all = await storedSuggestions(house);
  const found = all.filter((s) => s.id === id || s.mac === id.toLowerCase());
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const known = all.filter((s) => s.status === 'open').map((s) => s.id);
  throw new LaresError(
    'NOT_FOUND',
    `no single suggestion is called ${id}; open: ${known.join(', ') || 'none'}`,
  );
}

async function listSuggestions(house: PresenceCommands): Promise<void> {
  const all = await storedSuggestions(house);
  house.print(all, () =>
    all.length === 0
      ? 'No suggestions: every known phone still has its address.'
      : [
          table(
            ['STATUS', 'SURE', 'PERSON', 'NEW ADDRESS', 'REPLACES', 'BECAUSE'],
            all.map((s) => [
              s.status,
              `${Math.round(s.confidence * 100)} %`,
              s.person,
              s.mac,
              s.replaces ?? '',
              s.evidence.map((e) => e.text).join('; '),
            ]),
          ),
          '',
          'lares presence suggestions accept ADDRESS, or reject ADDRESS',
        ].join('\n'),
  );
}

function statusText(body: PresenceBody): string {
  const rows = body.people.map((p) => [
    p.name,
    p.state,
    `${Math.round(p.probability * 100)} %`,
    p.since === null ? '' : duration(Date.parse(body.at) - Date.parse(p.since)),
    Object.entries(p.from)
      .flatMap(([source, says]) => (says === 1 ? [source] : []))
      .join(' '),
    p.conflict ?? p.evidence[0]?.text ?? '',
  ]);
  const guests = body.guests > 0 ? `, ${body.guests} guest devices` : '';
  return `${table(['WHO', 'STATE', 'SURE', 'FOR', 'SOURCES', 'BECAUSE'], rows)}\n\n${body.count_home} home, ${body.devices_present} devices present${guests}`;
}

/** One block per transition: what happened, how sure, and every piece of evidence with its weight. */
function whyText(person: string, events: readonly EventBody[], timeZone: string | undefined): string {
  if (events.length === 0) return `${person} has neither come nor gone since Lares knows them.`;
  const words: Record<string, string> = {
    'presence.arrived': 'came home',
    'presence.left': 'left',
    'presence.away': 'was found to be away',
  };
  return events
    .map((event) => {
      const probability =
        typeof event.data['probability'] === 'number' ? event.data['probability'] : undefined;
      const sure = probability === undefined ? '' : `, ${(probability * 100).toFixed(1)} % home`;
      const conflict =
        typeof event.data['conflict'] === 'string' ? [`    conflict: ${event.data['conflict']}`] : [];
      const lines = event.evidence.map((e) => {
        const side = (e.weight ?? 0) >= 0 ? 'home' : 'away';
        const weight = Math.abs(e.weight ?? 0).toFixed(1);
        return `    ${localTime(Date.parse(e.at), timeZone)}  ${e.source.padEnd(13)}  ${side} ${weight.padStart(4)}  ${e.text}`;
      });
      return [
        `${localTime(Date.parse(event.at), timeZone)}  ${person} ${words[event.kind] ?? event.kind}${sure}`,
        ...lines,
        ...conflict,
      ].join('\n');
    })
    .join('\n\n');
}
