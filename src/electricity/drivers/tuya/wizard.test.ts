import { Command } from 'commander';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '#config/load.ts';
import { editConfig } from '#config/write.ts';
import { ManualClock } from '#platform/clock.ts';
import type { CliHouse } from '#platform/command.ts';
import { Logger } from '#platform/log.ts';
import type { Store } from '#store/model.ts';
import { MemoryState } from '../../../../tests/servers/memory-store.ts';
import { tuyaCommands } from './cli.ts';
import { TuyaCloudSim, type CloudSimDevice } from './cloud-sim.ts';
import { quotaKey, signature, TuyaCloud } from './cloud.ts';
import { askTerminal } from './ask.ts';
import { config } from './config.ts';
import { TuyaSim } from './sim.ts';

const schema = z.strictObject({ electricity: z.strictObject({ tuya: config.prefault({}) }).prefault({}) });
const closing: (() => unknown)[] = [];
let folder = '';
beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'lares-tuya-'))));
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
  rmSync(folder, { recursive: true });
});

const plug: CloudSimDevice = {
  id: 'bf0000000000000000aaaa',
  name: 'Kettle',
  local_key: "k1'$ecret#16chr!",
  product_id: 'pl28o0wkaopyft8u',
  category: 'cz',
  mac: '0200000000A1',
};
const gateway: CloudSimDevice = {
  id: 'bf0000000000000000gggg',
  name: 'Hub',
  local_key: 'gateway-key-16ch',
  category: 'wg2',
};
const sub: CloudSimDevice = {
  id: 'bf0000000000000000bbbb',
  name: 'Freezer',
  local_key: 'gateway-key-16ch',
  category: 'cz',
  sub: true,
  node_id: 'a1b2c3',
};
const lamp: CloudSimDevice = {
  id: 'bf0000000000000000cccc',
  name: 'Lamp',
  local_key: 'lamp-key-16chars',
  category: 'dj',
};

async function cloudSim(
  devices: readonly CloudSimDevice[] = [plug, gateway, sub, lamp],
): Promise<TuyaCloudSim> {
  const sim = await new TuyaCloudSim(devices).listen();
  closing.push(() => sim.close());
  return sim;
}

interface Run {
  readonly data: unknown;
  readonly text: string;
  readonly progress: readonly string[];
}

const file = () => path.join(folder, 'lares.yaml');
const envFile = () => path.join(folder, 'lares.env');
const loaded = () =>
  loadConfig(schema, { file: file(), env: {}, envFiles: [envFile()] }).config.electricity.tuya;

/** Runs `lares tuya …` in the folder. */
async function lares(
  args: readonly string[],
  env: Record<string, string>,
  sim?: TuyaCloudSim,
  state = new MemoryState(),
): Promise<Run> {
  const run = { data: undefined as unknown, text: '', progress: [] as string[] };
  const house: CliHouse<unknown> = {
    config: () => Promise.resolve({}),
    configFile: file,
    dataDir: () => folder,
    store: () => Promise.resolve({ state, close: () => Promise.resolve() } as unknown as Store),
    get: () => Promise.reject(new Error('not asked')),
    log: new Logger({ level: 'error', write: () => {} }),
    env,
    print: (data, human) => Object.assign(run, { data, text: human() }),
    progress: (text) => run.progress.push(text),
    signal: new AbortController().signal,
  };
  const program = new Command().exitOverride();
  tuyaCommands(program, house, {
    settings: () => Promise.resolve(loaded()),
    edit: (edits) => void editConfig(schema, { file: file(), env: {}, envFiles: [envFile()] }, edits),
    ask: () => Promise.reject(new Error('nobody to ask')),
    url: () => sim!.url,
  });
  await program.parseAsync(['tuya', ...args], { from: 'user' });
  return run;
}

const signedIn = (sim: TuyaCloudSim) => ({
  TUYA_ACCESS_ID: sim.accessId,
  TUYA_ACCESS_SECRET: sim.secret,
  TUYA_REGION: 'eu',
});

describe('the signature of a cloud call', () => {
  const example = {
    accessId: '1KAD46OrT9HafiKdsXeg',
    secret: '4OHBOnWOqaEC1mWXOpVL3yV50s0qGSRC',
    t: '1588925778000',
    nonce: '5138cc3a9033d69856923fd07b491173',
    method: 'GET',
    headers: 'area_id:29a33e8796834b1efa6\ncall_id:8afdb70ab2ed11eb85290242ac130003\n',
  } as const;

  it('is that of the examples in the documentation of Tuya', () => {
    expect(signature({ ...example, token: '', target: '/v1.0/token?grant_type=1' })).toBe(
      '9E48A3E93B302EEECC803C7241985D0A34EB944F40FB573C7B5C2A82158AF13E',
    );
    expect(
      signature({
        ...example,
        token: '3f4eda2bdec17232f67c0b188af3eec1',
        target: '/v2.0/apps/schema/users?page_no=1&page_size=50',
      }),
    ).toBe('AE4481C692AA80B25F3A7E12C3A5FD9BBF6251539DD78E565A1A72A508A88784');
  });
});

describe('the cloud client', () => {
  const client = (sim: TuyaCloudSim, extra: object = {}) =>
    new TuyaCloud({
      url: sim.url,
      accessId: sim.accessId,
      secret: sim.secret,
      state: new MemoryState(),
      clock: new ManualClock(Date.now()),
      quota: 100,
      ...extra,
    });
  const { signal } = new AbortController();

  it('reads every page, and MAC addresses of those that have one', async () => {
    const many = Array.from({ length: 47 }, (_, i) => ({ ...plug, id: `bf00000000000000plug${10 + i}` }));
    const sim = await cloudSim(many);
    const cloud = client(sim);
    const devices = await cloud.devices(signal);
    expect(devices.map((d) => d.id)).toEqual(many.map((d) => d.id));
    expect(await cloud.macs([many[0]!.id, 'unknown-device'], signal)).toEqual(
      new Map([[many[0]!.id, '02:00:00:00:00:a1']]),
    );
    expect(sim.paths.filter((p) => p.endsWith('/devices'))).toHaveLength(3);
    expect(sim.paths.filter((p) => p.endsWith('/token'))).toHaveLength(1);
  });

  it('gets a new token when the old one is gone', async () => {
    const sim = await cloudSim();
    const cloud = client(sim);
    await cloud.devices(signal);
    sim.expireTokens();
    expect(await cloud.devices(signal)).toHaveLength(4);
  });

  it.each([
    ['a wrong secret', { secret: 'wrong' }, undefined, 'AUTH_REFUSED'],
    ['an unknown access id', { accessId: 'wrong' }, undefined, 'AUTH_REFUSED'],
    ['a wrong clock', { clock: new ManualClock(Date.now() - 3_600_000) }, undefined, 'AUTH_REFUSED'],
    ['a project without rights', {}, { code: 1106, msg: 'permission deny' }, 'AUTH_REFUSED'],
    ['a project whose calls are spent', {}, { code: 28841004, msg: 'quota used up' }, 'RATE_LIMITED'],
    ['something new', {}, { code: 99999, msg: 'surprise' }, 'BAD_REPLY'],
  ])('says what to do about %s, and never the secret', async (_, extra, refuse, code) => {
    const sim = await cloudSim();
    sim.refuse = refuse;
    const failure = await client(sim, extra)
      .devices(signal)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code });
    expect(String(failure)).not.toContain(sim.secret);
  });

  it('books every call and refuses when the month is spent, until the next month', async () => {
    const sim = await cloudSim();
    const state = new MemoryState();
    const clock = new ManualClock(Date.parse('2026-11-30T23:00:00Z'));
    const clocked = new TuyaCloudSim([plug], () => clock.now());
    await clocked.listen();
    closing.push(() => clocked.close());
    const cloud = client(clocked, { state, clock, quota: 3 });
    await cloud.devices(signal);
    expect(await state.get(quotaKey)).toEqual({ month: '2026-11', used: 2 });
    await cloud.devices(signal);
    await expect(cloud.devices(signal)).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      message:
        'Tuya cloud: 3 of 3 calls of this month used, 0 left; renewed on 2026-12-01 (UTC); nothing was asked',
      retryAfterMs: 3_600_000,
    });
    expect(clocked.paths).toHaveLength(3);
    clock.jump(3_600_000);
    expect(await cloud.devices(signal)).toHaveLength(1);
    expect(await state.get(quotaKey)).toEqual({ month: '2026-12', used: 1 });
    expect(sim.paths).toEqual([]);
  });
});

describe('lares tuya wizard', () => {
  it('writes devices into lares.yaml and keys into the env file alone', async () => {
    writeFileSync(
      file(),
      '# our home\nelectricity:\n  # plugs\n  tuya:\n    poll_interval_seconds: 20 # often\n',
    );
    const sim = await cloudSim();
    const run = await lares(['wizard', '--no-lan'], signedIn(sim), sim);
    expect(
      loaded().devices.map(({ id, name, key, gateway, node_id, mac, product_id }) => ({
        id,
        name,
        key,
        gateway,
        node_id,
        mac,
        product_id,
      })),
    ).toEqual([
      {
        id: plug.id,
        name: 'Kettle',
        key: plug.local_key,
        mac: '02:00:00:00:00:a1',
        product_id: plug.product_id,
      },
      { id: gateway.id, name: 'Hub', key: gateway.local_key },
      { id: sub.id, name: 'Freezer', gateway: gateway.id, node_id: 'a1b2c3' },
    ]);
    const yaml = readFileSync(file(), 'utf8');
    expect(yaml).toContain('poll_interval_seconds: 20 # often');
    const everything = [yaml, run.text, JSON.stringify(run.data), ...run.progress].join('\n');
    for (const { local_key } of [plug, gateway, lamp]) expect(everything).not.toContain(local_key);
    expect(statSync(envFile()).mode & 0o777).toBe(0o600);
    expect(run.data).toMatchObject({
      devices: [
        { id: plug.id, outcome: 'added' },
        { id: gateway.id, outcome: 'added' },
        { id: sub.id, outcome: 'added' },
        { id: lamp.id, outcome: 'left out', why: 'neither measures nor switches power; --all takes it too' },
      ],
      written: [envFile(), file()],
      quota: { used: 3, left: 25_997, limit: 26_000 },
    });
  });

  it('renews keys and keeps what a person wrote', async () => {
    writeFileSync(
      file(),
      `electricity:\n  tuya:\n    devices:\n      - { id: ${plug.id}, name: My kettle, key: !secret kettle_key, host: 192.0.2.31 }\n`,
    );
    writeFileSync(envFile(), 'KETTLE_KEY=0123456789abcdef\n');
    const sim = await cloudSim([plug]);
    await lares(['wizard', '--no-lan'], signedIn(sim), sim);
    expect(loaded().devices).toMatchObject([
      {
        id: plug.id,
        name: 'My kettle',
        key: plug.local_key,
        host: '192.0.2.31',
        product_id: plug.product_id,
      },
    ]);
    expect(readFileSync(file(), 'utf8')).toContain('!secret kettle_key');
    expect(statSync(envFile()).mode & 0o777).toBe(0o600);
  });

  it('adds the address and version that the network tells', async () => {
    const device = await new TuyaSim({ id: plug.id, key: plug.local_key, version: '3.4' }).listen();
    closing.push(() => device.close());
    const ports = [await freeUdpPort(), await freeUdpPort()];
    writeFileSync(
      file(),
      `electricity:\n  tuya:\n    discovery: { bind: 127.0.0.1, ports: [${ports[0]}], solicit_port: ${ports[1]}, listen_seconds: 3 }\n`,
    );
    device.keepAnnouncing('127.0.0.1', ports[0]!, 50);
    const sim = await cloudSim([plug]);
    await lares(['wizard'], signedIn(sim), sim);
    expect(loaded().devices).toMatchObject([{ id: plug.id, host: '127.0.0.1', version: '3.4' }]);
  });

  it('writes nothing with --dry-run, and nothing when the cloud refuses', async () => {
    writeFileSync(file(), 'electricity: {}\n');
    const sim = await cloudSim();
    const run = await lares(['wizard', '--no-lan', '--dry-run', '--all'], signedIn(sim), sim);
    expect(run.data).toMatchObject({ written: [], devices: [{}, {}, {}, { id: lamp.id, outcome: 'added' }] });
    sim.refuse = { code: 1106, msg: 'permission deny' };
    await expect(lares(['wizard', '--no-lan'], signedIn(sim), sim)).rejects.toMatchObject({
      code: 'AUTH_REFUSED',
    });
    expect(readFileSync(file(), 'utf8')).toBe('electricity: {}\n');
  });

  it('refuses a region that does not exist before it asks anybody', async () => {
    writeFileSync(file(), '');
    const sim = await cloudSim();
    await expect(lares(['wizard', '--region', 'mars'], signedIn(sim), sim)).rejects.toMatchObject({
      code: 'USAGE',
    });
    expect(sim.paths).toEqual([]);
  });
});

describe.skipIf(process.stdin.isTTY)('asking where nobody sits', () => {
  it('says what to set instead', async () => {
    await expect(askTerminal('Access ID: ', false)).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringContaining('TUYA_ACCESS_SECRET') as string,
    });
  });
});

describe('lares tuya import', () => {
  const given = (name: string, value: unknown) => {
    const where = path.join(folder, name);
    writeFileSync(where, JSON.stringify(value));
    return where;
  };

  it('takes the devices.json of tinytuya', async () => {
    writeFileSync(file(), '');
    const devices = [
      {
        name: 'Kettle',
        id: plug.id,
        key: plug.local_key,
        mac: '02:00:00:00:00:a1',
        category: 'cz',
        product_id: 'x',
        sub: false,
        version: '3.3',
      },
      { name: 'Hub', id: gateway.id, key: gateway.local_key, category: 'wg2', sub: false },
      {
        name: 'Freezer',
        id: sub.id,
        key: sub.local_key,
        category: 'cz',
        sub: true,
        node_id: 'a1b2c3',
        parent: gateway.id,
      },
      { name: 'Broken', id: 'bf000000000000broken', key: '', category: 'cz' },
      'nonsense',
    ];
    const run = await lares(['import', given('devices.json', devices)], {});
    expect(loaded().devices.map((d) => [d.id, d.key, d.version, d.gateway])).toEqual([
      [plug.id, plug.local_key, '3.3', undefined],
      [gateway.id, gateway.local_key, undefined, undefined],
      [sub.id, undefined, undefined, gateway.id],
    ]);
    expect(run.text).toContain('left out: its local key is not told');
  });

  it('takes the access to the cloud from tinytuya.json, for the wizard', async () => {
    writeFileSync(file(), '');
    const sim = await cloudSim([plug]);
    const access = given('tinytuya.json', {
      apiKey: sim.accessId,
      apiSecret: sim.secret,
      apiRegion: 'eu',
      apiDeviceID: 'scan',
    });
    const run = await lares(['import', access], {});
    expect(JSON.stringify(run.data) + run.text).not.toContain(sim.secret);
    expect(statSync(envFile()).mode & 0o777).toBe(0o600);
    await lares(['wizard', '--no-lan'], {}, sim);
    expect(loaded().devices).toHaveLength(1);
  });

  it('refuses a file that is something else', async () => {
    writeFileSync(file(), '');
    await expect(lares(['import', given('x.json', { a: 1 })], {})).rejects.toMatchObject({ code: 'USAGE' });
    await expect(lares(['import', '/does/not/exist'], {})).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('lares tuya scan and quota', () => {
  it('shows devices, and which of them need a key', async () => {
    const device = await new TuyaSim({ id: plug.id, key: plug.local_key, version: '3.5' }).listen();
    closing.push(() => device.close());
    const [heard, asked] = [await freeUdpPort(), await freeUdpPort()];
    writeFileSync(
      file(),
      `electricity:\n  tuya:\n    discovery: { bind: 127.0.0.1, ports: [${heard}], solicit_port: ${asked} }\n`,
    );
    device.keepAnnouncing('127.0.0.1', heard, 30);
    const run = await lares(['scan', '--seconds', '3'], {});
    expect(run.data).toEqual([
      {
        kind: 'tuya',
        id: plug.id,
        host: '127.0.0.1',
        name: undefined,
        model: 'simulatedproduct',
        firmware: 'protocol 3.5',
        needs: 'its local key: lares tuya wizard',
      },
    ]);
  });

  it('shows how much of the quota is left without asking anybody', async () => {
    writeFileSync(file(), 'electricity: { tuya: { cloud_quota: 500 } }\n');
    const state = new MemoryState();
    const month = new Date().toISOString().slice(0, 7);
    await state.set(quotaKey, { month, used: 120 });
    expect((await lares(['quota'], {}, undefined, state)).data).toMatchObject({
      used: 120,
      left: 380,
      limit: 500,
    });
  });
});

async function freeUdpPort(): Promise<number> {
  const { createSocket } = await import('node:dgram');
  const socket = createSocket('udp4');
  const port = await new Promise<number>((resolve) =>
    socket.bind(0, '127.0.0.1', () => resolve(socket.address().port)),
  );
  socket.close();
  return port;
}
