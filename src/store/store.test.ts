import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import type { HouseEvent } from '#kernel/event.ts';
import type { Batch } from '#kernel/reading.ts';
import { ManualClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { postgresMissing, startPostgres, type Postgres } from '../../tests/servers/postgres.ts';
import type { NamedMigration, Store, StoreKind } from './model.ts';
import { openStore } from './open.ts';

const start = Date.parse('2026-03-01T00:00:00Z');
let postgres: Postgres | undefined;
let opened: { store: Store; dataDir: string }[] = [];
let number = 0;

beforeAll(async () => {
  if (postgresMissing === undefined) postgres = await startPostgres();
});
afterAll(() => postgres?.remove());
afterEach(async () => {
  for (const { store, dataDir } of opened) {
    await store.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
  opened = [];
});

interface House {
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
}

async function newHouse(kind: StoreKind): Promise<House> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'lares-store-'));
  return {
    dataDir,
    databaseUrl: kind === 'postgres' ? await postgres!.create(`t${(number += 1)}`) : undefined,
  };
}

async function open(house: House, migrations: readonly NamedMigration[] = []) {
  const events: HouseEvent[] = [];
  const bus = new Bus((error) => {
    throw error;
  });
  bus.on('event', (event) => events.push(event));
  const clock = new ManualClock(start);
  const store = await openStore({ ...house, clock, log: silent, bus, migrations });
  opened.push({ store, dataDir: house.dataDir });
  return { store, clock, events };
}

const batch = (at: number, values: Record<string, number>): Batch => ({
  at,
  values: new Map(Object.entries(values)),
});
async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const kinds: StoreKind[] = postgresMissing === undefined ? ['sqlite', 'postgres'] : ['sqlite'];
test.skipIf(postgresMissing !== undefined)('PostgreSQL is here, so both databases are tested', () => {
  expect(kinds).toEqual(['sqlite', 'postgres']);
});

describe.each(kinds)('on %s', (kind) => {
  test('a batch that was appended comes back from the range, and the end of the range is exclusive', async () => {
    const { store } = await open(await newHouse(kind));
    const ticks = [0, 5, 10].map((s) => batch(start + s * 1000, { 'home.a': s, 'home.b': 0.1 * s }));
    for (const tick of ticks) await store.readings.append(tick);
    expect(await all(store.readings.range(start, start + 10_000))).toEqual(ticks.slice(0, 2));
    expect(await store.readings.series()).toEqual(['home.a', 'home.b']);
  });

  test('state keeps the newest value of a key', async () => {
    const { store } = await open(await newHouse(kind));
    await store.state.set('cursor', { at: 1 });
    await store.state.set('cursor', { at: start, deep: [null, 'ü'] });
    expect(await store.state.get('cursor')).toEqual({ at: start, deep: [null, 'ü'] });
    await store.state.delete('cursor');
    expect(await store.state.get('cursor')).toBeUndefined();
  });

  test('an event is announced, kept, and found by kind, subject and time', async () => {
    const { store, events } = await open(await newHouse(kind));
    const add = (eventKind: string, subject: string, at: number) =>
      store.journal.append({ at, kind: eventKind, subject, cause: 'fusion', evidence: [], data: { n: at } });
    const a = await add('presence.arrived', 'person:alex', start);
    const b = await add('presence.departed', 'person:alex', start + 1);
    const c = await add('device.discovered', 'device:x', start + 1);
    expect(events).toEqual([a, b, c]);
    expect(await store.journal.get(b.id)).toEqual(b);
    expect(await store.journal.list({})).toEqual([c, b, a]);
    expect(await store.journal.list({ kinds: ['presence.*'], order: 'asc' })).toEqual([a, b]);
    expect(await store.journal.list({ kinds: ['device.discovered'], subject: 'device:x' })).toEqual([c]);
    expect(await store.journal.list({ from: start + 1, to: start + 2, limit: 1 })).toEqual([c]);
  });
});

test('the data directory and the database belong to their owner alone', async () => {
  const { dataDir } = await newHouse('sqlite');
  await open({ dataDir: path.join(dataDir, 'new'), databaseUrl: undefined });
  expect((statSync(path.join(dataDir, 'new')).mode & 0o777).toString(8)).toBe('700');
  expect((statSync(path.join(dataDir, 'new', 'lares.db')).mode & 0o777).toString(8)).toBe('600');
});
