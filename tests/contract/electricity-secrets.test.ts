import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { GlowSim } from '#electricity/drivers/glow/sim.ts';
import { HomeAssistantEnergySim } from '#electricity/drivers/homeassistant/sim.ts';
import type { DriverKind } from '#electricity/drivers/index.ts';
import { KasaSim } from '#electricity/drivers/kasa/sim.ts';
import type { SimWay } from '#electricity/drivers/kasa/sim-models.ts';
import { PulseSim } from '#electricity/drivers/pulse/sim.ts';
import { ShellySim } from '#electricity/drivers/shelly/sim.ts';
import { TasmotaSim } from '#electricity/drivers/tasmota/sim.ts';
import { TuyaSim } from '#electricity/drivers/tuya/sim.ts';
import { freePort, until } from '../servers/process.ts';
import { broker, made, often, type Simulated } from './electricity-edges.ts';
import { runDriver } from './run-driver.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

// Sixteen characters, because a local key of Tuya has as many; URLs and base64 write it otherwise.
const sentinel = 'S3nt+n3l/K&y?=16';
const another = 'an0ther-secret16';

/** The secret in every way in which a careless line might write it. */
const written = [
  sentinel,
  encodeURIComponent(sentinel),
  new URLSearchParams({ a: sentinel }).toString().slice(2),
  JSON.stringify(sentinel).slice(1, -1),
  Buffer.from(sentinel).toString('base64').slice(0, -3),
  Buffer.from(sentinel).toString('hex'),
];

/** The secret that a device asks for; the settings of the driver hold `sentinel`. */
type Start = (wanted: string) => Promise<Simulated>;

const kasa =
  (way: SimWay): Start =>
  async (wanted) => {
    const username = 'alex@example.com';
    const login = { username, password: wanted };
    const sim = await new KasaSim({ model: 'P110', way, login }).listen();
    const ports = { local: 1, http: sim.port };
    const config = { ...often, username, password: sentinel, ports, devices: [{ host: sim.host }] };
    return made('kasa', {}, config, { goesOn: true, close: () => sim.close() });
  };

// Queries of 3.1 travel in the clear: no key is refused there.
const tuya =
  (version: '3.3' | '3.4' | '3.5'): Start =>
  async (wanted) => {
    const id = 'eb0123456789abcdefghij';
    const sim = await new TuyaSim({ id, key: wanted, version }).listen();
    const devices = [{ id, key: sentinel, host: sim.host, port: sim.port, version }];
    return made('tuya', {}, { ...often, devices }, { goesOn: true, close: () => sim.close() });
  };

const shelly =
  (model: 'plug-s' | 'plus-plug-s'): Start =>
  async (wanted) => {
    const sim = await new ShellySim({ model, password: wanted }).listen();
    const config = { ...often, password: sentinel, devices: [{ host: sim.host }] };
    return made('shelly', {}, config, { goesOn: true, close: () => sim.close() });
  };

/** A driver that signs in to a broker with the sentinel. */
const overMqtt =
  (
    kind: DriverKind,
    config: (house: object) => object,
    speak: (device: never) => Promise<{ close(): unknown }>,
  ): Start =>
  async (wanted) => {
    const mqtt = await broker(wanted);
    const house = { ...mqtt.device, password: sentinel };
    const sim = await speak(mqtt.device as never);
    const close = async () => {
      await sim.close();
      await mqtt.close();
    };
    return made(kind, { broker: house }, config(house), { close });
  };

const starts: Readonly<Record<string, Start>> = {
  'kasa over KLAP': kasa('klap2'),
  'kasa over securePassthrough': kasa('aes'),
  'tuya 3.3': tuya('3.3'),
  'tuya 3.4': tuya('3.4'),
  'tuya 3.5': tuya('3.5'),
  'shelly of the first generation': shelly('plug-s'),
  'shelly of the second generation': shelly('plus-plug-s'),
  tasmota_http: async (wanted) => {
    const sim = await new TasmotaSim({ password: wanted }).listen();
    const config = { ...often, password: sentinel, devices: [{ host: sim.host }] };
    return made('tasmota_http', {}, config, { goesOn: true, close: () => sim.close() });
  },
  tasmota: overMqtt(
    'tasmota',
    () => ({}),
    (device) => new TasmotaSim({ telePeriodMs: 200 }).connect(device),
  ),
  glow: overMqtt(
    'glow',
    () => ({}),
    (device) => new GlowSim({ broker: device, everyMs: 200 }).listen(),
  ),
  'glow through the cloud': overMqtt(
    'glow',
    (house) => ({ local: false, cloud: { ...house, device_id: '0123456789ABCDEF' } }),
    (device) => new GlowSim({ broker: device, everyMs: 200, format: 'cloud' }).listen(),
  ),
  'pulse over MQTT': overMqtt(
    'pulse',
    (house) => ({
      meters: [{ name: 'meter', id: 'house', token: sentinel }],
      mqtt: { broker: house },
    }),
    (device) => new PulseSim({ id: 'house', power: () => 40_000, broker: device, everyMs: 200 }).listen(),
  ),
  'pulse over HTTP': async (wanted) => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/api/electricity/pulse`;
    const sim = await new PulseSim({
      id: 'house',
      power: () => 40_000,
      token: wanted,
      url,
      everyMs: 100,
    }).listen();
    const meters = [{ name: 'meter', id: 'house', token: sentinel }];
    const config = { meters, http: { host: '127.0.0.1', port } };
    return made('pulse', {}, config, { mayFallSilent: true, close: () => sim.close() });
  },
  homeassistant: async (wanted) => {
    const sim = await new HomeAssistantEnergySim({
      devices: [{ slug: 'lamp', name: 'Lamp', power: () => 40 }],
    }).listen();
    sim.house.token = wanted;
    const parts = { homeassistant: { url: sim.url, token: sentinel } };
    return made('homeassistant', parts, { auto: true }, { close: () => sim.close() });
  },
};

/** Runs until something has been said or it has ended; all that was said, errors with their causes and stacks. */
async function said(
  { driver, config }: Simulated,
  enough: (kinds: readonly string[]) => boolean,
): Promise<string> {
  const run = runDriver(driver, config);
  let ended = false;
  void run.ended.then(() => (ended = true));
  closers.push(() => run.stop());
  const kinds = () => run.signals.map((signal) => (signal as { kind: string }).kind);
  await until(
    () => ended || enough(kinds()) || run.lines.some((line) => line.includes('wrong token')),
    () => `only ${JSON.stringify(kinds())} and ${run.lines.join('')}`,
  );
  const end = await run.stop();
  return inspect([run.signals, run.lines, run.details, end], { depth: 20, maxArrayLength: null });
}

const leaks = (text: string) => written.filter((secret) => text.includes(secret));

describe.each(Object.entries(starts))('the secret of %s is never told', (_name, start) => {
  test('where it is right', async () => {
    const simulated = await start(sentinel);
    closers.push(() => simulated.close());
    const text = await said(simulated, (kinds) => kinds.includes('measured'));
    expect(text).toContain("kind: 'measured'");
    expect(leaks(text)).toEqual([]);
  });

  test('where it is refused, nor when nobody answers any more', async () => {
    const simulated = await start(another);
    closers.push(() => simulated.close());
    const refused = await said(simulated, (kinds) => kinds.includes('trouble'));
    expect(refused).not.toContain("kind: 'measured'");
    await simulated.close();
    // What only listens has nothing to say of a silence.
    const silent =
      simulated.mayFallSilent === true ? '' : await said(simulated, (kinds) => kinds.includes('trouble'));
    expect([leaks(refused), leaks(silent)]).toEqual([[], []]);
  });
});

test('a line that tells it is found', () => {
  expect(leaks(`GET /cm?password=${encodeURIComponent(sentinel)}`)).toContain(encodeURIComponent(sentinel));
});
