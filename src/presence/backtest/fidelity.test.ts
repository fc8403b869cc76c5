import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { phoneHabits, seeded } from '#devices/lan/phone-model.ts';
import { Bus } from '#kernel/bus.ts';
import type { Clock } from '#kernel/driver.ts';
import { silent } from '#platform/log.ts';
import { openStore, type Store } from '#store/index.ts';
import { presenceConfig } from '../config.ts';
import { defaultTuning } from '../fusion.model.ts';
import { PresenceService } from '../service.ts';
import { scheduleOf } from './cli.ts';
import { fusion, type Feed, type Transition } from './replay.rules.ts';
import { truthOf } from './schedule.codec.ts';
import { makeWorld, sightings } from './world.rules.ts';

const hour = 3_600_000;
const monday = Date.UTC(2026, 0, 5);
const mac = '02:00:00:00:00:01';

let now = monday;
const clock: Clock = { now: () => now, monotonic: () => now, sleep: () => Promise.resolve() };
let dir: string;
let store: Store;

beforeEach(async () => {
  now = monday;
  dir = mkdtempSync(path.join(tmpdir(), 'lares-backtest-'));
  const bus = new Bus((error) => {
    throw error;
  });
  store = await openStore({ dataDir: dir, clock, log: silent, bus, migrations: [] });
});

afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The transitions of the running service when the same things happen at the same instants. */
async function live(feed: Feed, exitsWatched: boolean): Promise<Transition[]> {
  const config = presenceConfig.parse({
    people: [{ person: 'alex', wifi_macs: [mac] }],
    exits_watched: exitsWatched,
  });
  const bus = new Bus((error) => {
    throw error;
  });
  const service = new PresenceService(config, {
    clock,
    log: silent,
    bus,
    store,
    lan: { devices: () => [], present: () => [], get: () => undefined },
    lanWorks: () => true,
    hourOf: (at) => new Date(at).getUTCHours(),
    scanIntervalMs: () => 30_000,
    reportTtlMs: () => defaultTuning.reportTtlMs,
  });
  await service.start();
  const transitions: Transition[] = [];
  service.onChange(({ at, people }) => transitions.push({ at, to: people[0]!.state }));
  const ticks = Array.from({ length: (feed.to - feed.from) / 5_000 }, (_, i) => feed.from + i * 5_000);
  const steps = [
    ...feed.sightings.map((at) => ({
      at,
      run: () => service.saw({ mac, ip: undefined, at, via: 'arp-reply', network: '192.0.2.0/24' }),
    })),
    ...feed.exits.map((exit) => ({ at: exit.at, run: () => bus.emit('movement', exit) })),
    ...ticks.map((at) => ({ at, run: () => void service.view() })),
  ].toSorted((a, b) => a.at - b.at);
  for (const step of steps) {
    now = step.at;
    step.run();
  }
  await service.stop();
  return transitions;
}

test.each([true, false])(
  'the replay concludes what the running service concludes from the same sightings (exits watched: %s)',
  { timeout: 120_000 },
  async (exitsWatched) => {
    const span = { from: monday, to: monday + 72 * hour };
    const home = [0, 1, 2, 3].map((d) => ({
      from: monday + (d * 24 - 7) * hour,
      to: monday + (d * 24 + 8) * hour,
    }));
    const inside = home.map((s) => ({ from: Math.max(s.from, span.from), to: Math.min(s.to, span.to) }));
    // Sleepier than usual, so that the replay has false departures to agree upon.
    const habits = { ...phoneHabits, offPerHour: 2, offMedianMs: 240_000 };
    const world = makeWorld(truthOf(scheduleOf('alex', span, inside), seeded(1)), habits, seeded(2));
    const looking = { sweepEveryMs: 30_000, probeEveryMs: 10_000, passive: true };
    const seen = sightings(world, looking, habits, seeded(3));
    const feed = { ...span, sightings: seen, exits: exitsWatched ? world.exits : [] };
    const replayed = fusion(defaultTuning, exitsWatched)(feed);
    expect(replayed.length).toBeGreaterThan(6);
    expect(await live(feed, exitsWatched)).toEqual(replayed);
  },
);
