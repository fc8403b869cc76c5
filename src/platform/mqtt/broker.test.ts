import { execFile } from 'node:child_process';
import { connect as tcp } from 'node:net';
import { promisify } from 'node:util';
import { connect, connectAsync, type IClientOptions } from 'mqtt';
import { afterEach, expect, test } from 'vitest';
import { Logger } from '#platform/log.ts';
import { installed, until } from '../../../tests/servers/process.ts';
import { startBroker, type RunningBroker } from './broker.ts';
import { listen, publishOnce, type BrokerAddress } from './client.ts';
import { brokerConfig } from './config.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function house() {
  const lines: string[] = [];
  const stop = new AbortController();
  const broker = await startBroker(
    brokerConfig.parse({
      port: 0,
      users: [
        { name: 'meter', password: 'secret-of-meter', publish: ['lares/pulse/#'], subscribe: [] },
        { name: 'panel', password: 'secret-of-panel', publish: [], subscribe: ['lares/+/shown', 'panel/#'] },
      ],
    }),
    { log: new Logger({ write: (line) => lines.push(line) }), signal: stop.signal },
  );
  stops.push(() => broker.close());
  const as = (username: string) => ({
    url: broker.url,
    username,
    password: `secret-of-${username}`,
  });
  return { broker, lines, stop, as };
}

const raw = async (broker: RunningBroker, options: IClientOptions) => {
  const client = await connectAsync(broker.url, { reconnectPeriod: 0, ...options });
  stops.push(() => client.end(true));
  return client;
};

async function listener(address: BrokerAddress, topics: string[], clientId?: string) {
  const stop = new AbortController();
  const heard: string[] = [];
  let connected = false;
  const ended = listen(address, topics, (topic, payload) => heard.push(`${topic} ${String(payload)}`), {
    signal: stop.signal,
    onConnected: () => (connected = true),
    ...(clientId === undefined ? {} : { clientId }),
  }).catch((error: unknown) => error);
  stops.push(() => stop.abort());
  await until(() => connected);
  return { heard, ended, stop: () => (stop.abort(), ended) };
}

test('there is no broker without users, with a short password, or with two users of one name', () => {
  const user = { name: 'meter', password: 'long-enough' };
  const ok = (input: unknown) => brokerConfig.safeParse(input).success;
  expect([
    ok({}),
    ok({ users: [] }),
    ok({ users: [{ ...user, password: 'short' }] }),
    ok({ users: [user, user] }),
    ok({ users: [{ ...user, publish: ['a/#/b'] }] }),
    ok({ users: [user], anonymous: true }),
    ok({ users: [user] }),
  ]).toEqual([false, false, false, false, false, false, true]);
  expect(brokerConfig.parse({ users: [user] }).host).toBe('127.0.0.1');
});

test('a message that its sender may publish reaches those who may read it, at QoS 0, 1 and 2', async () => {
  const { broker, as } = await house();
  const run = await listener(broker, ['#']);
  const meter = await raw(broker, as('meter'));
  for (const qos of [0, 1, 2] as const) await meter.publishAsync('lares/pulse/a', `qos ${qos}`, { qos });
  await until(() => run.heard.length === 3);
  expect(run.heard.toSorted()).toEqual(['lares/pulse/a qos 0', 'lares/pulse/a qos 1', 'lares/pulse/a qos 2']);
});

test('nobody signs in without a name, with a wrong password or an unknown name; the log says it once, without secrets', async () => {
  const { broker, lines } = await house();
  const tries: IClientOptions[] = [
    {},
    { username: 'meter' },
    { username: 'meter', password: 'wrong-guess-1' },
    { username: 'wrong-guess-2', password: 'secret-of-meter' },
    { username: '__proto__', password: 'x' },
  ];
  const refusals = await Promise.all(
    tries.map((options) => raw(broker, options).catch((error: { code?: number }) => error.code)),
  );
  expect(refusals).toEqual([4, 4, 4, 4, 4]);
  expect(broker.stats.refusedSignIns).toBe(5);
  const said = lines.filter((line) => /refused/.test(line));
  expect(said).toHaveLength(1);
  expect(said.join()).not.toMatch(/secret|guess/);
});

test('a message that its sender may not publish is acknowledged, dropped and counted; the connection stays', async () => {
  const { broker, as } = await house();
  const run = await listener(broker, ['#']);
  const meter = await raw(broker, as('meter'));
  for (const qos of [0, 1, 2] as const)
    await meter.publishAsync('homeassistant/switch/x', 'ON', { qos, retain: true });
  await meter.publishAsync('$SYS/x', 'y', { qos: 1 });
  await meter.publishAsync('lares/pulse/a', 'fine', { qos: 1 });
  await until(() => run.heard.length > 0);
  expect(run.heard).toEqual(['lares/pulse/a fine']);
  expect(broker.stats.deniedPublishes).toBe(4);
  // Nothing was retained either.
  const later = await listener(broker, ['homeassistant/#']);
  await publishOnce(broker, 'homeassistant/end', '1');
  await until(() => later.heard.length > 0);
  expect(later.heard).toEqual(['homeassistant/end 1']);
});

test('messages that follow each other at once all arrive, retained or not, of whatever QoS', async () => {
  const { broker } = await house();
  const run = await listener(broker, ['#']);
  const device = await raw(broker, broker);
  const kinds = [
    { qos: 0, retain: true },
    { qos: 1, retain: false },
    { qos: 2, retain: true },
    { qos: 0, retain: false },
    { qos: 1, retain: true },
  ] as const;
  const sent = Array.from({ length: 200 }, (_, i) => `device/${i} ${i}`);
  // One write for all of them, as a device does that introduces itself.
  device.stream.cork();
  const acknowledged = sent.map((_, i) =>
    device.publishAsync(`device/${i}`, String(i), kinds[i % kinds.length]!),
  );
  device.stream.uncork();
  await Promise.all(acknowledged);
  await publishOnce(broker, 'end', '1');
  await until(() => run.heard.includes('end 1'));
  const inOrder = new Intl.Collator('en', { numeric: true });
  expect(run.heard.filter((text) => text !== 'end 1').toSorted(inOrder.compare)).toEqual(sent);
});

test('a will is bound by the same rights', async () => {
  const { broker, as } = await house();
  const run = await listener(broker, ['#']);
  const dying = await raw(broker, {
    ...as('meter'),
    will: { topic: 'homeassistant/status', payload: Buffer.from('online'), qos: 1, retain: true },
  });
  dying.stream.destroy();
  await until(() => broker.stats.deniedPublishes === 1);
  await publishOnce(broker, 'end', '1');
  await until(() => run.heard.length > 0);
  expect(run.heard).toEqual(['end 1']);
});

test('a subscription beyond what a user may read is refused with 0x80', async () => {
  const { broker, as } = await house();
  const panel = await raw(broker, { ...as('panel'), clean: false, clientId: 'panel-1' });
  const granted: number[] = [];
  panel.on('packetreceive', (packet) => {
    if (packet.cmd === 'suback') granted.push(...(packet.granted as number[]));
  });
  const heard: string[] = [];
  panel.on('message', (topic) => heard.push(topic));
  const wanted = ['#', 'lares/#', 'lares/x/shown', '$SYS/#', 'panel/+'];
  await panel.subscribeAsync(wanted, { qos: 1 }).catch(() => {});
  expect(granted).toEqual([0x80, 0x80, 1, 0x80, 1]);
  expect(broker.stats.deniedSubscriptions).toBe(3);
  await publishOnce(broker, 'lares/secret', '1');
  await publishOnce(broker, 'lares/x/shown', '1');
  await until(() => heard.length > 0);
  // aedes keeps refused filters in the session; what they would bring is not delivered after a reconnect either.
  await panel.endAsync();
  await publishOnce(broker, 'lares/secret', '2');
  await publishOnce(broker, 'panel/a', '2');
  const back = connect(broker.url, { ...as('panel'), clean: false, clientId: 'panel-1', reconnectPeriod: 0 });
  stops.push(() => back.end(true));
  back.on('message', (topic) => heard.push(topic));
  await until(() => heard.includes('panel/a'));
  // QoS 1 means at least once, and each overlapping filter of a session counts.
  expect(new Set(heard)).toEqual(new Set(['lares/x/shown', 'panel/a']));
});

test('a refused subscription ends our own client with a sentence', async () => {
  const { as } = await house();
  await expect(
    listen(as('panel'), ['lares/#'], () => {}, { signal: new AbortController().signal }),
  ).rejects.toMatchObject({
    code: 'AUTH_REFUSED',
    message: expect.stringMatching(/does not let this user read lares\/#/) as string,
  });
});

test('a user cannot push another one out by taking its client id', async () => {
  const { broker, as } = await house();
  const run = await listener(as('panel'), ['panel/#'], 'panel-1');
  expect(
    await raw(broker, { ...as('meter'), clientId: 'panel-1' }).catch(
      (error: { code?: number }) => error.code,
    ),
  ).toBe(2);
  await publishOnce(broker, 'panel/x', '1');
  await until(() => run.heard.length > 0);
});

test('a packet that announces more than allowed cuts its own connection only', async () => {
  const { broker, as } = await house();
  const run = await listener(broker, ['#']);
  const attacker = tcp(broker.port, '127.0.0.1');
  attacker.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]));
  await new Promise((resolve) => attacker.once('close', resolve));
  const meter = await raw(broker, as('meter'));
  const gone = new Promise<void>((resolve) => meter.once('close', () => resolve()));
  meter.on('error', () => {});
  meter.publish('lares/pulse/a', Buffer.alloc(70_000));
  await gone;
  expect(broker.stats.oversized).toBe(2);
  await publishOnce(broker, 'end', '1');
  await until(() => run.heard.length > 0);
  expect(run.heard).toEqual(['end 1']);
});

test('garbage closes its connection and nothing else', async () => {
  const { broker } = await house();
  const run = await listener(broker, ['#']);
  for (const bytes of [[0xff, 0xff], [0x30, 0], [0x10, 2, 0, 0], [0x10, 4, 0, 9, 65, 65], [0]]) {
    const socket = tcp(broker.port, '127.0.0.1');
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.end(Buffer.from(bytes));
    await closed;
  }
  await publishOnce(broker, 'end', '1');
  await until(() => run.heard.length > 0);
});

test('a session that stays away keeps the first thousand messages and no more', async () => {
  const { broker } = await house();
  const first = await listener(broker, ['kept'], 'away');
  await first.stop();
  const sender = await raw(broker, { username: broker.username, password: broker.password });
  for (let i = 0; i < 1_010; i += 1) await sender.publishAsync('kept', String(i), { qos: 1 });
  await until(() => broker.stats.overflowed === 10);
  const back = await listener(broker, ['kept'], 'away');
  await until(() => back.heard.length >= 1_000);
  await sender.publishAsync('kept', 'live', { qos: 1 });
  await until(() => back.heard.at(-1) === 'kept live');
  expect(back.heard).toHaveLength(1_001);
});

test('a port that is taken and an address that is not ours are said', async () => {
  const { broker } = await house();
  const users = [{ name: 'meter', password: 'long-enough' }];
  const io = { log: new Logger({ write: () => {} }), signal: new AbortController().signal };
  await expect(startBroker(brokerConfig.parse({ port: broker.port, users }), io)).rejects.toMatchObject({
    code: 'UNREACHABLE',
  });
  await expect(
    startBroker(brokerConfig.parse({ host: '192.0.2.1', port: 0, users }), io),
  ).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('the signal closes it with every connection', async () => {
  const { broker, stop } = await house();
  const run = await listener(broker, ['#']);
  stop.abort();
  expect(await run.ended).toMatchObject({ code: 'UNREACHABLE' });
  await until(() => broker.stats.connections === 0);
});

const mosquittoPub = installed('/usr/bin/mosquitto_pub');
test.skipIf(mosquittoPub === undefined)('mosquitto_pub speaks to it', async () => {
  const { broker } = await house();
  const run = await listener(broker, ['#']);
  const words = ['-h', '127.0.0.1', '-p', String(broker.port), '-u', 'meter', '-P', 'secret-of-meter'];
  await promisify(execFile)(mosquittoPub!, [...words, '-q', '1', '-t', 'lares/pulse/a', '-m', 'hello']);
  await until(() => run.heard.length > 0);
  expect(run.heard).toEqual(['lares/pulse/a hello']);
});

test('one host that opens connections without end leaves room for the others', async () => {
  const { broker, as } = await house();
  const sockets = Array.from({ length: 250 }, () =>
    tcp({ port: broker.port, host: '127.0.0.1', localAddress: '127.0.0.2' }).on('error', () => {}),
  );
  stops.push(() => sockets.forEach((socket) => socket.destroy()));
  await until(() => sockets.every((socket) => socket.destroyed || !socket.connecting));
  const meter = raw(broker, as('meter')).then(() => 'signed in');
  expect(await meter).toBe('signed in');
  expect(broker.stats.connections).toBeLessThan(100);
});
