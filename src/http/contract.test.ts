import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import * as contract from './contract.ts';
import { at, servedHouse, type ServedHouse } from './fixture.ts';
import { openApi } from './server.ts';

let house: ServedHouse['house'];
let server: ServedHouse['server'];
let get: ServedHouse['get'];
beforeEach(async () => ({ house, server, get } = await servedHouse()));
afterEach(() => server.close());

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
});
