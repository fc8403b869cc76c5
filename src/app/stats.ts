import type { Clock } from '#kernel/driver.ts';
import type { Tick } from '#metrics/index.ts';
import type { Health } from '#platform/health.ts';
import type { Logger } from '#platform/log.ts';
import { processStats, type HouseStats, type SinkStats, type StoreStats } from '#platform/stats.ts';
import type { Store } from '#store/model.ts';
import type { Sources } from './sources.ts';

export interface StatsParts {
  readonly version: string;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly tick: Tick;
  readonly sinks: readonly { stats(): SinkStats }[];
  readonly sources: Sources;
  readonly store: StoreStats;
  readonly log: Logger;
}

/** The figures of the whole program at this moment. */
export function houseStats({ version, startedAt, tick, sinks, sources, store, log }: StatsParts): HouseStats {
  return {
    version,
    startedAt,
    process: processStats(),
    tick: tick.stats(),
    sinks: sinks.map((sink) => sink.stats()),
    scanners: sources.scanners(),
    store,
    logLines: log.counts,
  };
}

const measureEveryMs = 60_000;

/** Watches the database: how large it is, and whether ticks wait in memory because it cannot be written. */
export class StoreHealth {
  readonly #store: Store;
  readonly #health: Health;
  readonly #clock: Clock;
  #sizeBytes: number | undefined;
  #measuredAt = Number.NEGATIVE_INFINITY;

  constructor(store: Store, health: Health, clock: Clock) {
    this.#store = store;
    this.#health = health;
    this.#clock = clock;
  }

  stats(): StoreStats {
    return { kind: this.#store.kind, sizeBytes: this.#sizeBytes, recovered: this.#store.recovered };
  }

  /** Called once a tick. Never throws. */
  async look(): Promise<void> {
    const { readings, events } = this.#store.stats();
    const waiting = readings.pending + events.pending;
    // One tick may always be on its way.
    if (waiting > 2)
      this.#health.set(
        'store',
        'degraded',
        `${waiting} batches wait in memory: the database cannot be written`,
      );
    else if (this.#store.recovered !== undefined)
      this.#health.set('store', 'degraded', this.#store.recovered);
    else this.#health.set('store', 'ok', this.#store.kind);
    if (this.#clock.monotonic() - this.#measuredAt < measureEveryMs) return;
    this.#measuredAt = this.#clock.monotonic();
    this.#sizeBytes = await this.#store.sizeBytes().catch(() => undefined);
  }
}
