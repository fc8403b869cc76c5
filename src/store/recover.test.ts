import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, expect, test } from 'vitest';
import { isRoot } from '../../tests/servers/process.ts';
import { all, batch, Stores } from '../../tests/servers/stores.ts';
import { backups } from './backup.ts';
import { lockDataDir } from './lock.ts';
import type { NamedMigration } from './model.ts';
import { hourMs } from './tables.ts';

const start = Date.parse('2026-03-01T00:00:00Z');
const stores = new Stores(start);
afterEach(() => stores.clear());
afterAll(() => stores.end());

const event = (n: number) => ({
  at: start + n,
  kind: 'presence.arrived',
  subject: `person:p${n}`,
  cause: 'fusion',
  evidence: [],
  data: { text: 'x'.repeat(200) },
});

/** A closed database with readings in chunks and loose, events and state. */
async function filled(events = 400) {
  const place = await stores.place('sqlite');
  const { store } = await stores.open(place);
  for (let i = 0; i < 30; i += 1) {
    const values = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`home.s${n}`, Math.sin(i * n)]));
    await store.readings.append(batch(start + i * 10 * 60_000, values));
  }
  await store.readings.maintain(start + 4 * hourMs);
  for (let i = 0; i < events; i += 1) await store.journal.append(event(i));
  await store.state.set('cursor', 42);
  await store.close();
  return { place, file: path.join(place.dataDir, 'lares.db') };
}

const corruptCopies = (dir: string) =>
  readdirSync(dir).filter((name) => /^lares\.db\.corrupt-[0-9TZ-]+$/.test(name));

test.each([
  ['is empty', (file: string) => truncateSync(file, 0)],
  ['is a text file', (file: string) => writeFileSync(file, 'this is no database\n'.repeat(500))],
  ['has garbage in its first page', (file: string) => garble(file, 0, 4096)],
])(
  'a database that %s is moved aside and a new one begun; the store works and says so',
  async (_, damage) => {
    const { place, file } = await filled(1);
    damage(file);
    const bytes = readFileSync(file);
    const { store, lines } = await stores.open(place);
    expect(store.recovered).toMatch(
      /is kept as lares\.db\.corrupt-.* there is no backup, so a new one was begun$/,
    );
    expect(corruptCopies(place.dataDir).map((name) => readFileSync(path.join(place.dataDir, name)))).toEqual([
      bytes,
    ]);
    expect(lines.filter((line) => line.includes('|ERROR|'))).toHaveLength(1);
    const kept = await store.journal.append(event(1));
    expect(await store.journal.list({})).toEqual([kept]);
  },
);

test('the newest good backup is restored when no row can be read', async () => {
  const { place, file } = await filled(3);
  const table: NamedMigration = {
    name: '0002_extra',
    up: (db) => db.schema.createTable('extra').addColumn('id', 'integer').execute(),
  };
  await (await stores.open(place, { migrations: [table] })).store.close();
  expect(backups(place.dataDir)).toHaveLength(1);
  writeFileSync(path.join(place.dataDir, 'backups', 'lares-2999-before-x.db'), 'no database');
  writeFileSync(file, 'garbage');
  const { store } = await stores.open(place, { migrations: [table] });
  expect(store.recovered).toMatch(/the backup lares-2026-03-01.*before-0002_extra\.db was restored$/);
  expect(await store.journal.list({})).toHaveLength(3);
  expect(await store.state.get('cursor')).toBe(42);
});

test.each([20, 40, 60, 80])(
  'with three garbled pages from page %i on, nearly all rows are saved',
  async (page) => {
    const { place, file } = await filled(2000);
    const before = counts(file);
    garble(file, page * 4096, 3 * 4096);
    const { store } = await stores.open(place);
    expect(store.recovered).toMatch(/\d+ rows were saved/);
    const after = counts(file);
    const total = (n: Record<string, number>) => Object.values(n).reduce((a, b) => a + b);
    expect(total(after)).toBeGreaterThan(total(before) * 0.95);
    expect((await all(store.readings.range(start, start + 6 * hourMs))).length).toBeGreaterThan(25);
    const kept = await store.journal.append(event(9999));
    expect(await store.journal.get(kept.id)).toEqual(kept);
  },
);

function garble(file: string, at: number, length: number): void {
  const fd = openSync(file, 'r+');
  // The same garbage on each run: a failure must be repeatable.
  writeSync(fd, Buffer.from(Array.from({ length }, (_, i) => (i * 7919 + 13) % 251)), 0, length, at);
  closeSync(fd);
}

function counts(file: string): Record<string, number> {
  const database = new DatabaseSync(file, { readOnly: true });
  const count = (table: string) => Number(database.prepare(`select count(*) as n from ${table}`).get()!['n']);
  const found = Object.fromEntries(
    ['event', 'chunk', 'reading', 'series', 'state'].map((t) => [t, count(t)]),
  );
  database.close();
  return found;
}

test('a command beside the service leaves a damaged database where it is', async () => {
  const { place, file } = await filled(1);
  writeFileSync(file, 'garbage');
  await expect(stores.open(place, { guest: true })).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  expect(readFileSync(file, 'utf8')).toBe('garbage');
});

test.skipIf(!isRoot)(
  'needs root: a data directory on a read-only file system is refused by a sentence, also for the lock',
  async () => {
    const place = await stores.place('sqlite');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'lares-store-test', place.dataDir]);
    try {
      for (const dataDir of [place.dataDir, path.join(place.dataDir, 'new')]) {
        await expect(stores.open({ ...place, dataDir })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
        expect(() => lockDataDir(dataDir)).toThrow(/cannot be (opened|created)|read-only/);
      }
    } finally {
      execFileSync('umount', ['-l', place.dataDir]);
    }
  },
);

test.skipIf(!isRoot)(
  'needs root: on a full disk readings and events wait in memory, can be read, and are written once there is room',
  async () => {
    const place = await stores.place('sqlite');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'lares-store-test', place.dataDir]);
    const ballast = path.join(place.dataDir, 'ballast');
    try {
      const { store, lines } = await stores.open(place);
      await store.readings.append(batch(start, { 'home.a': 1 }));
      const fd = openSync(ballast, 'w');
      expect(() => {
        for (;;) writeSync(fd, Buffer.alloc(4096, 1));
      }).toThrow('ENOSPC');
      closeSync(fd);
      const ticks = Array.from({ length: 30 }, (_, i) =>
        batch(
          start + i * 5000,
          Object.fromEntries(Array.from({ length: 200 }, (__, n) => [`home.s${n}`, Math.sin(i * n)])),
        ),
      );
      let kept = 0;
      for (const tick of ticks) {
        await store.readings.append(tick);
        kept = Math.max(kept, store.stats().readings.pending);
      }
      const happened = await store.journal.append({ ...event(1), data: { text: 'x'.repeat(100_000) } });
      expect(kept).toBeGreaterThan(0);
      expect(store.stats().readings.problem).toMatch(/disk is full/);
      expect(await all(store.readings.range(start + 1, start + hourMs))).toEqual(ticks.slice(1));
      expect(await store.journal.list({})).toEqual([happened]);
      await expect(store.state.set('large', 'x'.repeat(500_000))).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
      });
      expect(lines.filter((line) => line.includes('store error: readings wait in memory'))).toHaveLength(1);
      truncateSync(ballast, 0);
      await expect
        .poll(() => store.stats().readings.pending + store.stats().events.pending, { timeout: 15_000 })
        .toBe(0);
      expect((await all(store.readings.range(start + 1, start + hourMs))).length).toBe(29);
      expect(await store.journal.get(happened.id)).toEqual(happened);
      expect(store.stats()).toMatchObject({
        readings: { dropped: 0, problem: undefined },
        events: { dropped: 0 },
      });
      await store.close();
    } finally {
      execFileSync('umount', ['-l', place.dataDir]);
    }
  },
);

test('backups are the newest five, private, and whole', async () => {
  const { place } = await filled(1);
  const tables = Array.from({ length: 7 }, (_, i): NamedMigration => ({
    name: `0002_extra_${i}`,
    up: (db) => db.schema.createTable(`extra_${i}`).addColumn('id', 'integer').execute(),
  }));
  for (let i = 1; i <= tables.length; i += 1) {
    const { store, clock } = await stores.open(place, { migrations: tables.slice(0, i) });
    expect([clock.now(), existsSync(path.join(place.dataDir, 'backups'))]).toEqual([start, true]);
    await store.close();
  }
  expect(backups(place.dataDir).map((name) => path.basename(name).replace(/.*-before-/, ''))).toEqual(
    [6, 5, 4, 3, 2].map((i) => `0002_extra_${i}.db`),
  );
  for (const file of backups(place.dataDir)) {
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    expect(counts(file)['event']).toBe(1);
  }
});

test('a repair that was cut off is taken up again, with everything that can be saved', async () => {
  const { place, file } = await filled();
  garble(file, 20 * 4096, 3 * 4096);
  const { store: whole } = await stores.open(place);
  const saved = (await whole.journal.list({ limit: 1_000 })).length;
  const [aside] = corruptCopies(place.dataDir);
  await whole.close();
  // What is left when the power goes, or systemd loses patience, between the first step and the last.
  rmSync(file);
  const half = new DatabaseSync(`${file}.salvage`);
  half.exec('create table event (id text primary key)');
  half.close();
  const { store } = await stores.open(place);
  expect((await store.journal.list({ limit: 1_000 })).length).toBe(saved);
  expect(store.recovered).toContain(aside!);
  expect(corruptCopies(place.dataDir)).toEqual([aside]);
  expect(existsSync(`${file}.salvage`)).toBe(false);
});
