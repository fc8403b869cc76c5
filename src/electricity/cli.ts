import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import type { ActingHouse } from '#platform/command.ts';
import { numberOf, spanQuery, withSpan, type Span } from '#platform/flags.ts';
import { localTime } from '#platform/table.ts';

import { costText, devicesText, energyText, historyText, insightText, standbyText } from './cli.render.ts';
import type { InsightBody } from './insight.body.ts';
import { quantities } from './model.ts';
import type { CheapestBody, CostBody, ElectricDeviceBody, ElectricityBody, EnergyBody } from './body.ts';

export type ElectricityHouse = ActingHouse<{ readonly home: { readonly time_zone?: string | undefined } }>;

/** The home's time zone where there are settings; the demo house has none. */
const zone = async (house: ElectricityHouse): Promise<string | undefined> =>
  house.configFile() === undefined ? undefined : (await house.config()).home.time_zone;

/** `lares electricity devices | on | off | history | energy | cost`: faces of the running service. */
export function electricityCommands(electricity: Command, house: ElectricityHouse): void {
  const get = async <T>(path: string, query: Record<string, string> = {}): Promise<T> =>
    (await house.get(`${path}?${new URLSearchParams(query).toString()}`)) as T;

  electricity
    .command('devices')
    .description('what every device draws now, and what it used today (asks the running service)')
    .option('--source <source>', 'only those of one source: kasa, tuya, circuit, …')
    .action(async (_options: unknown, command: Command) => {
      // `electricity` has an option of that name too, and takes it wherever it stands.
      const { source = [] } = command.optsWithGlobals<{ source?: string | string[] }>();
      const wanted = [source].flat();
      const body = await get<ElectricityBody>('/api/electricity');
      const there = new Set(body.devices.map((d) => d.source));
      const strange = wanted.find((each) => !there.has(each));
      if (strange !== undefined)
        throw new LaresError(
          'NOT_FOUND',
          `no device is of the source ${JSON.stringify(strange)}; there are ${[...there].toSorted().join(', ') || 'none yet'}`,
        );
      const devices = body.devices.filter((d) => wanted.length === 0 || wanted.includes(d.source));
      house.print({ ...body, devices }, () => devicesText({ ...body, devices }));
    });

  for (const word of ['on', 'off'] as const)
    electricity
      .command(`${word} <device>`)
      .description(`switch a device ${word} and read back what it says; by name, path or id`)
      .option('--why <reason>', 'for the journal', 'asked on the command line')
      .action(async (device: string, { why }: { why: string }) => {
        const path = `/api/electricity/devices/${encodeURIComponent(device)}/switch`;
        const done = await house.post(path, { on: word === 'on', why, actor: 'user:cli' });
        house.print(done, () => `${(done as { path: string }).path} is ${word}`);
      });

  withSpan(
    electricity
      .command('history [device]')
      .description('what a device, or the house, drew over time')
      .option('--quantity <name>', 'power_watts, voltage_volts, current_amps, is_on, …', 'power_watts'),
    'one',
  ).action(async (device: string | undefined, options: Span & { quantity: string }) => {
    if (!Object.hasOwn(quantities, options.quantity))
      throw new LaresError(
        'USAGE',
        `--quantity ${JSON.stringify(options.quantity)}: expected one of ${Object.keys(quantities).join(', ')}`,
      );
    const query = {
      ...spanQuery(options, Date.now()),
      quantity: options.quantity,
      ...(device === undefined ? {} : { device }),
    };
    const body = await get<Parameters<typeof historyText>[0]>('/api/electricity/history', query);
    const timeZone = await zone(house);
    house.print(body, () => historyText(body, timeZone));
  });

  withSpan(
    electricity.command('energy [device]').description('kWh per day, with how sure each is'),
    'seven',
  ).action(async (device: string | undefined, options: Span) => {
    const query = { ...spanQuery(options, Date.now()), ...(device === undefined ? {} : { device }) };
    const body = await get<EnergyBody>('/api/electricity/energy', query);
    const timeZone = await zone(house);
    house.print(body, () => energyText(body, timeZone));
  });

  withSpan(
    electricity.command('cost [device]').description('money per device and day, and of the house'),
    'seven',
  ).action(async (device: string | undefined, options: Span) => {
    const query = { ...spanQuery(options, Date.now()), ...(device === undefined ? {} : { device }) };
    const body = await get<CostBody>('/api/electricity/cost', query);
    const timeZone = await zone(house);
    house.print(body, () => costText(body, timeZone));
  });

  electricity
    .command('standby')
    .description('what devices draw while nobody uses them, in money per year')
    .action(async () => {
      const body = await get<InsightBody>('/api/electricity/insight');
      house.print({ standby: body.standby, base_load: body.base_load }, () => standbyText(body));
    });

  electricity
    .command('insight')
    .description('what is out of the ordinary and why, and which appliances ran')
    .action(async () => {
      const body = await get<InsightBody>('/api/electricity/insight');
      const timeZone = await zone(house);
      house.print(body, () => insightText(body, timeZone));
    });

  electricity
    .command('cheapest <minutes>')
    .description('when something that runs for so long costs least')
    .option('--within <hours>', 'how far ahead to look', '24')
    .action(async (minutes: string, { within }: { within: string }) => {
      const query = {
        minutes: numberOf('<minutes>', minutes, { most: 1440, whole: true }),
        within_hours: numberOf('--within', within, { most: 48 }),
      };
      const body = await get<CheapestBody>('/api/electricity/cheapest', query);
      const timeZone = await zone(house);
      house.print(
        body,
        () =>
          `${localTime(Date.parse(body.from), timeZone)} to ${localTime(Date.parse(body.to), timeZone)}, ` +
          `${body.price_per_kwh.toFixed(4)} ${body.currency ?? ''} per kWh`,
      );
    });

  electricity
    .command('show <device>')
    .description('everything about one device, with what happened to it last')
    .action(async (device: string) => {
      const body = await get<ElectricDeviceBody & { events: { at: string; kind: string; cause: string }[] }>(
        `/api/electricity/devices/${encodeURIComponent(device)}`,
      );
      house.print(body, () =>
        [
          `${body.path} (${body.id}) ${body.model ?? ''} ${body.address ?? ''}`.trimEnd(),
          body.problem ?? `${body.state}, measured ${body.measured_at ?? 'never'}`,
          ...Object.entries(body.values).map(([quantity, value]) => `  ${quantity} ${value}`),
          ...body.notes.map((note) => `  note: ${note}`),
          ...body.events.map((e) => `  ${e.at} ${e.kind} by ${e.cause}`),
        ].join('\n'),
      );
    });
}
