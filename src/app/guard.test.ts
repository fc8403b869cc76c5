import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import type { Publisher } from '#guard/channels/contract.ts';
import { handOf } from '#guard/mode.rules.ts';
import { sight } from '#guard/rules/fixture.ts';
import { pastSituations } from '#guard/situation.rules.ts';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import type { PersonView } from '#presence/index.ts';
import { openStore } from '#store/index.ts';
import { scratch } from '../../tests/servers/process.ts';
import { houseConfig } from './config.ts';
import { HouseGuard } from './guard.ts';
import { houseMigrations } from './migrations.ts';

const timeZone = 'Europe/London';
const noon = Date.parse('2026-06-15T11:00:00Z');

const person = (over: Partial<PersonView>): PersonView => ({
  person: 'alex',
  name: 'Alex',
  state: 'home',
  probability: 0.9,
  since: noon - 86_400_000,
  lastSeen: undefined,
  from: { wifi: 0, homeassistant: 0, tado: 0 },
  evidence: [],
  conflict: undefined,
  ...over,
});

/** A guard with a book and a store of its own, and these people. */
async function house(
  settings: object = {},
  people: () => readonly PersonView[] = () => [],
  publisher?: Publisher,
) {
  const { dir, remove } = scratch('guard');
  const dataDir = path.join(dir, 'data');
  mkdirSync(dataDir);
  const clock = new ManualClock(noon);
  const lines: string[] = [];
  const log = new Logger({ write: (line) => lines.push(line), now: () => clock.now() });
  const common = { dataDir, clock, log };
  const store = await openStore({
    ...common,
    databaseUrl: undefined,
    bus: new Bus(() => {}),
    migrations: houseMigrations,
  });
  const book = await EventBook.open(common);
  const config = houseConfig.parse(settings);
  const parts = {
    ...common,
    store,
    book,
    health: new Health(clock),
    timeZone,
    presence: () => ({ at: clock.now(), people: people(), countHome: 0, devicesPresent: 0, guests: 0 }),
    strangers: () => [],
    cameraName: (camera: string) => camera,
    publisher,
  };
  const again = () => new HouseGuard(config, parts);
  const guard = again();
  const close = async () => {
    await book.close();
    await store.close();
    remove();
  };
  return { config, guard, again, clock, store, book, lines, dataDir, close };
}

const rules = {
  alert_rules: [
    { id: 'any', cooldown: 0, actions: [] },
    { id: 'empty_house', home_mode: ['away'], cooldown: 0, actions: [] },
  ],
};

test('somebody of whom nothing was heard since before a restart silences nothing; seen again, they do', async () => {
  let lastSeen = noon - 5 * 3_600_000;
  const { guard, clock, book, lines, close } = await house(rules, () => [person({ lastSeen })]);
  await guard.start();
  const told = () =>
    book
      .alerts()
      .rows.map(({ rule, event }) => `${rule} ${event}`)
      .toSorted();
  guard.observe(sight({ event: 'e1', at: clock.now() }));
  expect(told()).toEqual(['any e1', 'empty_house e1']);
  lastSeen = noon;
  await clock.advance(2_000);
  guard.observe(sight({ event: 'e2', at: clock.now() }));
  expect(told()).toHaveLength(2);
  expect(book.suppressions({ order: 'asc' }).rows.map(({ rule, reason }) => [rule, reason])).toEqual([
    ['any', 'Alex is home'],
    ['empty_house', 'the house is in mode home, wanted away'],
  ]);
  expect(lines.filter((line) => line.includes('|alerts|ALERT_HELD|'))).toEqual([
    expect.stringContaining('|held back: Alex is home rule=any camera=front object=person event=e2'),
    expect.stringContaining('|held back: the house is in mode home, wanted away rule=empty_house'),
  ]);
  await close();
});

test('an alert in the journal cites the event of the camera and the readings of who is home', async () => {
  const { guard, clock, store, close } = await house({
    alert_rules: [{ id: 'any', schedule: [{ from: '08:00', to: '20:00' }], actions: [] }],
  });
  await guard.start();
  guard.observe(sight({ at: clock.now() }));
  await clock.advance(0);
  const [event] = await store.journal.list({ kinds: ['camera.alert'] });
  await close();
  expect(event).toMatchObject({ subject: 'camera:front', cause: 'rule:any' });
  const at = noon;
  const seen = { source: 'camera.front', ref: 'e1' };
  const home = { source: 'presence', ref: 'home.presence.anyone_home' };
  expect(event?.evidence).toEqual([
    { at, text: 'person, wanted person', ...seen },
    { at, text: 'it is there', ...seen },
    { at, text: '0.80, wanted at least 0.60', ...seen },
    { at, text: 'it is no fixture of the place', ...seen },
    { at, text: 'mon 12:00, wanted 08:00 to 20:00', source: 'clock' },
    { at, text: 'not told of before', source: 'guard' },
    { at, text: 'no resident has just arrived', ...home },
    { at, text: 'nobody can tell who is home', ...home },
    { at, text: 'no alert here before', source: 'guard' },
  ]);
});

test('who was told of, went away, came back and was held is told of after a restart', async () => {
  let lastSeen = 0;
  const zone = { id: 'drive', zones: ['drive'], cooldown: 0, actions: [] };
  const one = await house({ alert_rules: [zone] }, () => [person({ lastSeen })]);
  const { clock, book } = one;
  const look = async (guard: HouseGuard, seconds: number, inside: boolean) => {
    await clock.advance(seconds * 1_000);
    guard.observe(sight({ at: clock.now(), zones: inside ? { drive: clock.now() } : {} }));
  };
  await one.guard.start();
  await look(one.guard, 0, true);
  await look(one.guard, 10, false);
  lastSeen = clock.now() + 600_000;
  await look(one.guard, 120, true);
  expect(book.suppressions().rows).toHaveLength(1);
  await one.guard.stop();
  const again = one.again();
  await again.start();
  await look(again, 10, true);
  expect(book.alerts().rows).toHaveLength(1);
  // Alex is not known to be home any more.
  lastSeen = 0;
  await look(again, 10, true);
  expect(book.alerts().rows).toHaveLength(2);
  await look(again, 10, true);
  expect(book.alerts().rows).toHaveLength(2);
  await one.close();
});

test('an alert is told while the book cannot be written, however soon it is looked for', async () => {
  const told: string[] = [];
  const publisher = {
    prefix: 'lares',
    publish: async (topic: string, payload: string) => {
      told.push(`${topic} ${(JSON.parse(payload) as { rule: string }).rule}`);
    },
    reach: async () => {},
  };
  const settings = { alert_rules: [{ id: 'any', actions: [{ type: 'mqtt' }] }] };
  const { guard, clock, book, dataDir, close } = await house(settings, () => [], publisher);
  await guard.start();
  const stop = new AbortController();
  const ended = guard.run(stop.signal);
  await clock.advance(0);
  const other = new DatabaseSync(path.join(dataDir, 'events.db'));
  other.exec('begin immediate');
  guard.observe(sight({ at: clock.now() }));
  // Something else calls the queue before the book has given up for now.
  guard.queue.wake();
  await clock.advance(5_000);
  expect(told).toEqual(['lares/alerts/front any']);
  other.exec('rollback');
  other.close();
  await expect.poll(() => book.counts().pending).toBe(0);
  expect(book.deliveriesOf(book.alerts().rows[0]!.id).map((d) => d.state)).toEqual(['done']);
  stop.abort();
  await clock.advance(0);
  await ended;
  await guard.stop();
  await close();
});

test('what rules remember is not needed to stop: a database that is gone is told, and nothing fails', async () => {
  const { guard, clock, store, book, lines, close } = await house(rules);
  await guard.start();
  guard.observe(sight({ at: clock.now() }));
  await store.close();
  await guard.stop();
  expect(lines.some((line) => line.includes('guard error: what rules remember is not saved'))).toBe(true);
  expect(book.alerts().rows).toHaveLength(1);
  await close();
});

test('the journal tells replays which mode was set by hand, until when, and when it was taken back', async () => {
  const { config, guard, clock, store, close } = await house();
  await guard.setMode('away', 30 * 60_000, 'user:cli');
  await clock.advance(10 * 60_000);
  await guard.setMode('night', undefined, 'user:http');
  await clock.advance(10 * 60_000);
  await guard.setMode(undefined, undefined, 'user:http');
  const events = await store.journal.list({ kinds: ['guard.mode'], order: 'asc' });
  await close();
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
