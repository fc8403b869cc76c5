import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { runDriver } from '../../../../tests/contract/run-driver.ts';
import { MemoryState } from '../../../../tests/servers/memory-store.ts';
import { example, ingressPaths, makePulseDriver } from './driver.ts';
import { closeAll, closers, house, measured, token } from './fixture.ts';

afterEach(closeAll);

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
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const driver = makePulseDriver({ state: new MemoryState() });
  const meters = [{ name: 'meter', id: 'm' }];
  expect(await runDriver(driver, { meters, http: { port } }).ended).toMatchObject({ code: 'UNREACHABLE' });
  expect(await runDriver(driver, { meters, mqtt: {} }).ended).toMatchObject({ code: 'CONFIG_INVALID' });
});
