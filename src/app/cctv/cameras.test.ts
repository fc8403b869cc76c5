import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import { anEvent } from '#cctv/book/fixture.ts';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { scratch, until } from '../../../tests/servers/process.ts';
import { Cameras } from './cameras.ts';
import { houseConfig } from '../config.ts';
import { houseMigrations } from '../migrations.ts';

const start = Date.parse('2026-06-15T11:00:00Z');

/** The cameras of a house: one, which is off, so that nothing is connected. */
async function house() {
  const { dir, remove } = scratch('cameras');
  const dataDir = path.join(dir, 'data');
  mkdirSync(dataDir);
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const log = new Logger({ write: (line) => lines.push(line), now: () => clock.now() });
  const bus = new Bus(() => {});
  const common = { dataDir, clock, log };
  const store = await openStore({ ...common, databaseUrl: undefined, bus, migrations: houseMigrations });
  const health = new Health(clock);
  const camera = { id: 'front', url: 'rtsp://192.0.2.20/s', enabled: false };
  const cameras = new Cameras(houseConfig.parse({ cameras: [camera] }), {
    ...common,
    bus,
    store,
    health,
    timeZone: 'Europe/London',
    calibrationFolder: path.join(dir, 'calibration'),
    presence: () => ({ at: clock.now(), people: [], countHome: 0, devicesPresent: 0, guests: 0 }),
    strangers: () => [],
    publisher: undefined,
  });
  const state = () => health.report().components.find((c) => c.name === 'cctv')?.state;
  const close = async () => {
    await cameras.stop();
    await store.close();
    remove();
  };
  return { ...common, cameras, lines, state, close };
}

test('cameras that could not start because their book was locked start once it is free, and say so once', async () => {
  const { cameras, clock, close, dataDir, lines, state } = await house();
  const other = new DatabaseSync(path.join(dataDir, 'events.db'));
  other.exec('pragma locking_mode = exclusive; create table t (n); begin exclusive');
  await cameras.start();
  expect(state()).toBe('down');
  await clock.advance(60_000);
  await until(() => state() === 'down');
  other.close();
  await until(async () => {
    await clock.advance(60_000);
    return state() === 'ok';
  });
  expect(lines.filter((line) => line.includes('cannot start'))).toHaveLength(1);
  await close();
});

test('an event of before a restart ends with the ticks, though no camera is on', async () => {
  const { cameras, clock, close, dataDir, log } = await house();
  const before = await EventBook.open({ dataDir, clock, log });
  await before.openEvent(anEvent('e1', start - 1_000, { camera: 'front' }));
  await before.close();
  await cameras.start();
  const events = () => cameras.cctvPort().events({}).rows;
  expect(events()).toMatchObject([{ id: 'e1', closed: false }]);
  await clock.advance(31_000);
  cameras.read();
  expect(events()).toMatchObject([{ id: 'e1', closed: true, seenAt: start - 1_000 }]);
  await close();
});
