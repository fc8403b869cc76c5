import { existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { LaresError, reason } from '#kernel/errors.ts';
import { configJsonSchema, exampleConfig } from './describe.ts';
import {
  askInit,
  envFileBeside,
  ownNetworks,
  parseHostPort,
  parseNetwork,
  parsePerson,
  parseUrl,
  withEnvLine,
  writeInit,
  type InitAnswers,
} from './init.ts';
import { renderLaresYaml } from './lares-yaml.ts';
import { ConfigError, loadConfig, type EnvBindings, type Finding, type Loaded } from './load.ts';
import { checkPeopleConfig, isPeopleConfig } from './original.ts';
import { importPeopleConfig } from './people.ts';
import { maskConfig } from './redact.ts';
import type { Env } from './secrets.ts';
import { decode } from './source.ts';
import type { Notice } from './types.ts';
import { writeAtomically } from './write.ts';

/** What the commands about settings need from the program. */
export interface ConfigCliDeps {
  readonly schema: z.ZodType;
  readonly bindings: EnvBindings;
  /** What is wrong between the settings of a file, once each is right by itself; for `check`. */
  readonly check?: (config: unknown, file: string) => readonly Finding[];
  readonly env: Env;
  /** Env files that the service reads too. */
  readonly envFiles: readonly string[];
  /** The settings file in use when the command names none. */
  readonly file: () => string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
  /** Sets the exit code; the process ends by itself. */
  readonly exitCode: (code: number) => void;
}

/** Registers `check`, `import`, `init` and `config print|schema|example`. */
export function configCommands(program: Command, deps: ConfigCliDeps): void {
  program
    .command('check')
    .description('Check the settings and name every mistake with its line')
    .argument('[file]', 'settings file (default: the one in use)')
    .option('--json', 'print the problems as JSON')
    .action((file: string | undefined, _options: unknown, command: Command) =>
      check(deps, file ?? deps.file(), wantsJson(command)),
    );

  program
    .command('import')
    .description('Turn a people_config.yaml of the original into lares.yaml')
    .argument('<file>', 'the original file')
    .option('--out <file>', 'where to write', 'lares.yaml')
    .option('--dry-run', 'print the result instead of writing it')
    .option('--force', 'overwrite an existing file')
    .action((file: string, options: ImportOptions) => importFile(deps, file, options));

  program
    .command('init')
    .description('Write a lares.yaml, asking for what is not given')
    .option('--out <file>', 'where to write', 'lares.yaml')
    .option('--env-file <file>', 'where secrets go (default: lares.env beside it)')
    .option('--yes', 'ask nothing')
    .option('--force', 'overwrite an existing file')
    .option('--name <name>', 'what the house is called')
    .option('--network <cidr...>', 'networks to scan, such as 192.0.2.0/24')
    .option('--graphite <host:port>', 'where Carbon listens')
    .option('--homeassistant <url>', 'address of Home Assistant; its token comes from HOMEASSISTANT_TOKEN')
    .option('--person <name...>', 'who lives here: alex, or alex=AA:BB:CC:DD:EE:FF')
    .action((options: InitOptions) => init(deps, options));

  const config = program.command('config').description('Show the settings in use');
  config
    .command('print')
    .description('Print every setting in use, secrets masked')
    .argument('[file]', 'settings file (default: the one in use)')
    .option('--json', 'print as JSON')
    .action((file: string | undefined, _options: unknown, command: Command) =>
      print(deps, file ?? deps.file(), wantsJson(command)),
    );
  config
    .command('schema')
    .description('Print the JSON schema of the settings, for editors')
    .action(() => deps.out(`${JSON.stringify(configJsonSchema(deps.schema), undefined, 2)}\n`));
  config
    .command('example')
    .description('Print a settings file with every setting as a comment')
    .action(() => deps.out(exampleConfig(deps.schema)));
}

const wantsJson = (command: Command) => command.optsWithGlobals<{ json?: boolean }>().json === true;

const load = (
  deps: ConfigCliDeps,
  file: string,
  check?: (config: unknown) => readonly Finding[],
): Loaded<unknown> =>
  loadConfig(
    deps.schema,
    { file, env: deps.env, bindings: deps.bindings, envFiles: envFilesOf(deps, file) },
    check,
  );

/** The env files of the service, and `lares.env` beside the settings. */
const envFilesOf = (deps: ConfigCliDeps, file: string) => [
  ...new Set([...deps.envFiles, envFileBeside(file)]),
];

/** The settings in our own format or in the original's. */
function loadEither(deps: ConfigCliDeps, file: string): { readonly warnings: readonly Notice[] } {
  const text = readText(file);
  if (!isPeopleConfig(text, file)) return load(deps, file, (config) => deps.check?.(config, file) ?? []);
  const { env, bindings } = deps;
  return checkPeopleConfig(deps.schema, text, { file, env, bindings, envFiles: envFilesOf(deps, file) });
}

function check(deps: ConfigCliDeps, file: string, json: boolean): void {
  try {
    const { warnings } = loadEither(deps, file);
    if (json) deps.out(`${JSON.stringify({ valid: true, file, problems: [], warnings })}\n`);
    else {
      for (const notice of warnings) deps.err(`${noticeText(notice)}\n`);
      deps.out('Configuration valid\n');
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const { problems } = error;
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    deps.out(
      json
        ? `${JSON.stringify({ valid: false, file, problems, warnings: [] })}\n`
        : `${error.render()}\n\n${count} in ${file}\n`,
    );
    deps.exitCode(2);
  }
}

function print(deps: ConfigCliDeps, file: string, json: boolean): void {
  const loaded = load(deps, file);
  const masked = maskConfig(deps.schema, loaded);
  if (json) return deps.out(`${JSON.stringify(masked, undefined, 2)}\n`);
  const from = [...loaded.origins].map(([setting, origin]) => `# ${setting} comes from ${origin}\n`);
  return deps.out(`# ${file}\n${from.join('')}${stringify(masked, { lineWidth: 0 })}`);
}

/** One line for people: `warning: subject: message (fix)`. */
export function noticeText({ level, subject, message, fix }: Notice): string {
  return `${level === 'warning' ? 'warning' : 'note'}: ${message.startsWith(subject) ? '' : `${subject}: `}${message}${fix === undefined ? '' : ` (${fix})`}`;
}

interface ImportOptions {
  readonly out: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

function importFile(deps: ConfigCliDeps, file: string, { out, dryRun, force }: ImportOptions): void {
  const imported = importPeopleConfig(readText(file), file);
  const text = renderLaresYaml(imported, [
    `Imported from ${file} by: lares import`,
    'Check it with: lares check',
  ]);
  for (const notice of imported.notices) deps.err(`${noticeText(notice)}\n`);
  if (dryRun === true) return deps.out(text);
  if (existsSync(out) && force !== true)
    throw new LaresError(
      'USAGE',
      `${out} exists already; name another with --out, or overwrite it with --force`,
    );
  const envFile = envFileBeside(out);
  for (const [name, value] of Object.entries(imported.secrets)) {
    writeAtomically(envFile, withEnvLine(envFile, name.toUpperCase(), value), 0o600);
    deps.err(`note: ${name.toUpperCase()} is kept in ${envFile}\n`);
  }
  writeAtomically(out, text);
  const people = ((imported.tree['presence'] as { people?: unknown[] } | undefined)?.people ?? []).length;
  return deps.out(
    `Wrote ${out}: ${people === 1 ? '1 person' : `${people} people`}${imported.kept.length > 0 ? `, ${imported.kept.length} entries kept as comments` : ''}. Check it with: lares check ${out}\n`,
  );
}

function readText(file: string): string {
  try {
    const { text, problem } = decode(readFileSync(file), file);
    if (problem !== undefined) throw new ConfigError([problem], '');
    return text;
  } catch (error) {
    if (error instanceof LaresError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = missing
      ? `there is no ${file}; name another file, or write one with: lares init`
      : `cannot read ${file}: ${reason(error)}; check its owner and mode`;
    throw new LaresError('CONFIG_UNREADABLE', why, {
      cause: error,
    });
  }
}

/** Home Assistant names people after themselves; without an entity it would be asked for nobody. */
const withEntity = <P extends { readonly person: string }>(person: P, homeassistant: string | undefined): P =>
  homeassistant === undefined ? person : { ...person, homeassistant_entity: `person.${person.person}` };

interface InitOptions {
  readonly out: string;
  readonly envFile?: string;
  readonly yes?: boolean;
  readonly force?: boolean;
  readonly name?: string;
  readonly network?: readonly string[];
  readonly graphite?: string;
  readonly homeassistant?: string;
  readonly person?: readonly string[];
}

async function init(deps: ConfigCliDeps, options: InitOptions): Promise<void> {
  const files = {
    file: options.out,
    envFile: options.envFile ?? envFileBeside(options.out),
    force: options.force === true,
  };
  if (existsSync(files.file) && !files.force)
    throw new LaresError(
      'USAGE',
      `${files.file} exists already; edit it, name another with --out, or overwrite it with --force`,
    );
  const known: Partial<InitAnswers> = {
    name: options.name,
    networks: (options.network ?? []).map(parseNetwork),
    people: (options.person ?? [])
      .map(parsePerson)
      .map((person) => withEntity(person, options.homeassistant)),
    graphite: options.graphite === undefined ? undefined : parseHostPort(options.graphite),
    homeassistant: options.homeassistant === undefined ? undefined : { url: parseUrl(options.homeassistant) },
  };
  const answers: InitAnswers =
    options.yes === true
      ? { ...known, networks: known.networks ?? [], people: known.people ?? [] }
      : await askInit(known, { input: deps.input, output: deps.output, networks: ownNetworks() });
  const written = writeInit(deps.schema, answers, files, { env: deps.env, envFiles: deps.envFiles });
  const { homeassistant } = answers;
  if (
    homeassistant !== undefined &&
    homeassistant.token === undefined &&
    deps.env['HOMEASSISTANT_TOKEN'] === undefined
  )
    deps.err(
      `note: write HOMEASSISTANT_TOKEN=... into ${files.envFile} and run: chmod 600 ${files.envFile}\n`,
    );
  deps.out(`Wrote ${written.join(' and ')}.\nCheck it with: lares check ${files.file}\n`);
}
