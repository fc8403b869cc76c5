import { connect, type AddressInfo } from 'node:net';
import { createServer } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { ManualClock, systemClock } from '#platform/clock.ts';
import { webRequest } from '#platform/http-client.ts';
import { publishOnce } from '#platform/mqtt/client.ts';
import { runDriver, type DriverRun } from '../../../../tests/contract/run-driver.ts';
import { MemoryState } from '../../../../tests/servers/memory-store.ts';
import { mosquitto, mosquittoProgram } from '../../../../tests/servers/mosquitto.ts';
import { until } from '../../../../tests/servers/process.ts';
import type { BrokerSettings } from '../../driver.ts';
import type { ElectricitySignal } from '../../model.ts';
import { example, ingressPaths, makePulseDriver } from './driver.ts';
import { PulseSim, type PulseSimOptions } from './sim.ts';

const start = Date.UTC(2026, 10, 21, 8);
const token = 'token-of-the-house-meter';
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

const measured = (run: DriverRun<ElectricitySignal>) =>
  run.signals.flatMap((s) => (s.kind === 'measured' ? [{ at: s.at - start, ...s.values }] : []));

async function house(
  options: { meter?: object; more?: object; broker?: BrokerSettings; state?: MemoryState } = {},
) {
  const clock = new ManualClock(start);
  const state = options.state ?? new MemoryState();
  const driver = makePulseDriver({ state, broker: options.broker });
  const settings = {
    meters: [{ name: 'meter', id: 'house-meter', token, ...options.meter }],
    http: { port: 0 },
    ...options.more,
  };
  const run = runDriver(driver, settings, clock);
  stops.push(() => run.stop());
  await until(() => driver.port !== undefined);
  const url = `http://127.0.0.1:${driver.port}`;
  const sim = (more: PulseSimOptions = {}) => {
    const made = new PulseSim({
      now: () => clock.now(),
      url: `${url}/api/electricity/pulse`,
      token,
      ...more,
    });
    stops.push(() => made.close());
    return made;
  };
  const call = (
    path: string,
    more: { method?: 'GET' | 'POST'; body?: string; headers?: Record<string, string> } = {},
  ) => webRequest({ url: `${url}${path}`, ...more });
  return { clock, state, driver, run, url, sim, call };
}

test('the driver accepts its own example and refuses what it does not know', () => {
  const { config } = makePulseDriver({ state: new MemoryState() });
  expect(config.parse(example)).toMatchObject({ http: { port: 5000 } });
  expect(() => config.parse({ ...example, unknown: 1 })).toThrow('unknown');
  expect(() =>
    config.parse({
      meters: [
        { name: 'a', id: 'x' },
        { name: 'b', id: 'x' },
      ],
    }),
  ).toThrow('same id');
  expect(() => config.parse({ meters: [{ name: 'a', id: 'x', token: 'short' }] })).toThrow('16');
});

test('an ESP32 posts every 5 s: each tick tells power and energy at the instant of the message', async () => {
  const { clock, run, sim } = await house();
  const device = sim({ power: () => 3_600 });
  for (let i = 0; i < 4; i += 1) {
    await clock.advance(4_000);
    await device.step();
    await clock.advance(1_000);
  }
  expect(run.signals[0]).toEqual({
    kind: 'device',
    device: {
      id: 'pulse:house-meter',
      source: 'meter',
      name: 'meter',
      medium: 'electricity',
      model: 'pulse counter',
    },
  });
  expect(measured(run)).toEqual([
    { at: 4_000, power_watts: 3_600, energy_wh: 0 },
    { at: 9_000, power_watts: 3_600, energy_wh: 5 },
    { at: 14_000, power_watts: 3_600, energy_wh: 10 },
    { at: 19_000, power_watts: 3_600, energy_wh: 15 },
  ]);
  expect(device.replies).toEqual([200, 200, 200, 200]);
});

test('between messages the power falls with silence; a device that is away measures nothing', async () => {
  const { clock, run, sim } = await house();
  const device = sim({ power: () => 3_600 });
  for (let i = 0; i < 2; i += 1) {
    await clock.advance(5_000);
    await device.step();
  }
  await clock.advance(60_000);
  const told = measured(run).filter((m) => m.at > 10_000);
  expect(told.map((m) => Math.round(m.power_watts!))).toEqual([362, 241, 180, 144, 120]);
  expect(told.every((m) => m.energy_wh === undefined)).toBe(true);
});

test('a message that comes twice counts once, after our restart as well', async () => {
  const before = await house();
  const device = before.sim({ power: () => 3_600 });
  await device.step();
  await before.clock.advance(10_000);
  const message = device.message();
  const post = (h: Awaited<ReturnType<typeof house>>, body: string) =>
    h.call('/api/electricity/pulse', { method: 'POST', body, headers: { authorization: `Bearer ${token}` } });
  expect((await post(before, message)).text).toBe('{"ok":true,"counted":1,"replayed":0}');
  expect((await post(before, message)).text).toBe('{"ok":true,"counted":0,"replayed":1}');
  await before.clock.advance(5_000);
  expect(measured(before.run).at(-1)?.energy_wh).toBe(10);
  await before.run.stop();
  const after = await house({ state: before.state.copy() });
  await after.clock.advance(20_000);
  expect((await post(after, message)).text).toBe('{"ok":true,"counted":0,"replayed":1}');
  await after.clock.advance(20_000);
  expect(measured(after.run)).toEqual([]);
});

test('a device that was offline sends what it kept: told at its own instants, nothing lost, nothing twice', async () => {
  const { clock, run, sim } = await house();
  const device = sim({ power: () => 3_600 });
  const tick = async () => {
    await clock.advance(5_000);
    await device.step();
  };
  await tick();
  await tick();
  device.fault('offline', 100_000);
  for (let i = 0; i < 20; i += 1) await tick();
  await tick();
  await clock.advance(5_000);
  const energy = measured(run).filter((m) => m.energy_wh !== undefined);
  expect(energy.at(-1)).toMatchObject({ at: 115_000, energy_wh: 110 });
  // Each message of the past at most once, in order, right to the pulse.
  expect(energy.map((m) => m.at)).toEqual(energy.map((m) => m.at).toSorted((a, b) => a - b));
  expect(energy.every((m) => Math.abs(m.energy_wh! - (m.at - 5_000) / 1_000) < 0.05)).toBe(true);
  expect(energy.length).toBeGreaterThan(14);
});

test.each([
  'drop',
  'hang',
  'garbage',
  'split',
  'merge',
  'reset',
  'slow',
  'offline',
  'duplicate',
  'skew',
] as const)('the fault %s costs no energy once it is over', async (fault) => {
  const { clock, run, sim } = await house();
  const device = sim({ power: (at) => (at % 60_000 < 30_000 ? 3_600 : 1_800) });
  const first = device.step();
  await first;
  device.fault(fault, 12_000);
  const steps: Promise<void>[] = [];
  for (let i = 0; i < 6; i += 1) {
    await clock.advance(5_000);
    const step = device.step();
    steps.push(step);
    if (fault !== 'hang' || i > 2) await step;
  }
  await clock.advance(5_000);
  expect(measured(run).findLast((m) => m.energy_wh !== undefined)).toMatchObject({
    at: 30_000,
    energy_wh: 30,
  });
});

test('a device that restarts with a saved count, and one that wraps, lose nothing', async () => {
  const { clock, run, sim } = await house({ meter: { wraps_at: 65_536 } });
  const device = sim({ power: () => 7_200, saves: true, wrapsAt: 65_536, firstCount: 65_500 });
  await device.step();
  for (let i = 0; i < 10; i += 1) {
    await clock.advance(5_000);
    if (i % 3 === 2) device.reboot();
    await device.step();
  }
  const drawn = device.wh;
  await clock.advance(5_000);
  expect(measured(run).at(-1)?.energy_wh).toBeCloseTo(drawn, 6);
});

describe('emoncms and Influx senders only change their address', () => {
  test.each([
    [
      'emoncms, fulljson in the query',
      'GET',
      `/input/post?node=emontx&fulljson={"power":431,"pulse":N}&apikey=${token}`,
      '',
      {},
      'ok',
    ],
    [
      'emoncms, lenient json',
      'GET',
      `/input/post.json?node=emontx&json={power:431,pulse:N}&apikey=${token}`,
      '',
      {},
      'ok',
    ],
    [
      'emoncms, form with Bearer',
      'POST',
      '/emoncms/input/post',
      'node=emontx&data={power:431,pulse:N}',
      { authorization: `Bearer ${token}` },
      'ok',
    ],
    [
      'emoncms, apikey in the form',
      'POST',
      '/input/post',
      `node=emontx&data={power:431,pulse:N}&apikey=${token}`,
      {},
      'ok',
    ],
    [
      'emoncms, bulk',
      'POST',
      '/input/bulk',
      `data=[[0,"emontx",{"power":431},{"pulse":N}]]&apikey=${token}`,
      {},
      'ok',
    ],
    [
      'Influx 1, user and password',
      'POST',
      `/write?db=x&u=iotawatt&p=${token}`,
      'meter power=431,pulses=Ni',
      {},
      '',
    ],
    [
      'Influx 1, Basic',
      'POST',
      '/write?db=x',
      'meter power=431,pulses=Ni',
      { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` },
      '',
    ],
    [
      'Influx 2, Token',
      'POST',
      '/api/v2/write?org=o&bucket=b&precision=s',
      'meter power=431,pulses=Ni',
      { authorization: `Token ${token}` },
      '',
    ],
  ] as const)('%s', async (_, method, path, body, headers, answer) => {
    const { clock, run, call } = await house();
    for (const total of [1_000, 1_003]) {
      const reply = await call(encodeURI(path.replace('N', String(total))), {
        method,
        ...(body === '' ? {} : { body: body.replace('N', String(total)) }),
        headers,
      });
      expect([reply.status, reply.text]).toEqual([answer === '' ? 204 : 200, answer]);
      await clock.advance(5_000);
    }
    expect(measured(run)).toEqual([
      { at: 0, power_watts: 431, energy_wh: 0 },
      { at: 5_000, power_watts: 431, energy_wh: 3 },
    ]);
  });
});

test('a strange token is refused, said once, and never shown', async () => {
  const { clock, call, run } = await house();
  const body = JSON.stringify({ id: 'house-meter', total_pulses: 1, uptime_ms: 1 });
  const tries = [
    call('/api/electricity/pulse', { method: 'POST', body }),
    call('/api/electricity/pulse', {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer strange-token-1' },
    }),
    call('/input/post?node=1&csv=1&apikey=strange-token-2'),
    call('/write?u=x&p=strange-token-3', { method: 'POST', body: 'm v=1' }),
  ];
  expect((await Promise.all(tries)).map((r) => r.status)).toEqual([401, 401, 401, 401]);
  await clock.advance(70_000);
  await call('/input/post?node=1&csv=1&apikey=strange-token-2');
  const said = run.lines.filter((line) => /wrong token/.test(line));
  expect(said).toHaveLength(2);
  expect(said[1]).toMatch(/and 3 more/);
  expect(run.lines.join()).not.toMatch(/strange-token/);
});

test('wrong requests get a sentence; nothing else is served', async () => {
  const { call } = await house();
  const headers = { authorization: `Bearer ${token}` };
  const post = (path: string, body: string) => call(path, { method: 'POST', body, headers });
  const replies = await Promise.all([
    post('/api/electricity/pulse', '{nonsense'),
    post('/api/electricity/pulse', JSON.stringify({ id: 'other', total_pulses: 1, uptime_ms: 1 })),
    post('/write', 'meter temperature=20'),
    call('/api/electricity/pulse', { headers }),
    call('/', { headers }),
    call('/__proto__', { headers }),
    post('/api/electricity/pulse', ' '.repeat(70_000)),
  ]);
  expect(replies.map((r) => [r.status, (JSON.parse(r.text) as { message: string }).message])).toEqual([
    [400, 'the body is not JSON'],
    [400, 'the token is not that of a meter with the id "other"'],
    [400, 'none of the fields temperature is one that is read; name it in fields of the meter'],
    [405, 'use POST here'],
    [404, 'there is nothing here'],
    [404, 'there is nothing here'],
    [413, 'more than 65536 bytes'],
  ]);
});

test('a flood from one sender is braked', async () => {
  const { call } = await house();
  const headers = { authorization: `Bearer ${token}` };
  const statuses: number[] = [];
  for (let i = 0; i < 210; i += 1)
    statuses.push((await call('/api/electricity/pulse', { method: 'POST', body: '{', headers })).status);
  expect([statuses.filter((s) => s === 400).length, statuses.filter((s) => s === 429).length]).toEqual([
    200, 10,
  ]);
});

test('a sender that opens a connection and says nothing does not keep the driver from ending', async () => {
  const { driver, run } = await house();
  const socket = connect(driver.port!, '127.0.0.1');
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write('POST /api/electricity/pulse HTTP/1.1\r\n');
  const closed = new Promise((resolve) => socket.once('close', resolve));
  expect(await run.stop()).toBeUndefined();
  await closed;
});

test('the same messages are taken from another server, while the driver runs', async () => {
  const { driver, run, clock } = await house();
  const request = {
    method: 'POST',
    path: ingressPaths[0]!,
    query: new URLSearchParams(),
    headers: { authorization: `Bearer ${token}` },
    body: Buffer.from(JSON.stringify({ id: 'house-meter', total_pulses: 1, uptime_ms: 1 })),
    from: '192.0.2.9',
  };
  expect(driver.ingest(request).status).toBe(200);
  await clock.advance(5_000);
  expect(measured(run)).toEqual([{ at: 0, energy_wh: 0 }]);
  await run.stop();
  expect(driver.ingest(request).status).toBe(503);
});

test('a port that is taken, and MQTT without a broker, are said', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const driver = makePulseDriver({ state: new MemoryState() });
  const meters = [{ name: 'meter', id: 'm' }];
  expect(await runDriver(driver, { meters, http: { port } }).ended).toMatchObject({ code: 'UNREACHABLE' });
  expect(await runDriver(driver, { meters, mqtt: {} }).ended).toMatchObject({ code: 'CONFIG_INVALID' });
});

describe.skipIf(mosquittoProgram === undefined)(
  'over MQTT, with Mosquitto (Debian package mosquitto)',
  () => {
    async function brokered() {
      const server = await mosquitto({ users: { alex: 'secret-of-alex' } });
      stops.push(() => server.remove());
      return { server, broker: { url: server.url, username: 'alex', password: 'secret-of-alex' } };
    }

    test('our own topic, ESPHome and Tasmota; what the broker kept is not taken for new', async () => {
      const { broker } = await brokered();
      const state = new MemoryState();
      const driver = makePulseDriver({ state, broker });
      await publishOnce(broker, 'esp/sensor/p/state', '99', { retain: true });
      await publishOnce(broker, 'lares/pulse/own', '{"id":"own","total_pulses":1,"uptime_ms":1}', {
        retain: true,
      });
      const clock = new ManualClock(start);
      const run = runDriver(
        driver,
        {
          meters: [
            { name: 'own', id: 'own' },
            { name: 'esp', id: 'esp', esphome: { prefix: 'esp', power: 'p', total: 't' } },
            { name: 'tas', id: 'tas', tasmota: { topic: 'tas' } },
          ],
          mqtt: {},
        },
        clock,
      );
      stops.push(() => run.stop());
      await until(() => run.details.includes('connected to the broker'));
      const heard = (name: string) => run.details.filter((d) => d === `heard ${name}`).length;
      const sim = new PulseSim({ now: () => clock.now(), power: () => 3_600, id: 'own', broker });
      await sim.step();
      await clock.advance(4_000);
      await sim.step();
      await publishOnce(broker, 'esp/sensor/p/state', '10');
      await publishOnce(broker, 'esp/sensor/t/state', '500');
      await publishOnce(broker, 'tele/tas/SENSOR', '{"Time":"2026-11-21T08:00:00","COUNTER":{"C1":7}}');
      await publishOnce(broker, 'tele/tas/SENSOR', '{"nothing":1}');
      await until(() => heard('own') === 2 && heard('esp') === 2 && heard('tas') === 1);
      await until(() => run.signals.some((s) => s.kind === 'trouble'));
      await clock.advance(1_000);
      const told = run.signals.flatMap((s) =>
        s.kind === 'measured' ? [[s.id, s.at - start, s.values]] : [],
      );
      expect(told).toEqual([
        ['pulse:own', 4_000, { power_watts: 3_600, energy_wh: 4 }],
        ['pulse:esp', 4_000, { power_watts: 600, energy_wh: 0 }],
        ['pulse:tas', 4_000, { energy_wh: 0 }],
      ]);
      expect(run.signals.filter((s) => s.kind === 'trouble')).toMatchObject([
        { id: 'pulse:tas', address: 'tele/tas/SENSOR', error: { code: 'BAD_REPLY' } },
      ]);
    });

    test('a broker that goes and comes back costs nothing: HTTP goes on, and what was published meanwhile arrives', async () => {
      const { server, broker } = await brokered();
      const driver = makePulseDriver({ state: new MemoryState(), broker });
      const run = runDriver(
        driver,
        {
          meters: [
            { name: 'a', id: 'a', token },
            { name: 'b', id: 'b' },
          ],
          http: { port: 0 },
          mqtt: {},
        },
        systemClock,
      );
      stops.push(() => run.stop());
      await until(() => run.details.includes('connected to the broker'));
      await server.stop('SIGKILL');
      await until(() => run.signals.some((s) => s.kind === 'trouble' && s.error.code === 'UNREACHABLE'));
      const sim = new PulseSim({
        id: 'a',
        token,
        url: `http://127.0.0.1:${driver.port}/api/electricity/pulse`,
      });
      await sim.step();
      expect(sim.replies).toEqual([200]);
      await server.start();
      const before = run.details.filter((d) => d === 'connected to the broker').length;
      await until(() => run.details.filter((d) => d === 'connected to the broker').length > before);
      await new PulseSim({ id: 'b', broker }).step();
      await until(() => run.details.includes('heard b'));
    });
  },
);
