import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { frame, Stream } from './stream.ts';

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const one of open.splice(0)) void ('close' in one ? one.close() : one.destroy());
});

/** A stream with one client that reads nothing; its snapshot is of this size. */
async function deaf(bytes: number) {
  const stream = new Stream();
  const server = createServer((_, response) => {
    response.writeHead(200);
    stream.join(response, undefined, [frame('electricity', 'x'.repeat(bytes))]);
  }).listen(0, '127.0.0.1');
  open.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  const socket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
  open.push(socket);
  socket.on('error', () => {});
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await expect.poll(() => stream.clients).toBe(1);
  return stream;
}

test('a large house does not cut off a client that is still reading its first picture', async () => {
  const stream = await deaf(8_000_000);
  stream.send('health', 'ok');
  expect(stream.clients).toBe(1);
});

test('a client that reads nothing is cut off after a few pictures', async () => {
  const stream = await deaf(1_000);
  for (let i = 0; i < 50 && stream.clients > 0; i += 1) stream.send('electricity', 'x'.repeat(1_000_000));
  expect(stream.clients).toBe(0);
});
