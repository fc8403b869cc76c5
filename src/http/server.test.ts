import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../tests/servers/process.ts';
import { servedHouse, type ServedHouse } from './fixture.ts';
import { serve } from './server.ts';

let house: ServedHouse['house'];
let server: ServedHouse['server'];
let get: ServedHouse['get'];
beforeEach(async () => ({ house, server, get } = await servedHouse()));
afterEach(() => server.close());

/** Sends bytes as they are and resolves with everything that came back. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (chunk) => (got += chunk.toString()));
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}

test('the maintenance calendar is read over HTTP', async () => {
  const item = {
    id: 'check-token',
    area: 'presence' as const,
    cadence: 'monthly' as const,
    title: 'Check the token',
    how: 'lares doctor homeassistant',
    minutes: null,
    done_at: '2026-01-01T08:00:00.000Z',
    due_at: null,
    due: false,
  };
  house.tasks = [item];
  expect(await get('/api/maintenance')).toMatchObject({ status: 200, body: { items: [item] } });
});

describe('health', () => {
  test('degraded is still 200 and says what needs attention; down is 503', async () => {
    house.health.set('wifi', 'ok', 'sweeps by raw ARP');
    house.health.set('homeassistant', 'parked', 'the token was refused; make a new one');
    expect(await get('/health')).toMatchObject({
      status: 200,
      body: { status: 'degraded', version: '0.1.0', attention: ['homeassistant'] },
    });
    house.health.set('wifi', 'down', 'no interface');
    expect(await get('/health')).toMatchObject({ status: 503, body: { status: 'down' } });
  });

  test('the detailed report has every component with its sentence', async () => {
    house.health.set('wifi', 'ok', 'sweeps by raw ARP');
    const { body } = await get('/health/detailed');
    expect(body.components).toEqual([
      {
        name: 'wifi',
        state: 'ok',
        detail: 'sweeps by raw ARP',
        since: '2026-01-31T08:00:00.000Z',
        last_ok: '2026-01-31T08:00:00.000Z',
      },
    ]);
    expect(body.node).toBe(process.version);
  });

  test('metrics are plain text for Prometheus', async () => {
    const { type, text } = await get('/metrics');
    expect([type, text]).toEqual(['text/plain; version=0.0.4; charset=utf-8', 'lares_up 1\n']);
  });
});

describe('who may ask', () => {
  test.each(['0.0.0.0', '192.0.2.1', '::', 'lares.lan'])(
    '%s is refused as a host to listen on',
    async (host) => {
      await expect(serve(house, { host, port: 0 })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    },
  );

  test('a taken port is named with what to do', async () => {
    const port = Number(new URL(server.url).port);
    await expect(serve(house, { host: '127.0.0.1', port })).rejects.toThrow(
      `another program answers on 127.0.0.1:${port} already`,
    );
  });

  test.each([
    ['evil.example', 421],
    ['evil.example:8000', 421],
    ['127.0.0.1.evil.example', 421],
    ['localhost', 200],
    ['LOCALHOST:8000', 200],
    ['[::1]:8000', 200],
  ])('a request for the host %s gets %i', async (host, status) => {
    const reply = await raw(`GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(reply.split(' ')[1]).toBe(String(status));
  });

  test('pages of other sites and proxies are refused', async () => {
    const cross = await get('/api/presence', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' });
    const proxied = await get('/api/presence', { 'x-forwarded-for': '192.0.2.7' });
    expect([cross.status, proxied.status]).toEqual([421, 421]);
    expect(cross.body.code).toBe('PERMISSION_MISSING');
  });

  test('every reply forbids scripts from elsewhere and inline', async () => {
    for (const path of ['/', '/api/presence', '/nothing', '/docs']) {
      const { headers } = await get(path);
      expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'; /);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  test('unknown addresses and bytes that are no HTTP get the same kind of body', async () => {
    expect(await get('/nothing?secret=1')).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND', message: 'there is nothing at GET /nothing; see /docs' },
    });
    const reply = await raw('\x16\x03\x01 hello\r\n\r\n');
    expect(reply).toMatch(/^HTTP\/1\.1 400 /);
    expect(reply).toMatch(/\{"code":"USAGE","message":"this is not a valid HTTP request"\}$/);
  });

  test('what went wrong inside stays inside', async () => {
    house.presence.devices = async () => {
      throw new Error('SELECT secret FROM table');
    };
    expect(await get('/api/presence/devices')).toMatchObject({
      status: 500,
      body: { code: 'INTERNAL', message: 'a mistake in Lares; the log has the details' },
    });
  });

  test('half-sent requests are cut off while honest ones are answered', async () => {
    const slow = Array.from({ length: 40 }, () => raw('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '));
    expect((await get('/health')).status).toBe(200);
    const ends = await Promise.all(slow);
    expect(new Set(ends.map((end) => end.slice(0, 12)))).toEqual(new Set(['HTTP/1.1 408']));
  });

  test('a client that drips headers and never reads is cut off too', async () => {
    const port = Number(new URL(server.url).port);
    const closed = Array.from({ length: 40 }, () => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n');
      const drip = setInterval(() => socket.write('X-Slow: 1\r\n'), 100);
      return new Promise<void>((resolve) => {
        socket.once('close', () => {
          clearInterval(drip);
          resolve();
        });
      });
    });
    await Promise.all(closed);
  });
});

test('a free port is a port that the test may use', async () => {
  const port = await freePort();
  const fixed = await serve(house, { host: 'localhost', port });
  expect(new URL(fixed.url).port).toBe(String(port));
  await fixed.close();
});
