import { spawn } from 'node:child_process';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { stop, until } from '../../tests/servers/process.ts';
import { all, batch, kinds, Stores, type Place } from '../../tests/servers/stores.ts';
import { postgresMissing } from '../../tests/servers/postgres.ts';
import { hourMs } from './tables.ts';

const start = Date.parse('2026-03-01T00:00:00Z');
const stores = new Stores(start);
afterEach(() => stores.clear());
afterAll(() => stores.end());

/** Appends for ever, seals now and then, and prints the number of each batch once it is acknowledged. */
const writer = (place: Place, from: number) => `
  import { writeSync } from 'node:fs';
  import { openStore } from ${JSON.stringify(path.resolve('src/store/index.ts'))};
  import { systemClock } from ${JSON.stringify(path.resolve('src/platform/clock.ts'))};
  import { silent } from ${JSON.stringify(path.resolve('src/platform/log.ts'))};
  const store = await openStore({ ...${JSON.stringify(place)}, clock: systemClock, log: silent, bus: { emit() {} }, migrations: [] });
  for (let i = ${from}; ; i += 1) {
    const at = ${start} + i * 60_000;
    await store.readings.append({ at, values: new Map([['home.a', i], ['home.b', i / 10]]) });
    await store.state.set('cursor', i);
    if (store.stats().readings.pending === 0) writeSync(1, i + '\\n');
    if (i % 50 === 0) await store.readings.maintain(at);
  }`;

describe.each(kinds)('on %s', (kind) => {
  test('a writer that is killed by SIGKILL at random moments loses nothing that it had acknowledged', async () => {
    const place = await stores.place(kind);
    let next = 0;
    for (const lifeMs of [37, 120, 5, 210, 64, 90]) {
      const args = ['--input-type=module', '-e', writer(place, next)];
      const child = spawn(process.execPath, args, {
        cwd: process.cwd(),
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await until(() => said.includes('\n'));
      await new Promise((resolve) => setTimeout(resolve, lifeMs));
      await stop(child, 'SIGKILL');
      const last = Number(said.trim().split('\n').at(-1));
      expect(last).toBeGreaterThanOrEqual(next);
      next = last + 1;
    }
    const { store } = await stores.open(place);
    const found = await all(store.readings.range(start, start + next * 60_000));
    const wanted = Array.from({ length: next }, (_, i) =>
      batch(start + i * 60_000, { 'home.a': i, 'home.b': i / 10 }),
    );
    expect(found).toEqual(wanted);
    expect(await store.state.get<number>('cursor')).toBeGreaterThanOrEqual(next - 1);
    expect(store.recovered).toBeUndefined();
  });
});

test('while another program holds the SQLite file, readings wait in memory and the event loop goes on; then all are written', async () => {
  const place = await stores.place('sqlite');
  const { store, lines } = await stores.open(place);
  const other = new DatabaseSync(path.join(place.dataDir, 'lares.db'));
  other.exec('begin immediate');
  const ticks = [0, 1, 2].map((i) => batch(start + i * 5000, { 'home.a': i }));
  let turns = 0;
  const turning = setInterval(() => (turns += 1), 5);
  for (const tick of ticks) await store.readings.append(tick);
  clearInterval(turning);
  // Each append waits up to a second; SQLite's own blocking wait would have left next to none of these.
  expect(turns).toBeGreaterThan(20);
  expect(store.stats().readings.pending).toBe(3);
  other.exec('rollback');
  other.close();
  await expect.poll(() => store.stats().readings.pending).toBe(0);
  expect(await all(store.readings.range(start, start + hourMs))).toEqual(ticks);
  expect(lines.filter((line) => line.includes('are lost'))).toEqual([]);
});

test('beyond the memory for waiting batches the oldest that is not being written is dropped, and is counted', async () => {
  const place = await stores.place('sqlite');
  const { store } = await stores.open(place);
  const other = new DatabaseSync(path.join(place.dataDir, 'lares.db'));
  other.exec('begin immediate');
  const appended = Array.from({ length: 730 }, (_, i) =>
    store.readings.append(batch(start + i * 5000, { 'home.a': i })),
  );
  await Promise.all(appended);
  expect(store.stats().readings).toMatchObject({ pending: 720, dropped: 10 });
  other.exec('rollback');
  other.close();
  await store.close();
  const { store: again } = await stores.open(place);
  const found = await again.readings.samples('home.a', start, start + 2 * hourMs);
  expect(found.map(([, value]) => value)).toEqual([0, ...Array.from({ length: 719 }, (_, i) => i + 11)]);
});

test.skipIf(postgresMissing !== undefined)(
  'needs PostgreSQL: a server that crashes and comes back costs nothing that was appended meanwhile',
  async () => {
    const place = await stores.place('postgres');
    const server = await stores.postgres();
    const { store, lines } = await stores.open(place);
    const ticks = Array.from({ length: 9 }, (_, i) => batch(start + i * 5000, { 'home.a': i }));
    for (const tick of ticks.slice(0, 3)) await store.readings.append(tick);
    await server.stop('immediate');
    for (const tick of ticks.slice(3, 6)) await store.readings.append(tick);
    const event = { at: start, kind: 'a.b', subject: 's', cause: 'c', evidence: [], data: {} };
    const happened = await store.journal.append(event);
    expect([store.stats().readings.pending, store.stats().events.pending]).toEqual([3, 1]);
    await expect(store.state.set('a', 1)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await server.start();
    for (const tick of ticks.slice(6)) await store.readings.append(tick);
    await expect.poll(() => store.stats().readings.pending + store.stats().events.pending).toBe(0);
    expect(await all(store.readings.range(start, start + hourMs))).toEqual(ticks);
    expect(await store.journal.get(happened.id)).toEqual(happened);
    expect(lines.filter((line) => line.includes('readings wait in memory'))).toHaveLength(1);
  },
);

test.skipIf(postgresMissing !== undefined)(
  'needs PostgreSQL: a wrong password is refused by a sentence without it',
  async () => {
    const place = await stores.place('postgres');
    const databaseUrl = place.databaseUrl!.replace(/app:[^@]+@/, 'app:wrongwrong@');
    await expect(stores.open({ ...place, databaseUrl })).rejects.toMatchObject({
      code: 'AUTH_REFUSED',
      message: expect.not.stringContaining('wrongwrong') as string,
    });
  },
);
