import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { openStore, type Store } from '#store/index.ts';
import { postgresMissing, startPostgres, type Postgres } from '../../tests/servers/postgres.ts';
import type { LanSighting } from './model.ts';
import { deviceMigrations } from './repository.ts';
import { DeviceRegistry, type RegistryParts } from './service.ts';

const start = Date.parse('2026-03-01T12:00:00Z');
const network = '192.0.2.0/24';
const day = 86_400_000;
let postgres: Postgres | undefined;
let databases = 0;
const cleanups: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  if (postgresMissing === undefined) postgres = await startPostgres();
});
afterAll(() => postgres?.remove());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface House {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly registry: (parts?: Partial<RegistryParts>) => Promise<DeviceRegistry>;
}

async function house(kind: 'sqlite' | 'postgres' = 'sqlite'): Promise<House> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'lares-devices-'));
  cleanups.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const clock = new ManualClock(start);
  const bus = new Bus((error) => {
    throw error;
  });
  const databaseUrl = kind === 'postgres' ? await postgres!.create(`d${(databases += 1)}`) : undefined;
  const store = await openStore({
    dataDir,
    databaseUrl,
    clock,
    log: silent,
    bus,
    migrations: deviceMigrations,
  });
  cleanups.push(() => store.close());
  return {
    clock,
    store,
    registry: async (parts = {}) => {
      const registry = new DeviceRegistry({ clock, log: silent, store, ...parts });
      await registry.load();
      return registry;
    },
  };
}

const mac = (n: number) =>
  `02:aa:bb:cc:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
const sighting = (more: Partial<LanSighting> = {}): LanSighting => ({
  mac: mac(1),
  ip: '192.0.2.11',
  at: start,
  via: 'arp-reply',
  network,
  ...more,
});

describe.each(['sqlite', 'postgres'] as const)('on %s', (kind) => {
  const title = kind === 'postgres' && postgresMissing !== undefined ? ` (skipped: ${postgresMissing})` : '';
  test.skipIf(title !== '')(
    `a device is remembered over a restart with all it ever said${title}`,
    async () => {
      const { registry } = await house(kind);
      const before = await registry();
      before.observe(
        sighting({
          via: 'dhcp',
          hostname: 'alex-phone',
          dhcpFingerprint: '1,3,6',
          dhcpVendorClass: 'android',
        }),
      );
      before.observe(sighting({ at: start + 5_000, ip: '192.0.2.12', ipv6Suffix: '0211' }));
      before.take({ kind: 'named', mac: mac(1), hostname: 'alexs-phone', source: 'mdns' });
      await before.flush();
      const after = await registry();
      expect(after.devices()).toEqual([
        {
          mac: mac(1),
          ip: '192.0.2.12',
          network,
          hostname: 'alexs-phone',
          vendor: undefined,
          randomised: true,
          dhcpFingerprint: '1,3,6',
          dhcpVendorClass: 'android',
          ipv6Suffix: '0211',
          firstSeen: start,
          lastSeen: start + 5_000,
          lastVia: 'arp-reply',
        },
      ]);
    },
  );
});

test('a new device is told of once, with its evidence', async () => {
  const { registry, store } = await house();
  const devices = await registry();
  const television = '3c:d9:2b:00:00:01';
  devices.observe(sighting({ mac: television }));
  devices.observe(sighting({ mac: television, at: start + 1 }));
  const events = await store.journal.list({ kinds: ['device.discovered'] });
  expect(events).toEqual([
    {
      id: expect.any(String),
      at: start,
      kind: 'device.discovered',
      subject: `device:${television}`,
      cause: 'scan:lan',
      evidence: [{ at: start, source: 'wifi', text: 'arp-reply from 192.0.2.11 in 192.0.2.0/24' }],
      data: { mac: television, ip: '192.0.2.11', network, randomised: false },
    },
  ]);
});

test('a phone with a private address is told of without what would name its owner', async () => {
  const { registry, store } = await house();
  const devices = await registry();
  devices.observe(sighting({ hostname: 'robins-phone' }));
  const [event] = await store.journal.list({ kinds: ['device.discovered'] });
  expect(event).toMatchObject({ subject: 'device:private', data: { network, randomised: true } });
  expect(JSON.stringify(event)).not.toMatch(/02:aa|robin|192\.0\.2\.11/);
});

test('a flood of made-up addresses fills neither the journal nor the memory', async () => {
  const { registry, store, clock } = await house();
  const devices = await registry({ keep: (device) => device.mac === mac(1) });
  for (let n = 1; n <= 9_000; n += 1) devices.observe(sighting({ mac: mac(n), at: start + n }));
  await devices.flush();
  expect(await store.journal.list({ kinds: ['device.discovered'], limit: 1_000 })).toHaveLength(60);
  expect(devices.devices()).toHaveLength(8_192);
  expect(devices.get(mac(1))).toBeDefined();
  expect(devices.get(mac(2))).toBeUndefined();
  await clock.advance(61_000);
  devices.observe(sighting({ mac: mac(9_500), at: clock.now() }));
  expect(await store.journal.list({ kinds: ['device.discovered'], limit: 1_000 })).toHaveLength(61);
});

test('present are those with proof of life within the time asked for', async () => {
  const { registry, clock } = await house();
  const devices = await registry();
  devices.take({
    kind: 'sweep',
    result: {
      network,
      at: start,
      probed: 253,
      tookMs: 700,
      found: [sighting(), sighting({ mac: mac(2), ip: '192.0.2.13' })],
    },
  });
  await clock.advance(60_000);
  devices.observe(sighting({ at: clock.now(), via: 'mdns' }));
  expect(devices.present(59_999).map((d) => d.mac)).toEqual([mac(1)]);
  expect(devices.present(60_000).map((d) => d.mac)).toEqual([mac(1), mac(2)]);
});

test('an older sighting never moves a device back', async () => {
  const { registry } = await house();
  const devices = await registry();
  devices.observe(sighting({ ip: '192.0.2.50' }));
  devices.observe(sighting({ at: start - 30_000, via: 'neighbour' }));
  expect(devices.get(mac(1))).toMatchObject({
    ip: '192.0.2.50',
    firstSeen: start - 30_000,
    lastSeen: start,
    lastVia: 'arp-reply',
  });
});

test('sightings that say nothing new are written at most once a minute', async () => {
  const { registry, store, clock } = await house();
  const devices = await registry();
  const written = async () => {
    await devices.flush();
    const row = await store.db.selectFrom('lan_device').select('last_seen').executeTakeFirst();
    return Number(row?.['last_seen']) - start;
  };
  devices.observe(sighting());
  expect(await written()).toBe(0);
  await clock.advance(30_000);
  devices.observe(sighting({ at: clock.now() }));
  expect(await written()).toBe(0);
  await clock.advance(30_000);
  devices.observe(sighting({ at: clock.now() }));
  expect(await written()).toBe(60_000);
});

test('strangers are forgotten after the retention, people never', async () => {
  const { registry } = await house();
  const devices = await registry({ keep: (device) => device.mac === mac(1) });
  devices.observe(sighting({ at: start - 91 * day }));
  const television = (n: number) => `3c:d9:2b:00:00:0${n}`;
  devices.observe(sighting({ mac: television(2), at: start - 91 * day }));
  devices.observe(sighting({ mac: television(3), at: start - 89 * day }));
  await devices.flush();
  expect(await devices.prune()).toBe(1);
  await devices.flush();
  expect((await registry()).devices().map((d) => d.mac)).toEqual([television(3), mac(1)]);
});

test('the phone of a guest is forgotten the day after', async () => {
  const { registry } = await house();
  const devices = await registry();
  devices.observe(sighting({ mac: mac(2), at: start - 1.1 * day }));
  devices.observe(sighting({ mac: mac(3), at: start - 0.9 * day }));
  expect(await devices.prune()).toBe(1);
  expect(devices.devices().map((d) => d.mac)).toEqual([mac(3)]);
});

test('what could not be written is written later', async () => {
  const { registry, store } = await house();
  const devices = await registry();
  await store.db.schema.alterTable('lan_device').renameTo('elsewhere').execute();
  devices.observe(sighting());
  await devices.flush();
  await store.db.schema.alterTable('elsewhere').renameTo('lan_device').execute();
  await devices.flush();
  expect((await registry()).devices()).toHaveLength(1);
});

test('when the clock is set back, who has left does not count as present, and new addresses are taken', async () => {
  const { registry, clock } = await house();
  const devices = await registry();
  await clock.advance(7_200_000);
  devices.observe(sighting({ at: clock.now() - 5 * 60_000 }));
  devices.observe(sighting({ mac: mac(2), ip: '192.0.2.13', at: clock.now() }));
  const old = clock.now() - 7_200_000;
  devices.observe(sighting({ mac: mac(3), ip: '192.0.2.14', at: old }));
  clock.jump(-3_600_000);
  devices.clockJumped(-3_600_000);
  expect(devices.present(60_000).map((d) => d.mac)).toEqual([mac(2)]);
  expect(devices.get(mac(1))?.lastSeen).toBe(clock.now() - 5 * 60_000);
  expect(devices.get(mac(3))?.lastSeen).toBe(old);
  devices.observe(sighting({ ip: '192.0.2.77', at: clock.now() }));
  expect(devices.get(mac(1))).toMatchObject({ ip: '192.0.2.77', lastSeen: clock.now() });
});

test('when the clock is set forward, what was seen keeps its instant', async () => {
  const { registry, clock } = await house();
  const devices = await registry();
  devices.observe(sighting({ at: clock.now() }));
  clock.jump(3_600_000);
  devices.clockJumped(3_600_000);
  expect(devices.get(mac(1))?.lastSeen).toBe(start);
});

test('what was written by a clock that ran ahead is not present, and the next sighting corrects it', async () => {
  const { registry, clock } = await house();
  const before = await registry();
  before.observe(sighting({ at: start + day }));
  await before.flush();
  const after = await registry();
  expect(after.present(60_000)).toEqual([]);
  after.observe(sighting({ ip: '192.0.2.77', at: clock.now() }));
  expect(after.get(mac(1))).toMatchObject({ ip: '192.0.2.77', lastSeen: start });
  expect(after.present(60_000)).toHaveLength(1);
});
