import { connectAsync } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import type { PersonView, PresenceView } from '#presence/index.ts';
import { mosquitto, mosquittoProgram, type Mosquitto } from '../../../../tests/servers/mosquitto.ts';
import { launch, stop, until } from '../../../../tests/servers/process.ts';
import { mqttConfig } from './config.ts';
import { personOf, presenceFeed } from './presence.render.ts';
import { MqttSink } from './sink.ts';

const since = Date.UTC(2026, 10, 21, 8, 41);
const person = (slug: string, state: PersonView['state']): PersonView => ({
  person: slug,
  name: slug[0]?.toUpperCase() + slug.slice(1),
  state,
  probability: state === 'home' ? 0.987 : 0.02,
  since: state === 'unknown' ? undefined : since,
  lastSeen: undefined,
  from: { wifi: state === 'home' ? 1 : 0, homeassistant: 0, tado: 0 },
  evidence: [],
  conflict: undefined,
});
const view = (...people: PersonView[]): PresenceView => ({
  at: since,
  people,
  countHome: people.filter((p) => p.state === 'home').length,
  devicesPresent: 7,
  guests: 0,
});

/** A presence picture that the test changes. */
class Feed {
  #view: PresenceView;
  readonly #listeners = new Set<(next: PresenceView) => void>();
  constructor(first: PresenceView) {
    this.#view = first;
  }
  view() {
    return this.#view;
  }
  onChange(listener: (next: PresenceView) => void) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  set(next: PresenceView) {
    this.#view = next;
    for (const listener of this.#listeners) listener(next);
  }
}

// The rights that docs recommend: no more than what the sink needs.
const acl = [
  'user lares',
  'topic readwrite lares/#',
  'topic readwrite homeassistant/#',
  'user test',
  'topic readwrite #',
];

test('a topic names a person only where it is one of ours', () => {
  const naming = { topic: 'lares', discovery_prefix: 'homeassistant', homeName: 'Home' };
  expect(
    [
      'lares/person/alex/state',
      'homeassistant/device_tracker/lares/sam/config',
      'homeassistant/device_tracker/other/sam/config',
      'lares/person//state',
      'lares/person/a/b/state',
      'lares/status',
    ].map((topic) => personOf(naming, topic)),
  ).toEqual(['alex', 'sam', undefined, undefined, undefined, undefined]);
});

let broker: Mosquitto;
beforeAll(async () => {
  if (mosquittoProgram !== undefined)
    broker = await mosquitto({ users: { lares: 'pw-lares', test: 'pw-test' }, acl, tls: true });
});
afterAll(() => broker?.remove());
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Another client that remembers the last payload of each topic; what is empty is gone. */
async function observer() {
  const topics = new Map<string, string>();
  const heard: string[] = [];
  const client = await connectAsync(broker.url, {
    username: 'test',
    password: 'pw-test',
    reconnectPeriod: 200,
  });
  client.on('error', () => {});
  client.on('message', (topic, payload) => {
    heard.push(topic);
    if (payload.length === 0) topics.delete(topic);
    else topics.set(topic, payload.toString());
  });
  await client.subscribeAsync('#');
  closers.push(async () => {
    for (const topic of topics.keys())
      if (client.connected) await client.publishAsync(topic, '', { retain: true });
    client.end(true);
  });
  return { topics, heard, client };
}

function sink(feed: Feed, settings: object = {}) {
  const stopping = new AbortController();
  const health = new Health(systemClock);
  const lines: string[] = [];
  const mqtt = new MqttSink(
    mqttConfig.parse({ url: broker.url, username: 'lares', password: 'pw-lares', ...settings }),
    {
      clock: systemClock,
      log: new Logger({ write: (line) => lines.push(line) }),
      health,
      feeds: [presenceFeed(feed)],
      homeName: 'Home',
      random: () => 0,
    },
  );
  const ended = mqtt.run(stopping.signal);
  const end = () => (stopping.abort(), ended);
  closers.push(end);
  return { mqtt, health, lines, end, state: () => health.get('mqtt')?.state };
}

describe.skipIf(mosquittoProgram === undefined)(
  'with a real broker (skipped without the Debian package mosquitto)',
  () => {
    test('the broker is told every person, the sums and how Home Assistant shall show them', async () => {
      const { topics } = await observer();
      sink(new Feed(view(person('alex', 'home'), person('sam', 'away'), person('jo', 'unknown'))));
      await until(() => topics.size === 16);
      const shared = {
        availability_topic: 'lares/status',
        device: { identifiers: ['lares'], name: 'Home', manufacturer: 'Lares' },
        origin: { name: 'Lares' },
      };
      const tracker = (slug: string, name: string) => ({
        name,
        unique_id: `lares_${slug}`,
        state_topic: `lares/person/${slug}/state`,
        json_attributes_topic: `lares/person/${slug}/attributes`,
        payload_home: 'home',
        payload_not_home: 'not_home',
        payload_reset: 'None',
        source_type: 'router',
        ...shared,
      });
      const parsed = Object.fromEntries(
        [...topics].map(([topic, payload]) => [
          topic,
          payload.startsWith('{') ? JSON.parse(payload) : payload,
        ]),
      );
      expect(parsed).toEqual({
        'lares/status': 'online',
        'homeassistant/device_tracker/lares/alex/config': tracker('alex', 'Alex'),
        'homeassistant/device_tracker/lares/sam/config': tracker('sam', 'Sam'),
        'homeassistant/device_tracker/lares/jo/config': tracker('jo', 'Jo'),
        'homeassistant/binary_sensor/lares/anyone_home/config': {
          name: 'Anyone home',
          device_class: 'presence',
          unique_id: 'lares_house_anyone_home',
          state_topic: 'lares/house/anyone_home',
          ...shared,
        },
        'homeassistant/sensor/lares/count_home/config': {
          name: 'People home',
          state_class: 'measurement',
          unit_of_measurement: 'people',
          unique_id: 'lares_house_count_home',
          state_topic: 'lares/house/count_home',
          ...shared,
        },
        'homeassistant/sensor/lares/devices_present/config': {
          name: 'Devices present',
          state_class: 'measurement',
          unit_of_measurement: 'devices',
          unique_id: 'lares_house_devices_present',
          state_topic: 'lares/house/devices_present',
          ...shared,
        },
        'lares/person/alex/state': 'home',
        'lares/person/alex/attributes': {
          probability: 0.99,
          since: '2026-11-21T08:41:00.000Z',
          sources: ['wifi'],
        },
        'lares/person/sam/state': 'not_home',
        'lares/person/sam/attributes': { probability: 0.02, since: '2026-11-21T08:41:00.000Z', sources: [] },
        'lares/person/jo/state': 'None',
        'lares/person/jo/attributes': { probability: 0.02, since: null, sources: [] },
        'lares/house/anyone_home': 'ON',
        'lares/house/count_home': '1',
        'lares/house/devices_present': '7',
      });
    });

    test('a change is published at once, and only what changed', async () => {
      const { topics, heard } = await observer();
      const feed = new Feed(view(person('alex', 'home')));
      sink(feed);
      await until(() => topics.size === 10);
      heard.length = 0;
      feed.set(view(person('alex', 'away')));
      await until(() => heard.length === 4);
      expect(heard).toEqual([
        'lares/person/alex/state',
        'lares/person/alex/attributes',
        'lares/house/anyone_home',
        'lares/house/count_home',
      ]);
      expect(topics.get('lares/person/alex/state')).toBe('not_home');
    });

    test('everything is retained: who comes later hears it', async () => {
      const { mqtt } = sink(new Feed(view(person('alex', 'home'))));
      await until(() => mqtt.stats.published >= 10);
      const { topics } = await observer();
      await until(() => topics.size === 10);
      expect(topics.get('lares/person/alex/state')).toBe('home');
    });

    test('a start of Home Assistant makes us say everything again', async () => {
      const { topics, heard, client } = await observer();
      sink(new Feed(view(person('alex', 'home'))));
      await until(() => topics.size === 10);
      heard.length = 0;
      await client.publishAsync('homeassistant/status', 'online');
      await until(() => heard.length === 11);
      expect(heard).toContain('homeassistant/device_tracker/lares/alex/config');
    });

    test('somebody who leaves the settings is removed from Home Assistant, also while we were not running', async () => {
      const { topics } = await observer();
      const feed = new Feed(view(person('alex', 'home'), person('sam', 'home'), person('jo', 'home')));
      const first = sink(feed);
      await until(() => topics.size === 16);
      feed.set(view(person('alex', 'home'), person('sam', 'home')));
      await until(() => topics.size === 13);
      await first.end();
      sink(new Feed(view(person('alex', 'home'))));
      await until(() => topics.size === 10);
      expect([...topics.keys()].filter((t) => /sam|jo/.test(t))).toEqual([]);
    });

    test('a stop says offline, and so does the will of a process that is killed', async () => {
      const { topics } = await observer();
      const polite = sink(new Feed(view(person('alex', 'home'))));
      await until(() => topics.get('lares/status') === 'online');
      await polite.end();
      await until(() => topics.get('lares/status') === 'offline');
      const { child, output } = launch(process.execPath, [
        '--input-type=module',
        '-e',
        `
    import { MqttSink } from '#metrics/sinks/mqtt/sink.ts';
    import { mqttConfig } from '#metrics/sinks/mqtt/config.ts';
    import { presenceFeed } from '#metrics/sinks/mqtt/presence.render.ts';
    import { systemClock } from '#platform/clock.ts';
    import { Health } from '#platform/health.ts';
    import { silent } from '#platform/log.ts';
    const view = { at: 0, people: [], countHome: 0, devicesPresent: 0, guests: 0 };
    const config = mqttConfig.parse({ url: '${broker.url}', username: 'lares', password: 'pw-lares' });
    await new MqttSink(config, { clock: systemClock, log: silent, health: new Health(systemClock),
      feeds: [presenceFeed({ view: () => view, onChange: () => () => {} })], homeName: 'Home' }).run(new AbortController().signal);
  `,
      ]);
      closers.push(() => stop(child, 'SIGKILL'));
      await until(() => topics.get('lares/status') === 'online', output);
      child.kill('SIGKILL');
      await until(() => topics.get('lares/status') === 'offline');
    });

    test('a broker that is killed is survived; what changed meanwhile is told when it is back', async () => {
      const { topics } = await observer();
      const feed = new Feed(view(person('alex', 'home')));
      const { mqtt, state, lines } = sink(feed);
      await until(() => topics.size === 10);
      await broker.stop('SIGKILL');
      await until(() => state() === 'down');
      feed.set(view(person('alex', 'away')));
      expect(mqtt.stats.connected).toBe(false);
      await broker.start();
      await until(() => state() === 'ok' && topics.get('lares/person/alex/state') === 'not_home');
      await until(() => topics.get('lares/status') === 'online');
      expect(lines.some((line) => /mqtt error: the broker mqtt:\/\/127\.0\.0\.1:\d+/.test(line))).toBe(true);
    });

    test('a wrong password is said once, without the password', async () => {
      const { health, state, lines } = sink(new Feed(view()), { password: 'pw-of-somebody-else' });
      await until(() => state() === 'down');
      expect(health.get('mqtt')?.detail).toBe(
        `the broker ${broker.url} refused the user name or password; check mqtt.username and MQTT_PASSWORD`,
      );
      expect(lines).toHaveLength(1);
      expect(lines.join()).not.toContain('pw-of');
    });

    test('a broker with TLS is trusted by its authority, or not at all', async () => {
      const trusted = sink(new Feed(view()), { url: broker.tlsUrl, ca_file: broker.caFile });
      await until(() => trusted.state() === 'ok');
      await trusted.end();
      const stranger = sink(new Feed(view()), { url: broker.tlsUrl });
      await until(() => stranger.state() === 'down');
      expect(stranger.health.get('mqtt')?.detail).toMatch(/certificate/);
      const missing = sink(new Feed(view()), { url: broker.tlsUrl, ca_file: '/nowhere/ca.pem' });
      await until(() => missing.state() === 'down');
      expect(missing.health.get('mqtt')?.detail).toMatch(/ENOENT/);
    });

    test('a broker that forbids reading is still told everything', async () => {
      const { topics } = await observer();
      const feed = new Feed(view(person('alex', 'home')));
      sink(feed, { discovery_prefix: 'forbidden' });
      await until(() => topics.get('lares/person/alex/state') === 'home');
      feed.set(view(person('alex', 'away')));
      await until(() => topics.get('lares/person/alex/state') === 'not_home');
    });
  },
);
