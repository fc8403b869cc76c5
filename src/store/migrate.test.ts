import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { kinds, Stores } from '../../tests/servers/stores.ts';
import { backups } from './backup.ts';
import type { NamedMigration } from './model.ts';
import { columnTypes } from './tables.ts';

const stores = new Stores(Date.parse('2026-03-01T00:00:00Z'));
afterEach(() => stores.clear());
afterAll(() => stores.end());

const first: NamedMigration = {
  name: '0002_door',
  async up(db, kind) {
    await db.schema
      .createTable('door')
      .addColumn('id', columnTypes[kind].autoId, (c) => c.primaryKey())
      .addColumn('at', 'bigint')
      .addColumn('photo', columnTypes[kind].bytes)
      .execute();
  },
};
const second: NamedMigration = {
  name: '0003_door_name',
  up: (db) => db.schema.alterTable('door').addColumn('name', 'text').execute(),
};
const failing: NamedMigration = {
  name: '0003_fails',
  async up(db) {
    await db.schema.createTable('half').addColumn('id', 'integer').execute();
    throw new Error('no further');
  },
};

test.each(['', 'lares.db', 'mysql://a:geheim@127.0.0.1/lares'])(
  'DATABASE_URL %j is refused by a sentence',
  async (url) => {
    const { dataDir } = await stores.place('sqlite');
    await expect(stores.open({ dataDir, databaseUrl: url })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.not.stringContaining('geheim'),
    });
  },
);

describe.each(kinds)('on %s', (kind) => {
  test('steps run once, in order of their names, and the tables of areas take ids, times and bytes', async () => {
    const place = await stores.place(kind);
    await (await stores.open(place, { migrations: [second, first] })).store.close();
    const { store } = await stores.open(place, { migrations: [first, second] });
    const row = { at: 1_772_323_200_123, photo: Uint8Array.of(1, 0, 255), name: 'front' };
    const added = await store.db.insertInto('door').values(row).returningAll().executeTakeFirstOrThrow();
    expect({ ...added, photo: [...(added['photo'] as Uint8Array)] }).toEqual({
      ...row,
      id: 1,
      photo: [1, 0, 255],
    });
    const halves = await store.db
      .selectFrom('door')
      .select((eb) => [eb('at', '/', 1000).as('s'), eb.fn.countAll().as('n')])
      .groupBy('at')
      .execute();
    expect(halves).toEqual([{ s: 1_772_323_200, n: 1 }]);
  });

  test('a step that fails leaves the database as it was, and the next start goes on from there', async () => {
    const place = await stores.place(kind);
    await (await stores.open(place, { migrations: [first] })).store.close();
    await expect(stores.open(place, { migrations: [first, failing] })).rejects.toThrow('no further');
    const { store } = await stores.open(place, { migrations: [first, second] });
    const tables = (await store.db.introspection.getTables()).map((table) => table.name);
    expect(tables.filter((name) => name === 'half' || name === 'door')).toEqual(['door']);
  });

  test('a database with steps that this version does not know is refused and stays untouched', async () => {
    const place = await stores.place(kind);
    await (await stores.open(place, { migrations: [first, second] })).store.close();
    const file = path.join(place.dataDir, 'lares.db');
    const bytes = existsSync(file) ? readFileSync(file) : undefined;
    await expect(stores.open(place, { migrations: [first] })).rejects.toMatchObject({
      code: 'STORE_NEWER',
      message: expect.stringContaining('0003_door_name') as string,
    });
    expect(existsSync(file) ? readFileSync(file) : undefined).toEqual(bytes);
    expect(backups(place.dataDir)).toEqual([]);
  });

  test('an existing database is backed up before a step, or the log says that there is no file to back up', async () => {
    const place = await stores.place(kind);
    await (await stores.open(place, { migrations: [first] })).store.close();
    expect(backups(place.dataDir)).toEqual([]);
    const { lines } = await stores.open(place, { migrations: [first, second] });
    const said = lines.some((line) => line.includes('without a file backup'));
    const names = backups(place.dataDir).map((name) => path.basename(name));
    expect([names, said]).toEqual(
      kind === 'sqlite' ? [['lares-2026-03-01T00-00-00-000Z-before-0003_door_name.db'], false] : [[], true],
    );
  });

  test('two processes that open a new database at the same moment both get it', async () => {
    const place = await stores.place(kind);
    const both = await Promise.all([1, 2].map(() => stores.open(place, { migrations: [first, second] })));
    for (const { store } of both) await store.state.set('a', 1);
    expect(
      await both[0]!.store.db.selectFrom('lares_migration').select('name').orderBy('name').execute(),
    ).toEqual(['0001_store', '0002_door', '0003_door_name'].map((name) => ({ name })));
  });
});
