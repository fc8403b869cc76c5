import { afterEach, beforeEach, expect, test } from 'vitest';
import { at, hour, servedHouse, type ServedHouse } from './fixture.ts';

let house: ServedHouse['house'];
let server: ServedHouse['server'];
let get: ServedHouse['get'];
beforeEach(async () => ({ house, server, get } = await servedHouse()));
afterEach(() => server.close());

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
  const { body } = await get('/api/readings/chart?series=home.presence.count_home&from=2026-01-31&points=10');
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
