import { afterEach, expect, test } from 'vitest';
import type { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { runDriver } from '../../../../tests/contract/run-driver.ts';
import { until } from '../../../../tests/servers/process.ts';
import { MemoryState } from '../../../../tests/servers/memory-store.ts';
import type { ElectricitySignal } from '../../model.ts';
import { config, example, makeHomeAssistantEnergyDriver } from './driver.ts';
import { HomeAssistantEnergySim, type SimDevice } from './sim.ts';

const start = Date.UTC(2026, 10, 21, 8);
const hour = 3_600_000;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const kettle: SimDevice = {
  slug: 'kettle',
  name: 'Kettle',
  power: () => 2000,
  switchable: true,
  energyWh: 5000,
  mac: '02:00:00:00:00:07',
};

async function house(
  devices: readonly SimDevice[] = [kettle],
  settings: object = { auto: true },
  behindMs = 0,
) {
  const clock = new ManualClock(start);
  const sim = await new HomeAssistantEnergySim({ devices, now: () => clock.now() - behindMs }).listen();
  closers.push(() => sim.close());
  const driver = makeHomeAssistantEnergyDriver({
    state: new MemoryState(),
    homeassistant: { url: sim.url, token: sim.token },
  });
  const run = () => {
    const running = runDriver(driver, settings, clock);
    closers.push(() => running.stop());
    return running;
  };
  return { clock, sim, run };
}

const measured = (signals: readonly ElectricitySignal[]) => signals.filter((s) => s.kind === 'measured');

test('a device is announced with all that is known of it, measured at once, and its changes are pushed', async () => {
  const { clock, sim, run } = await house();
  const running = run();
  await until(() => sim.house.subscribers === 1 && running.details.some((d) => d?.includes('pushed')));
  expect(running.signals[0]).toMatchObject({
    kind: 'device',
    device: {
      id: 'homeassistant:device_kettle',
      source: 'homeassistant',
      name: 'Kettle',
      model: 'Acme Plug',
      firmware: '1.2.3',
      mac: '02:00:00:00:00:07',
      address: 'sensor.kettle_power',
    },
  });
  expect(running.signals[1]).toEqual({
    kind: 'measured',
    id: 'homeassistant:device_kettle',
    at: start,
    values: { power_watts: 2000, energy_wh: 5000, voltage_volts: 230, current_amps: 8.696, is_on: 1 },
  });
  await clock.advance(10_000);
  const before = running.signals.length;
  sim.update();
  await until(() => running.signals.length > before);
  expect(running.signals.at(-1)).toEqual({
    kind: 'measured',
    id: 'homeassistant:device_kettle',
    at: start + 10_000,
    values: { energy_wh: 5006 },
  });
  expect(running.details.at(-1)).toBe('1 devices, pushed');
});

test('large units become watts and watt-hours', async () => {
  const { clock, sim, run } = await house([{ ...kettle, large: true, switchable: false }]);
  const running = run();
  await until(() => sim.house.subscribers === 1);
  expect(measured(running.signals)[0]?.values).toMatchObject({ power_watts: 2000, energy_wh: 5000 });
  await clock.advance(hour);
  sim.update();
  await until(() => measured(running.signals).some((s) => s.values.energy_wh === 7000));
});

test('what does not change is told again, and unavailable is nothing measured and told once', async () => {
  const { clock, sim, run } = await house();
  const running = run();
  await until(() => sim.house.subscribers === 1);
  const before = measured(running.signals).length;
  await clock.advance(30_000);
  await until(() => measured(running.signals).length > before);
  expect(measured(running.signals).at(-1)).toMatchObject({
    at: start + 30_000,
    values: { power_watts: 2000, is_on: 1 },
  });
  sim.fault('unavailable');
  await until(() => running.signals.some((s) => s.kind === 'trouble'));
  const then = measured(running.signals).length;
  await clock.advance(120_000);
  expect(measured(running.signals)).toHaveLength(then);
  const troubles = running.signals.filter((s) => s.kind === 'trouble');
  expect(troubles.map((t) => [t.id, t.address, t.error.code, t.error.message])).toEqual([
    [
      'homeassistant:device_kettle',
      'sensor.kettle_power',
      'UNREACHABLE',
      'sensor.kettle_power is unavailable in Home Assistant; is the device switched on and in reach?',
    ],
  ]);
  sim.fault(undefined);
  await until(() => measured(running.signals).length > then);
});

const watts = (sim: HomeAssistantEnergySim, value: string) =>
  sim.house.setState('sensor.kettle_power', value, { device_class: 'power', unit_of_measurement: 'W' });

test('a change is no older than the report before it, however late the clock of Home Assistant is', async () => {
  const { clock, sim, run } = await house([kettle], { auto: true }, 20_000);
  const running = run();
  await until(() => sim.house.subscribers === 1);
  await clock.advance(30_000);
  await until(() => measured(running.signals).some((s) => s.at === start + 30_000));
  watts(sim, '7');
  await until(() => measured(running.signals).some((s) => s.values.power_watts === 7));
  const instants = measured(running.signals).map((s) => s.at);
  expect(instants).toEqual(instants.toSorted((a, b) => a - b));
});

test('what was asked before a change does not take it back', async () => {
  const { clock, sim, run } = await house([kettle], { auto: true, discovery_interval_seconds: 60 });
  const running = run();
  await until(() => sim.house.subscribers === 1 && running.details.some((d) => d?.includes('pushed')));
  const line = Promise.withResolvers<void>();
  sim.house.line = line.promise;
  const requests = () => sim.house.requests.filter((r) => r.path === '/api/states').length;
  const registries = () => sim.house.heard.filter((m) => m['type'] === 'config/entity_registry/list').length;
  const [asked, read] = [requests(), registries()];
  await clock.advance(60_000);
  await until(() => requests() > asked);
  watts(sim, '7');
  await until(() => measured(running.signals).some((s) => s.values.power_watts === 7));
  line.resolve();
  await until(() => registries() > read);
  await clock.advance(60_000);
  await until(() => measured(running.signals).some((s) => s.at === start + 120_000));
  expect(measured(running.signals).at(-1)?.values.power_watts).toBe(7);
});

test('a switch is turned by a service call and read back', async () => {
  const { sim, run } = await house();
  const running = run();
  await until(() => sim.house.subscribers === 1);
  const [announced] = running.signals.filter((s) => s.kind === 'device');
  const signal = AbortSignal.timeout(60_000);
  expect(await announced?.switches?.turn(false, signal)).toBe(false);
  expect(sim.house.state('switch.kettle')?.state).toBe('off');
  await until(() => measured(running.signals).some((s) => s.values.is_on === 0));
  await until(() => measured(running.signals).some((s) => s.values.power_watts === 0));
  expect(await announced?.switches?.turn(true, signal)).toBe(true);
  sim.fault('401');
  const refused = await announced?.switches?.turn(true, signal).catch((e: unknown) => e as LaresError);
  expect((refused as LaresError).code).toBe('AUTH_REFUSED');
  expect((refused as LaresError).message).not.toContain(sim.token);
});

test('a device without a switch cannot be switched', async () => {
  const { sim, run } = await house([{ ...kettle, switchable: false }]);
  const running = run();
  await until(() => sim.house.subscribers === 1);
  const [announced] = running.signals.filter((s) => s.kind === 'device');
  expect(announced?.switches).toBeUndefined();
  expect(measured(running.signals)[0]?.values).not.toHaveProperty('is_on');
});

test('what Lares told Home Assistant itself is left alone', async () => {
  const { sim, run } = await house([
    kettle,
    { ...kettle, slug: 'lamp', name: 'Lamp', uniqueId: 'lares_electricity_lamp' },
  ]);
  const running = run();
  await until(() => sim.house.subscribers === 1);
  expect(running.signals.filter((s) => s.kind === 'device').map((s) => s.device.name)).toEqual(['Kettle']);
});

test('only named entities are heard when they are named, under their own names', async () => {
  const settings = { entities: [{ entity: 'sensor.kettle_power', name: 'Tea', switch: 'switch.kettle' }] };
  const { sim, run } = await house([kettle, { ...kettle, slug: 'tv', name: 'TV' }], settings);
  const running = run();
  await until(() => sim.house.subscribers === 1);
  expect(running.signals.filter((s) => s.kind === 'device').map((s) => s.device.name)).toEqual(['Tea']);
  expect(measured(running.signals)[0]?.values).toEqual({ power_watts: 2000, is_on: 1 });
  expect(sim.house.heard.find((m) => m['type'] === 'subscribe_entities')).toMatchObject({
    entity_ids: ['sensor.kettle_power', 'switch.kettle'],
  });
});

test('a new device is found at the next search, and the others go on', async () => {
  const { clock, sim, run } = await house([kettle], { auto: true, discovery_interval_seconds: 60 });
  const running = run();
  await until(() => sim.house.subscribers === 1);
  sim.house.setState('sensor.oven_power', '1500', {
    device_class: 'power',
    unit_of_measurement: 'W',
    friendly_name: 'Oven Power',
  });
  await clock.advance(60_000);
  await until(() => running.signals.some((s) => s.kind === 'device' && s.device.name === 'Oven'));
  await until(() => measured(running.signals).some((s) => s.values.power_watts === 1500));
});

test('without a WebSocket the named entities are read over REST', async () => {
  const { clock, sim, run } = await house([kettle], {
    entities: [{ entity: 'sensor.kettle_power', name: 'Tea' }],
  });
  sim.house.socketFault = { status: 400 };
  const running = run();
  await until(() => running.lines.some((line) => line.includes('nothing is pushed')));
  const before = measured(running.signals).length;
  await clock.advance(30_000);
  await until(() => measured(running.signals).length > before);
  expect(running.lines.filter((line) => line.includes('nothing is pushed'))).toHaveLength(1);
});

test.each([
  ['401', 'AUTH_REFUSED'],
  ['403', 'AUTH_REFUSED'],
  ['503', 'UNREACHABLE'],
  ['garbage', 'BAD_REPLY'],
] as const)(
  'a Home Assistant that answers with %s is one clear error without the token',
  async (fault, code) => {
    const { sim, run } = await house();
    sim.fault(fault);
    const error = (await run().ended) as LaresError;
    expect(error.code).toBe(code);
    expect(error.message).not.toContain(sim.token);
  },
);

test('a WebSocket that falls asks the supervisor for a restart', async () => {
  const { sim, run } = await house();
  const running = run();
  await until(() => running.details.some((d) => d?.includes('pushed')));
  sim.fault('reset');
  expect(((await running.ended) as LaresError).message).toBe('Home Assistant closed the WebSocket (1006)');
});

test('without the address of Home Assistant the settings are wrong', async () => {
  const driver = makeHomeAssistantEnergyDriver({ state: new MemoryState() });
  const running = runDriver(driver, { auto: true });
  expect((await running.ended) as LaresError).toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/set homeassistant\.url and HOMEASSISTANT_TOKEN/),
  });
});

test('the example is accepted, and settings that ask for nothing are refused', () => {
  expect(config.parse(example).entities).toHaveLength(2);
  expect(config.safeParse({}).error?.message).toMatch(/set auto: true, or name entities/);
  expect(config.safeParse({ auto: true, colour: 'red' }).error?.message).toMatch(/colour/);
});
