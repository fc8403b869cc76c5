import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadConfig, type Finding, type Loaded, type LoadOptions } from '#config/load.ts';
import type { Edit } from '#config/edit.ts';
import { Secrets } from '#config/secrets.ts';
import { editConfig } from '#config/write.ts';
import { Bus } from '#kernel/bus.ts';
import { codes, LaresError, type Code } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import type { ActingHouse } from '#platform/command.ts';
import { Logger } from '#platform/log.ts';
import { readToken } from '#platform/token.ts';
import { openStore } from '#store/index.ts';
import { calibrationFolder } from '#cctv/ground/folder.rules.ts';
import { addressIn } from './address.ts';
import { crossCheck } from './cross-check.ts';
import { usualDemoDir } from './demo-place.ts';
import { houseMigrations } from './migrations.ts';
import { envBindings, houseConfig, systemEnvFile, type HouseConfig } from './config.ts';

// Switching waits for the device to confirm.
const askLimitMs = 15_000;

type Env = Readonly<Record<string, string | undefined>>;

/** Options that every command takes. */
export interface GlobalOptions {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** Where settings are looked for, in this order. */
export function configPlaces(options: GlobalOptions, env: Env): string[] {
  const named = options.config ?? env['LARES_CONFIG'];
  // `config/config.yaml` is where the cameras of the original had theirs.
  return named === undefined ? ['lares.yaml', 'config/config.yaml', '/etc/lares/lares.yaml'] : [named];
}

/** The configuration file in use; a named one even when it does not exist, so that the error names it. */
export function findConfig(options: GlobalOptions, env: Env): string | undefined {
  const places = configPlaces(options, env);
  if (options.config !== undefined || env['LARES_CONFIG'] !== undefined) return places[0];
  return places.find((file) => existsSync(file));
}

export function dataDirOf(options: GlobalOptions, env: Env): string {
  // systemd gives STATE_DIRECTORY; several directories are separated by colons.
  const named = options.data ?? env['LARES_DATA'] ?? env['STATE_DIRECTORY']?.split(':')[0];
  // Settings in /etc are those of the service, whose unit names this directory.
  const settings = findConfig(options, env);
  const installed = settings !== undefined && path.resolve(settings).startsWith('/etc/');
  return path.resolve(named ?? (installed ? '/var/lib/lares' : 'data'));
}

/** `DATABASE_URL` from the environment, a credential of systemd or an env file; empty counts as unset. */
export function databaseUrlOf(file: string | undefined, env: Env): string | undefined {
  const credentialsDir = env['CREDENTIALS_DIRECTORY'];
  return new Secrets({ env, credentialsDir, envFiles: envFilesOf(file ?? 'lares.yaml', env) }).variable(
    'DATABASE_URL',
  )?.value;
}

/** Env files that may fill in settings, in order of precedence; those that do not exist are passed over when read. */
export function envFilesOf(file: string, env: Env): string[] {
  const folder = path.dirname(path.resolve(file));
  const beside = ['.env', 'lares.env'].map((name) => path.join(path.dirname(file), name));
  // The last one is where an error proposes to write: beside the settings of a checkout, in /etc on an installed system.
  const places = folder.startsWith('/etc/') ? [...beside, systemEnvFile] : [systemEnvFile, ...beside];
  return [env['LARES_ENV_FILE'], ...places].filter((f) => f !== undefined);
}

/**
 * Reads and checks the settings, with everything that may fill them in. `calibrations` is the folder of the calibrations
 * that rules are held against; beside the settings unless given.
 */
export function loadHouse(file: string, env: Env, calibrations?: string): Loaded<HouseConfig> {
  return loadConfig(houseConfig, loadOptions(file, env), checkBeside(file, calibrations));
}

/** The settings without a look at what they name elsewhere, for the command that makes what is missing there. */
export function loadAlone(file: string, env: Env): Loaded<HouseConfig> {
  return loadConfig(houseConfig, loadOptions(file, env));
}

/** The check of settings as a whole, for the file that they stand in. */
export const checkBeside =
  (file: string, calibrations = calibrationFolder(path.dirname(path.resolve(file)))) =>
  (config: HouseConfig): readonly Finding[] =>
    crossCheck(config, calibrations);

function loadOptions(file: string, env: Env): LoadOptions {
  return { file, env, bindings: envBindings, envFiles: envFilesOf(file, env) };
}

/** The settings of a house without a file: what the environment says, and defaults. */
const defaults = (env: Env): HouseConfig =>
  loadConfig(houseConfig, { file: 'lares.yaml', text: '', env, bindings: envBindings }).config;

/** What commands of ours may do besides asking: change lares.yaml after the same check that the service makes. */
export interface EditingHouse extends ActingHouse<HouseConfig> {
  edit(edits: readonly Edit[]): void;
  /** `GET <path>` of the running service as bytes: a picture, a video. Throws what the service answers. */
  fetch(path: string): Promise<Uint8Array>;
  addMac(index: number, mac: string): Promise<void>;
}

/** The error that the service answered with. */
function refused(status: number, body: unknown): LaresError {
  const said = body as { code?: string; message?: string } | undefined;
  const code = said?.code !== undefined && said.code in codes ? (said.code as Code) : 'BAD_REPLY';
  return new LaresError(code, said?.message ?? `HTTP ${status}`);
}

/**
 * What commands share: settings, database, the running service, and how to print. `address` is where the service is,
 * where not as the settings say.
 */
export function cliHouse(
  options: () => GlobalOptions,
  env: Env,
  signal: AbortSignal,
  address?: () => string,
): EditingHouse {
  const log = new Logger({ level: 'warn', write: (line) => process.stderr.write(`${line}\n`) });
  let loaded: Loaded<HouseConfig> | undefined;
  const configFile = () => findConfig(options(), env);
  const config = async (): Promise<HouseConfig> => {
    const file = configFile();
    if (file === undefined)
      throw new LaresError('CONFIG_UNREADABLE', `there is no lares.yaml here; write one with: lares init`);
    loaded ??= loadHouse(file, env);
    for (const secret of loaded.secrets) log.hide(secret);
    return loaded.config;
  };
  /** Where nothing is set up and the demo house of this user runs, commands are about that. */
  const dataDir = () => {
    const demo = usualDemoDir(env);
    const named = options().data ?? env['LARES_DATA'] ?? env['STATE_DIRECTORY'] ?? configFile();
    return named === undefined && addressIn(demo) !== undefined ? demo : dataDirOf(options(), env);
  };
  const configured = async () => {
    const running = addressIn(dataDir());
    if (running !== undefined) return running;
    const { host, port } = configFile() === undefined ? defaults(env).http : (await config()).http;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  };
  const request = async (pathname: string, init: RequestInit = {}): Promise<Response> => {
    const url = `${address === undefined ? await configured() : address()}${pathname}`;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(askLimitMs)]);
    return fetch(url, { ...init, signal: limit }).catch((cause: unknown) => {
      throw new LaresError('UNREACHABLE', `Lares does not answer at ${url}; start it with: lares run`, {
        cause,
      });
    });
  };
  const ask = async (pathname: string, init: RequestInit = {}): Promise<unknown> => {
    const reply = await request(pathname, init);
    const body: unknown = await reply.json().catch(() => undefined);
    const said = body as { status?: string; code?: string; message?: string } | undefined;
    // Where nothing works, health says so with 503 and the same body.
    if (reply.ok || (reply.status === 503 && said?.status === 'down')) return body;
    throw refused(reply.status, said);
  };
  const edit = (edits: readonly Edit[]): void => {
    const file = configFile();
    if (file === undefined)
      throw new LaresError(
        'CONFIG_UNREADABLE',
        'there is no lares.yaml to write to; write one with: lares init',
      );
    editConfig(houseConfig, loadOptions(file, env), edits, checkBeside(file));
  };
  const house: EditingHouse = {
    config,
    configFile,
    dataDir,
    store: () => {
      const bus = new Bus(() => {});
      const databaseUrl = databaseUrlOf(configFile(), env);
      return openStore({
        dataDir: dataDir(),
        databaseUrl,
        clock: systemClock,
        log,
        bus,
        migrations: houseMigrations,
        guest: true,
      });
    },
    get: (pathname) => ask(pathname),
    fetch: async (pathname) => {
      const reply = await request(pathname);
      if (!reply.ok) throw refused(reply.status, await reply.json().catch(() => undefined));
      return new Uint8Array(await reply.arrayBuffer());
    },
    post: (pathname, body) =>
      ask(pathname, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${readToken(dataDir())}`,
        },
        body: JSON.stringify(body),
      }),
    log,
    env,
    print: (data, human) =>
      process.stdout.write(`${options().json === true ? JSON.stringify(data, undefined, 2) : human()}\n`),
    progress: (text) => {
      if (options().json !== true && process.stderr.isTTY) process.stderr.write(`${text}\n`);
    },
    signal,
    edit,
    addMac: async (index, mac) => {
      const people = (await config()).presence.people;
      const macs = [...(people[index]?.wifi_macs ?? []), mac];
      edit([{ path: ['presence', 'people', index, 'wifi_macs'], value: macs }]);
    },
  };
  return house;
}
