import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { diffConfig } from '#config/diff.ts';
import { mainsHabits, simulatedScanner } from '#devices/lan/sim.ts';
import { scratch } from '../../tests/servers/process.ts';
import { houseConfig } from './config.ts';
import { startHouse } from './house.ts';

const network = '192.0.2.0/24';
const settings = (over: object = {}) => houseConfig.parse({ http: { port: 0 }, ...over });
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** A house with one phone on its LAN, on a clock that the test moves. */
async function house(config = settings()) {
  const { dir, remove } = scratch('house');
  cleanups.push(remove);
  const clock = new ManualClock(Date.UTC(2026, 10, 21, 12));
  const stop = new AbortController();
  const always = { here: true, since: 0, until: Number.POSITIVE_INFINITY };
  const phone = { name: 'phone', mac: '02:00:00:00:00:01', ip: '192.0.2.9', habits: mainsHabits };
  const running = await startHouse({
    config,
    dataDir: dir,
    version: '0',
    clock,
    log: new Logger({ write: () => {} }),
    openScanner: async () =>
      simulatedScanner({ network, devices: [{ ...phone, presence: () => always }], clock, seed: 'house' }),
    simulated: true,
    signal: stop.signal,
  });
  cleanups.push(() => (stop.abort(), running.stopped));
  const get = async (path: string) => (await fetch(`${running.url}${path}`)).json() as Promise<unknown>;
  return { clock, running, get };
}

test('a tick interval that waits for a restart does not starve the watchdog', async () => {
  const { clock, running } = await house(settings({ metrics: { interval_seconds: 60 } }));
  running.configure(settings({ metrics: { interval_seconds: 5 } }));
  await clock.advance(30_000);
  expect(running.beats()).toBe(true);
});

test.each([
  ['wifi.networks', { wifi: { networks: [network] } }],
  ['presence.metrics.prefix', { presence: { metrics: { prefix: 'home.other' } } }],
  ['homeassistant', { homeassistant: { token: 'a-long-lived-token' } }],
])('%s is applied at once, and so it is said', (path, over) => {
  expect(diffConfig(houseConfig, settings(), settings(over))).toEqual({
    changed: [path],
    live: [path],
    needRestart: [],
  });
});

test('a network that is added is scanned, and one that is removed no longer counts', async () => {
  const { clock, running, get } = await house();
  running.configure(settings({ wifi: { networks: [network] } }));
  await clock.advance(35_000);
  const scanned = () =>
    get('/health/detailed').then((body) => (body as { scanners: { network: string }[] }).scanners);
  expect((await scanned()).map((s) => s.network)).toEqual([network]);
  running.configure(settings());
  await clock.advance(5_000);
  expect(await scanned()).toEqual([]);
});

test('a clock that is set forward is no missing beat', async () => {
  const { clock, running } = await house(settings({ metrics: { interval_seconds: 60 } }));
  await clock.advance(120_000);
  clock.jump(3_600_000);
  expect(running.beats()).toBe(true);
  await clock.advance(120_000);
  expect(running.beats()).toBe(true);
});
