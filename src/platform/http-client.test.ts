import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { retryAfterMs, shown, webRequest } from './http-client.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A server that answers every connection with these bytes and then, unless told to stay, hangs up. */
async function server(bytes: string, stay = false): Promise<string> {
  const listener = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => (stay ? socket.write(bytes) : socket.end(bytes)));
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  closers.push(() => listener.close());
  return `http://127.0.0.1:${(listener.address() as AddressInfo).port}/`;
}

test('Retry-After is seconds or a date, at most a day', () => {
  const now = Date.UTC(2026, 10, 21, 8, 0, 0);
  expect(
    [
      '60',
      ' 5 ',
      'Sat, 21 Nov 2026 08:01:00 GMT',
      'Sat, 21 Nov 2026 07:00:00 GMT',
      '999999999',
      'soon',
      '',
    ].map((h) => retryAfterMs(h, now)),
  ).toEqual([60_000, 5_000, 60_000, 0, 86_400_000, undefined, undefined]);
  expect(retryAfterMs(undefined, now)).toBeUndefined();
});

test('an address is shown without what may be secret', () => {
  expect(shown('https://user:pass@ha.example.org:8123/api/?token=x#y')).toBe(
    'https://ha.example.org:8123/api/',
  );
});

test('a reply that ends before its length is a failure, not a short reply', async () => {
  const url = await server('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort');
  await expect(webRequest({ url })).rejects.toMatchObject({ code: 'UNREACHABLE' });
});

test.each(['not http at all\r\n\r\n', 'HTTP/1.1 200 OK\r\nBad Header\r\n\r\n', ''])(
  'a peer that does not speak HTTP (%j) is a failure with its address',
  async (bytes) => {
    const url = await server(bytes);
    await expect(webRequest({ url })).rejects.toThrow(url);
  },
);

test('a body of exactly the limit is read, one byte more is refused', async () => {
  const reply = (size: number) => `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`;
  expect((await webRequest({ url: await server(reply(1000)), maxBytes: 1000 })).text).toHaveLength(1000);
  await expect(webRequest({ url: await server(reply(1001)), maxBytes: 1000 })).rejects.toMatchObject({
    code: 'BAD_REPLY',
  });
});

test('an abort ends the exchange at once', async () => {
  const url = await server('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', true);
  const stop = new AbortController();
  const reply = webRequest({ url, signal: stop.signal });
  stop.abort();
  await expect(reply).rejects.toMatchObject({ code: 'UNREACHABLE' });
});
