import { Bus } from '#kernel/bus.ts';
import type { Sink } from '#kernel/reading.ts';
import { graphiteConfig, type GraphiteConfig } from '#metrics/config.ts';
import { GraphiteSink, type GraphiteIo } from '#metrics/sinks/graphite/sink.ts';
import { Tick, type ReadingSource } from '#metrics/tick.ts';
import { systemClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import type { StateStore, Store } from '#store/model.ts';
import type { Expectation } from '../../bench/lib/counting.ts';
import { MemoryReadings, MemoryState, type Spool } from './memory-store.ts';

const people = ['alex', 'sam', 'jo', 'kit', 'max', 'robin'];

/** The 27 names of a house of six, under a prefix of their own. */
export function presenceSeries(prefix: string): string[] {
  return [
    ...people.flatMap((person) =>
      ['is_home', 'from_wifi', 'from_homeassistant', 'from_tado'].map(
        (leaf) => `${prefix}.${person}.${leaf}`,
      ),
    ),
    ...['count_home', 'anyone_home', 'wifi.devices_present_count'].map((leaf) => `${prefix}.${leaf}`),
  ];
}

/** A value that belongs to one tick only, so that a point in the wrong place is noticed. */
const valueAt = (at: number) => (at / 1000) % 997;

export interface MetricsHouseOptions {
  readonly port: number;
  readonly prefix: string;
  readonly intervalMs: number;
  readonly graphite?: Partial<GraphiteConfig>;
  readonly sources?: readonly ReadingSource[];
  /** Given to follow a house that crashed or stopped. */
  readonly before?: MetricsHouse;
  /** A real store, in place of one in memory. */
  readonly store?: Pick<Store, 'readings' | 'state'>;
  /** In place of the Graphite sink. */
  readonly makeSink?: (
    config: GraphiteConfig,
    io: GraphiteIo,
  ) => Sink & { run(signal: AbortSignal): Promise<void> };
}

/** A real tick and a real sink over a store in memory: the measuring half of a house, without devices. */
export class MetricsHouse {
  readonly readings: Spool;
  readonly state: MemoryState | StateStore;
  /** Epoch ms of every tick of this run and those before. */
  readonly ticks: number[];
  readonly lines: string[] = [];
  readonly sink: Sink & { run(signal: AbortSignal): Promise<void> };
  readonly tick: Tick;
  readonly health = new Health(systemClock);
  readonly #series: string[];
  readonly #ticking = new AbortController();
  readonly #sinking = new AbortController();
  #ended: Promise<unknown> = Promise.resolve();

  constructor(options: MetricsHouseOptions) {
    const { before, store } = options;
    this.readings = store?.readings ?? before?.readings ?? new MemoryReadings();
    this.state =
      store?.state ?? (before?.state instanceof MemoryState ? before.state.copy() : new MemoryState());
    this.ticks = before?.ticks ?? [];
    this.#series = presenceSeries(options.prefix);
    const log = new Logger({ write: (line) => this.lines.push(line) });
    const config = graphiteConfig.parse({ host: '127.0.0.1', port: options.port, ...options.graphite });
    const io = { clock: systemClock, log, health: this.health, readings: this.readings, state: this.state };
    this.sink = options.makeSink?.(config, io) ?? new GraphiteSink(config, io);
    const house: ReadingSource = {
      name: 'presence',
      read: (at) => this.#series.map((series) => ({ series, at, value: valueAt(at) })),
    };
    this.tick = new Tick({
      intervalMs: options.intervalMs,
      sources: [house, ...(options.sources ?? [])],
      sinks: [this.sink],
      clock: systemClock,
      log,
      bus: new Bus(() => {}),
      readings: this.readings,
      onGoodCycle: (at) => this.ticks.push(at),
    });
  }

  get graphite(): GraphiteSink {
    return this.sink as GraphiteSink;
  }

  start(): this {
    this.#ended = Promise.all([this.sink.run(this.#sinking.signal), this.tick.run(this.#ticking.signal)]);
    return this;
  }

  /** No more ticks; the sink goes on. */
  stopTicking(): void {
    this.#ticking.abort();
  }

  async stop(): Promise<void> {
    this.#ticking.abort();
    this.#sinking.abort();
    await this.#ended;
  }

  /** Ends without a word, as SIGKILL does: what this run kept from now on is lost. The store survives. */
  crash(): Promise<void> {
    if (this.state instanceof MemoryState) this.state.freeze();
    return this.stop();
  }

  get successes(): number {
    return this.lines.filter((line) => line.includes('Successfully sent')).length;
  }

  /** What Graphite must show when everything arrived. */
  expectation(): Expectation {
    return {
      ticks: this.ticks,
      series: this.#series,
      valueOf: (_series, at) => valueAt(at),
    };
  }
}
