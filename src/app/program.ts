import { Command, CommanderError } from 'commander';
import { readFileSync } from 'node:fs';
import { LaresError } from '#kernel/errors.ts';
import { configCommands } from '#config/cli.ts';
import { demoCommand } from './demo.ts';
import { checkBeside, cliHouse, envFilesOf, findConfig, type GlobalOptions } from './context.ts';
import { envBindings, houseConfig, type HouseConfig } from './config.ts';
import { cctvProgram } from './cctv/cli.ts';
import { electricityProgram } from './electricity-cli.ts';
import { drivers } from '#electricity/drivers/index.ts';
import { electricityConfig } from '#electricity/config.ts';
import { askTerminal } from '#electricity/drivers/tuya/ask.ts';
import { tuyaCommands } from '#electricity/drivers/tuya/cli.ts';
import { audioCommands } from '#guard/channels/cli.ts';
import { graphiteCommands } from '#metrics/cli.ts';
import { doctorCommand } from '#ops/cli.ts';
import { maintenanceCommand } from '#ops/maintenance.ts';
import { tadoCommands } from '#presence/sources/tado/cli.ts';
import { presenceProgram } from './presence.ts';
import { runService } from './run.ts';

type Env = Readonly<Record<string, string | undefined>>;

export const version: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

export type BuildProgram = (env: Env, signal: AbortSignal) => Command;

/** Every command of `lares`. An area adds its own; this only names them. */
export const buildProgram: BuildProgram = (env, signal) => {
  const program = new Command('lares');
  const options = () => program.opts<GlobalOptions>();
  const house = cliHouse(options, env, signal);
  program
    .description('Senses a home, remembers it, explains it and acts on it.')
    .version(version)
    .option(
      '-c, --config <file>',
      'settings; ./lares.yaml, ./config/config.yaml or /etc/lares/lares.yaml unless given',
    )
    .option(
      '--data <dir>',
      'data directory; /var/lib/lares with settings in /etc, otherwise ./data, unless given',
    )
    .option('--json', 'print data as JSON')
    .showHelpAfterError('(lares --help lists the commands)')
    .configureHelp({ showGlobalOptions: true });

  program
    .command('run')
    .description('start the house: with lares.yaml if there is one, otherwise the demo house')
    .action(() => runService({ options: options(), env, version, title: 'lares' }));
  demoCommand(program, { version, env, signal, options });
  program
    .command('status')
    .description('one line: how the running service is')
    .action(async () => {
      const health = (await house.get('/health')) as { status: string; version: string; attention: string[] };
      house.print(health, () =>
        [`lares ${health.version} is ${health.status}`, ...health.attention].join('; needs attention: '),
      );
      if (health.status === 'down') throw new LaresError('UNREACHABLE', 'nothing works; see: lares doctor');
    });
  presenceProgram(program, house, { env, version, options });
  electricityProgram(program, house, { env, version, options });
  cctvProgram(program, house, { env, version, options });
  audioCommands(program, house);
  tuyaCommands(program, house, {
    settings: async () => {
      const electricity =
        house.configFile() === undefined ? electricityConfig.parse({}) : (await house.config()).electricity;
      const { tuya = drivers.tuya.config.parse({}) } = electricity;
      return tuya.networks.length > 0 ? tuya : { ...tuya, networks: electricity.networks };
    },
    edit: (edits) => house.edit(edits),
    ask: askTerminal,
  });
  graphiteCommands(program, house);
  tadoCommands(program, house);
  doctorCommand(program, house);
  maintenanceCommand(program, house);
  configCommands(program, {
    schema: houseConfig,
    bindings: envBindings,
    check: (config, file) => checkBeside(file)(config as HouseConfig),
    env,
    envFiles: envFilesOf(findConfig(options(), env) ?? 'lares.yaml', env),
    file: () => findConfig(options(), env) ?? 'lares.yaml',
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    input: process.stdin,
    output: process.stdout,
    exitCode: (code) => (process.exitCode = code),
  });
  return program;
};

/**
 * Runs one command line. Resolves with the exit code: 0 when it worked, 2 for a wrong call, 1 otherwise. A wrong call
 * has been explained on stderr when `wrongCall` hears of it; every other error is thrown.
 */
export async function runProgram(
  build: BuildProgram,
  args: readonly string[],
  env: Env,
  wrongCall: (error: LaresError) => void,
): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const program = build(env, stop.signal);
  program.exitOverride();
  for (const command of everyCommand(program))
    command.exitOverride().showHelpAfterError(`(${calledAs(command)} --help says how it is called)`);
  try {
    await program.parseAsync(args.length === 0 ? ['--help'] : [...args], { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    const help = error.code === 'commander.help';
    wrongCall(new LaresError('USAGE', help ? 'a command is missing' : error.message.replace(/^error: /, '')));
    return 2;
  }
}

/** The words that call a command: `lares cctv false`. */
const calledAs = (command: Command): string =>
  command.parent === null ? command.name() : `${calledAs(command.parent)} ${command.name()}`;

const everyCommand = (command: Command): Command[] =>
  command.commands.flatMap((child) => [child, ...everyCommand(child)]);
