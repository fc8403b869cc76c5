import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Bus } from '#kernel/bus.ts';
import type { HouseEvent } from '#kernel/event.ts';
import type { Batch } from '#kernel/reading.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { openStore, type Store, type StoreKind, type StoreOptions } from '#store/index.ts';
import { postgresMissing, startPostgres, type Postgres } from './postgres.ts';

/** Every database that can be tested here. */
export const kinds: readonly StoreKind[] =
  postgresMissing === undefined ? ['sqlite', 'postgres'] : ['sqlite'];

export interface Place {
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
}

/** Stores in folders and databases of their own, gone after `clear`. */
export class Stores {
  readonly #start: number;
  #postgres: Promise<Postgres> | undefined;
  #stores: Store[] = [];
  #dirs: string[] = [];
  #made = 0;

  /** `start`: epoch ms that the clocks begin with. */
  constructor(start: number) {
    this.#start = start;
  }

  /** The one server of these stores, started when first needed. */
  postgres(): Promise<Postgres> {
    this.#postgres ??= startPostgres();
    return this.#postgres;
  }

  async place(kind: StoreKind): Promise<Place> {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'lares-store-'));
    this.#dirs.push(dataDir);
    if (kind === 'sqlite') return { dataDir, databaseUrl: undefined };
    this.#made += 1;
    return { dataDir, databaseUrl: await (await this.postgres()).create(`t${this.#made}`) };
  }

  async open(place: Place, options: Partial<StoreOptions> = {}) {
    const lines: string[] = [];
    const events: HouseEvent[] = [];
    const bus = new Bus((error) => {
      throw error;
    });
    bus.on('event', (event) => events.push(event));
    const clock = new ManualClock(this.#start);
    const log = new Logger({ write: (line) => lines.push(line), now: () => 0, level: 'info' });
    const store = await openStore({ ...place, clock, log, bus, migrations: [], ...options });
    this.#stores.push(store);
    return { store, clock, events, lines };
  }

  /** Opens one in a new place. */
  async fresh(kind: StoreKind, options: Partial<StoreOptions> = {}) {
    return this.open(await this.place(kind), options);
  }

  /** After each test. */
  async clear(): Promise<void> {
    for (const store of this.#stores) await store.close();
    for (const dir of this.#dirs) rmSync(dir, { recursive: true, force: true });
    this.#stores = [];
    this.#dirs = [];
  }

  /** After all tests. */
  async end(): Promise<void> {
    await (await this.#postgres)?.remove();
  }
}

export const batch = (at: number, values: Record<string, number>): Batch => ({
  at,
  values: new Map(Object.entries(values)),
});

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
