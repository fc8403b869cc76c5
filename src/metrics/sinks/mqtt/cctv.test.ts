import { connectAsync } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { CameraView, CctvView } from '#cctv/index.ts';
import { systemClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { silent } from '#platform/log.ts';
import { mosquitto, mosquittoProgram, type Mosquitto } from '../../../../tests/servers/mosquitto.ts';
import { until } from '../../../../tests/servers/process.ts';
import { cctvFeed, type LastAlert } from './cctv.render.ts';
import { mqttConfig } from './config.ts';
import { MqttSink } from './sink.ts';

const naming = { topic: 'lares', discovery_prefix: 'homeassistant', homeName: 'Home' };
const seenAt = Date.UTC(2026, 10, 21, 8, 41);
const box = { left: 0, top: 0, width: 0.1, height: 0.2 };

const camera = (id: string, more: Partial<CameraView> = {}): CameraView => ({
  id,
  name: id === 'front' ? 'Front door' : id,
  enabled: true,
  address: 'rtsp://192.0.2.21:554/stream1',
  state: 'live',
  since: seenAt,
  streams: {},
  stats: {
    decodedFps: 10,
    fps: 4.96,
    frames: 100,
    detections: 3,
    dropped: 0,
    decodeErrors: 0,
    reconnects: 0,
    inferMs: 7,
    latencyMs: 20,
    motion: 0.1,
    bytes: 1_000,
  },
  calibrated: false,
  record: 'off',
  recording: false,
  objects: [],
  ...more,
});

const thing = (label: string): CameraView['objects'][number] => ({
  event: label,
  label,
  score: 0.8,
  box,
  since: seenAt,
  stationary: false,
  distances: {},
  zones: [],
});

/** Cameras that the test changes. */
class House {
  cameras: readonly CameraView[];
  readonly alerts = new Map<string, LastAlert>();
  readonly #listeners = new Set<() => void>();
  constructor(...cameras: CameraView[]) {
    this.cameras = cameras;
  }
  view = (): CctvView => ({
    at: seenAt,
    cameras: this.cameras,
    detector: undefined,
    eventsToday: 0,
    alertsToday: 0,
    eventsWritten: true,
    diskBytes: undefined,
  });
  lastAlert = (id: string) => this.alerts.get(id);
  onChange = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  set(...cameras: CameraView[]) {
    this.cameras = cameras;
    for (const listener of this.#listeners) listener();
  }
}

test('a topic names a camera only where it is one of ours', () => {
  const feed = cctvFeed(new House());
  expect(
    [
      'lares/cctv/front/state',
      'homeassistant/device/lares_cctv/front/config',
      'homeassistant/device/other_cctv/front/config',
      'lares/cctv//state',
      'lares/cctv/front/door/state',
      'lares/electricity/front/state',
    ].map((topic) => feed.subjectOf(naming, topic)),
  ).toEqual(['front', 'front', undefined, undefined, undefined, undefined]);
});

test('everything that is said of a camera is taken back when it goes', () => {
  const feed = cctvFeed(new House(camera('front')));
  const said = feed.messages(naming).map(({ topic }) => topic);
  expect(feed.removal(naming, 'front').toSorted((a, b) => a.topic.localeCompare(b.topic))).toEqual(
    said.toSorted((a, b) => a.localeCompare(b)).map((topic) => ({ topic, payload: '' })),
  );
});

let broker: Mosquitto;
beforeAll(async () => {
  if (mosquittoProgram !== undefined) {
    const acl = [
      'user lares',
      'topic readwrite lares/#',
      'topic readwrite homeassistant/#',
      'user test',
      'topic readwrite #',
    ];
    broker = await mosquitto({ users: { lares: 'pw-lares', test: 'pw-test' }, acl });
  }
});
afterAll(() => broker?.remove());
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** What the broker keeps, as somebody sees it who comes now. */
async function observer() {
  const topics = new Map<string, string>();
  const client = await connectAsync(broker.url, { username: 'test', password: 'pw-test' });
  client.on('message', (topic, payload) => {
    if (payload.length === 0) topics.delete(topic);
    else topics.set(topic, payload.toString());
  });
  await client.subscribeAsync('#');
  closers.push(async () => {
    for (const topic of topics.keys()) await client.publishAsync(topic, '', { retain: true, qos: 1 });
    await client.endAsync();
  });
  return topics;
}

function sink(house: House) {
  const stop = new AbortController();
  const ended = new MqttSink(mqttConfig.parse({ url: broker.url, username: 'lares', password: 'pw-lares' }), {
    clock: systemClock,
    log: silent,
    health: new Health(systemClock),
    feeds: [cctvFeed(house)],
    homeName: 'Home',
    random: () => 0,
  }).run(stop.signal);
  const end = () => (stop.abort(), ended);
  closers.push(end);
  return end;
}

const config = 'homeassistant/device/lares_cctv/front/config';
const state = 'lares/cctv/front/state';
const availability = 'lares/cctv/front/availability';

describe.skipIf(mosquittoProgram === undefined)(
  `with a real broker${mosquittoProgram === undefined ? ' (needs the Debian package mosquitto)' : ''}`,
  () => {
    test('a camera becomes a device of Home Assistant with its state, retained', async () => {
      const house = new House(camera('front', { objects: [thing('person'), thing('dog')] }));
      house.alerts.set('front', { at: seenAt, text: 'A person, 4 metres from the gate' });
      sink(house);
      const early = await observer();
      await until(() => early.has(config) && early.has(state) && early.has(availability));
      const topics = await observer();
      await until(() => topics.has(config) && topics.has(state) && topics.has(availability));
      expect(JSON.parse(topics.get(state)!)).toEqual({
        connected: 'ON',
        person: 'ON',
        car: 'OFF',
        fps: 5,
        last_alert: 'A person, 4 metres from the gate',
        last_alert_at: '2026-11-21T08:41:00.000Z',
      });
      expect(topics.get(availability)).toBe('online');
      const ours = { topic: 'lares/status' };
      const entity = (key: string, platform: string, available: object[]) => ({
        platform,
        unique_id: `lares_camera_front_${key}`,
        value_template: `{{ value_json.${key} | default(None) }}`,
        availability: available,
        availability_mode: 'all',
      });
      const live = [ours, { topic: availability }];
      expect(JSON.parse(topics.get(config)!)).toMatchObject({
        device: { identifiers: ['lares_camera_front'], name: 'Front door', via_device: 'lares' },
        state_topic: state,
        components: {
          connected: { ...entity('connected', 'binary_sensor', [ours]), device_class: 'connectivity' },
          person: { ...entity('person', 'binary_sensor', live), device_class: 'occupancy' },
          car: { ...entity('car', 'binary_sensor', live), device_class: 'occupancy' },
          fps: { ...entity('fps', 'sensor', live), unit_of_measurement: 'fps' },
          last_alert: entity('last_alert', 'sensor', [ours]),
        },
      });
    });

    test('a camera that is down is not connected, and nothing is claimed of what it sees', async () => {
      const house = new House(camera('front', { objects: [thing('car')] }));
      sink(house);
      const topics = await observer();
      await until(() => topics.get(availability) === 'online');
      house.set(camera('front', { state: 'down', objects: [thing('car')] }));
      await until(() => topics.get(availability) === 'offline');
      expect(JSON.parse(topics.get(state)!)).toEqual({ connected: 'OFF' });
    });

    test('a text that Home Assistant would refuse is cut', async () => {
      const house = new House(camera('front'));
      house.alerts.set('front', { at: seenAt, text: 'x'.repeat(400) });
      sink(house);
      const topics = await observer();
      await until(() => topics.has(state));
      expect((JSON.parse(topics.get(state)!) as { last_alert: string }).last_alert).toHaveLength(255);
    });

    test('a camera that is gone or switched off is removed, also while we were not running', async () => {
      const topics = await observer();
      const house = new House(camera('front'), camera('yard'), camera('attic', { enabled: false }));
      const end = sink(house);
      const cameras = () =>
        [...topics.keys()].filter((t) => t.endsWith('/config')).map((t) => t.split('/').at(-2));
      await until(() => cameras().length === 2);
      expect(new Set(cameras())).toEqual(new Set(['front', 'yard']));
      house.set(camera('front'), camera('yard', { enabled: false }));
      await until(() => ![...topics.keys()].some((topic) => topic.includes('yard')));
      await end();
      sink(new House());
      await until(() => ![...topics.keys()].some((topic) => topic.includes('front')));
    });
  },
);
