import path from 'node:path';
import type { Clock } from '#kernel/driver.ts';
import { Bus } from '#kernel/bus.ts';
import { reason } from '#kernel/errors.ts';
import { calibrationFolder } from '#cctv/ground/folder.rules.ts';
import { DeviceRegistry, type OpenScanner } from '#devices/index.ts';
import type { DemoPort } from '#http/index.ts';
import { publisherAt } from '#guard/channels/mqtt/publisher.ts';
import type { MqttConfig } from '#metrics/sinks/mqtt/config.ts';
import { cctvFeed } from '#metrics/sinks/mqtt/cctv.render.ts';
import { electricityFeed } from '#metrics/sinks/mqtt/electricity.render.ts';
import { presenceFeed } from '#metrics/sinks/mqtt/presence.render.ts';
import type { MqttIo } from '#metrics/sinks/mqtt/sink.ts';
import type { startBroker } from '#platform/mqtt/broker.ts';
import { GraphiteSink, Tick } from '#metrics/index.ts';
import { GraphiteEvents } from '#metrics/sinks/graphite-events/sink.ts';
import { systemClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { localHour } from '#platform/local-time.ts';
import { LogFiles } from '#platform/log-files.ts';
import type { Logger } from '#platform/log.ts';
import { processStats } from '#platform/stats.ts';
import { Supervisor } from '#platform/supervisor.ts';
import { anyoneHome, presenceReadings } from '#presence/index.ts';
import { PresenceService } from '#presence/service.ts';
import { lockDataDir, openStore } from '#store/index.ts';
import { forgetAddress, tellAddress } from './address.ts';
import type { HouseConfig } from './config.ts';
import { openMqtt } from './broker.ts';
import { Cameras } from './cctv/cameras.ts';
import { Electricity } from './electricity.ts';
import { firstReceipt, untilLooked } from './first-look.ts';
import { houseMigrations } from './migrations.ts';
import { serveHouse } from './serve.ts';
import { tellSettings, type SettingsChange } from './settings.ts';
import { Sources } from './sources.ts';
import { watchHouse } from './watch.ts';
import { houseStats, StoreHealth } from './stats.ts';

/** Everything in which a real home, the demo house and a test differ. */
export interface HouseOptions {
  readonly config: HouseConfig;
  readonly dataDir: string;
  /** Folder of the settings, to which file names in them are relative; the working directory unless given. */
  readonly folder?: string;
  readonly databaseUrl?: string | undefined;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Real scanners, or simulated phones. */
  readonly openScanner: OpenScanner;
  /** True when `openScanner` simulates: its devices cannot be asked for their names. */
  readonly simulated?: boolean;
  /** How the embedded broker starts, where not as usual: the demo house puts a line before it that can be cut. */
  readonly startBroker?: typeof startBroker | undefined;
  /** What only the demo house can do. */
  readonly demo?: DemoPort | undefined;
  /**
   * Measures nothing before every source has answered or failed once, at most 10 s: for a single cycle beside a running
   * service, whose readings must not be overwritten by those of a house that has not looked yet.
   */
  readonly lookFirst?: boolean;
  /** Ends the house. */
  readonly signal: AbortSignal;
}

export interface House {
  /** Where the status page is. */
  readonly url: string;
  /** Resolves after the first cycle has been measured and its delivery tried. */
  readonly ready: Promise<void>;
  /** Takes changed settings and writes down what changed; what cannot be applied live waits for a restart. */
  configure(config: HouseConfig, change?: SettingsChange): void;
  /** Resolves with true once every sink has confirmed something, with false when that takes longer. */
  firstReceipt(timeoutMs: number): Promise<boolean>;
  /** True while ticks come in time; feeds the watchdog of systemd. */
  beats(): boolean;
  /** Resolves when everything has been written down and closed. */
  readonly stopped: Promise<void>;
}

/**
 * Starts every area of the house and wires them together.
 * Throws ALREADY_RUNNING, CONFIG_INVALID or STORE_NEWER when it cannot start; nothing is left running then.
 */
export async function startHouse(options: HouseOptions): Promise<House> {
  const { clock, log, dataDir, signal } = options;
  const life = new AsyncDisposableStack();
  try {
    return await start(options, life);
  } catch (error) {
    await life.disposeAsync();
    log.debug(`start given up: ${reason(error)}`, {
      data_dir: dataDir,
      aborted: signal.aborted,
      at: clock.now(),
    });
    throw error;
  }
}

async function start(options: HouseOptions, life: AsyncDisposableStack): Promise<House> {
  const { clock, log, dataDir, signal } = options;
  let { config } = options;
  const startedAt = clock.now();
  const timeZone = config.home.time_zone;
  const bus = new Bus((error, topic) =>
    log.error(`a listener of ${topic} failed: ${reason(error)}`, { error }),
  );
  const health = new Health(clock);
  const supervisor = new Supervisor({ clock, log, health, random: Math.random });
  const ending = new AbortController();

  const lock = lockDataDir(dataDir);
  life.defer(() => lock.release());
  const files = logFiles(options);
  life.defer(() => files?.flush());
  const store = await openStore({
    dataDir,
    databaseUrl: options.databaseUrl,
    clock,
    log: log.child('store'),
    bus,
    migrations: houseMigrations,
    retention: {
      rawDays: config.store.raw_days,
      minuteDays: config.store.minute_days,
      hourDays: config.store.hour_days,
    },
  });
  life.defer(() => store.close());
  if (store.recovered !== undefined) log.error(`store error: ${store.recovered}`);

  const lan = new DeviceRegistry({
    clock,
    log: log.child('wifi'),
    store,
    ...(config.wifi === undefined ? {} : { retentionMs: config.wifi.retention_days * 86_400_000 }),
    keep: (device) => presence.ownerOf(device.mac, device.hostname) !== undefined,
  });
  await lan.load();
  bus.on('clock.jumped', ({ byMs }) => lan.clockJumped(byMs));
  const presence: PresenceService = new PresenceService(config.presence, {
    clock,
    log: log.child('presence'),
    bus,
    store,
    lan,
    lanWorks: () => sources.lanWorks(),
    hourOf: (at) => localHour(at, timeZone),
    scanIntervalMs: () => scanIntervalMs(config),
    reportTtlMs: () => reportTtlMs(config),
  });
  const { openScanner, simulated = false } = options;
  const sources = new Sources({ supervisor, health, lan, presence, store, openScanner, simulated });
  await presence.start();
  life.defer(async () => {
    await presence.flushed();
    await presence.stop();
  });
  const brokers = await openMqtt(config, {
    log,
    health,
    // Closed below, after those who still talk to it.
    signal: new AbortController().signal,
    start: options.startBroker,
  });
  life.defer(() => brokers.close());
  const electricity = new Electricity(config.electricity, {
    clock,
    log,
    bus,
    store,
    health,
    supervisor,
    timeZone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    folder: options.folder ?? process.cwd(),
    whereIs: (mac) => lan.get(mac)?.ip,
    anyoneHome: () => anyoneHome(presence.view()),
    broker: brokers.sources,
    homeassistant: config.homeassistant && {
      url: config.homeassistant.url,
      token: config.homeassistant.token,
      verifyTls: config.homeassistant.verify_tls,
    },
    fleeting: options.lookFirst === true,
  });
  life.defer(() => electricity.stop());
  const cameras = new Cameras(config, {
    clock,
    log,
    bus,
    store,
    health,
    timeZone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    dataDir,
    calibrationFolder: calibrationFolder(options.folder ?? process.cwd()),
    presence: () => presence.view(),
    strangers: () => presence.strangers(),
    publisher: brokers.sink && publisherAt(brokers.sink, brokers.sink.topic),
  });
  life.defer(() => cameras.stop());
  life.defer(() => supervisor.stopAll());
  sources.configure(config);
  await electricity.start();
  if (options.lookFirst !== true) await cameras.start();

  const graphite =
    config.graphite === undefined
      ? undefined
      : new GraphiteSink(config.graphite, {
          clock,
          log: log.child('graphite'),
          health,
          readings: store.readings,
          state: store.state,
          // The last hour of the retention is pruned in slices; what is replayed must not vanish meanwhile.
          spoolMaxAgeMs: (config.store.raw_days * 24 - 1) * 3_600_000,
        });
  const sinks = graphite === undefined ? [] : [graphite];
  const mqtt =
    brokers.sink === undefined
      ? undefined
      : await openSink(brokers.sink, {
          clock,
          log: log.child('mqtt'),
          health,
          feeds: [presenceFeed(presence), electricityFeed(electricity.service), cctvFeed(cameras)],
          homeName: config.home.name,
        });
  const renderUrl = config.graphite?.render_url;
  const graphiteEvents =
    renderUrl === undefined
      ? undefined
      : new GraphiteEvents(renderUrl, { clock, log: log.child('graphite'), bus, ...store });
  // A changed interval waits for a restart, and so does what is derived from it.
  const tickMs = config.metrics.interval_seconds * 1000;
  // By the clock that nobody sets: a jump of the other is no missing beat and hides none.
  let beatAt = clock.monotonic();
  const storeHealth = new StoreHealth(store, health, clock);
  const ready = Promise.withResolvers<void>();
  const tick = new Tick({
    intervalMs: tickMs,
    sources: [
      {
        name: 'presence',
        read: () =>
          presenceReadings(presence.view(), config.presence.metrics.prefix, config.presence.metrics.extras),
      },
      { name: 'electricity', read: (at) => electricity.read(at) },
      { name: 'cctv', read: () => cameras.read() },
    ],
    sinks,
    clock,
    log: log.child('tick'),
    bus,
    readings: store.readings,
    onGoodCycle: () => {
      beatAt = clock.monotonic();
      ready.resolve();
      void storeHealth.look();
      void presence.maintain();
    },
  });

  life.defer(
    watchHouse({
      bus,
      log: log.child('watch'),
      clock: systemClock,
      cpuSeconds: () => processStats().cpuSeconds,
      presence: () => ({
        prefix: config.presence.metrics.prefix,
        people: config.presence.people.map((p) => p.person),
      }),
    }),
  );

  const stats = () =>
    houseStats({
      version: options.version,
      startedAt,
      tick,
      sinks,
      sources,
      store: storeHealth.stats(),
      log,
    });
  const server = await serveHouse({
    config: () => config,
    demo: options.demo,
    dataDir,
    clock,
    log,
    bus,
    store,
    health,
    lan,
    presence,
    presentMs: () => scanIntervalMs(config) * 2,
    electricity,
    cameras,
    stats,
  });
  life.defer(() => server.close());
  if (options.lookFirst !== true) {
    tellAddress(dataDir, server.url);
    life.defer(() => forgetAddress(dataDir));
  }

  const running = [
    (options.lookFirst === true
      ? untilLooked(health, () => electricity.answering(), ending.signal)
      : Promise.resolve()
    ).then(() => tick.run(ending.signal)),
    lan.run(ending.signal),
    electricity.run(ending.signal),
    ...sinks.map((sink) => sink.run(ending.signal)),
    ...(mqtt === undefined ? [] : [mqtt.run(ending.signal)]),
    ...(graphiteEvents === undefined ? [] : [graphiteEvents.run(ending.signal)]),
  ];
  // Ticks end before sinks flush, and sinks before the store closes: the stack unwinds in that order.
  life.defer(async () => {
    ending.abort();
    await Promise.allSettled(running);
  });
  return {
    url: server.url,
    ready: Promise.all([ready.promise, graphite?.attempted]).then(() => undefined),
    firstReceipt: (timeoutMs) => firstReceipt(sinks, timeoutMs),
    beats: () => clock.monotonic() - beatAt < tickMs * 3,
    configure(next, change) {
      config = next;
      if (change !== undefined) tellSettings(change, { clock, log, journal: store.journal });
      presence.configure(next.presence);
      sources.configure(next);
      electricity.configure(next.electricity);
      cameras.configure(next);
      log.configure({ level: next.log.level, format: next.log.format });
    },
    stopped: untilStopped(signal, life, log).then(() => files?.flush()),
  };
}

/** Where operators look for lines; a single cycle beside a running service leaves its files alone. */
function logFiles({ config, clock, dataDir, log, lookFirst }: HouseOptions): LogFiles | undefined {
  if (!config.log.files || lookFirst === true) return undefined;
  const files = new LogFiles({
    folder: path.join(dataDir, 'logs'),
    now: () => clock.now(),
    timeZone: config.home.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
  });
  log.listen(files.hear);
  return files;
}

async function untilStopped(signal: AbortSignal, life: AsyncDisposableStack, log: Logger): Promise<void> {
  await new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await life.disposeAsync();
  log.info('stopped');
}

/** Loaded only where it is used: the client takes 18 MiB of memory. */
async function openSink(
  config: MqttConfig,
  io: MqttIo,
): Promise<{ run(signal: AbortSignal): Promise<void> }> {
  const { MqttSink } = await import('#metrics/sinks/mqtt/sink.ts');
  return new MqttSink(config, io);
}

const scanIntervalMs = (config: HouseConfig) => (config.wifi?.scan_interval_seconds ?? 30) * 1000;

/** A source that has gone quiet is believed for two polls; what a person's phone said last may still be true then. */
const reportTtlMs = (config: HouseConfig) => ({
  homeassistant: (config.homeassistant?.poll_interval_seconds ?? 300) * 2_000,
  tado: config.presence.tado.poll_interval_seconds * 3_000,
});
