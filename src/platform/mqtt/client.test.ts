import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { mosquitto, mosquittoProgram, type Mosquitto } from '../../../tests/servers/mosquitto.ts';
import { freePort, until } from '../../../tests/servers/process.ts';
import { TcpProxy } from '../../../tests/servers/tcp-proxy.ts';
import { listen, publishOnce, type BrokerAddress, type ListenOptions } from './client.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Listens until the test ends; says what it heard and how it ended. */
function listener(broker: BrokerAddress, topics: string[], options: Partial<ListenOptions> = {}) {
  const stop = new AbortController();
  const heard: string[] = [];
  const run = { heard, connected: 0, stop: () => (stop.abort(), ended) };
  const ended = listen(
    broker,
    topics,
    (topic, payload, { retain }) => heard.push(`${topic} ${String(payload)}${retain ? ' retained' : ''}`),
    { ...options, signal: stop.signal, onConnected: () => (run.connected += 1) },
  ).then(
    () => undefined,
    (error: unknown) => error,
  );
  stops.push(run.stop);
  return Object.assign(run, { ended });
}

test('a broker that is not there is unreachable', async () => {
  const port = await freePort();
  expect(await listener({ url: `mqtt://127.0.0.1:${port}` }, ['x']).ended).toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringMatching(/nothing listens there/) as string,
  });
});

test('an address that is none, and a certificate file that is not there, are said', async () => {
  expect(await listener({ url: 'http://127.0.0.1' }, ['x']).ended).toMatchObject({ code: 'UNREACHABLE' });
  const ca = listener({ url: 'mqtts://127.0.0.1:1', ca_file: '/nowhere/ca.pem' }, ['x']);
  expect(String(await ca.ended)).toMatch(/ENOENT/);
});

test('a line that has gone silent is given up', async () => {
  const sockets = new Set<Socket>();
  // CONNACK for CONNECT, SUBACK for SUBSCRIBE, and never another byte: PINGREQ stays without an answer.
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', (data) => {
      if (data[0] === 0x10) socket.write(Buffer.from([0x20, 2, 0, 0]));
      if (data[0] === 0x82) socket.write(Buffer.from([0x90, 3, data[2]!, data[3]!, 1]));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const run = listener({ url: `mqtt://127.0.0.1:${port}` }, ['x'], { keepaliveSeconds: 1 });
  await until(() => run.connected === 1);
  expect(await run.ended).toMatchObject({ code: 'UNREACHABLE' });
});

describe.skipIf(mosquittoProgram === undefined)('with Mosquitto (Debian package mosquitto)', () => {
  let broker: Mosquitto;
  let alex: BrokerAddress;
  beforeAll(async () => {
    broker = await mosquitto({
      users: { alex: 'secret-of-alex' },
      acl: ['user alex', 'topic readwrite house/#'],
      tls: true,
    });
    alex = { url: broker.url, username: 'alex', password: 'secret-of-alex' };
  });
  afterAll(() => broker.remove());

  test('messages arrive, retained ones marked, oversized ones not at all', async () => {
    await publishOnce(alex, 'house/old', 'before', { retain: true });
    const run = listener(alex, ['house/#'], { maxBytes: 10 });
    await until(() => run.connected === 1);
    await publishOnce(alex, 'house/big', 'x'.repeat(11));
    await publishOnce(alex, 'house/new', 'now');
    await until(() => run.heard.length === 2);
    expect(run.heard).toEqual(['house/old before retained', 'house/new now']);
    expect(await run.stop()).toBeUndefined();
  });

  test('a session with a name gets what was published while it was away', async () => {
    const first = listener(alex, ['house/kept'], { clientId: 'lares-test-kept' });
    await until(() => first.connected === 1);
    await first.stop();
    await publishOnce(alex, 'house/kept', 'meanwhile');
    const second = listener(alex, ['house/kept'], { clientId: 'lares-test-kept' });
    await until(() => second.heard.length > 0);
    expect(second.heard).toEqual(['house/kept meanwhile']);
  });

  test('the broker publishes the will when the line breaks', async () => {
    const watch = listener(alex, ['house/state']);
    await until(() => watch.connected === 1);
    const line = new TcpProxy();
    await line.start(Number(new URL(broker.url).port));
    stops.push(() => line.stop());
    const will = { topic: 'house/state', payload: 'offline' };
    const dying = listener({ ...alex, url: `mqtt://127.0.0.1:${line.port}` }, [], { will });
    await until(() => dying.connected === 1);
    line.cut();
    expect(await dying.ended).toMatchObject({ code: 'UNREACHABLE' });
    await until(() => watch.heard.length > 0);
    expect(watch.heard).toEqual(['house/state offline']);
  });

  test('a mistake in what is done once connected ends the run, not the process', async () => {
    const onConnected = () => {
      throw new TypeError('planted');
    };
    const { signal } = new AbortController();
    await expect(listen(alex, [], () => {}, { signal, onConnected })).rejects.toThrow('planted');
  });

  test('a wrong password is a refusal, without the password', async () => {
    const wrong = await listener({ ...alex, password: 'pw-of-somebody-else' }, ['house/#']).ended;
    expect(wrong).toMatchObject({
      code: 'AUTH_REFUSED',
      message: `the broker ${broker.url} refused the user name or password; check both`,
    });
  });

  test('TLS with a private authority is trusted by it, or not at all', async () => {
    const trusted = listener({ ...alex, url: broker.tlsUrl, ca_file: broker.caFile }, ['house/#']);
    await until(() => trusted.connected === 1);
    const stranger = await listener({ ...alex, url: broker.tlsUrl }, ['house/#']).ended;
    expect(stranger).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/certificate/) as string,
    });
  });

  test('a broker that is killed ends the run, and the next run works again', async () => {
    const run = listener(alex, ['house/#']);
    await until(() => run.connected === 1);
    await broker.stop('SIGKILL');
    expect(await run.ended).toMatchObject({ code: 'UNREACHABLE' });
    await broker.start();
    const again = listener(alex, ['house/#']);
    await until(() => again.connected === 1);
    await publishOnce(alex, 'house/again', '1');
    await until(() => again.heard.includes('house/again 1'));
  });
});
