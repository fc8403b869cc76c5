import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  freePort,
  installed,
  isRoot,
  launch,
  scratch,
  stop,
  systemPath,
  until,
  untilListening,
} from './process.ts';

/** Debian's `graphite-carbon` and `graphite-web` must be installed; undefined says which is missing. */
export const graphiteMissing: string | undefined =
  installed('/usr/bin/carbon-cache') === undefined
    ? 'apt-get install graphite-carbon'
    : installed('/usr/bin/graphite-manage') === undefined
      ? 'apt-get install graphite-web'
      : undefined;

export interface GraphiteOptions {
  /** Whisper retentions of `home.*`. */
  readonly schema?: string;
  readonly maxCreatesPerMinute?: number;
  readonly maxUpdatesPerSecond?: number;
  readonly maxCacheSize?: number;
  readonly flowControl?: boolean;
  /** false: Carbon alone, without graphite-web; `render` then fails. */
  readonly web?: boolean;
}

/** `[value or null, epoch seconds]` as /render gives it. */
export type Datapoint = [value: number | null, epoch: number];

const user = '_graphite';

/** A real carbon-cache 1.1 and graphite-web 1.1 on loopback, in a folder of their own. */
export class Graphite {
  readonly host = '127.0.0.1';
  readonly dir: string;
  readonly port: number;
  readonly renderUrl: string;
  readonly #webPort: number;
  readonly #remove: () => void;
  #carbon: ChildProcess | undefined;
  #web: ChildProcess | undefined;
  #log = '';

  constructor(dir: string, ports: { port: number; webPort: number }, remove: () => void) {
    this.dir = dir;
    this.port = ports.port;
    this.#webPort = ports.webPort;
    this.renderUrl = `http://127.0.0.1:${ports.webPort}`;
    this.#remove = remove;
    process.once('exit', this.#reap);
  }

  /** Starts Carbon and waits until it listens. */
  async startCarbon(): Promise<void> {
    // A killed Carbon leaves its pid file, and the next one refuses to start.
    rmSync(path.join(this.dir, 'run/carbon.pid'), { force: true });
    const run = launch(
      '/usr/bin/carbon-cache',
      [
        `--config=${this.dir}/conf/carbon.conf`,
        `--pidfile=${this.dir}/run/carbon.pid`,
        `--logdir=${this.dir}/log/carbon`,
        '--nodaemon',
        'start',
      ],
      {
        user,
        env: {
          HOME: this.dir,
          GRAPHITE_ROOT: this.dir,
          GRAPHITE_CONF_DIR: `${this.dir}/conf`,
          GRAPHITE_STORAGE_DIR: this.dir,
        },
      },
    );
    this.#carbon = run.child;
    run.child.stdout?.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
    await untilListening(this.port, run.output, 60_000);
  }

  async startWeb(): Promise<void> {
    const env = {
      HOME: this.dir,
      PYTHONPATH: `${this.dir}/webconf`,
      DJANGO_SETTINGS_MODULE: 'graphite.settings',
      GRAPHITE_SETTINGS_MODULE: 'lab_local_settings',
    };
    const migrate = launch('/usr/bin/graphite-manage', ['migrate', '--run-syncdb', '--noinput'], {
      user,
      env,
    });
    await until(
      () => migrate.child.exitCode !== null,
      () => `graphite-manage migrate: ${migrate.output()}`,
      120_000,
    );
    const args = ['runserver', '--noreload', `127.0.0.1:${this.#webPort}`];
    const web = launch('/usr/bin/graphite-manage', args, { user, env });
    this.#web = web.child;
    await untilListening(this.#webPort, web.output, 60_000);
  }

  /** No server outlives the process that started it. */
  readonly #reap = (): void => {
    this.#carbon?.kill('SIGKILL');
    this.#web?.kill('SIGKILL');
  };

  /** Ends Carbon with SIGTERM. Its cache is lost. */
  async terminate(): Promise<void> {
    if (this.#carbon !== undefined) await stop(this.#carbon);
  }

  /** Ends Carbon at once with SIGKILL, also a paused one. Its cache is lost. */
  async kill(): Promise<void> {
    if (this.#carbon !== undefined) await stop(this.#carbon, 'SIGKILL');
  }

  /** Kills Carbon and starts it again on the same port and files. */
  async restart(): Promise<void> {
    await this.kill();
    await this.startCarbon();
  }

  /** SIGSTOP: the kernel still accepts connections and bytes, nobody reads them. */
  pause(): void {
    this.#carbon?.kill('SIGSTOP');
  }

  resume(): void {
    this.#carbon?.kill('SIGCONT');
  }

  /** Ends both servers and deletes their files. */
  async stop(): Promise<void> {
    process.off('exit', this.#reap);
    await this.kill();
    if (this.#web !== undefined) await stop(this.#web, 'SIGKILL');
    this.#remove();
  }

  /** What graphite-web shows of some targets (globs allowed) from `from` to `until`, both epoch ms and inclusive. */
  async render(
    targets: string | readonly string[],
    from: number,
    untilMs: number,
  ): Promise<Map<string, Datapoint[]>> {
    const query = new URLSearchParams({
      from: String(Math.floor(from / 1000) - 1),
      until: String(Math.ceil(untilMs / 1000)),
      format: 'json',
    });
    for (const target of [targets].flat()) query.append('target', target);
    let series: { target: string; datapoints: Datapoint[] }[] = [];
    // It answers 500 while Carbon is just making a file, or is away.
    await until(async () => {
      const response = await fetch(`${this.renderUrl}/render?${query.toString()}`);
      if (response.ok) series = (await response.json()) as typeof series;
      return response.ok;
    });
    return new Map(series.map((one) => [one.target, one.datapoints]));
  }

  /** Like `render`, values that are present only, as epoch seconds to value. */
  async points(
    targets: string | readonly string[],
    from: number,
    untilMs: number,
  ): Promise<Map<string, Map<number, number>>> {
    const shown = await this.render(targets, from, untilMs);
    const present = (points: Datapoint[]) =>
      points.flatMap(([v, t]) => (v === null ? [] : [[t, v] as const]));
    return new Map([...shown].map(([name, points]) => [name, new Map(present(points))]));
  }

  /** Series that have a file, by their path under whisper/: `home/presence/alex/is_home`. */
  files(): string[] {
    return globSync('**/*.wsp', { cwd: path.join(this.dir, 'whisper') })
      .map((file) => file.replace(/\.wsp$/, ''))
      .toSorted();
  }

  /** Everything that Carbon logged: in the foreground it writes to its standard output. */
  log(): string {
    return this.#log;
  }
}

/** Starts a real Carbon and graphite-web on free loopback ports; `stop()` ends them and removes their files. */
export async function startGraphite(options: GraphiteOptions = {}): Promise<Graphite> {
  const { dir, remove } = scratch('graphite', user);
  const [port, pickle, query, webPort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  for (const sub of ['conf', 'webconf', 'whisper', 'log/carbon', 'log/web', 'run'])
    mkdirSync(path.join(dir, sub), { recursive: true });
  writeFileSync(path.join(dir, 'conf/carbon.conf'), carbonConf(dir, { port, pickle, query }, options));
  const retentions = options.schema ?? '1s:1h,5s:2d,1m:14d';
  writeFileSync(
    path.join(dir, 'conf/storage-schemas.conf'),
    `[home]\npattern = ^home[.]\nretentions = ${retentions}\n[default]\npattern = .*\nretentions = 1s:1h\n`,
  );
  writeFileSync(
    path.join(dir, 'conf/storage-aggregation.conf'),
    '[default]\npattern = .*\nxFilesFactor = 0\naggregationMethod = average\n',
  );
  writeFileSync(path.join(dir, 'webconf/lab_local_settings.py'), webSettings(dir, query));
  if (isRoot) execFileSync('chown', ['-R', `${user}:`, dir], { env: { PATH: systemPath } });
  const graphite = new Graphite(dir, { port, webPort }, remove);
  try {
    await graphite.startCarbon();
    if (options.web !== false) await graphite.startWeb();
  } catch (error) {
    await graphite.stop();
    throw error;
  }
  return graphite;
}

function carbonConf(
  dir: string,
  ports: { port: number; pickle: number; query: number },
  options: GraphiteOptions,
): string {
  const limit = (value: number | undefined) => (value === undefined ? 'inf' : String(value));
  return `[cache]
STORAGE_DIR = ${dir}/
LOCAL_DATA_DIR = ${dir}/whisper/
CONF_DIR = ${dir}/conf/
LOG_DIR = ${dir}/log/carbon/
PID_DIR = ${dir}/run/
DATABASE = whisper
ENABLE_LOGROTATION = False
USER =
MAX_CACHE_SIZE = ${limit(options.maxCacheSize ?? 200_000)}
MAX_UPDATES_PER_SECOND = ${limit(options.maxUpdatesPerSecond)}
MAX_CREATES_PER_MINUTE = ${limit(options.maxCreatesPerMinute)}
MIN_TIMESTAMP_RESOLUTION = 1
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = ${ports.port}
ENABLE_UDP_LISTENER = False
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = ${ports.pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = ${ports.query}
USE_FLOW_CONTROL = ${options.flowControl === false ? 'False' : 'True'}
LOG_UPDATES = False
LOG_CREATES = True
LOG_CACHE_HITS = False
CACHE_WRITE_STRATEGY = sorted
WHISPER_AUTOFLUSH = True
WHISPER_FALLOCATE_CREATE = False
ENABLE_TAGS = False
CARBON_METRIC_INTERVAL = 0
`;
}

function webSettings(dir: string, query: number): string {
  return `SECRET_KEY = 'only-for-a-test-on-loopback'
ALLOWED_HOSTS = ['127.0.0.1', 'localhost']
TIME_ZONE = 'UTC'
LOG_ROTATION = False
LOG_DIR = '${dir}/log/web'
GRAPHITE_ROOT = '/usr/share/graphite-web'
CONF_DIR = '/etc/graphite'
STORAGE_DIR = '${dir}'
STATIC_ROOT = '/usr/share/graphite-web/static'
INDEX_FILE = '${dir}/search_index'
WHISPER_DIR = '${dir}/whisper'
STANDARD_DIRS = ['${dir}/whisper']
CARBONLINK_HOSTS = ['127.0.0.1:${query}:a']
DEFAULT_XFILES_FACTOR = 0
DEFAULT_CACHE_DURATION = 0
FUNCTION_PLUGINS = []
DATABASES = {'default': {'NAME': '${dir}/graphite.db', 'ENGINE': 'django.db.backends.sqlite3', 'USER': '', 'PASSWORD': '', 'HOST': '', 'PORT': ''}}
`;
}
