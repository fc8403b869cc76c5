import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { CameraView, StoredAlert, StoredEvent } from '#cctv/index.ts';
import { createApp } from './server.ts';
import { SimHouse } from './sim.ts';

const at = Date.parse('2026-01-31T08:00:00Z');
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const box = { left: 0.1, top: 0.2, width: 0.1, height: 0.3 };
const camera: CameraView = {
  id: 'gate',
  name: 'Gate',
  enabled: true,
  address: 'rtsp://192.0.2.20/s',
  state: 'live',
  since: at - 60_000,
  streams: { detect: { codec: 'h264', width: 640, height: 360, fps: 10, keyframeSeconds: 2 } },
  calibrated: true,
  record: 'events',
  recording: true,
  objects: [
    {
      event: 'e1',
      label: 'person',
      score: 0.812345,
      box,
      since: at - 5_000,
      stationary: false,
      distances: { gate: { metres: 4.1234, sigma: 0.21 } },
      speed: 1.2,
      zones: ['drive'],
    },
  ],
};
const event: StoredEvent = {
  id: 'e1',
  at: at - 5_000,
  camera: 'gate',
  label: 'person',
  confidence: 0.9,
  box,
  seenAt: at,
  closed: false,
  snapshot: '2026-01-31/snapshot_080000.jpg',
  snapshotGone: false,
  data: { nearest: { gate: 4.12 } },
};
const alert: StoredAlert = {
  id: 'a1',
  at,
  rule: 'gate_person',
  camera: 'gate',
  event: 'e1',
  label: 'person',
  message: 'A person, 4 metres from the gate',
  severity: 'warning',
  distance: 4.12,
  falsePositive: false,
  why: { score: 0.8 },
};

async function app() {
  const house = new SimHouse(at);
  house.cctv.cameras = [camera];
  house.cctv.eventRows = [event];
  house.cctv.alertRows = [alert];
  const server = await createApp(house);
  closers.push(() => server.close());
  const ask = async (url: string, body?: object, headers: Record<string, string> = {}) => {
    const reply = await server.inject({
      url,
      ...(body === undefined ? {} : { method: 'POST', payload: body }),
      headers: { host: 'localhost:8000', ...headers },
    });
    return { status: reply.statusCode, type: reply.headers['content-type'], raw: reply.rawPayload, reply };
  };
  return { house, ask, signedIn: { authorization: `Bearer ${house.token}` } };
}

test('all cameras are one picture, without a word of credentials', async () => {
  const { ask } = await app();
  const { reply } = await ask('/api/cctv');
  expect(reply.json()).toMatchObject({
    at: '2026-01-31T08:00:00.000Z',
    events_today: 1,
    cameras: [
      {
        id: 'gate',
        address: 'rtsp://192.0.2.20/s',
        state: 'live',
        streams: { detect: { codec: 'h264', width: 640, height: 360, fps: 10, keyframe_seconds: 2 } },
        objects: [{ label: 'person', score: 0.812, distances: { gate: { metres: 4.12, sigma: 0.21 } } }],
      },
    ],
  });
});

test('a camera, an event and an alert that nobody knows are 404', async () => {
  const { ask } = await app();
  for (const url of ['/api/cctv/cameras/none', '/api/cctv/events/none', '/api/cctv/events/none/clip.mp4'])
    expect((await ask(url)).status).toBe(404);
});

test('what was held back is listed with its reason', async () => {
  const { ask, house } = await app();
  const row = { at, camera: 'gate', event: 'e1', reason: 'alex is home' };
  house.cctv.suppressedRows = [
    { ...row, rule: 'gate_person' },
    { ...row, rule: 'other' },
  ];
  expect((await ask('/api/cctv/suppressed?rule=gate_person')).reply.json()).toEqual({
    suppressed: [
      {
        at: '2026-01-31T08:00:00.000Z',
        rule: 'gate_person',
        camera: 'gate',
        event: 'e1',
        reason: 'alex is home',
      },
    ],
    next: null,
  });
});

test('an event comes with the alerts that it made', async () => {
  const { ask } = await app();
  expect((await ask('/api/cctv/events/e1')).reply.json()).toMatchObject({
    id: 'e1',
    open: true,
    snapshot: '/api/cctv/events/e1/snapshot.jpg',
    alerts: [{ id: 'a1', message: 'A person, 4 metres from the gate', distance_metres: 4.12 }],
  });
  expect((await ask('/api/cctv/events?camera=other')).reply.json()).toEqual({ events: [], next: null });
});

test('a picture is sent as it lies on the disk, and one that was let go is a 404', async () => {
  const { house, ask } = await app();
  const folder = mkdtempSync(path.join(tmpdir(), 'lares-pictures-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'one.jpg');
  writeFileSync(file, Buffer.from([0xff, 0xd8, 1, 2, 3]));
  house.cctv.pictures.set('e1', file);
  const { status, type, raw } = await ask('/api/cctv/events/e1/snapshot.jpg');
  expect([status, type, [...raw]]).toEqual([200, 'image/jpeg', [0xff, 0xd8, 1, 2, 3]]);
  rmSync(file);
  expect((await ask('/api/cctv/events/e1/snapshot.jpg')).status).toBe(404);
});

test('the video of an event is one file', async () => {
  const { house, ask } = await app();
  house.cctv.videos.set('e1', new Uint8Array([0, 0, 0, 8]));
  const { status, type, raw } = await ask('/api/cctv/events/e1/clip.mp4');
  expect([status, type, [...raw]]).toEqual([200, 'video/mp4', [0, 0, 0, 8]]);
});

test('a player gets any part of the video, and all of it once the event has gone on', async () => {
  const { house, ask } = await app();
  house.cctv.videos.set('e1', new Uint8Array([0, 1, 2, 3, 4]));
  const part = async (headers: Record<string, string>) => {
    const { status, raw, reply } = await ask('/api/cctv/events/e1/clip.mp4', undefined, headers);
    return {
      status,
      bytes: [...raw],
      range: reply.headers['content-range'],
      etag: String(reply.headers.etag),
    };
  };
  const { etag } = await part({});
  const second = { status: 206, bytes: [1, 2], range: 'bytes 1-2/5', etag };
  expect(await part({ range: 'bytes=1-2' })).toEqual(second);
  expect(await part({ range: 'bytes=1-2', 'if-range': etag })).toEqual(second);
  expect(await part({ range: 'bytes=9-' })).toMatchObject({ status: 416, bytes: [], range: 'bytes */5' });
  house.cctv.videos.set('e1', new Uint8Array([0, 1, 2, 3, 4, 5]));
  expect(await part({ range: 'bytes=1-2', 'if-range': etag })).toMatchObject({
    status: 200,
    bytes: [0, 1, 2, 3, 4, 5],
  });
});

test('only who is signed in calls an alert false', async () => {
  const { house, ask, signedIn } = await app();
  expect((await ask('/api/cctv/alerts/a1/false', {})).status).toBe(401);
  expect(house.cctv.alertRows[0]?.falsePositive).toBe(false);
  expect((await ask('/api/cctv/alerts/a1/false', {}, signedIn)).reply.json()).toEqual({
    id: 'a1',
    false_alarm: true,
  });
  expect(house.cctv.alertRows[0]?.falsePositive).toBe(true);
  expect((await ask('/api/cctv/alerts/none/false', {}, signedIn)).status).toBe(404);
});

test('only who is signed in sets the mode of the house, and auto takes it back', async () => {
  const { ask, signedIn } = await app();
  const away = { mode: 'away', minutes: 30 };
  expect((await ask('/api/guard/mode', away)).status).toBe(401);
  expect((await ask('/api/guard')).reply.json()).toMatchObject({ mode: 'home', why: 'somebody is home' });
  expect((await ask('/api/guard/mode', away, signedIn)).reply.json()).toEqual({
    mode: 'away',
    why: 'set by hand',
    until: '2026-01-31T08:30:00.000Z',
  });
  expect((await ask('/api/guard/mode', { mode: 'auto' }, signedIn)).reply.json()).toMatchObject({
    mode: 'home',
  });
  expect((await ask('/api/guard/mode', { mode: 'asleep' }, signedIn)).status).toBe(400);
});
