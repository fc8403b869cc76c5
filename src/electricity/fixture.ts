import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { openStore, type Store } from '#store/index.ts';
import { electricityConfig } from './config.ts';
import { Ledger } from './energy/ledger.ts';
import { electricityMigrations } from './energy/repository.ts';
import type { Device, Values } from './model.ts';
import { ElectricityService } from './service.ts';

export const start = Date.parse('2026-01-31T08:00:00Z');
const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A house on a real database, whose time the test moves. */
export async function house(
  settings: object = {},
  dataDir = mkdtempSync(path.join(tmpdir(), 'lares-electricity-')),
  runs: (kind: string) => boolean = () => true,
) {
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const log = new Logger({ level: 'debug', write: (line) => lines.push(line) });
  const bus = new Bus(() => {});
  const store: Store = await openStore({ dataDir, clock, log, bus, migrations: electricityMigrations });
  closers.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const ledger = new Ledger({ store, log, now: () => clock.now(), timeZone: () => 'UTC' });
  await ledger.load();
  const money = {
    currency: () => 'GBP',
    priceAt: () => 0.25,
    carbonAt: () => undefined,
    costToday: () => undefined,
  };
  const config = electricityConfig.parse(settings);
  const service = new ElectricityService(config, {
    clock,
    log,
    bus,
    store,
    ledger,
    money,
    baseLoadWatts: () => undefined,
    runs,
  });
  await service.start();
  const close = async () => {
    await service.stop();
    await ledger.flush();
    await store.close();
  };
  let closed = false;
  closers.push(async () => {
    if (!closed) await close();
  });
  return {
    service,
    clock,
    bus,
    lines,
    dataDir,
    store,
    end: async () => ((closed = true), close()),
    say: (id: string, values: Values, at = clock.now()) =>
      service.take('kasa', { kind: 'measured', id, at, values }),
    announce: (device: Device, more: object = {}) =>
      service.take('kasa', { kind: 'device', device, everyMs: 30_000, ...more }),
    events: async (kind: string) => store.journal.list({ kinds: [kind], order: 'asc' }),
    device: (name: string) => service.find(name),
  };
}

export const lamp: Device = {
  id: 'kasa:80aa01',
  source: 'kasa',
  name: 'Living room lamp',
  model: 'HS110',
  address: '192.0.2.7',
};
export const meter: Device = { id: 'pulse:1', source: 'meter', name: 'Meter' };

/** What a house without a device says. */
export const price = { series: 'home.electricity.house.price_per_kwh', at: start, value: 0.25 };
