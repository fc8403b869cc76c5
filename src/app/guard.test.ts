import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import { handOf } from '#guard/mode.rules.ts';
import { pastSituations } from '#guard/situation.rules.ts';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { scratch } from '../../tests/servers/process.ts';
import { houseConfig } from './config.ts';
import { HouseGuard } from './guard.ts';
import { houseMigrations } from './migrations.ts';

const timeZone = 'Europe/London';
const noon = Date.parse('2026-06-15T11:00:00Z');

test('the journal tells replays which mode was set by hand, until when, and when it was taken back', async () => {
  const { dir, remove } = scratch('guard');
  const dataDir = path.join(dir, 'data');
  mkdirSync(dataDir);
  const clock = new ManualClock(noon);
  const log = new Logger({ level: 'fatal' });
  const common = { dataDir, clock, log };
  const store = await openStore({
    ...common,
    databaseUrl: undefined,
    bus: new Bus(() => {}),
    migrations: houseMigrations,
  });
  const book = await EventBook.open(common);
  const config = houseConfig.parse({ presence: { people: [] } });
  const guard = new HouseGuard(config, {
    ...common,
    store,
    book,
    health: new Health(clock),
    timeZone,
    presence: () => ({ at: clock.now(), people: [], countHome: 0, devicesPresent: 0, guests: 0 }),
    strangers: () => [],
    cameraName: (camera) => camera,
    publisher: undefined,
  });
  await guard.setMode('away', 30 * 60_000, 'user:cli');
  await clock.advance(10 * 60_000);
  await guard.setMode('night', undefined, 'user:http');
  await clock.advance(10 * 60_000);
  await guard.setMode(undefined, undefined, 'user:http');
  const events = await store.journal.list({ kinds: ['guard.mode'], order: 'asc' });
  await book.close();
  await store.close();
  remove();
  expect(events.map(({ at, cause, data }) => [(at - noon) / 60_000, cause, data])).toEqual([
    [0, 'user:cli', { mode: 'away', by_hand: true, until: noon + 30 * 60_000 }],
    [10, 'user:http', { mode: 'night', by_hand: true }],
    [20, 'user:http', { mode: 'home', by_hand: false }],
  ]);
  const hands = events.map(({ at, data }) => ({ at, hand: handOf(data) }));
  const modes = (known: typeof hands) => {
    const past = { timeZone, stays: [], names: new Map(), phones: [], hands: known };
    const situation = pastSituations(config.guard, past);
    return [-1, 5, 15, 25, 35].map((minutes) => situation(noon + minutes * 60_000).mode);
  };
  expect(modes(hands)).toEqual(['home', 'away', 'night', 'home', 'home']);
  expect(modes(hands.slice(0, 1))).toEqual(['home', 'away', 'away', 'away', 'home']);
});
