import { createSocket } from 'node:dgram';
import { afterEach, describe, expect, it } from 'vitest';
import type { Found } from '../../model.ts';
import { solicitation, readSolicitation, writeBeacon } from './beacon.ts';
import { config, protocol, type TuyaConfig } from './driver.ts';
import { versions } from './model.ts';
import { TuyaSim } from './sim.ts';
import type { TuyaTarget } from './station.ts';

const key = '0123456789abcdef';
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Held at the same time, so that they are two. */
async function freeUdpPorts(): Promise<readonly [number, number]> {
  const sockets = [createSocket('udp4'), createSocket('udp4')] as const;
  for (const socket of sockets) await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const [one, two] = sockets;
  const ports = [one.address().port, two.address().port] as const;
  for (const socket of sockets) await new Promise<void>((resolve) => socket.close(resolve));
  return ports;
}

const idOf = (n: number) => `bf00000000000000dev${String(n).padStart(3, '0')}`;

async function simulate(n: number, version = versions[n % versions.length]!, host = '127.0.0.1', port = 0) {
  const sim = await new TuyaSim({ id: idOf(n), key, version }).listen(port, host);
  closing.push(() => sim.close());
  return sim;
}

async function settingsFor(extra: object = {}, devices: object[] = [], networks: string[] = []) {
  const [heard, asked] = await freeUdpPorts();
  const settings = config.parse({
    networks,
    devices,
    timeout_seconds: 10,
    discovery: { bind: '127.0.0.1', ports: [heard], solicit_port: asked, listen_seconds: 60, ...extra },
  });
  return { settings, heard, asked };
}

type Item = { target: TuyaTarget; found: Found };

/** Everything that is found, or the first `most`, after which nobody listens any longer. */
async function found(settings: TuyaConfig, most = Number.POSITIVE_INFINITY): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of protocol.discover!(settings, { signal: AbortSignal.timeout(40_000) })) {
    items.push(item as Item);
    if (items.length >= most) break;
  }
  return items;
}

describe('discovery', () => {
  it.each(versions)('hears a device of version %s and joins it with the settings', async (version) => {
    const sim = await simulate(1, version);
    const { settings, heard } = await settingsFor({}, [
      { id: sim.options.id, name: 'Kettle', key, port: sim.port },
    ]);
    sim.keepAnnouncing('127.0.0.1', heard, 20);
    const [item] = await found(settings, 1);
    expect(item!.found).toEqual({
      kind: 'tuya',
      id: sim.options.id,
      host: '127.0.0.1',
      name: 'Kettle',
      model: 'simulatedproduct',
      firmware: `protocol ${version}`,
    });
    expect(item!.target).toMatchObject({
      id: sim.options.id,
      host: '127.0.0.1',
      port: sim.port,
      saidVersion: version,
    });
  });

  it('says of an unknown device what it needs, and polls it only with a key', async () => {
    const sim = await simulate(2);
    const { settings, heard } = await settingsFor();
    sim.keepAnnouncing('127.0.0.1', heard, 20);
    const [item] = await found(settings, 1);
    expect(item!.found.needs).toBe('its local key: lares tuya wizard');
    const context = { clock: undefined, log: undefined, random: Math.random } as never;
    await expect(
      protocol.open(item!.target, settings, context).poll(AbortSignal.timeout(60_000)),
    ).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(sim.connections).toBe(0);
  });

  it('yields a hundred devices as they announce themselves, each once', async () => {
    const { settings, heard } = await settingsFor();
    const sims = await Promise.all(Array.from({ length: 100 }, (_, n) => simulate(n)));
    const search = found(settings, 100);
    await Promise.all(sims.map((sim, n) => pause((n * 7) % 50).then(() => sim.announce('127.0.0.1', heard))));
    // Some say it twice, as in every network.
    await Promise.all(sims.slice(0, 20).map((sim) => sim.announce('127.0.0.1', heard)));
    // The search would go on listening for longer than it is waited for here; what was said must be out before.
    const ids = (await search).map((item) => item.found.id);
    expect(ids.toSorted()).toEqual(sims.map((sim) => sim.options.id).toSorted());
  });

  it('asks the named networks, by broadcast and address by address, and hears who answers', async () => {
    const { settings, asked } = await settingsFor({ sweep: true }, [], ['127.9.8.0/28']);
    const sims = await Promise.all([3, 7].map((n) => simulate(n, '3.5', `127.9.8.${n}`)));
    for (const sim of sims) await sim.answerSolicitations(asked);
    const items = await found(settings, 2);
    expect(items.map((item) => item.found.host).toSorted()).toEqual(['127.9.8.3', '127.9.8.7']);
  });

  it('names its own address on the way to each network', async () => {
    const { settings, asked } = await settingsFor({ sweep: true, bind: '0.0.0.0' }, [], ['127.9.6.0/29']);
    const sim = await simulate(4, '3.5', '127.9.6.3');
    await sim.answerSolicitations(asked);
    const [item] = await found(settings, 1);
    expect(item!.found).toMatchObject({ id: sim.options.id, host: '127.9.6.3' });
  });

  it('finds by its key what nobody hears, and learns its version', async () => {
    const hidden = await simulate(5, '3.4', '127.9.7.5');
    await simulate(6, '3.4', '127.9.7.6', hidden.port).then((other) => other.fault('hang'));
    const { settings } = await settingsFor(
      { sweep: true, listen_seconds: 0.1 },
      [{ id: hidden.options.id, key, port: hidden.port }],
      ['127.9.7.0/28'],
    );
    const items = await found(settings, 1);
    expect(items[0]!.target).toMatchObject({ id: hidden.options.id, host: '127.9.7.5', saidVersion: '3.4' });
  });

  it('survives packets that are no announcements', async () => {
    const { settings, heard } = await settingsFor({ listen_seconds: 0.3 });
    const search = found(settings);
    const socket = createSocket('udp4');
    const evil = JSON.stringify({ gwId: '../../etc', ip: '127.0.0.1' });
    const packets = [
      Buffer.alloc(0),
      Buffer.from('hello'),
      Buffer.alloc(64),
      Buffer.from('000055aa', 'hex'),
      writeBeacon(evil, 'ecb'),
      writeBeacon('{"gwId":"bf0000000000","ip":"not an address"}', 'gcm'),
      writeBeacon('[]', 'clear'),
      writeBeacon('{', 'bare'),
      solicitation('127.0.0.1'),
    ];
    for (const packet of packets) await new Promise((done) => socket.send(packet, heard, '127.0.0.1', done));
    socket.close();
    expect(await search).toEqual([]);
  });

  it('ends at once when it is told to', async () => {
    const { settings } = await settingsFor({ listen_seconds: 60 });
    const items: unknown[] = [];
    for await (const item of protocol.discover!(settings, { signal: AbortSignal.timeout(50) }))
      items.push(item);
    expect(items).toEqual([]);
  });

  it('names the address to answer to when it asks', () => {
    expect(readSolicitation(solicitation('192.0.2.9'))).toBe('192.0.2.9');
    expect(readSolicitation(writeBeacon('{"ip":"192.0.2.9"}', 'gcm'))).toBeUndefined();
  });
});

describe('what the settings name', () => {
  it('is one target for each physical device, with its sub-devices', () => {
    const settings = config.parse({
      devices: [
        { id: 'gateway-0001', key, host: '192.0.2.31', poll_interval_seconds: 10, mac: '02:00:00:00:00:AB' },
        { id: 'sub-00000001', gateway: 'gateway-0001', node_id: 'a1' },
        { id: 'plug-0000001', key },
      ],
    });
    expect(protocol.configured(settings)).toEqual([
      {
        id: 'gateway-0001',
        deviceId: 'gateway-0001',
        host: '192.0.2.31',
        port: 6668,
        name: undefined,
        mac: '02:00:00:00:00:ab',
        version: undefined,
        pollIntervalMs: 10_000,
        parts: [
          { settings: { ...settings.devices[0], key: undefined }, id: 'gateway-0001', productId: undefined },
          { settings: settings.devices[1], id: 'sub-00000001', cid: 'a1', productId: undefined },
        ],
      },
    ]);
  });

  it.each([
    ['a gateway without a node id', [{ id: 'sub-00000001', gateway: 'sub-00000001' }]],
    ['a gateway that is not there', [{ id: 'sub-00000001', gateway: 'nowhere-0001', node_id: 'a1' }]],
    ['a device twice', [{ id: 'sub-00000001' }, { id: 'sub-00000001' }]],
    ['a key of another length', [{ id: 'sub-00000001', key: 'short' }]],
    ['an unknown key', [{ id: 'sub-00000001', colour: 'red' }]],
  ])('is refused: %s', (_, devices) => {
    expect(config.safeParse({ devices }).success).toBe(false);
  });
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
