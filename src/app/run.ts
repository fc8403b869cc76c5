import { existsSync } from 'node:fs';
import path from 'node:path';
import { reason } from '#kernel/errors.ts';
import { noticeText } from '#config/cli.ts';
import { watchConfig } from '#config/watch.ts';
import { chooseScanner } from '#devices/lan/choose.ts';
import { openNotifier } from '#ops/notify.ts';
import { systemClock } from '#platform/clock.ts';
import { LogFiles } from '#platform/log-files.ts';
import { Logger } from '#platform/log.ts';
import { houseConfig } from './config.ts';
import {
  databaseUrlOf,
  dataDirOf,
  envFilesOf,
  findConfig,
  loadHouse,
  type GlobalOptions,
} from './context.ts';
import { runDemo } from './demo.ts';
import { passwordNotice } from '#presence/sources/tado/rules.ts';
import { startHouse } from './house.ts';
import { stopSignal } from './signals.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface RunOptions {
  readonly options: GlobalOptions;
  readonly env: Env;
  readonly version: string;
  /** Process title, for `ps` and `pgrep -f`. */
  readonly title: string;
}

/** The service: a real home when there is a configuration file, the demo house otherwise. Resolves after a clean stop. */
export async function runService(run: RunOptions): Promise<void> {
  const file = findConfig(run.options, run.env);
  if (file === undefined) {
    process.stderr.write(
      'There is no lares.yaml, so this is the demo house. For your own home: lares init\n',
    );
    const usual = { people: 6, speed: 1, electricity: true, solar: false, cameras: true };
    return runDemo({ ...usual, version: run.version, dataDir: undefined, env: run.env });
  }
  try {
    await serve(file, run);
  } catch (error) {
    writeFailure(dataDirOf(run.options, run.env), error);
    throw error;
  }
}

/**
 * Why the house did not start also stands where operators look first; whoever calls prints it. Where it never ran there
 * is no such place, and a start that fails makes none.
 */
function writeFailure(dataDir: string, error: unknown): void {
  const folder = path.join(dataDir, 'logs');
  if (!existsSync(folder)) return;
  const files = new LogFiles({
    folder,
    now: Date.now,
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  });
  const log = new Logger({ write: () => {} });
  log.listen(files.hear);
  log.error(`cannot start: ${reason(error)}`, { error });
  files.flush();
}

async function serve(file: string, run: RunOptions): Promise<void> {
  const loaded = loadHouse(file, run.env);
  const { config } = loaded;
  const log = new Logger({ level: config.log.level, format: config.log.format });
  for (const secret of loaded.secrets) log.hide(secret);
  const databaseUrl = databaseUrlOf(file, run.env);
  if (databaseUrl !== undefined) log.hide(databaseUrl);
  let warned: readonly string[] = [];
  const warn = ({ warnings }: Pick<typeof loaded, 'warnings'>) => {
    const texts = warnings.map(noticeText);
    for (const text of texts) if (!warned.includes(text)) log.warn(text);
    warned = texts;
  };
  warn(loaded);
  const tado = passwordNotice(run.env);
  if (tado !== undefined) log.warn(tado);
  // systemd names the process on the command line of Node; that name is the one to find it by.
  if (!process.execArgv.some((word) => word.startsWith('--title='))) process.title = run.title;
  const signal = stopSignal(log);
  const notify = await openNotifier(run.env, log);
  signal.addEventListener('abort', () => void notify.stopping(), { once: true });
  const house = await startHouse({
    config,
    dataDir: dataDirOf(run.options, run.env),
    folder: path.dirname(path.resolve(file)),
    databaseUrl,
    version: run.version,
    clock: systemClock,
    log,
    openScanner: chooseScanner,
    signal,
  });
  log.info(`Lares is at ${house.url}`);
  void house.ready.then(async () => {
    await notify.ready();
    await notify.status(`at ${house.url}`);
  });
  notify.watch(() => house.beats(), signal);
  const watch = watchConfig({
    schema: houseConfig,
    files: [file, path.join(path.dirname(file), 'secrets.yaml'), ...envFilesOf(file, run.env)],
    current: loaded,
    load: () => loadHouse(file, run.env),
    onChange: ({ next, changes, from, loaded: reloaded }) => {
      for (const secret of reloaded.secrets) log.hide(secret);
      warn(reloaded);
      house.configure(next, { changes, from });
    },
    onInvalid: (problems, error) =>
      log.error(`config error: ${reason(error)}; the old settings stay in force`, {
        problems: problems.length,
      }),
    clock: systemClock,
    log,
    signal,
  });
  process.on('SIGHUP', () => {
    void notify.reloading();
    watch.reload();
    void notify.ready();
  });
  await house.stopped;
}
