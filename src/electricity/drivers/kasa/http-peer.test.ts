import { createServer } from 'node:http';
import { createServer as createTcp, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';

import { HttpPeer } from './http-peer.ts';
import { closeAll, closers, signal } from './watch.fixture.ts';

afterEach(closeAll);

describe('the HTTP client', () => {
  async function serve(bytes: string, end = false) {
    const server = createTcp((socket) => {
      socket.on('data', () => (end ? socket.end(bytes, 'latin1') : socket.write(bytes, 'latin1')));
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const peer = new HttpPeer('127.0.0.1', (server.address() as AddressInfo).port);
    closers.push(() => (peer.close(), server.close()));
    const post = async () => {
      const { status, body } = await peer.post('/x', 'y', { signal: signal() });
      return `${status} ${body.toString()}`;
    };
    return post;
  }

  test.each([
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', false, '200 hello'],
    [
      'chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\n\r\n',
      false,
      '200 hello',
    ],
    ['the end of the connection', 'HTTP/1.1 200 OK\r\n\r\nhello', true, '200 hello'],
    ['no body', 'HTTP/1.1 403 Forbidden\r\ncontent-length:0\r\n\r\n', false, '403 '],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', true, '200 ok'],
  ])('reads a body by %s, again and again', async (_, bytes, end, expected) => {
    const post = await serve(bytes, end);
    expect([await post(), await post()]).toEqual([expected, expected]);
  });

  test.each([
    ['endless headers', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(9_000)}`],
    ['a body without measure', 'HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n'],
    ['a chunk without measure', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n'],
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a status that is none', 'HTTP/1.1 abc\r\n\r\n'],
  ])('refuses %s', async (_, bytes) => {
    const post = await serve(bytes);
    await expect(post()).rejects.toMatchObject({ code: 'BAD_REPLY' });
  });

  test('whatever a peer sends, a question ends with a reply or a known error', async () => {
    let bytes = '';
    const server = createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(bytes, 'latin1'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = (server.address() as AddressInfo).port;
    closers.push(() => server.close());
    const parts = fc.constantFrom(
      'HTTP/1.1 200 OK',
      '\r\n',
      '\r\n\r\n',
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      'Set-Cookie: TP_SESSIONID=A;TIMEOUT=9',
      '3\r\nabc',
      '0\r\n\r\n',
      'HTTP/1.1 ',
    );
    const noise = fc.string({ unit: 'binary', maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(parts, noise), { maxLength: 12 }), async (pieces) => {
        bytes = pieces.join('');
        const peer = new HttpPeer('127.0.0.1', port);
        const outcome: unknown = await peer
          .post('/', 'x', { signal: signal() })
          .catch((error: unknown) => error);
        peer.close();
        const { status, code } = outcome as { status?: number; code?: string };
        expect(status ?? code).toSatisfy(
          (end) => typeof end === 'number' || end === 'BAD_REPLY' || end === 'UNREACHABLE',
        );
      }),
      { numRuns: 200 },
    );
  });

  test('works with the server of Node', async () => {
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        response.write('chunk ');
        response.end(request.headers.cookie);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const peer = new HttpPeer('127.0.0.1', (server.address() as AddressInfo).port);
    closers.push(() => (peer.close(), server.close()));
    for (let i = 0; i < 3; i += 1)
      expect((await peer.post('/', 'x', { signal: signal(), cookie: `ab${i}` })).body.toString()).toBe(
        `chunk TP_SESSIONID=ab${i}`,
      );
  });
});
