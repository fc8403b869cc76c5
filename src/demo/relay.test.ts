import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { until } from '../../tests/servers/process.ts';
import { Relay } from './relay.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

/** A relay in front of a server that echoes. */
async function echoBehindRelay() {
  const server = createServer((socket) => socket.pipe(socket).on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => server.close());
  const relay = await new Relay().listen();
  cleanups.push(() => relay.close());
  relay.target = (server.address() as AddressInfo).port;
  return relay;
}

class Client {
  heard = '';
  ended = false;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    cleanups.push(() => this.socket.destroy());
    this.socket.on('data', (bytes: Buffer) => (this.heard += bytes.toString()));
    this.socket.on('error', () => {});
    this.socket.on('close', () => (this.ended = true));
  }

  async says(text: string): Promise<void> {
    const before = this.heard.length;
    this.socket.write(text);
    await until(() => this.heard.slice(before) === text);
  }
}

test('everything passes both ways, and the end of one side ends the other', async () => {
  const relay = await echoBehindRelay();
  const client = new Client(relay.port);
  await client.says('x'.repeat(300_000));
  client.socket.destroy();
  const next = new Client(relay.port);
  await next.says('hello');
});

test('nobody is let in before there is a server', async () => {
  const relay = await new Relay().listen();
  cleanups.push(() => relay.close());
  const client = new Client(relay.port);
  await until(() => client.ended);
});

test('a drop ends all connections and refuses new ones until it is over', async () => {
  const relay = await echoBehindRelay();
  const client = new Client(relay.port);
  await client.says('hello');
  relay.fault('drop', 60_000);
  const refused = new Client(relay.port);
  await until(() => client.ended && refused.ended);
  expect(refused.heard).toBe('');
  relay.fault('drop', 100);
  await until(async () => {
    const later = new Client(relay.port);
    later.socket.write('back');
    await until(() => later.ended || later.heard === 'back');
    return later.heard === 'back';
  });
});

test('a hang holds back what was said and loses nothing of it', async () => {
  const relay = await echoBehindRelay();
  const client = new Client(relay.port);
  await client.says('hello');
  relay.fault('hang', 300);
  client.socket.write(' again');
  const during = new Client(relay.port);
  during.socket.write('new');
  await until(() => client.heard === 'hello again' && during.heard === 'new');
  expect([client.ended, during.ended]).toEqual([false, false]);
});

test('a reset breaks the connections of this moment only', async () => {
  const relay = await echoBehindRelay();
  const client = new Client(relay.port);
  await client.says('hello');
  relay.fault('reset', 60_000);
  await until(() => client.ended);
  await new Client(relay.port).says('hello');
});
