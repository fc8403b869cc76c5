import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import type { ActingHouse } from '#platform/command.ts';
import { numberOf, spanQuery, withSpan, type Span } from '#platform/flags.ts';
import type { AlertBody, CctvBody, SeenEventBody, SuppressedBody } from './body.ts';
import { alertsText, camerasText, eventsText, heldText, whyText } from './cli.render.ts';

/** The house as the camera commands need it: `fetch` brings what is no JSON, such as a picture. */
export interface CctvHouse extends ActingHouse<{
  readonly home: { readonly time_zone?: string | undefined };
}> {
  fetch(path: string): Promise<Uint8Array>;
}

interface ListOptions extends Span {
  readonly camera?: string;
  readonly label?: string;
  readonly rule?: string;
  readonly limit: string;
}

/** Undefined, which is that of the machine, also while the settings are wrong: the house runs with those of before. */
const zone = async (house: CctvHouse): Promise<string | undefined> =>
  house.configFile() === undefined
    ? undefined
    : await house.config().then(
        ({ home }) => home.time_zone,
        () => undefined,
      );

const listing = (command: Command): Command =>
  withSpan(command, 'all')
    .option('--camera <id>', 'only of one camera')
    .option('--label <class>', 'only of one class: person, car, …')
    .option('--limit <count>', 'at most this many, newest first', '50');

function queryOf(options: ListOptions): string {
  const { camera, label, rule, limit } = options;
  const query = {
    ...spanQuery(options, Date.now()),
    ...(camera === undefined ? {} : { camera }),
    ...(label === undefined ? {} : { label }),
    ...(rule === undefined ? {} : { rule }),
    limit: numberOf('--limit', limit, { most: 1000, whole: true }),
  };
  return new URLSearchParams(query).toString();
}

/** `lares cctv list | events | alerts | why | false | snapshot | clip`: faces of the running service. */
export function cctvCommands(cctv: Command, house: CctvHouse): void {
  cctv
    .command('list')
    .description('every camera: whether it works, and what it sees now (asks the running service)')
    .action(async () => {
      const body = (await house.get('/api/cctv')) as CctvBody;
      house.print(body, () => camerasText(body));
    });
  listing(cctv.command('events').description('what was seen')).action(async (options: ListOptions) => {
    const { events } = (await house.get(`/api/cctv/events?${queryOf(options)}`)) as {
      events: SeenEventBody[];
    };
    const timeZone = await zone(house);
    house.print(events, () => eventsText(events, timeZone));
  });
  listing(cctv.command('alerts').description('what people were told, or what was held back and why'))
    .option('--rule <id>', 'only of one rule')
    .option('--held', 'what was held back instead, with its reason')
    .action(async (options: ListOptions & { readonly held?: boolean }) => {
      if (options.held === true) return await held(house, options);
      const { alerts } = (await house.get(`/api/cctv/alerts?${queryOf(options)}`)) as { alerts: AlertBody[] };
      const timeZone = await zone(house);
      house.print(alerts, () => alertsText(alerts, timeZone));
    });
  cctv
    .command('why <alert>')
    .description('why an alert was made: every gate of its rule, and what it saw')
    .action(async (id: string) => {
      const { alerts } = (await house.get('/api/cctv/alerts?limit=1000')) as { alerts: AlertBody[] };
      const alert = alerts.find((a) => a.id === id);
      if (alert === undefined)
        throw new LaresError(
          'NOT_FOUND',
          `there is no alert ${id} among the last 1000; see: lares cctv alerts`,
        );
      const timeZone = await zone(house);
      house.print(alert, () => whyText(alert, timeZone));
    });
  cctv
    .command('false <alert>')
    .description('say that an alert was a false alarm; what learns from it leaves the rest alone')
    .option('--not', 'it was none after all')
    .action(async (id: string, { not }: { not?: boolean }) => {
      const done = await house.post(`/api/cctv/alerts/${encodeURIComponent(id)}/false`, { on: not !== true });
      house.print(done, () => `${id} is marked as ${not === true ? 'no false alarm' : 'a false alarm'}`);
    });
  cctv
    .command('snapshot')
    .description('save a picture: of a camera now, or the best one of an event')
    .option('--camera <id>', 'what it sees now')
    .option('--event <id>', 'the best picture of an event')
    .option('--clean', 'without the box around the object')
    .option('-o, --out <file>', 'where to', 'snapshot.jpg')
    .action(async (options: { camera?: string; event?: string; clean?: boolean; out: string }) => {
      const { camera, event, clean, out } = options;
      if ((camera === undefined) === (event === undefined))
        throw new LaresError('USAGE', 'give either --camera ID or --event ID');
      const path =
        camera === undefined
          ? `events/${encodeURIComponent(event!)}/snapshot.jpg${clean === true ? '?clean=true' : ''}`
          : `cameras/${encodeURIComponent(camera)}/picture.jpg`;
      await save(house, `/api/cctv/${path}`, out);
    });
  cctv
    .command('clip <event>')
    .description('save the video of an event')
    .option('-o, --out <file>', 'where to', 'clip.mp4')
    .action((event: string, { out }: { out: string }) =>
      save(house, `/api/cctv/events/${encodeURIComponent(event)}/clip.mp4`, out),
    );
}

async function held(house: CctvHouse, options: ListOptions): Promise<void> {
  if (options.label !== undefined)
    throw new LaresError(
      'USAGE',
      '--label cannot be used with --held: of what was held back no class is kept',
    );
  const { suppressed } = (await house.get(`/api/cctv/suppressed?${queryOf(options)}`)) as {
    suppressed: SuppressedBody[];
  };
  const timeZone = await zone(house);
  house.print(suppressed, () => heldText(suppressed, timeZone));
}

async function save(house: CctvHouse, path: string, out: string): Promise<void> {
  const data = await house.fetch(path);
  try {
    await writeFile(out, data, { mode: 0o600 });
  } catch (error) {
    throw new LaresError('USAGE', `${out} cannot be written; name another place with --out`, {
      cause: error,
    });
  }
  house.print({ file: out, bytes: data.length }, () => `${out}, ${data.length} bytes`);
}
