import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silent } from '#platform/log.ts';
import { ManualClock } from '#platform/clock.ts';
import { EventBook } from './book.ts';
import { migrateBook } from './migrate.ts';
import { seconds } from './original.rules.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
let dir: string;
beforeEach(() => (dir = mkdtempSync(path.join(tmpdir(), 'lares-book-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const file = () => path.join(dir, 'events.db');

/** A book as the original might have left it. */
function original(at = file()): void {
  const db = new DatabaseSync(at);
  db.exec(`
    create table events (id integer primary key autoincrement, timestamp real not null, camera_id text, object_class text,
      confidence real, track_id integer, image blob);
    create table alerts (id integer primary key, timestamp integer not null, event_id integer, message text, priority text,
      extra text);
    create index idx_alerts_timestamp on alerts (timestamp);
    create table settings (key text, value text);
    insert into settings values ('a', 'b');
    insert into events values (7, 1736943296.5, 'camera_1', 'person', 0.83, 12, x'00ff');
    insert into events values (9, 1736943300, 'camera_2', 'car', 0.5, 13, null);
    insert into alerts values (1, 1736943297, 7, 'Person at 3.2 m', 'high', 'kept');
    insert into alerts values (2, 'no time', 9, 'lost?', 'low', null);`);
  db.close();
}

test("the original system's book is taken over without loss, once", async () => {
  original();
  const options = { file: file(), now, log: silent };
  const plan = await migrateBook({ ...options, dryRun: true });
  expect(plan.steps.slice(0, 2)).toEqual([
    'alter table events rename to original_events',
    'alter table alerts rename to original_alerts',
  ]);
  expect(readdirSync(dir)).toEqual(['events.db']);
  const done = await migrateBook(options);
  expect(done).toMatchObject({
    from: 0,
    to: 1,
    copy: path.join(dir, 'backups', 'events-20260301-120000.db'),
  });
  expect(await migrateBook(options)).toEqual({ from: 1, to: 1, steps: [] });
  const book = await EventBook.open({ dataDir: dir, clock: new ManualClock(now), log: silent });
  expect(book.event('original-7')).toEqual({
    id: 'original-7',
    at: 1_736_943_296_500,
    camera: 'camera_1',
    label: 'person',
    confidence: 0.83,
    box: { left: 0, top: 0, width: 0, height: 0 },
    seenAt: 1_736_943_296_500,
    closed: true,
    snapshotGone: false,
    data: {
      original: {
        id: 7,
        timestamp: 1_736_943_296.5,
        camera_id: 'camera_1',
        object_class: 'person',
        confidence: 0.83,
        track_id: 12,
        image: { base64: 'AP8=' },
      },
    },
  });
  expect(book.alerts().rows).toMatchObject([
    { id: 'original-1', event: 'original-7', message: 'Person at 3.2 m', severity: 'high' },
  ]);
  await book.close();
  const db = new DatabaseSync(file());
  expect(db.prepare('select count(*) as n from original_alerts').get()).toEqual({ n: 2 });
  expect(db.prepare('select value from settings').get()).toEqual({ value: 'b' });
  expect(db.prepare('pragma auto_vacuum').get()).toEqual({ auto_vacuum: 2 });
  db.close();
});

test('killed at any step, the file holds the old layout or the new one, and the next try succeeds', async () => {
  const first = path.join(dir, 'first.db');
  original(first);
  const places: string[] = [];
  for (let step = 0; ; step += 1) {
    const place = path.join(dir, `k${step}`);
    cpSync(first, path.join(place, 'events.db'));
    const code = `
      import { migrateBook } from ${JSON.stringify(path.resolve('src/cctv/book/migrate.ts'))};
      import { silent } from ${JSON.stringify(path.resolve('src/platform/log.ts'))};
      let n = 0;
      await migrateBook({ file: ${JSON.stringify(path.join(place, 'events.db'))}, now: ${now}, log: silent,
        step: () => { if (n++ === ${step}) process.kill(process.pid, 'SIGKILL'); } });`;
    const { signal, status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      encoding: 'utf8',
    });
    if (status === 0) break;
    expect({ signal, stderr }).toMatchObject({ signal: 'SIGKILL' });
    places.push(place);
  }
  // A copy, two renames, 6 tables, 10 indexes, the version, two to take over, the end, and VACUUM.
  expect(places.length).toBeGreaterThan(20);
  for (const place of places) {
    const db = new DatabaseSync(path.join(place, 'events.db'));
    const names = db
      .prepare(`select name from sqlite_schema where type = 'table'`)
      .all()
      .map((row) => String(row['name']));
    expect(db.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' });
    db.close();
    expect([
      names.includes('lares_book'),
      names.includes('original_events'),
      names.includes('paths'),
    ]).toEqual(names.includes('lares_book') ? [true, true, true] : [false, false, false]);
    const book = await EventBook.open({ dataDir: place, clock: new ManualClock(now), log: silent });
    expect(book.counts()).toMatchObject({ events: 2, alerts: 1 });
    await book.close();
  }
  expect(existsSync(first)).toBe(true);
});

test('a book of a newer version is left alone', async () => {
  const book = await EventBook.open({ dataDir: dir, clock: new ManualClock(now), log: silent });
  await book.close();
  const db = new DatabaseSync(file());
  db.exec('update lares_book set version = 99');
  db.close();
  await expect(migrateBook({ file: file(), now, log: silent })).rejects.toMatchObject({
    code: 'STORE_NEWER',
  });
});

test.each([
  [1_736_943_296.5, 1_736_943_296.5],
  [1_736_943_296_500n, 1_736_943_296.5],
  ['1736943296', 1_736_943_296],
  ['2025-01-15 12:14:56', 1_736_943_296],
  ['2025-01-15T13:14:56+01:00', 1_736_943_296],
  ['yesterday', undefined],
  [null, undefined],
])('a time written as %s is understood', (value, wanted) => {
  expect(seconds(value)).toBe(wanted);
});
