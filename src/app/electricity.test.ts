import { afterEach, expect, test } from 'vitest';
import { electricityConfig } from '#electricity/config.ts';
import type { ElectricitySignal } from '#electricity/model.ts';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import { Supervisor } from '#platform/supervisor.ts';
import { openStore } from '#store/index.ts';
import { scratch } from '../../tests/servers/process.ts';
import { Electricity } from './electricity.ts';
import { houseMigrations } from './migrations.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

const start = Date.UTC(2026, 10, 21, 12);
const hourMs = 3_600_000;

async function house(settings: object, fleeting = false) {
  const { dir, remove } = scratch('electricity');
  cleanups.push(remove);
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const log = new Logger({ level: 'debug', write: (line) => lines.push(line) });
  const bus = new Bus(() => {});
  const store = await openStore({ dataDir: dir, clock, log, bus, migrations: houseMigrations });
  cleanups.push(() => store.close());
  const health = new Health(clock);
  const supervisor = new Supervisor({ clock, log, health, random: () => 0.5 });
  const electricity = new Electricity(electricityConfig.parse(settings), {
    clock,
    log,
    bus,
    store,
    health,
    supervisor,
    timeZone: 'UTC',
    folder: dir,
    whereIs: () => undefined,
    anyoneHome: () => undefined,
    broker: undefined,
    homeassistant: undefined,
    fleeting,
  });
  await electricity.start();
  cleanups.push(() => supervisor.stopAll());
  const take = (signal: ElectricitySignal) => electricity.service.take('toy', signal);
  return { electricity, clock, health, lines, take, store };
}

test('a device that takes its time to remember holds up neither the energy nor the money of the others', async () => {
  const tariff = { currency: 'GBP', import: { kind: 'fixed', price: 0.25 } };
  const { electricity, clock, take } = await house({ tariff });
  const measured = (id: string, energy_wh: number) =>
    take({ kind: 'measured', id, at: clock.now(), values: { power_watts: 1_000, energy_wh } });
  let asked = 0;
  const energy = (_from: number, _to: number, signal: AbortSignal) => {
    asked += 1;
    return new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  take({ kind: 'device', device: { id: 'toy:1', source: 'toy', name: 'Slow' }, remembers: { energy } });
  measured('toy:1', 0);
  await clock.advance(3 * hourMs);
  measured('toy:1', 3_000);
  const stop = new AbortController();
  const ended = electricity.run(stop.signal);
  cleanups.push(() => (stop.abort(), ended));
  await expect.poll(() => asked).toBe(1);
  take({ kind: 'device', device: { id: 'toy:2', source: 'toy', name: 'Quick' } });
  for (let minute = 0; minute < 3; minute += 1) {
    measured('toy:1', 3_000);
    measured('toy:2', minute * 500);
    await clock.advance(60_000);
  }
  await expect.poll(() => electricity.spending.costToday('toy:2')?.import).toBeGreaterThan(0);
});

test('one cycle beside the service starts no source that only listens: the service does that', async () => {
  const meters = [{ name: 'meter', id: 'house', token: 'at-least-sixteen-characters' }];
  const settings = { pulse: { meters, http: { host: '127.0.0.1', port: 1 } }, tasmota: {}, kasa: {} };
  const { health, lines } = await house(settings, true);
  expect(health.report().components.map((c) => c.name)).toEqual(['electricity.kasa']);
  expect(lines.filter((line) => line.includes('error'))).toEqual([]);
});

test('a section that is removed and added again at once keeps its place in health', async () => {
  const { electricity, health } = await house({ kasa: {} });
  electricity.configure(electricityConfig.parse({}));
  electricity.configure(electricityConfig.parse({ kasa: { timeout_seconds: 1 } }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(health.get('electricity.kasa')?.state).toMatch(/ok|starting/);
});

test('a database that fails costs lines in the log, and nothing that nobody waits for ends the process', async () => {
  const tariff = { currency: 'GBP', import: { kind: 'meter' } };
  const { electricity, clock, lines, store } = await house({ tariff, kasa: {} });
  await store.close();
  const stop = new AbortController();
  const ended = electricity.run(stop.signal);
  cleanups.push(() => (stop.abort(), ended));
  electricity.configure(electricityConfig.parse({ tariff: { ...tariff, currency: 'EUR' } }));
  await expect
    .poll(() => lines.some((line) => line.includes('the price that the meter showed last cannot be read')))
    .toBe(true);
  await clock.advance(60_000);
});

test('prices that cannot be read are told in health, and are gone from there with the tariff', async () => {
  const tariff = { currency: 'GBP', import: { kind: 'half-hourly', file: 'none.csv' } };
  const { electricity, clock, health } = await house({ tariff });
  const stop = new AbortController();
  const ended = electricity.run(stop.signal);
  cleanups.push(() => (stop.abort(), ended));
  await expect
    .poll(async () => (await clock.advance(60_000), health.get('electricity.prices')))
    .toMatchObject({
      state: 'down',
      detail: expect.stringMatching(/^import prices: cannot read .*none\.csv/),
    });
  electricity.configure(electricityConfig.parse({}));
  await expect
    .poll(async () => (await clock.advance(60_000), health.get('electricity.prices')))
    .toBeUndefined();
});
