import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import packet from 'dns-packet';
import { afterEach, expect, test } from 'vitest';
import { askDevice, askResolver } from './names.ts';

let server: Socket | undefined;
afterEach(() => server?.close());

/** A responder on loopback that answers every question of type PTR with the name. */
async function responder(name: string | undefined): Promise<number> {
  server = createSocket('udp4');
  server.on('message', (message, from) => {
    const { id, questions } = packet.decode(message);
    if (name === undefined) return;
    const answers = (questions ?? []).map((q) => ({
      type: 'PTR' as const,
      name: q.name,
      ttl: 60,
      data: name,
    }));
    // 0x8180: recursion was wanted and is offered, as a resolver answers.
    server?.send(
      packet.encode({ type: 'response', id: id ?? 0, flags: 0x180, questions, answers }),
      from.port,
      from.address,
    );
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const signal = () => new AbortController().signal;

test('a device tells its own name', async () => {
  const port = await responder('Alexs-Phone.local');
  expect(await askDevice('127.0.0.1', signal(), port)).toBe('Alexs-Phone');
});

test('a device that does not answer has no name', async () => {
  const port = await responder(undefined);
  expect(await askDevice('127.0.0.1', signal(), port)).toBeUndefined();
});

test('an aborted question ends at once', async () => {
  const port = await responder(undefined);
  expect(await askDevice('127.0.0.1', AbortSignal.abort(), port)).toBeUndefined();
});

test('the resolver knows a name', async () => {
  const port = await responder('sam-laptop.lan');
  expect(await askResolver('192.0.2.12', signal(), [`127.0.0.1:${port}`])).toBe('sam-laptop.lan');
});
