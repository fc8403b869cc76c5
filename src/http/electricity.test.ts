import { afterEach, expect, test } from 'vitest';
import { createApp } from './server.ts';
import { SimHouse } from './sim.ts';

const at = Date.parse('2026-01-31T08:00:00Z');
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function app() {
  const house = new SimHouse(at);
  house.electricity.furnish();
  const server = await createApp(house);
  closers.push(() => server.close());
  const ask = async (url: string, body?: object, headers: Record<string, string> = {}) => {
    const reply = await server.inject({
      url,
      ...(body === undefined ? {} : { method: 'POST', payload: body }),
      headers: { host: 'localhost:8000', ...headers },
    });
    return { status: reply.statusCode, body: reply.json<Record<string, unknown>>() };
  };
  return { house, ask, signedIn: { authorization: `Bearer ${house.token}` } };
}

test('what the house draws is one picture: house and devices', async () => {
  const { ask } = await app();
  const { status, body } = await ask('/api/electricity');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    at: '2026-01-31T08:00:00.000Z',
    house: {
      basis: 'meter',
      power_watts: 2500,
      unexplained_watts: 420,
      price_per_kwh: 0.25,
      currency: 'GBP',
    },
    devices: [
      { path: 'kasa.kettle', state: 'ok', control: 'allowed', values: { power_watts: 2000, is_on: 1 } },
      { path: 'kasa.freezer', control: 'forbidden' },
      { path: 'meter', control: 'impossible' },
    ],
  });
});

test('one device is found by its path or name, and a stranger is a 404', async () => {
  const { ask } = await app();
  expect((await ask('/api/electricity/devices/Kettle')).body).toMatchObject({
    path: 'kasa.kettle',
    events: [],
  });
  expect((await ask('/api/electricity/devices/Toaster')).status).toBe(404);
});

test('history, energy and cost answer with their spans and units', async () => {
  const { house, ask } = await app();
  house.electricity.points = [{ at: at - 60_000, mean: 100, min: 90, max: 110 }];
  expect((await ask('/api/electricity/history?device=Kettle')).body).toEqual({
    series: 'kasa.kettle.power_watts',
    from: '2026-01-30T08:00:00.000Z',
    to: '2026-01-31T08:00:00.000Z',
    points: [{ at: '2026-01-31T07:59:00.000Z', mean: 100, min: 90, max: 110 }],
  });
  expect(
    (await ask('/api/electricity/energy?from=2026-01-30T00:00:00Z&to=2026-01-31T00:00:00Z')).body,
  ).toEqual({
    path: 'house',
    days: [
      {
        from: '2026-01-30T00:00:00.000Z',
        to: '2026-01-31T00:00:00.000Z',
        kwh: 3.5,
        export_kwh: 0,
        covered: 0.5,
        how: 'spread',
      },
    ],
  });
  expect((await ask('/api/electricity/cost')).body).toMatchObject({
    currency: 'GBP',
    days: [{ path: 'house', kwh: 3.5, total: 1.07, import: 0.875, standing: 0.195, unpriced_kwh: 0 }],
  });
});

test('an empty or endless span, and an unknown quantity, are refused with a sentence', async () => {
  const { ask } = await app();
  const refused = [
    '/api/electricity/history?from=2026-01-31T00:00:00Z&to=2026-01-30T00:00:00Z',
    '/api/electricity/energy?from=2020-01-01T00:00:00Z',
    '/api/electricity/history?quantity=smell',
  ];
  for (const url of refused) expect((await ask(url)).status, url).toBe(400);
});

test('switching needs the token, says what the device says, and names who asked', async () => {
  const { house, ask, signedIn } = await app();
  const path = '/api/electricity/devices/Kettle/switch';
  expect((await ask(path, { on: false })).status).toBe(401);
  expect((await ask(path, { on: false }, { authorization: 'Bearer wrong' })).status).toBe(401);
  expect(house.electricity.switched).toEqual([]);
  const done = await ask(path, { on: false, actor: 'user:cli', why: 'bedtime' }, signedIn);
  expect(done).toEqual({
    status: 200,
    body: { device: 'kasa:Kettle', path: 'kasa.kettle', is_on: false, event: 'event-1' },
  });
  expect(house.electricity.switched).toEqual(['kasa.kettle off user:cli: bedtime']);
});

test('a device that must not be switched is a 403, and a body that says something else is a 400', async () => {
  const { ask, signedIn } = await app();
  expect((await ask('/api/electricity/devices/Freezer/switch', { on: false }, signedIn)).status).toBe(403);
  expect((await ask('/api/electricity/devices/Kettle/switch', { on: 'yes' }, signedIn)).status).toBe(400);
  expect((await ask('/api/electricity/devices/Kettle/switch', { on: true, x: 1 }, signedIn)).status).toBe(
    400,
  );
});

test('a pulse meter of this machine posts with its own token, whatever it calls its content', async () => {
  const { house, ask } = await app();
  const path = '/api/electricity/pulse';
  const meter = { authorization: 'Bearer meter-token' };
  const message = { id: 'house', total_pulses: 7 };
  expect((await ask(path, message)).status).toBe(401);
  expect(await ask(path, message, meter)).toEqual({
    status: 200,
    body: { ok: true, counted: 1, replayed: 0 },
  });
  expect(house.electricity.heard).toEqual([`POST ${path} ${JSON.stringify(message)}`]);
  const plain = await ask(path, message, { ...meter, 'content-type': 'text/plain' });
  expect(plain.status).toBe(200);
});
