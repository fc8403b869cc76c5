import path from 'node:path';
import type { Command } from 'commander';
import { electricityCommands } from '#electricity/cli.ts';
import { foundText } from '#electricity/cli.render.ts';
import { electricityConfig, type ElectricityConfig } from '#electricity/config.ts';
import { drivers, type DriverKind } from '#electricity/drivers/index.ts';
import type { Found } from '#electricity/model.ts';
import { whatIfCommand } from '#electricity/money/cli.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { cliHouse, GlobalOptions } from './context.ts';
import { settingsOf } from './electricity.ts';
import { once } from './once.ts';
import { runService } from './run.ts';

type House = ReturnType<typeof cliHouse>;

export interface ElectricityProgram {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly options: () => GlobalOptions;
}

interface DiscoverOptions {
  readonly source?: string[];
  readonly network?: string[];
}

// Not variadic: `--source kasa discover` must not take the command for a second source.
const collected = (kind: string, before: readonly string[] = []) => [...before, kind];
const kinds = Object.keys(drivers) as DriverKind[];
const searching = kinds.filter((kind) => drivers[kind].discover !== undefined);

/** `lares electricity …`, and the originals' `kasa_to_graphite` and `tuya_to_graphite [--discover | --once]`. */
export function electricityProgram(program: Command, house: House, about: ElectricityProgram): void {
  const electricity = program
    .command('electricity')
    .description('plugs, meters and circuits; alone it runs the service, as the original commands did')
    .option('--discover', 'the same as: lares electricity discover')
    .option('--once', 'the same as: lares electricity once')
    .option('--source <kind>', `with --discover: ${searching.join(', ')}; may be given again`, collected)
    .allowExcessArguments()
    .action(async (options: DiscoverOptions & { discover?: boolean; once?: boolean }, command: Command) => {
      const [word] = command.args;
      if (word !== undefined)
        throw new LaresError(
          'USAGE',
          `there is no command ${JSON.stringify(word)}; lares electricity has ${command.commands.map((c) => c.name()).join(', ')}`,
        );
      if (options.discover === true) return discover(house, options);
      if (options.once === true) return once(house, about);
      await run(about);
    });
  electricity
    .command('run')
    .description('start the service')
    .action(() => run(about));
  electricity
    .command('once')
    .description('one cycle: find and ask every device, send, and say whether it arrived')
    .action(() => once(house, about));
  electricity
    .command('discover')
    .description('every plug and meter in the named networks, and what each still needs')
    .option('--source <kind>', `only this one: ${searching.join(', ')}; may be given again`, collected)
    .option('-n, --network <cidr...>', 'networks to search; those of the settings unless given')
    .action((options: DiscoverOptions, command: Command) =>
      discover(house, { ...command.optsWithGlobals<DiscoverOptions>(), ...options }),
    );
  electricityCommands(electricity, house);
  whatIfCommand(electricity, house, () => path.dirname(path.resolve(house.configFile() ?? 'lares.yaml')));
}

const run = (about: ElectricityProgram) =>
  runService({ ...about, options: about.options(), title: about.env['LARES_TITLE'] ?? 'lares electricity' });

async function discover(house: House, options: DiscoverOptions): Promise<void> {
  const wanted = (options.source ?? searching).map((kind) => {
    if ((searching as string[]).includes(kind)) return kind as DriverKind;
    throw new LaresError('USAGE', `--source ${kind}: expected one of ${searching.join(', ')}`);
  });
  const settings: ElectricityConfig =
    house.configFile() === undefined ? electricityConfig.parse({}) : (await house.config()).electricity;
  const named =
    options.network === undefined ? undefined : electricityConfig.shape.networks.safeParse(options.network);
  if (named?.success === false)
    throw new LaresError(
      'USAGE',
      `--network ${options.network?.join(' ') ?? ''}: expected networks like 192.0.2.0/24`,
    );
  const networks = named?.data ?? settings.networks;
  const asked = wanted.flatMap((kind) => {
    const own = settingsOf(kind, { ...settings, networks, search: wanted as ElectricityConfig['search'] });
    const merged = own !== undefined && named !== undefined && 'networks' in own ? { ...own, networks } : own;
    return merged === undefined ? [] : [{ kind, settings: merged }];
  });
  if (asked.length === 0)
    throw new LaresError(
      'USAGE',
      'no network is named; add electricity.networks to lares.yaml or call with --network 192.0.2.0/24',
    );
  const found: Found[] = [];
  const progress = new Map<string, string>();
  await Promise.all(
    asked.map(async ({ kind, settings: own }) => {
      const tell = (done: number, text: string) => {
        progress.set(kind, `${kind} ${Math.round(done * 100)} % ${text}`);
        house.progress([...progress.values()].join(' · '));
      };
      try {
        // Each source reads the settings that its own schema made.
        for await (const one of drivers[kind].discover!(own as never, {
          signal: house.signal,
          progress: tell,
        })) {
          found.push(one);
          house.progress(`${kind}: ${one.name ?? one.model ?? one.id} at ${one.host}`);
        }
      } catch (error) {
        house.log.warn(`${kind} error: the search failed: ${reason(error)}`);
      }
    }),
  );
  const sorted = found.toSorted(
    (a, b) => a.kind.localeCompare(b.kind) || a.host.localeCompare(b.host, 'en', { numeric: true }),
  );
  const where = networks.length > 0 ? networks.join(', ') : 'what the settings name';
  house.print(sorted, () => foundText(sorted, where));
}
