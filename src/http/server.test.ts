import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { freePort, until } from '../../tests/servers/process.ts';
import * as contract from './contract.ts';
import { openApi, serve, type RunningServer } from './server.ts';
import { SimHouse, simPerson } from './sim.ts';

const at = Date.parse('2026-01-31T08:00:00Z');
const hour = 3_600_000;

let house: SimHouse;
let server: RunningServer;

beforeEach(async () => {
  house = new SimHouse(at);
  house.people = [
    simPerson('alex', {
      state: 'home',
      probability: 0.97,
      since: at - 2 * hour,
      lastSeen: at - 5_000,
      from: { wifi: 1, homeassistant: 0, tado: 0 },
      evidence: [{ at: at - 5_000, source: 'wifi', text: 'answered ARP', weight: 3.2 }],
    }),
    simPerson('sam', { conflict: 'Wi-Fi says away, Home Assistant says home' }),
  ];
  house.guests = 1;
  server = await serve(house, { host: '127.0.0.1', port: 0, heartbeatMs: 50 });
});

afterEach(async () => {
  await server.close();
});

async function get(path: string, headers: Record<string, string> = {}) {
  const reply = await fetch(`${server.url}${path}`, { headers });
  const text = await reply.text();
  const type = reply.headers.get('content-type') ?? '';
  return {
    status: reply.status,
    type,
    text,
    headers: reply.headers,
    body: type.includes('json') ? JSON.parse(text) : undefined,
  };
}

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

describe('presence over HTTP', () => {
  test('the picture says who is home and on what evidence, in ISO time', async () => {
    const { status, body } = await get('/api/presence');
    expect(status).toBe(200);
    expect(body).toEqual({
      at: '2026-01-31T08:00:00.000Z',
      count_home: 1,
      anyone_home: true,
      devices_present: 0,
      guests: 1,
      people: [
        {
          person: 'alex',
          name: 'Alex',
          state: 'home',
          probability: 0.97,
          since: '2026-01-31T06:00:00.000Z',
          last_seen: '2026-01-31T07:59:55.000Z',
          from: { wifi: 1, homeassistant: 0, tado: 0 },
          evidence: [{ at: '2026-01-31T07:59:55.000Z', source: 'wifi', text: 'answered ARP', weight: 3.2 }],
          conflict: null,
        },
        {
          person: 'sam',
          name: 'Sam',
          state: 'away',
          probability: 0.03,
          since: null,
          last_seen: null,
          from: { wifi: 0, homeassistant: 0, tado: 0 },
          evidence: [],
          conflict: 'Wi-Fi says away, Home Assistant says home',
        },
      ],
    });
  });

  test('one person comes with the transitions that led here, newest first', async () => {
    house.change('sam', { state: 'home', since: at });
    house.change('sam', { state: 'away', since: at });
    const { body } = await get('/api/presence/sam?limit=1');
    expect(body.person).toBe('sam');
    expect(body.why).toEqual([
      {
        id: '2',
        at: '2026-01-31T08:00:00.000Z',
        kind: 'presence.left',
        subject: 'person:sam',
        cause: 'fusion',
        evidence: [],
        data: { from: 'home', to: 'away' },
      },
    ]);
  });

  test('an unknown person is a 404 that names the known ones', async () => {
    expect(await get('/api/presence/alice')).toMatchObject({
      status: 404,
      body: { code: 'NOT_FOUND', message: 'nobody is called "alice"; known: alex, sam' },
    });
  });

  test('history is asked for in ISO or epoch seconds and answered in ISO', async () => {
    house.happened({
      at: at - hour,
      kind: 'presence.arrived',
      subject: 'person:alex',
      cause: 'fusion',
      evidence: [],
      data: { from: 'away', to: 'home' },
    });
    const stays = [
      { person: 'alex', state: 'away', from: '2026-01-31T06:00:00.000Z', to: '2026-01-31T07:00:00.000Z' },
      { person: 'alex', state: 'home', from: '2026-01-31T07:00:00.000Z', to: null },
    ];
    const iso = await get('/api/presence/history?from=2026-01-31T06:00:00Z&person=alex');
    const epoch = await get(`/api/presence/history?from=${(at - 2 * hour) / 1000}&to=${at}&person=alex`);
    expect(iso.body).toEqual({ from: '2026-01-31T06:00:00.000Z', to: '2026-01-31T08:00:00.000Z', stays });
    expect(epoch.body).toEqual(iso.body);
  });

  test.each([
    ['/api/presence/history?from=yesterday', 'from: expected an instant'],
    ['/api/presence/history?from=2026-01-31T08:00:00', 'from: expected an instant'],
    ['/api/presence/history?from=2026-02-01', 'from (2026-02-01T00:00:00.000Z) must lie before'],
    ['/api/presence/history?from=2020-01-01', 'longer than 400 days'],
    ['/api/readings/chart?series=../etc', 'is not a series'],
    ['/api/readings/chart', 'series: '],
    ['/api/events?limit=100000', 'limit: '],
  ])('%s is refused with a sentence, status 400', async (path, sentence) => {
    const { status, body } = await get(path);
    expect([status, body.code]).toEqual([400, 'USAGE']);
    expect(body.message).toContain(sentence);
  });

  test('a chart has its points in order', async () => {
    house.charts.set('home.presence.count_home', [{ at: at - hour, mean: 1.5, min: 1, max: 2 }]);
    const { body } = await get(
      '/api/readings/chart?series=home.presence.count_home&from=2026-01-31&points=10',
    );
    expect(body).toEqual({
      series: 'home.presence.count_home',
      from: '2026-01-31T00:00:00.000Z',
      to: '2026-01-31T08:00:00.000Z',
      points: [{ at: '2026-01-31T07:00:00.000Z', mean: 1.5, min: 1, max: 2 }],
    });
  });

  test('the journal is filtered by kind', async () => {
    house.change('sam', { state: 'home' });
    house.happened({
      at,
      kind: 'device.discovered',
      subject: 'device:x',
      cause: 'scan',
      evidence: [],
      data: {},
    });
    const { body } = await get('/api/events?kinds=device.*');
    expect(body.events.map((e: { kind: string }) => e.kind)).toEqual(['device.discovered']);
  });
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

/** Reads server-sent events until closed. */
async function listen(headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const reply = await fetch(`${server.url}/api/stream`, { headers, signal: abort.signal });
  let text = '';
  const ended = (async () => {
    for await (const chunk of reply.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })().catch(() => undefined);
  const frames = () =>
    text.split('\n\n').flatMap((block) => {
      const field = (name: string) =>
        block
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      const event = field('event');
      return event === undefined ? [] : [{ event, id: field('id'), data: JSON.parse(field('data')!) }];
    });
  return {
    status: reply.status,
    type: reply.headers.get('content-type'),
    text: () => text,
    frames,
    ended,
    stop: () => abort.abort(),
  };
}

describe('the live stream', () => {
  test('starts with the whole picture, then tells each change', async () => {
    const stream = await listen();
    await until(() => stream.frames().length >= 4);
    expect(stream.type).toBe('text/event-stream; charset=utf-8');
    expect(stream.frames().map((f) => f.event)).toEqual(['presence', 'electricity', 'cctv', 'health']);
    house.change('sam', { state: 'home' });
    await until(() => stream.frames().length >= 6);
    const [event, presence] = stream.frames().slice(4);
    expect([event?.event, event?.data.kind]).toEqual(['event', 'presence.arrived']);
    expect([presence?.event, presence?.data.count_home]).toEqual(['presence', 2]);
    stream.stop();
  });

  test('a client that comes back misses no event', async () => {
    const first = await listen();
    await until(() => first.frames().length >= 2);
    house.change('sam', { state: 'home' });
    await until(() => first.frames().some((f) => f.event === 'event'));
    const id = first.frames().find((f) => f.event === 'event')!.id!;
    first.stop();
    await first.ended;
    house.change('sam', { state: 'away' });
    house.change('alex', { state: 'away' });
    const second = await listen({ 'last-event-id': id });
    await until(() => second.frames().length >= 6);
    expect(second.frames().map((f) => [f.event, f.data.subject])).toEqual([
      ['event', 'person:sam'],
      ['event', 'person:alex'],
      ['presence', undefined],
      ['electricity', undefined],
      ['cctv', undefined],
      ['health', undefined],
    ]);
    second.stop();
  });

  test('an id of an earlier process is no reason to fail', async () => {
    const stream = await listen({ 'last-event-id': 'deadbeef-7' });
    await until(() => stream.frames().length >= 4);
    expect(stream.frames().map((f) => f.event)).toEqual(['presence', 'electricity', 'cctv', 'health']);
    stream.stop();
  });

  test('a changed component is told, an unchanged one is not', async () => {
    house.health.set('wifi', 'ok', 'fine');
    const stream = await listen();
    const states = () =>
      stream
        .frames()
        .filter((f) => f.event === 'health')
        .map((f) => f.data.components[0].state);
    await until(() => states().length >= 2);
    house.health.set('wifi', 'down', 'no interface');
    await until(() => states().length >= 3);
    expect(states()).toEqual(['ok', 'ok', 'down']);
    stream.stop();
  });

  test('an idle stream shows signs of life', async () => {
    const stream = await listen();
    await until(() => stream.text().includes(': alive\n\n'));
    stream.stop();
  });

  test('closing the server ends open streams and lets go of the house', async () => {
    const stream = await listen();
    await until(() => stream.frames().length >= 2);
    expect(house.listeners).toBe(2);
    await server.close();
    await stream.ended;
    expect(house.listeners).toBe(0);
  });

  test('a client that never reads is cut off instead of filling the memory', async () => {
    const port = Number(new URL(server.url).port);
    const socket = connect(port, '127.0.0.1');
    let closed = false;
    socket.on('close', () => (closed = true)).on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write('GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await new Promise((resolve) => socket.once('data', resolve));
    socket.pause();
    const text = 'x'.repeat(100_000);
    for (let i = 0; i < 200; i += 1) {
      house.happened({ at, kind: 'test.flood', subject: 'x', cause: 'test', evidence: [], data: { text } });
      // Lets the kernel take what it can, so that only what nobody reads piles up.
      if (i % 10 === 0) await pause(1);
    }
    socket.resume();
    await until(() => closed);
    const other = await listen();
    await until(() => other.frames().length >= 2);
    other.stop();
  });
});

describe('the contract', () => {
  test('every reply has the shape that other programs are promised', async () => {
    house.change('sam', { state: 'home', since: at });
    house.health.set('wifi', 'ok', 'fine');
    house.deviceRows = [
      {
        mac: '02:00:5e:10:00:01',
        ip: undefined,
        network: '192.0.2.0/24',
        hostname: 'sam-phone',
        vendor: undefined,
        randomised: true,
        dhcpFingerprint: undefined,
        dhcpVendorClass: undefined,
        ipv6Suffix: undefined,
        firstSeen: at,
        lastSeen: at,
        lastVia: 'dhcp',
        person: 'sam',
        present: true,
      },
    ];
    house.proposals = [
      {
        id: 's1',
        kind: 'relink-mac',
        person: 'sam',
        mac: '02:00:5e:10:00:02',
        replaces: undefined,
        confidence: 0.86,
        evidence: [],
        at,
        status: 'open',
      },
    ];
    const event = z.strictObject(contract.eventBody.shape);
    const shapes: Readonly<Record<string, z.ZodType>> = {
      '/health': z.strictObject(contract.healthBody.shape),
      '/health/detailed': z.strictObject(contract.detailedHealthBody.shape),
      '/api/presence': z.strictObject(contract.presenceBody.shape),
      '/api/presence/sam': z.strictObject(contract.personDetailBody.shape),
      '/api/presence/history': z.strictObject(contract.historyBody.shape),
      '/api/presence/devices': z.strictObject({
        devices: z.tuple([z.strictObject(contract.deviceBody.shape)]),
      }),
      '/api/presence/suggestions': z.strictObject({
        suggestions: z.tuple([z.strictObject(contract.suggestionBody.shape)]),
      }),
      '/api/presence/nobody': z.strictObject(contract.errorBody.shape),
      '/api/events': z.strictObject({ events: z.tuple([event]) }),
      '/api/readings/series': z.strictObject(contract.seriesBody.shape),
      '/api/readings/chart?series=home.presence.count_home': z.strictObject(contract.chartBody.shape),
    };
    for (const [path, shape] of Object.entries(shapes)) {
      const { body } = await get(path);
      expect([path, shape.safeParse(body).error?.issues]).toEqual([path, undefined]);
    }
  });
});

describe('the description of the API', () => {
  test('lists every route and needs no running house', async () => {
    const document = (await openApi()) as { paths: Record<string, unknown> };
    expect(Object.keys(document.paths).toSorted()).toEqual([
      '/api/cctv',
      '/api/cctv/alerts',
      '/api/cctv/alerts/{id}/false',
      '/api/cctv/cameras/{id}',
      '/api/cctv/cameras/{id}/mjpeg',
      '/api/cctv/cameras/{id}/picture.jpg',
      '/api/cctv/events',
      '/api/cctv/events/{id}',
      '/api/cctv/events/{id}/clip.mp4',
      '/api/cctv/events/{id}/snapshot.jpg',
      '/api/cctv/suppressed',
      '/api/electricity',
      '/api/electricity/cheapest',
      '/api/electricity/cost',
      '/api/electricity/devices/{name}',
      '/api/electricity/devices/{name}/switch',
      '/api/electricity/energy',
      '/api/electricity/history',
      '/api/electricity/insight',
      '/api/electricity/pulse',
      '/api/events',
      '/api/guard',
      '/api/guard/mode',
      '/api/maintenance',
      '/api/presence',
      '/api/presence/devices',
      '/api/presence/history',
      '/api/presence/suggestions',
      '/api/presence/{person}',
      '/api/readings/chart',
      '/api/readings/series',
      '/api/stream',
      '/health',
      '/health/detailed',
      '/metrics',
    ]);
    expect((await get('/docs/json')).body.paths).toEqual(document.paths);
  });

  test('says of what type the success of each route is', async () => {
    type Route = { responses: Record<string, { content?: object }> };
    type Routes = Record<string, { get?: Route; post?: Route }>;
    const { paths } = (await openApi()) as { paths: Routes };
    const types = Object.entries(paths).map(([url, { get: asked, post }]) => [
      url,
      Object.keys((asked ?? post)?.responses['200']?.content ?? {}),
    ]);
    const others = {
      '/metrics': ['text/plain'],
      '/api/stream': ['text/event-stream'],
      '/api/cctv/cameras/{id}/mjpeg': ['multipart/x-mixed-replace'],
      '/api/cctv/cameras/{id}/picture.jpg': ['image/jpeg'],
      '/api/cctv/events/{id}/clip.mp4': ['video/mp4'],
      '/api/cctv/events/{id}/snapshot.jpg': ['image/jpeg'],
    };
    expect(Object.fromEntries(types)).toEqual({
      ...Object.fromEntries(Object.keys(paths).map((url) => [url, ['application/json']])),
      ...others,
    });
  });

  test('is a page without anything from elsewhere', async () => {
    const { type, text } = await get('/docs');
    expect(type).toBe('text/html; charset=utf-8');
    expect(text).toContain('<code>GET /api/presence/{person}</code>');
    expect(text).not.toMatch(/https?:\/\//);
  });

  test('a free port is a port that the test may use', async () => {
    const port = await freePort();
    const fixed = await serve(house, { host: 'localhost', port });
    expect(new URL(fixed.url).port).toBe(String(port));
    await fixed.close();
  });
});
