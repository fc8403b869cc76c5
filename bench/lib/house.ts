import { houseMigrations } from '../../src/app/migrations.ts';
import { Bus } from '#kernel/bus.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import type { HouseEvent } from '#kernel/event.ts';
import type { AirHost } from '../../tests/servers/lan.ts';

/** The people of the benches: the first six hosts of a LAN are their phones. */
export function householdOf(hosts: readonly AirHost[]) {
  return ['alex', 'sam', 'jo', 'kit', 'max', 'robin'].map((person, i) => ({
    person,
    homeassistant_entity: `person.${person}`,
    wifi_macs: [hosts[i]!.mac],
  }));
}

export interface Measured {
  /** Epoch ms of every tick in the database. */
  readonly ticks: readonly number[];
  readonly series: readonly string[];
  /** Arrivals and departures in the journal, oldest first. */
  readonly transitions: readonly HouseEvent[];
  /** NaN where nothing was measured. */
  readonly valueOf: (series: string, at: number) => number;
}

/** Everything that a service has measured, from the database that it left behind. */
export async function measured(dataDir: string): Promise<Measured> {
  const log = new Logger({ level: 'error' });
  const store = await openStore({
    dataDir,
    clock: systemClock,
    log,
    bus: new Bus(() => {}),
    migrations: houseMigrations,
    guest: true,
  });
  const kept = new Map<number, ReadonlyMap<string, number>>();
  for await (const { at, values } of store.readings.range(0, Date.now() + 1)) kept.set(at, values);
  const transitions = await store.journal.list({ kinds: ['presence.*'], order: 'asc' });
  await store.close();
  return {
    ticks: [...kept.keys()].toSorted((a, b) => a - b),
    series: [...new Set([...kept.values()].flatMap((v) => [...v.keys()]))].toSorted(),
    transitions,
    valueOf: (name, at) => kept.get(at)?.get(name) ?? Number.NaN,
  };
}

/** Every slot from the first tick to the last one, measured or not. */
export function slots(ticks: readonly number[], intervalMs: number): number[] {
  const [first, last] = [ticks[0] ?? 0, ticks.at(-1) ?? -intervalMs];
  return Array.from({ length: (last - first) / intervalMs + 1 }, (_, i) => first + i * intervalMs);
}
