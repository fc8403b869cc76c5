import { statSync } from 'node:fs';
import path from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { postgresMissing } from '../../tests/servers/postgres.ts';
import { all, batch, kinds, Stores } from '../../tests/servers/stores.ts';

const start = Date.parse('2026-03-01T00:00:00Z');
const stores = new Stores(start);
const event = { at: start, kind: 'device.seen', subject: 'device:x', cause: 'scan', evidence: [], data: {} };
afterEach(() => stores.clear());
afterAll(() => stores.end());

test.skipIf(postgresMissing !== undefined)('PostgreSQL is installed, so both databases are tested', () => {
  expect(kinds).toEqual(['sqlite', 'postgres']);
});

describe.each(kinds)('on %s', (kind) => {
  test('a batch that was appended comes back from the range, and the end of the range is exclusive', async () => {
    const { store } = await stores.fresh(kind);
    const ticks = [0, 5, 10].map((s) => batch(start + s * 1000, { 'home.a': s, 'home.b': 0.1 * s }));
    for (const tick of ticks) await store.readings.append(tick);
    expect(await all(store.readings.range(start, start + 10_000))).toEqual(ticks.slice(0, 2));
    expect(await store.readings.series()).toEqual(['home.a', 'home.b']);
  });

  test('state keeps the newest value of a key', async () => {
    const { store } = await stores.fresh(kind);
    await store.state.set('cursor', { at: 1 });
    await store.state.set('cursor', { at: start, deep: [null, 'ü'] });
    expect(await store.state.get('cursor')).toEqual({ at: start, deep: [null, 'ü'] });
    await store.state.delete('cursor');
    expect(await store.state.get('cursor')).toBeUndefined();
  });

  test('an event is announced, kept, and found by kind, subject and time', async () => {
    const { store, events } = await stores.fresh(kind);
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

  test('events of one millisecond keep the order in which they came', async () => {
    const { store } = await stores.fresh(kind);
    const added = [];
    for (let n = 0; n < 20; n += 1)
      added.push(await store.journal.append({ ...event, at: start, data: { n } }));
    expect(await store.journal.list({ order: 'asc' })).toEqual(added);
  });

  test('names from outside with NUL, quotes and lone surrogates are kept as far as text goes', async () => {
    const { store } = await stores.fresh(kind);
    const subject = `device:a\0b'"\u{1F600}`;
    const kept = await store.journal.append({ ...event, subject, data: { subject } });
    expect(await store.journal.get(kept.id)).toEqual({
      ...kept,
      subject: `device:a\uFFFDb'"\u{1F600}`,
      data: { subject },
    });
  });

  test('an event is found by the subject that was given, NUL included', async () => {
    const { store } = await stores.fresh(kind);
    const kept = await store.journal.append({
      at: start,
      kind: 'device.discovered',
      subject: 'device:a\0b',
      cause: 'test',
      evidence: [],
      data: {},
    });
    expect(await store.journal.list({ subject: 'device:a\0b' })).toEqual([kept]);
  });

  test('the size of the database is told in bytes', async () => {
    const { store } = await stores.fresh(kind);
    expect(await store.sizeBytes()).toBeGreaterThan(50_000);
  });

  test('the journal finds events of a kind and of a subject by an index', async () => {
    const { store } = await stores.fresh(kind);
    await sql.raw(kind === 'sqlite' ? 'select 1' : 'set enable_seqscan = off').execute(store.db);
    const explain = kind === 'sqlite' ? 'explain query plan' : 'explain';
    const plan = async (where: string) => {
      const query = sql.raw(`${explain} select * from event where ${where} order by at desc limit 10`);
      return JSON.stringify((await query.execute(store.db)).rows);
    };
    expect(await plan(`kind = 'presence.arrived'`)).toContain('event_kind_at');
    expect(await plan(`subject = 'person:alex'`)).toContain('event_subject_at');
  });
});

test('the data directory and the database belong to their owner alone', async () => {
  const { dataDir } = await stores.place('sqlite');
  await stores.open({ dataDir: path.join(dataDir, 'new'), databaseUrl: undefined });
  expect((statSync(path.join(dataDir, 'new')).mode & 0o777).toString(8)).toBe('700');
  expect((statSync(path.join(dataDir, 'new', 'lares.db')).mode & 0o777).toString(8)).toBe('600');
});
