import { connectAsync } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DeviceView, ElectricityView } from '#electricity/index.ts';
import { systemClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { silent } from '#platform/log.ts';
import { mosquitto, mosquittoProgram, type Mosquitto } from '../../../../tests/servers/mosquitto.ts';
import { until } from '../../../../tests/servers/process.ts';
import { mqttConfig } from './config.ts';
import { electricityFeed } from './electricity.render.ts';
import { MqttSink } from './sink.ts';

const lamp = (more: Partial<DeviceView> = {}): DeviceView => ({
  device: { id: 'kasa:1', source: 'kasa', name: 'Living room lamp', model: 'HS110' },
  path: 'kasa.living_room_lamp',
  state: 'ok',
  control: 'allowed',
  values: { power_watts: 40.12345, is_on: 1 },
  measuredAt: 0,
  energy: undefined,
  costToday: undefined,
  ...more,
});

/** A house that the test changes, and that notes what it is asked to switch. */
class House {
  devices: DeviceView[];
  readonly asked: string[] = [];
  readonly #listeners = new Set<() => void>();
  constructor(...devices: DeviceView[]) {
    this.devices = devices;
  }
  view = () => ({ at: 0, devices: this.devices, house: {} }) as unknown as ElectricityView;
  onChange = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  turn = async (path: string, on: boolean, actor: string) => void this.asked.push(`${path} ${on} ${actor}`);
  set(...devices: DeviceView[]) {
    this.devices = devices;
    for (const listener of this.#listeners) listener();
  }
}

const acl = [
  'user lares',
  'topic readwrite lares/#',
  'topic readwrite homeassistant/#',
  'user test',
  'topic readwrite #',
];
let broker: Mosquitto;
beforeAll(async () => {
  if (mosquittoProgram !== undefined)
    broker = await mosquitto({ users: { lares: 'pw-lares', test: 'pw-test' }, acl });
});
afterAll(() => broker?.remove());
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

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
  return { topics, client };
}

function sink(house: House) {
  const stop = new AbortController();
  const config = mqttConfig.parse({ url: broker.url, username: 'lares', password: 'pw-lares' });
  const ended = new MqttSink(config, {
    clock: systemClock,
    log: silent,
    health: new Health(systemClock),
    feeds: [electricityFeed(house)],
    homeName: 'Home',
    random: () => 0,
  }).run(stop.signal);
  const end = () => (stop.abort(), ended);
  closers.push(end);
  return end;
}

const config = 'homeassistant/device/lares_electricity/kasa_living_room_lamp/config';
const state = 'lares/electricity/kasa/living_room_lamp/state';

describe.skipIf(mosquittoProgram === undefined)(
  'with a real broker (skipped without the Debian package mosquitto)',
  () => {
    test('a plug becomes a device of Home Assistant with sensors and a switch', async () => {
      const { topics } = await observer();
      sink(new House(lamp()));
      const availability = 'lares/electricity/kasa/living_room_lamp/availability';
      await until(() => topics.has(state) && topics.has(config) && topics.has(availability));
      expect(JSON.parse(topics.get(state)!)).toEqual({ power_watts: 40.123, is_on: 'ON' });
      const shown = JSON.parse(topics.get(config)!) as { components: Record<string, object> };
      expect(shown).toMatchObject({
        device: { name: 'Living room lamp', model: 'HS110' },
        state_topic: state,
        components: {
          power_watts: { platform: 'sensor', device_class: 'power', unit_of_measurement: 'W' },
          energy_total_kwh: { state_class: 'total_increasing', unit_of_measurement: 'kWh' },
          is_on: { platform: 'switch', command_topic: 'lares/electricity/kasa/living_room_lamp/set' },
        },
      });
      expect(topics.get(availability)).toBe('online');
    });

    test('a command switches, with its origin; a retained one and nonsense do not', async () => {
      const { topics, client } = await observer();
      const house = new House(lamp());
      await client.publishAsync('lares/electricity/kasa/living_room_lamp/set', 'OFF', { retain: true });
      sink(house);
      await until(() => topics.has(state));
      await client.publishAsync('lares/electricity/kasa/living_room_lamp/set', 'maybe');
      await client.publishAsync('lares/electricity/kasa/living_room_lamp/set', 'ON');
      await until(() => house.asked.length > 0);
      expect(house.asked).toEqual(['kasa.living_room_lamp true mqtt']);
    });

    test('a device that must not be switched is shown without a switch, and a silent one as unavailable', async () => {
      const { topics } = await observer();
      const house = new House(lamp({ control: 'forbidden' }));
      sink(house);
      await until(() => topics.has(config));
      expect(JSON.parse(topics.get(config)!)).toMatchObject({
        components: { is_on: { platform: 'binary_sensor' } },
      });
      house.set(lamp({ control: 'forbidden', state: 'silent', values: {} }));
      const availability = 'lares/electricity/kasa/living_room_lamp/availability';
      await until(() => topics.get(availability) === 'offline');
      // Known for once, it stays: an entity that comes and goes loses its place on a dashboard.
      const { components } = JSON.parse(topics.get(config)!) as { components: Record<string, object> };
      expect(components['is_on']).toMatchObject({
        platform: 'binary_sensor',
        value_template: '{{ value_json.is_on | default(None) }}',
      });
    });

    test('a device that is gone is removed, also when it went while we were not running', async () => {
      const { topics } = await observer();
      const other = lamp({ path: 'meter', device: { id: 'pulse:1', source: 'meter', name: 'Meter' } });
      const house = new House(lamp(), other);
      const end = sink(house);
      await until(
        () => topics.size === 7,
        () => [...topics.keys()].join(),
      );
      house.set(lamp());
      await until(
        () => topics.size === 4,
        () => [...topics.keys()].join(),
      );
      await end();
      sink(new House(other));
      await until(
        () => topics.has('lares/electricity/meter/state') && !topics.has(config) && !topics.has(state),
      );
      expect([...topics.keys()].filter((t) => t.includes('lamp'))).toEqual([]);
    });
  },
);
