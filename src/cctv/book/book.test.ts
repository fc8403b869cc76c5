import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { stop, until } from '../../../tests/servers/process.ts';
import { EventBook } from './book.ts';
import { aDelivery, anAlert, anEvent, aPoint } from './fixture.ts';

const start = Date.parse('2026-03-01T12:00:00Z');
let dataDir: string;
let clock: ManualClock;
let lines: string[];
let books: EventBook[];
beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), 'lares-book-'));
  clock = new ManualClock(start);
  lines = [];
  books = [];
});
afterEach(async () => {
  for (const book of books) await book.close().catch(() => {});
  rmSync(dataDir, { recursive: true, force: true });
});

const file = () => path.join(dataDir, 'events.db');
const log = () => new Logger({ write: (line) => lines.push(line), now: () => 0 });
async function open(options: { guest?: boolean } = {}): Promise<EventBook> {
  const book = await EventBook.open({ dataDir, clock, log: log(), ...options });
  books.push(book);
  return book;
}
const sqlite3 = (sql: string) => execFileSync('sqlite3', [file(), sql], { encoding: 'utf8' }).trim();

test('an event is opened, touched, pictured and closed at its true last sight, and read back whole', async () => {
  const book = await open();
  await book.openEvent(anEvent('e1', start));
  book.touchEvent('e1', { seenAt: start + 400, confidence: 0.5, data: { nearest: { gate: 2 } } });
  book.touchEvent('e1', { seenAt: start + 800, confidence: 0.9 });
  await book.files.attachPicture('e1', '/data/snapshots/2026-03-01/snapshot_120000.jpg');
  await book.closeEvent('e1', {
    seenAt: start + 900,
    identity: { kind: 'plate', text: 'AB 123', confidence: 0.8 },
  });
  expect(book.event('e1')).toEqual({
    ...anEvent('e1', start),
    confidence: 0.9,
    seenAt: start + 900,
    closed: true,
    snapshot: '/data/snapshots/2026-03-01/snapshot_120000.jpg',
    snapshotGone: false,
    identity: { kind: 'plate', text: 'AB 123', confidence: 0.8 },
    data: { nearest: { gate: 2 } },
  });
  expect(book.openEvents()).toEqual([]);
});

test("the original's commands answer while we run, VACUUM included, and we go on", async () => {
  const book = await open();
  await book.openEvent(anEvent('e1', start));
  await book.alert(anAlert('a1', start + 1_000));
  await book.alert(anAlert('a2', start - 8 * 86_400_000));
  expect(sqlite3(`SELECT COUNT(*) FROM alerts WHERE timestamp > ${start / 1000 - 7 * 86_400}`)).toBe('1');
  expect(sqlite3("SELECT datetime(timestamp,'unixepoch') FROM events ORDER BY timestamp LIMIT 1")).toBe(
    '2026-03-01 12:00:00',
  );
  expect(sqlite3("SELECT COUNT(*) FROM alerts WHERE message LIKE '%false%'")).toBe('0');
  await book.setFalsePositive('a1', true);
  await book.setFalsePositive('a1', true);
  expect(sqlite3("SELECT message FROM alerts WHERE message LIKE '%false%'")).toBe(
    'A person, 4 metres from the gate [false positive]',
  );
  sqlite3('VACUUM;');
  await book.setFalsePositive('a1', false);
  expect(book.findAlert('a1')).toEqual({ ...anAlert('a1', start + 1_000), falsePositive: false });
  expect(sqlite3('PRAGMA auto_vacuum')).toBe('2');
  expect(() => void book.setFalsePositive('nobody', true)).toThrow('there is no alert nobody');
});

test('an alert and its deliveries are one transaction: told again they are not doubled, and a mark ends them', async () => {
  const book = await open();
  const deliveries = [aDelivery('d1', 'a1', start), aDelivery('d2', 'a1', start + 5_000)];
  await book.alert(anAlert('a1', start), deliveries);
  await book.alert(anAlert('a1', start), deliveries);
  expect(book.due(start, 10)).toEqual([deliveries[0]]);
  await book.mark('d1', 'waiting', { attempts: 1, dueAt: start + 9_000, detail: 'no such host' });
  expect(book.due(start + 9_000, 10)).toEqual([
    deliveries[1],
    { ...deliveries[0], attempts: 1, dueAt: start + 9_000, detail: 'no such host' },
  ]);
  await book.mark('d1', 'done', { attempts: 2 });
  expect(book.waiting()).toBe(1);
  expect(book.deliveriesOf('a1').map(({ state }) => state)).toEqual(['done', 'waiting']);
});

test('of thousands for one peer a page is given out, the most severe first, and all of what others wait for', async () => {
  const book = await open();
  for (let i = 0; i < 30; i += 1) {
    const severity = i === 29 ? 'critical' : 'warning';
    const action = { type: 'webhook', to: 'phone' };
    await book.alert(anAlert(`a${i}`, start, { severity }), [
      aDelivery(`d${i}`, `a${i}`, start + i, { channel: 'webhook', action }),
    ]);
  }
  await book.alert(anAlert('b', start), [aDelivery('other', 'b', start + 50)]);
  const ids = (now: number) => book.due(now, 3).map(({ id }) => id);
  expect(ids(start + 99)).toEqual(['d0', 'd1', 'd29', 'other']);
  expect([book.waiting(), book.waiting('webhook'), book.waiting('pigeon')]).toEqual([31, 30, 0]);
  await book.mark('d0', 'done');
  await book.mark('d1', 'waiting', { dueAt: start + 9_000, detail: 'away' });
  expect(ids(start + 2)).toEqual(['d2']);
  await book.hasten(start + 2);
  expect(ids(start + 2)).toEqual(['d1', 'd10', 'd29', 'other']);
  expect(book.deliveriesOf('a1')[0]).toMatchObject({ dueAt: start + 2, detail: 'away' });
});

test('lists come in pages that neither repeat nor miss a row, also within one instant', async () => {
  const book = await open();
  for (let i = 0; i < 25; i += 1)
    await book.openEvent(
      anEvent(`e${i}`, start + Math.floor(i / 10), { camera: i % 5 === 0 ? 'door' : 'yard' }),
    );
  for (const order of ['asc', 'desc'] as const) {
    const found: string[] = [];
    let page: string | undefined;
    do {
      const { rows, next } = book.events({ order, limit: 4, page });
      found.push(...rows.map(({ id }) => id));
      page = next;
    } while (page !== undefined);
    expect(found).toHaveLength(25);
    expect(new Set(found).size).toBe(25);
  }
  expect(book.events({ camera: 'door' }).rows).toHaveLength(5);
  expect(book.events({ from: start + 1, to: start + 2 }).rows).toHaveLength(10);
  expect(book.events({ label: 'car' })).toEqual({ rows: [] });
});

test('what a rule held back is kept with its reason', async () => {
  const book = await open();
  const row = { at: start, rule: 'gate', camera: 'yard', event: 'e1', reason: 'alex is home' };
  await book.suppressed(row);
  await book.suppressed(row);
  expect(book.suppressions({ rule: 'gate' }).rows).toEqual([row]);
});

test('paths of many objects come back in order of time, thinned and precise, also what is not yet on disk', async () => {
  const book = await open();
  for (let i = 0; i < 1_000; i += 1) {
    await clock.advance(200);
    book.addPath(aPoint('e1', clock.now(), i / 1_000));
    if (i > 500) book.addPath(aPoint('e2', clock.now() + 50, 0.5));
  }
  const points = [...book.paths(start, start + 10 ** 9)];
  expect(points.map(({ at }) => at)).toEqual(points.map(({ at }) => at).toSorted((a, b) => a - b));
  const first = points.filter(({ event }) => event === 'e1');
  expect(first).toHaveLength(334);
  expect(
    Math.max(...first.map(({ at, box }) => Math.abs(box.left - ((at - start) / 200 - 1) / 1_000))),
  ).toBeLessThan(1 / 8_192);
  expect(first[0]!.ground).toEqual({ x: 1.25, y: -3.5, sigma: 0.2 });
  expect([...book.paths(start + 1_000, start + 2_000)].map(({ at }) => at - start)).toEqual([1_400]);
  expect(book.counts().pathBytes / points.length).toBeLessThan(20);
});

test('a book with events left open by a kill gives them back with the last sight that was written', async () => {
  const code = `
    import { EventBook } from ${JSON.stringify(path.resolve('src/cctv/book/book.ts'))};
    import { systemClock } from ${JSON.stringify(path.resolve('src/platform/clock.ts'))};
    import { silent } from ${JSON.stringify(path.resolve('src/platform/log.ts'))};
    import { writeSync } from 'node:fs';
    import { anEvent, anAlert, aDelivery } from ${JSON.stringify(path.resolve('src/cctv/book/fixture.ts'))};
    const book = await EventBook.open({ dataDir: ${JSON.stringify(dataDir)}, clock: systemClock, log: silent });
    await book.openEvent(anEvent('long', ${start}));
    for (let i = 0; ; i += 1) {
      book.touchEvent('long', { seenAt: ${start} + i });
      await book.openEvent(anEvent('e' + i, ${start} + i));
      await book.alert(anAlert('a' + i, ${start} + i), [aDelivery('d' + i, 'a' + i, ${start})]);
      writeSync(1, i + '\\n');
    }`;
  let acknowledged = -1;
  for (const lifeMs of [20, 150, 60]) {
    rmSync(dataDir, { recursive: true });
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes('\n'));
    await new Promise((resolve) => setTimeout(resolve, lifeMs));
    await stop(child, 'SIGKILL');
    acknowledged = Number(said.trim().split('\n').at(-1));
    const book = await open();
    expect(book.integrity()).toBeUndefined();
    const left = new Set(book.openEvents().map(({ id }) => id));
    for (let i = 0; i <= acknowledged; i += 1) {
      expect(left.has(`e${i}`)).toBe(true);
      expect(book.findAlert(`a${i}`)?.event).toBe('e1');
      expect(book.deliveriesOf(`a${i}`)).toHaveLength(1);
    }
    expect(book.counts().alerts).toBe(book.waiting());
    await book.close();
  }
});

test('while another program holds the file, alerts are sent from memory once, and are written afterwards', async () => {
  const book = await open();
  const other = new DatabaseSync(file());
  other.exec('begin immediate');
  await book.alert(anAlert('a1', start), [aDelivery('d1', 'a1', start)]);
  expect(book.due(start, 10).map(({ id }) => id)).toEqual(['d1']);
  expect([book.waiting(), book.waiting('speak')]).toEqual([1, 1]);
  await book.mark('d1', 'done', { attempts: 1 });
  expect(book.due(start, 10)).toEqual([]);
  expect(book.waiting()).toBe(0);
  expect(book.counts()).toMatchObject({ pending: 2, problem: expect.stringContaining('locked') });
  other.exec('rollback');
  other.close();
  await expect.poll(() => book.counts().pending).toBe(0);
  expect(book.deliveriesOf('a1')).toEqual([{ ...aDelivery('d1', 'a1', start), state: 'done', attempts: 1 }]);
});

test('a full disk is told and survived: alerts are still given out, and written when there is room', async () => {
  // The system refuses the child's files to grow beyond 300 kB, as a full disk does, until the limit is raised.
  const code = `
    import { EventBook } from ${JSON.stringify(path.resolve('src/cctv/book/book.ts'))};
    import { systemClock } from ${JSON.stringify(path.resolve('src/platform/clock.ts'))};
    import { Logger } from ${JSON.stringify(path.resolve('src/platform/log.ts'))};
    import { anAlert, aDelivery } from ${JSON.stringify(path.resolve('src/cctv/book/fixture.ts'))};
    const log = new Logger({ write: (line) => process.stdout.write(line + '\\n') });
    const book = await EventBook.open({ dataDir: ${JSON.stringify(dataDir)}, clock: systemClock, log });
    let n = 0;
    while (book.counts().pending === 0) {
      n += 1;
      void book.alert(anAlert('a' + n, n, { message: 'x'.repeat(2_000) }), [aDelivery('d' + n, 'a' + n, n)]);
    }
    const due = book.due(n, 10_000).map(({ id }) => id);
    process.stdout.write('FULL ' + n + ' ' + due.length + ' ' + book.counts().problem + '\\n');
    while (book.counts().pending > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    await book.close();
    process.stdout.write('WRITTEN\\n');`;
  const child = spawn(
    'bash',
    ['-c', 'ulimit -Sf 300; exec "$0" --input-type=module -e "$1"', process.execPath, code],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(
    () => said.includes('FULL '),
    () => said,
  );
  const [, made, due] = /FULL (\d+) (\d+) /.exec(said)!;
  expect(due).toBe(made);
  await until(
    () => said.includes('|ERROR|'),
    () => said,
  );
  execFileSync('prlimit', ['--pid', String(child.pid), '--fsize=unlimited']);
  await until(
    () => said.includes('WRITTEN'),
    () => said,
  );
  expect((await open()).counts()).toMatchObject({ alerts: Number(made), deliveriesWaiting: Number(made) });
});

describe('a damaged book', () => {
  test('is moved aside, its readable rows are saved, and that is said loudly', async () => {
    const before = await open();
    for (let i = 0; i < 400; i += 1) {
      await before.openEvent(anEvent(`e${i}`, start + i, { data: { text: 'x'.repeat(500) } }));
      await before.alert(anAlert(`a${i}`, start + i));
    }
    await before.close();
    const bytes = readFileSync(file());
    bytes.fill(0x5a, 120_000, 128_000);
    writeFileSync(file(), bytes);
    const book = await open();
    expect(book.recovered).toContain('rows were saved');
    expect(lines.some((line) => line.includes('|ERROR|'))).toBe(true);
    expect(readdirSync(dataDir).some((name) => name.startsWith('events.db.corrupt-'))).toBe(true);
    expect(book.counts().alerts + book.counts().events).toBeGreaterThan(600);
    expect(book.integrity()).toBeUndefined();
    await book.alert(anAlert('new', start));
    expect(book.findAlert('new')).toBeDefined();
  });

  test('of which nothing is left is begun anew', async () => {
    writeFileSync(file(), 'not a database, whatever its name says');
    const book = await open();
    expect(book.recovered).toContain('a new one was begun');
    expect(book.counts().events).toBe(0);
  });
});

test('what is old goes, what is open stays, and the room is given back', async () => {
  const book = await open();
  const old = start - 100 * 86_400_000;
  for (let i = 0; i < 50; i += 1) {
    await book.openEvent(anEvent(`e${i}`, old + i, { closed: i > 0, data: { text: 'x'.repeat(5_000) } }));
    await book.alert(anAlert(`a${i}`, old + i), [aDelivery(`d${i}`, `a${i}`, old)]);
    book.addPath(aPoint(`e${i}`, old + i));
  }
  await book.openEvent(anEvent('young', start));
  book.addPath(aPoint('young', start));
  book.flush();
  const pages = () => Number(sqlite3('PRAGMA page_count'));
  const had = pages();
  expect(await book.prune({ events: start - 90 * 86_400_000, paths: start - 30 * 86_400_000 })).toBe(149);
  expect(book.events().rows.map(({ id }) => id)).toEqual(['young', 'e0']);
  expect(book.counts()).toMatchObject({ alerts: 0, deliveriesWaiting: 0 });
  expect([...book.paths(0, start + 1)].map(({ event }) => event)).toEqual(['young']);
  expect(pages()).toBeLessThan(had);
});

test('segments are found by camera and time, and forgotten when their files are gone', async () => {
  const book = await open();
  const row = {
    camera: 'yard',
    file: '/r/a.mp4',
    startAt: start,
    endAt: start + 5_000,
    bytes: 10,
    closed: false,
    events: [],
  };
  await book.files.segment(row);
  await book.files.segment({ ...row, endAt: start + 60_000, bytes: 99, closed: true, events: ['e1'] });
  await book.files.segment({ ...row, file: '/r/b.mp4', startAt: start + 60_000, endAt: start + 70_000 });
  expect(book.files.segments('yard', start + 1_000, start + 2_000)).toEqual([
    { ...row, endAt: start + 60_000, bytes: 99, closed: true, events: ['e1'] },
  ]);
  expect(book.files.segments('yard', start, start + 61_000)).toHaveLength(2);
  await book.files.videoGone(['/r/a.mp4']);
  expect(book.files.segments('yard', 0, start * 2).map((s) => s.file)).toEqual(['/r/b.mp4']);
});

test('a guest reads beside the service and writes nothing; without a book it says what to do', async () => {
  await expect(open({ guest: true })).rejects.toThrow('is made when the cameras run first');
  const book = await open();
  await book.alert(anAlert('a1', start));
  const guest = await open({ guest: true });
  expect(guest.alerts().rows).toHaveLength(1);
});

test('a copy made while alerts are written is a sound book', async () => {
  const book = await open();
  await book.alert(anAlert('a1', start));
  const target = path.join(dataDir, 'copy', 'events.db');
  await expect(book.backup(target)).rejects.toThrow();
  const good = path.join(dataDir, 'copy.db');
  await book.backup(good);
  expect(existsSync(`${good}.part`)).toBe(false);
  expect(
    execFileSync('sqlite3', [good, 'PRAGMA integrity_check; SELECT id FROM alerts'], { encoding: 'utf8' }),
  ).toBe('ok\na1\n');
});
