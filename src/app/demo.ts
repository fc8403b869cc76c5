import { InvalidArgumentError, type Command } from 'commander';
import type { Clock } from '#kernel/driver.ts';
import { Bus } from '#kernel/bus.ts';
import { LaresError } from '#kernel/errors.ts';
import { scaledClock, systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { parseInstant } from '#platform/wire.ts';
import type { DemoHouse } from '#demo/house.ts';
import { lockDataDir, openStore } from '#store/index.ts';
import { houseConfig } from './config.ts';
import type { GlobalOptions } from './context.ts';
import { demoFaultCommand } from './demo-fault.ts';
import { closeDemoPlace, openDemoPlace, type DemoPlace } from './demo-place.ts';
import { startHouse } from './house.ts';
import { houseMigrations } from './migrations.ts';
import { stopSignal } from './signals.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface DemoOptions {
  readonly people: number;
  /** How many times as fast as real time the simulated day passes. */
  readonly speed: number;
  /** Epoch ms at which the simulated time begins. */
  readonly start?: number | undefined;
  readonly port?: number | undefined;
  /** `HOST:PORT` of a Carbon that shall receive the metrics. */
  readonly graphite?: string | undefined;
  /** The same seed gives the same days. */
  readonly seed?: string | undefined;
  /** False: people and phones only. */
  readonly electricity: boolean;
  /** Panels on the roof. */
  readonly solar: boolean;
  /** Two simulated cameras; they need real time. */
  readonly cameras: boolean;
  /** A video file that the second camera plays. */
  readonly video?: string | undefined;
  /** Kept after the end when given; otherwise the usual one of this user, removed at the end. */
  readonly dataDir: string | undefined;
  readonly env: Env;
  readonly version: string;
}

const number = (least: number, most: number) => (text: string) => {
  const value = Number(text);
  if (Number.isFinite(value) && value >= least && value <= most) return value;
  throw new InvalidArgumentError(`expected a number from ${least} to ${most}`);
};

export interface AboutDemo {
  readonly version: string;
  readonly env: Env;
  readonly signal: AbortSignal;
  readonly options: () => GlobalOptions;
}

/** `lares demo` and `lares demo fault`. */
export function demoCommand(program: Command, about: AboutDemo): void {
  const demo = program
    .command('demo')
    .description('start the demo house: simulated people, phones, plugs, meters, cameras and Home Assistant')
    .option('--people <count>', 'how many people live there', number(1, 40), 6)
    .option('--speed <factor>', 'how many times as fast as real time', number(0.1, 300), 1)
    .option('--port <port>', 'port of the status page', number(0, 65_535), 8_000)
    .option(
      '--start <instant>',
      'when the simulated time begins, such as 2026-11-23T07:00:00Z; now unless given',
      instant,
    )
    .option('--graphite <host:port>', 'a Carbon that receives the metrics')
    .option('--seed <text>', 'the same seed gives the same days', 'lares')
    .option('--solar', 'with panels on the roof, which feed in at noon', false)
    .option('--no-electricity', 'without plugs, meters and appliances')
    .option('--no-cameras', 'without cameras')
    .option('--video <file>', 'a video file that the second camera plays')
    .action((options: Omit<DemoOptions, 'dataDir' | 'version' | 'env'>) =>
      runDemo({ ...options, dataDir: about.options().data, version: about.version, env: about.env }),
    );
  demoFaultCommand(demo, about);
}

function instant(text: string): number {
  const at = parseInstant(text);
  if (at === undefined) throw new InvalidArgumentError('expected an instant like 2026-11-23T07:00:00Z');
  return at;
}

function graphiteOf(target: string | undefined) {
  if (target === undefined) return {};
  const match = /^(.+):(\d{1,5})$/.exec(target);
  if (match === null)
    throw new LaresError('USAGE', `--graphite ${target}: expected HOST:PORT, such as 127.0.0.1:2003`);
  return { graphite: { host: match[1], port: Number(match[2]) } };
}

/** Runs the demo house until it is told to stop: the program of a real home with simulated edges. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { speed } = options;
  const clock = speed === 1 && options.start === undefined ? systemClock : scaledClock(speed, options.start);
  const log = new Logger({ now: () => clock.now() });
  const signal = stopSignal(log);
  const place = openDemoPlace(options.dataDir, options.env);
  try {
    await live(options, place, { clock, log, signal });
  } finally {
    closeDemoPlace(place);
  }
}

interface Life {
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

async function live(options: DemoOptions, place: DemoPlace, { clock, log, signal }: Life): Promise<void> {
  const { people, speed, seed = 'lares', electricity, solar } = options;
  // What cameras see cannot be hurried.
  const real = clock === systemClock;
  if (options.cameras && !real) log.info('no cameras: they see by real time only');
  // Loaded only here: a real home does not carry the simulators in its memory.
  const { openDemoHouse } = await import('#demo/house.ts');
  const demo = await openDemoHouse({
    people,
    seed,
    clock,
    speed,
    electricity,
    solar,
    cameras: options.cameras && real ? { video: options.video, folder: place.dir } : undefined,
    log: log.child('demo'),
    signal,
  });
  try {
    const config = houseConfig.parse({
      ...demo.settings,
      ...graphiteOf(options.graphite),
      http: { port: options.port ?? 8_000 },
    });
    await bringPast(demo, place, { clock, log, signal });
    const house = await startHouse({
      config,
      dataDir: place.dir,
      folder: place.dir,
      version: options.version,
      clock,
      log,
      openScanner: demo.openScanner,
      startBroker: demo.startBroker,
      demo: { faulty: () => demo.faulty, fault: (device, fault, ms) => demo.fault(device, fault, ms) },
      simulated: true,
      signal,
    });
    for (const { paths, what } of demo.faulty) log.info(`simulated: ${what}: ${paths.join(', ')}`);
    const pace = speed === 1 ? '' : `, ${speed} times as fast as real time`;
    log.info(
      `the demo house with ${people} people is at ${house.url}${pace}; nothing real is contacted. Ctrl-C ends it`,
    );
    await house.stopped;
  } finally {
    await demo.close();
  }
}

async function bringPast(demo: DemoHouse, { dir }: DemoPlace, { clock, log }: Life): Promise<void> {
  if (demo.mainMeter === undefined) return;
  const { writePast } = await import('#demo/past.ts');
  const lock = lockDataDir(dir);
  try {
    const bus = new Bus(() => {});
    const store = await openStore({ dataDir: dir, clock, log, bus, migrations: houseMigrations });
    try {
      await writePast(store, demo.devices, { clock, log: log.child('demo'), meter: demo.mainMeter });
    } finally {
      await store.close();
    }
  } finally {
    lock.release();
  }
}
