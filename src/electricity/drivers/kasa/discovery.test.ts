import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { discoveryPacket } from './discovery-packet.ts';
import { config, protocol } from './driver.ts';
import { KasaSim, simLogin, type KasaSimOptions } from './sim.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Three UDP ports that are free on every loopback address, as the ports of the real ones are. */
async function freePorts() {
  const sockets = await Promise.all(
    [0, 1, 2].map(async () => {
      const socket = createSocket('udp4');
      await new Promise<void>((resolve) => socket.bind(0, '0.0.0.0', () => resolve()));
      return socket;
    }),
  );
  const [local, ...discovery] = sockets.map((s) => (s.address() as AddressInfo).port);
  for (const socket of sockets) socket.close();
  return { local: local!, discovery };
}

async function device(options: KasaSimOptions): Promise<KasaSim> {
  const sim = await new KasaSim(options).listen();
  closers.push(() => sim.close());
  return sim;
}

async function find(settings: object, until = Number.POSITIVE_INFINITY) {
  const stop = new AbortController();
  const progress: number[] = [];
  const found = [];
  for await (const item of protocol.discover!(config.parse(settings), {
    signal: stop.signal,
    progress: (done) => progress.push(done),
  })) {
    found.push(item);
    if (found.length === until) break;
  }
  return { found, progress };
}

test('devices of all kinds are found in a network, each once, with what must be known to ask them', async () => {
  const ports = await freePorts();
  const both = { local: ports.local, discovery: ports.discovery };
  await device({ model: 'KP115', name: 'Kettle', host: '127.7.1.5', mac: '02:00:00:00:00:05', ports: both });
  const klap = await device({
    model: 'KP115',
    way: 'klap2',
    host: '127.7.1.6',
    mac: '02:00:00:00:00:06',
    ports: { discovery: ports.discovery },
  });
  const tapo = await device({
    model: 'P110',
    host: '127.7.1.7',
    mac: '02:00:00:00:00:07',
    ports: { discovery: [ports.discovery[1]!] },
  });
  const aes = await device({
    model: 'P100',
    way: 'aes',
    host: '127.7.1.8',
    mac: '02:00:00:00:00:08',
    ports: { discovery: ports.discovery },
  });
  const { found, progress } = await find({
    networks: ['127.7.1.0/28', '127.7.1.0/29'],
    ports,
    devices: [{ id: '02:00:00:00:00:07', name: 'Desk' }],
  });
  const sorted = found.toSorted((a, b) => a.found.host.localeCompare(b.found.host));
  const login = 'the login of the TP-Link account, or Third-Party Compatibility in its app';
  expect(sorted.map((f) => f.found)).toEqual([
    {
      kind: 'kasa',
      id: 'kasa:020000000005',
      host: '127.7.1.5',
      name: 'Kettle',
      model: 'KP115(UK)',
      mac: '02:00:00:00:00:05',
      firmware: '1.0.4 Build 191111 Rel.143500',
      metered: true,
      needs: undefined,
    },
    {
      kind: 'kasa',
      id: 'kasa:020000000006',
      host: '127.7.1.6',
      name: undefined,
      model: 'KP115(UK)',
      mac: '02:00:00:00:00:06',
      firmware: undefined,
      metered: undefined,
      needs: login,
    },
    {
      kind: 'kasa',
      id: 'kasa:020000000007',
      host: '127.7.1.7',
      name: undefined,
      model: 'P110(UK)',
      mac: '02:00:00:00:00:07',
      firmware: undefined,
      metered: true,
      needs: login,
    },
    {
      kind: 'kasa',
      id: 'kasa:020000000008',
      host: '127.7.1.8',
      name: undefined,
      model: 'P100(UK)',
      mac: '02:00:00:00:00:08',
      firmware: undefined,
      metered: undefined,
      needs: login,
    },
  ]);
  expect(sorted.map(({ target: t }) => [t.id, t.name, t.way, t.family, t.port])).toEqual([
    ['020000000005', undefined, 'xor', 'iot', undefined],
    ['020000000006', undefined, 'klap', 'iot', klap.port],
    ['020000000007', 'Desk', 'klap', 'smart', tapo.port],
    ['020000000008', undefined, 'aes', 'smart', aes.port],
  ]);
  expect(progress.at(-1)).toBe(1);
});

test('what discovery yields can be polled as it is, under the same identity', async () => {
  const ports = await freePorts();
  for (const [index, model] of (['HS300', 'P304M'] as const).entries()) {
    const host = `127.7.2.${index + 1}`;
    await device({ model, host, mac: `02:00:00:00:00:1${index}`, ports });
  }
  const settings = config.parse({
    networks: ['127.7.2.0/29'],
    ports,
    timeout_seconds: 60,
    ...simLogin,
  });
  const { found } = await find(settings, 2);
  for (const { target } of found) {
    const clock = { now: Date.now, monotonic: () => performance.now(), sleep: async () => {} };
    const station = protocol.open(target, settings, { clock, log: console as never, random: Math.random });
    const poll = await station.poll(AbortSignal.timeout(60_000));
    expect([poll.station, poll.mac]).toEqual([target.id, target.mac]);
    station.close();
  }
});

test('a device that moved is found at its new address', async () => {
  const ports = await freePorts();
  const sim = await device({ model: 'KP115', host: '127.7.3.5', mac: '02:00:00:00:00:05', ports });
  const before = await find({ networks: ['127.7.3.0/28'], ports }, 1);
  await sim.moveTo('127.7.3.9');
  const after = await find({ networks: ['127.7.3.0/28'], ports }, 1);
  expect([before, after].map(({ found }) => found.map((f) => [f.target.id, f.target.host]))).toEqual([
    [['020000000005', '127.7.3.5']],
    [['020000000005', '127.7.3.9']],
  ]);
});

test('one device at two addresses is one device', async () => {
  const ports = await freePorts();
  for (const host of ['127.7.4.5', '127.7.4.6'])
    await device({ model: 'P110', host, mac: '02:00:00:00:00:05', ports });
  expect((await find({ networks: ['127.7.4.0/28'], ports })).found).toHaveLength(1);
});

test('a hundred devices over three networks are all found, each once, before the search ends', async () => {
  const ports = await freePorts();
  await Promise.all(
    Array.from({ length: 100 }, (_, i) => {
      const mac = `02:00:00:00:01:${i.toString(16).padStart(2, '0')}`;
      const way = (['xor', 'klap1', 'klap2'] as const)[i % 3]!;
      return device({
        model: 'KP115',
        way,
        host: `127.7.${10 + (i % 3)}.${1 + i}`,
        mac,
        ports: way === 'xor' ? { local: ports.local } : { discovery: ports.discovery },
      });
    }),
  );
  const { found } = await find({ networks: ['127.7.10.0/24', '127.7.11.0/24', '127.7.12.0/24'], ports }, 100);
  expect(new Set(found.map((f) => f.target.id)).size).toBe(100);
});

/** Answers whatever comes to `port` of `host` as a device of that description would, out of a socket of `from`. */
async function answering(host: string, port: number, mac: string, scheme: object, from = host) {
  const [ear, mouth] = [createSocket('udp4'), createSocket('udp4')];
  closers.push(() => [ear, mouth].forEach((socket) => socket.close()));
  const device = { device_type: 'SMART.TAPOPLUG', device_model: 'P115(UK)', mgt_encrypt_schm: scheme };
  const payload = Buffer.from(JSON.stringify({ error_code: 0, result: { ...device, mac } }));
  const packet = discoveryPacket({ operation: 2, flags: 0, serial: 1, payload });
  await new Promise<void>((resolve) => mouth.bind(0, from, () => resolve()));
  ear.on('message', (_, { port: to, address }) => mouth.send(packet, to, address));
  await new Promise<void>((resolve) => ear.bind(port, host, () => resolve()));
}

test('a device that only a person can open says what to do, one with a login of ours needs nothing', async () => {
  const ports = await freePorts();
  const [port] = ports.discovery as [number];
  await answering('127.7.8.1', port, '02-00-00-00-00-01', { encrypt_type: 'TPAP' });
  await answering('127.7.8.2', port, '02-00-00-00-00-02', { encrypt_type: 'KLAP', is_support_https: true });
  await answering('127.7.8.3', port, '02-00-00-00-00-03', { encrypt_type: 'KLAP', lv: 2 });
  const needs = async (settings: object) => {
    const { found } = await find({ networks: ['127.7.8.0/29'], ports, ...settings });
    const sorted = found.toSorted((a, b) => a.target.host.localeCompare(b.target.host));
    return sorted.map(({ target, found: shown }) => [target.needs, shown.needs]);
  };
  const closed = (what: string) =>
    Array(2).fill(`Third-Party Compatibility in its app: its firmware speaks only ${what}`) as unknown[];
  // A login from the factory may fit, so it is tried all the same.
  const login = 'the login of the TP-Link account, or Third-Party Compatibility in its app';
  expect(await needs({})).toEqual([closed('TPAP'), closed('HTTPS'), [undefined, login]]);
  const own = { username: 'alex@example.com', password: 'secret' };
  const given = [closed('TPAP'), closed('HTTPS'), [undefined, undefined]];
  expect(await needs(own)).toEqual(given);
  expect(await needs({ devices: [{ id: '02:00:00:00:00:03', ...own }] })).toEqual(given);
});

test('whoever was not asked is not heard', async () => {
  const ports = await freePorts();
  const [port] = ports.discovery as [number];
  const klap = { encrypt_type: 'KLAP', lv: 2 };
  await answering('127.7.9.1', port, '02-00-00-00-00-01', klap);
  await answering('127.7.9.2', port, '02-00-00-00-00-02', klap, '127.7.200.2');
  const { found } = await find({ networks: ['127.7.9.0/29'], ports });
  expect(found.map(({ target }) => target.host)).toEqual(['127.7.9.1']);
});

describe('nothing is sent', () => {
  async function ear() {
    const ports = await freePorts();
    const heard: number[] = [];
    const sockets = await Promise.all(
      [ports.local, ...ports.discovery].map(async (port) => {
        const socket = createSocket('udp4');
        socket.on('message', () => heard.push(port));
        await new Promise<void>((resolve) => socket.bind(port, '127.7.5.5', () => resolve()));
        return socket;
      }),
    );
    closers.push(() => sockets.forEach((s) => s.close()));
    return { ports, heard };
  }

  test('without a network', async () => {
    const { ports, heard } = await ear();
    expect((await find({ networks: [], ports })).found).toEqual([]);
    expect(heard).toEqual([]);
  });

  test('outside of the networks that are named, and each address in them is asked on every port', async () => {
    const { ports, heard } = await ear();
    await find({ networks: ['127.7.5.8/29'], ports });
    expect(heard).toEqual([]);
    await find({ networks: ['127.7.5.4/30'], ports });
    expect(new Set(heard)).toEqual(new Set([ports.local, ...ports.discovery]));
  });

  test('into a network that is too wide to be meant', async () => {
    await expect(find({ networks: ['127.0.0.0/8'] })).rejects.toThrow('/16 or smaller');
  });
});

test('a search ends at once when its signal aborts', async () => {
  const ports = await freePorts();
  await device({ model: 'KP115', host: '127.7.6.1', ports });
  const stop = new AbortController();
  const found = [];
  for await (const item of protocol.discover!(config.parse({ networks: ['127.7.6.0/24'], ports }), {
    signal: stop.signal,
  })) {
    found.push(item);
    stop.abort();
  }
  expect(found).toHaveLength(1);
});
