import { isDeepStrictEqual } from 'node:util';
import type { Bus } from '#kernel/bus.ts';
import type { Clock } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { Reading } from '#kernel/reading.ts';
import type { ElectricityConfig } from '#electricity/config.ts';
import type { BrokerSettings, DriverParts } from '#electricity/driver.ts';
import { drivers, type DriverKind } from '#electricity/drivers/index.ts';
import type { IngressReply, IngressRequest, PulseDriver } from '#electricity/drivers/pulse/driver.ts';
import { Ledger } from '#electricity/energy/ledger.ts';
import { Insight } from '#electricity/insight/service.ts';
import { Healing } from '#electricity/healing.ts';
import type { ElectricitySignal } from '#electricity/model.ts';
import { cheapestWindow, type Window } from '#electricity/money/window.rules.ts';
import { pricesHealth } from '#electricity/money/health.rules.ts';
import { Prices } from '#electricity/money/prices.ts';
import { Spending } from '#electricity/money/spending.ts';
import { ElectricityService } from '#electricity/service.ts';
import type { Health } from '#platform/health.ts';
import type { Logger } from '#platform/log.ts';
import type { Supervisor } from '#platform/supervisor.ts';
import type { Store } from '#store/model.ts';

export interface ElectricityParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bus: Bus;
  readonly store: Store;
  readonly health: Health;
  readonly supervisor: Supervisor;
  readonly timeZone: string;
  /** Folder that file names in the settings are relative to. */
  readonly folder: string;
  readonly whereIs: (mac: string) => string | undefined;
  /** Undefined while nobody can tell. */
  readonly anyoneHome: () => boolean | undefined;
  readonly broker: BrokerSettings | undefined;
  readonly homeassistant: DriverParts['homeassistant'];
  /** One cycle beside the running service: what it counts from zero must not be taken for the energy of the house. */
  readonly fleeting: boolean;
}

const minuteMs = 60_000;
const soonMs = 2_000;
const hourMs = 3_600_000;

const notSetUp: IngressReply = {
  status: 503,
  type: 'application/json; charset=utf-8',
  body: JSON.stringify({ code: 'NOT_FOUND', message: 'no pulse meter is set up; see electricity.pulse' }),
};

/** Everything electric of one house, wired together. */
export class Electricity {
  readonly service: ElectricityService;
  readonly ledger: Ledger;
  readonly spending: Spending;
  readonly insight: Insight;
  readonly #parts: ElectricityParts;
  readonly #running = new Map<DriverKind, unknown>();
  readonly #healing: Healing;
  #config: ElectricityConfig;
  #prices: Prices;
  #pricing = new AbortController();
  /** Mean of what the house drew since the last full minute. */
  #minute = { sum: 0, count: 0 };
  #nobodyHomeSince: number | undefined;
  #hourAt = 0;
  #receiver: PulseDriver | undefined;
  #writing: NodeJS.Timeout | undefined;

  constructor(config: ElectricityConfig, parts: ElectricityParts) {
    const { clock, log, bus, store, timeZone } = parts;
    this.#config = config;
    this.#parts = parts;
    this.ledger = new Ledger({
      store,
      log: log.child('energy'),
      now: () => clock.now(),
      timeZone: () => timeZone,
      retentionYears: () => this.#config.retention_years,
      maxPowerW: () => this.#config.max_power_kw * 1000,
    });
    this.#prices = this.#makePrices();
    this.spending = new Spending({
      book: this.ledger,
      tariff: () => this.#prices.tariff(),
      carbon: () => this.#prices.carbon(),
      timeZone: () => timeZone,
      devices: () =>
        this.service
          .view()
          .devices.filter((d) => d.device.medium !== 'gas')
          .map((d) => d.device.id),
    });
    this.service = new ElectricityService(config, {
      clock,
      log: log.child('electricity'),
      bus,
      store,
      ledger: {
        observe: (device, at, values) => this.ledger.observe(device, at, values),
        remember: (id, slots) => this.ledger.remember(id, slots),
        replaced: (id) => this.ledger.replaced(id),
        houseOf: (ids) => this.ledger.houseOf(ids),
        totals: (id, now) => (parts.fleeting ? undefined : this.ledger.totals(id, now)),
      },
      money: {
        currency: () => this.spending.currency(),
        priceAt: (at) => this.spending.priceAt(at),
        carbonAt: (at) => this.spending.carbonAt(at),
        costToday: (id) => this.spending.costToday(id),
      },
      baseLoadWatts: () => this.insight.baseLoadWatts(),
      runs: (kind) => settingsOf(kind as DriverKind, this.#config) !== undefined,
    });
    this.insight = new Insight({
      log: log.child('insight'),
      book: this.ledger,
      readings: store.readings,
      state: store.state,
      devices: () => this.service.watched(),
      emit: (event) => this.#aside('what happened cannot be written down', store.journal.append(event)),
      timeZone: () => timeZone,
      pricePerKwh: () => this.spending.priceAt(clock.now()),
      houseSeries: `${config.prefix}.house.power_watts`,
    });
    this.#healing = new Healing({
      clock,
      log,
      rememberers: () => this.service.rememberers(),
      ledger: this.ledger,
    });
  }

  /** Loads what is kept and starts every source that the settings name. */
  async start(): Promise<void> {
    await this.ledger.load();
    await this.service.start();
    await this.insight.start(this.#parts.clock.now());
    this.configure(this.#config);
  }

  /** The readings of one tick. */
  read(at: number): Reading[] {
    const readings = this.service.readings(at);
    const house = readings.find((r) => r.series === `${this.#config.prefix}.house.power_watts`);
    if (house !== undefined)
      this.#minute = { sum: this.#minute.sum + house.value, count: this.#minute.count + 1 };
    return readings;
  }

  /** How many devices say something at the moment. */
  answering(): number {
    return this.service.view().devices.filter((d) => d.state === 'ok').length;
  }

  /** Takes a message of a pulse meter that came to the server of the house. */
  ingest(request: IngressRequest): IngressReply {
    return this.#receiver?.ingest(request) ?? notSetUp;
  }

  /** When a constant load of `durationMs` costs least within `withinMs` from now; undefined where prices are missing. */
  cheapest(durationMs: number, withinMs: number): Window | undefined {
    const tariff = this.#prices.tariff();
    const now = this.#parts.clock.now();
    return tariff === undefined ? undefined : cheapestWindow(tariff, now, now + withinMs, durationMs);
  }

  /** Starts, restarts and stops sources as the settings ask, and only those whose settings changed. */
  configure(config: ElectricityConfig): void {
    const before = this.#config;
    this.#config = config;
    if (!isDeepStrictEqual(before.tariff, config.tariff)) this.#reprice();
    this.service.configure(config);
    for (const kind of Object.keys(drivers) as DriverKind[]) {
      const settings = this.#parts.fleeting && drivers[kind].listens ? undefined : settingsOf(kind, config);
      if (this.#running.has(kind) && isDeepStrictEqual(this.#running.get(kind), settings)) continue;
      this.#running.set(kind, settings);
      if (settings !== undefined) this.#run(kind, settings);
      else if (this.#parts.health.get(componentOf(kind)) !== undefined)
        this.#aside(`${componentOf(kind)} did not end well`, this.#end(kind));
    }
  }

  /** Every minute: writes energy down, adds up money, looks at habits; beside it heals gaps. Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    signal.addEventListener('abort', () => this.#pricing.abort(), { once: true });
    this.#aside('prices are not kept up to date', this.#prices.run(this.#pricing.signal));
    // What devices remember may take long to ask; energy is written down meanwhile.
    let healing: Promise<void> | undefined;
    while (!signal.aborted) {
      try {
        this.#tellPrices();
        await this.ledger.flush();
        await this.spending.refresh(clock.now());
        await this.#reflect();
        healing ??= this.#healing
          .pass(signal)
          .catch((error: unknown) =>
            log.error(`electricity error: gaps are not healed: ${reason(error)}`, { error }),
          )
          .finally(() => (healing = undefined));
      } catch (error) {
        log.error(`electricity error: ${reason(error)}`, { error });
      }
      await clock.sleep(minuteMs - (clock.now() % minuteMs), signal);
    }
    await healing;
  }

  /** Writes everything down. The sources must be stopped before. */
  async stop(): Promise<void> {
    clearTimeout(this.#writing);
    await this.ledger.flush();
    await this.insight.save(this.#parts.clock.now());
    await this.service.stop();
  }

  /** Prices that cannot be had are no trouble of a device, so they have a place of their own in health. */
  #tellPrices(): void {
    const { health, clock } = this.#parts;
    const told = pricesHealth(this.#prices.status(), clock.now());
    if (told === undefined) health.remove(pricesComponent);
    else health.set(pricesComponent, told.state, told.detail);
  }

  #makePrices(): Prices {
    const { clock, log, store, timeZone, folder } = this.#parts;
    return new Prices({
      settings: this.#config.tariff,
      clock,
      log: log.child('prices'),
      random: Math.random,
      state: store.state,
      timeZone,
      folder,
    });
  }

  #reprice(): void {
    if (this.#pricing.signal.aborted) return;
    this.#pricing.abort();
    this.#pricing = new AbortController();
    this.#prices = this.#makePrices();
    this.#aside('prices are not kept up to date', this.#prices.run(this.#pricing.signal));
  }

  /** What the last minute and hour say about the habits of the house. */
  async #reflect(): Promise<void> {
    const now = this.#parts.clock.now();
    const { sum, count } = this.#minute;
    this.#minute = { sum: 0, count: 0 };
    const someone = this.#parts.anyoneHome();
    this.#nobodyHomeSince = someone === false ? (this.#nobodyHomeSince ?? now) : undefined;
    const home = this.#nobodyHomeSince === undefined ? {} : { nobodyHomeSince: this.#nobodyHomeSince };
    await this.insight.minute(now, count === 0 ? undefined : sum / count, home);
    if (now - this.#hourAt < hourMs) return;
    this.#hourAt = now;
    await this.insight.hourly(now);
  }

  #run(kind: DriverKind, settings: unknown): void {
    const { supervisor, store, whereIs, broker, homeassistant } = this.#parts;
    const parts: DriverParts = { state: store.state, whereIs, broker, homeassistant };
    const driver = drivers[kind].make(parts);
    if ('ingest' in driver) this.#receiver = driver as PulseDriver;
    // The registry pairs each driver with its own settings; the union of all pairs cannot be typed here.
    supervisor.start(componentOf(kind), driver as never, settings as never, (signal: ElectricitySignal) =>
      this.#take(kind, signal),
    );
  }

  /** Work that nobody waits for: its failure is a line in the log and ends nothing else. */
  #aside(what: string, work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.#parts.log.error(`electricity error: ${what}: ${reason(error)}`, { error }),
    );
  }

  /** Its place in health goes with it, unless the settings named it again meanwhile. */
  async #end(kind: DriverKind): Promise<void> {
    await this.#parts.supervisor.stop(componentOf(kind));
    if (this.#running.get(kind) === undefined) this.#parts.health.remove(componentOf(kind));
  }

  #take(kind: DriverKind, signal: ElectricitySignal): void {
    this.service.take(kind, signal);
    if (signal.kind === 'device') this.#writeSoon();
    if (signal.kind === 'measured' && signal.values.unit_price !== undefined)
      this.#aside(
        'the price that the meter shows was not taken',
        this.#prices.meterShows(signal.id, signal.at, signal.values),
      );
  }

  /** What a counter showed first is the base of everything after it; a crash must not take it along. */
  #writeSoon(): void {
    if (this.#writing !== undefined) return;
    this.#writing = setTimeout(() => {
      this.#writing = undefined;
      void this.ledger.flush();
    }, soonMs).unref();
  }
}

const pricesComponent = 'electricity.prices';

/** How a source is called in health and in the log. */
const componentOf = (kind: DriverKind) => `electricity.${kind}`;

/**
 * The settings with which a source runs: its own section, searching the networks of the house where it names none;
 * without a section it runs only when it is to search these. Undefined when it does not run.
 */
export function settingsOf(kind: DriverKind, config: ElectricityConfig): object | undefined {
  const searches = config.networks.length > 0 && (config.search as readonly string[]).includes(kind);
  const own = config[kind] ?? (searches ? drivers[kind].config.parse({}) : undefined);
  if (own === undefined || !searches || !('networks' in own) || own.networks.length > 0) return own;
  return { ...own, networks: config.networks };
}
