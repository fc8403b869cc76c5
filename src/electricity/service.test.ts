import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { openStore, type Store } from '#store/index.ts';
import { electricityConfig } from './config.ts';
import { Ledger } from './energy/ledger.ts';
import { electricityMigrations } from './energy/repository.ts';
import type { Device, Values } from './model.ts';
import { ElectricityService } from './service.ts';

const start = Date.parse('2026-01-31T08:00:00Z');
const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A house on a real database, whose time the test moves. */
async function house(
  settings: object = {},
  dataDir = mkdtempSync(path.join(tmpdir(), 'lares-electricity-')),
  runs: (kind: string) => boolean = () => true,
) {
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const log = new Logger({ level: 'debug', write: (line) => lines.push(line) });
  const bus = new Bus(() => {});
  const store: Store = await openStore({ dataDir, clock, log, bus, migrations: electricityMigrations });
  closers.push(() => rmSync(dataDir, { recursive: true, force: true }));
  const ledger = new Ledger({ store, log, now: () => clock.now(), timeZone: () => 'UTC' });
  await ledger.load();
  const money = {
    currency: () => 'GBP',
    priceAt: () => 0.25,
    carbonAt: () => undefined,
    costToday: () => undefined,
  };
  const config = electricityConfig.parse(settings);
  const service = new ElectricityService(config, {
    clock,
    log,
    bus,
    store,
    ledger,
    money,
    baseLoadWatts: () => undefined,
    runs,
  });
  await service.start();
  const close = async () => {
    await service.stop();
    await ledger.flush();
    await store.close();
  };
  let closed = false;
  closers.push(async () => {
    if (!closed) await close();
  });
  return {
    service,
    clock,
    bus,
    lines,
    dataDir,
    store,
    end: async () => ((closed = true), close()),
    say: (id: string, values: Values, at = clock.now()) =>
      service.take('kasa', { kind: 'measured', id, at, values }),
    announce: (device: Device, more: object = {}) =>
      service.take('kasa', { kind: 'device', device, everyMs: 30_000, ...more }),
    events: async (kind: string) => store.journal.list({ kinds: [kind], order: 'asc' }),
    device: (name: string) => service.find(name),
  };
}

const lamp: Device = {
  id: 'kasa:80aa01',
  source: 'kasa',
  name: 'Living room lamp',
  model: 'HS110',
  address: '192.0.2.7',
};
const meter: Device = { id: 'pulse:1', source: 'meter', name: 'Meter' };

test('a device that appears is announced in the journal once, and measured under its name', async () => {
  const { announce, say, service, events } = await house();
  announce(lamp);
  announce({ ...lamp, address: '192.0.2.8' });
  say(lamp.id, { power_watts: 40, is_on: 1 });
  expect(service.readings(start)).toContainEqual({
    series: 'home.electricity.kasa.living_room_lamp.power_watts',
    at: start,
    value: 40,
  });
  expect((await events('electricity.discovered')).map((e) => e.data)).toEqual([
    { path: 'kasa.living_room_lamp', name: 'Living room lamp', model: 'HS110', address: '192.0.2.7' },
  ]);
});

test('what a device said holds over one lost poll and not over two', async () => {
  const { announce, say, clock, device } = await house();
  announce(lamp);
  say(lamp.id, { power_watts: 40 });
  await clock.advance(60_000);
  expect(device('kasa.living_room_lamp')).toMatchObject({ state: 'ok', values: { power_watts: 40 } });
  await clock.advance(30_000);
  expect(device('kasa.living_room_lamp')).toMatchObject({
    state: 'silent',
    values: {},
    problem: 'not heard of for 2 min',
  });
});

test('what a source pushes bit by bit holds bit by bit, each for its own time', async () => {
  const { announce, say, clock, device } = await house();
  announce(lamp);
  say(lamp.id, { power_watts: 40, is_on: 1 });
  await clock.advance(50_000);
  say(lamp.id, { energy_wh: 1_000 });
  expect(device('kasa.living_room_lamp').values).toEqual({ power_watts: 40, is_on: 1, energy_wh: 1_000 });
  say(lamp.id, { is_on: 0 }, clock.now() - 10_000);
  expect(device('kasa.living_room_lamp').values).toEqual({ power_watts: 40, is_on: 0, energy_wh: 1_000 });
  await clock.advance(35_000);
  expect(device('kasa.living_room_lamp')).toMatchObject({ state: 'ok', measuredAt: start + 50_000 });
  expect(device('kasa.living_room_lamp').values).toEqual({ is_on: 0, energy_wh: 1_000 });
});

test('a device that answers without anything to tell is there, and what it told before is over', async () => {
  const { announce, say, clock, device } = await house();
  announce(lamp);
  say(lamp.id, {});
  expect(device('kasa.living_room_lamp')).toMatchObject({ state: 'ok', measuredAt: start });
  say(lamp.id, { power_watts: 40 });
  await clock.advance(30_000);
  say(lamp.id, {}, start - 1_000);
  expect(device('kasa.living_room_lamp').values).toEqual({ power_watts: 40 });
  say(lamp.id, { power_watts: Number.NaN });
  expect(device('kasa.living_room_lamp')).toMatchObject({ state: 'ok', measuredAt: start + 30_000 });
  expect(device('kasa.living_room_lamp').values).toEqual({});
});

test('what one device told is not told of the one that took its place', async () => {
  const { announce, say, device, events } = await house();
  announce(lamp);
  say(lamp.id, { power_watts: 40, is_on: 1 });
  announce({ ...lamp, model: 'HS100' });
  say(lamp.id, { is_on: 0 });
  expect(device('kasa.living_room_lamp').values).toEqual({ is_on: 0 });
  expect(await events('electricity.turned-off')).toEqual([]);
});

test('a reading that is dated by a clock that was just set is not moved with the clock again', async () => {
  const { announce, say, clock, bus, device } = await house();
  announce(lamp);
  say(lamp.id, { power_watts: 40, is_on: 1 });
  await clock.advance(10_000);
  const hour = 3_600_000;
  clock.jump(hour);
  say(lamp.id, { power_watts: 50 });
  bus.emit('clock.jumped', { byMs: hour });
  expect(device('kasa.living_room_lamp')).toMatchObject({
    values: { power_watts: 50, is_on: 1 },
    measuredAt: clock.now(),
  });
  await clock.advance(30_000);
  say(lamp.id, { power_watts: 60 });
  expect(device('kasa.living_room_lamp').values.power_watts).toBe(60);
  clock.jump(-hour);
  bus.emit('clock.jumped', { byMs: -hour });
  expect(device('kasa.living_room_lamp')).toMatchObject({ state: 'ok', measuredAt: clock.now() });
});

test('the house goes on with the others when the power of one of its parts is over', async () => {
  const { announce, say, clock, service } = await house();
  announce(lamp);
  announce({ id: 'kasa:80aa02', source: 'kasa', name: 'Kettle' });
  say(lamp.id, { power_watts: 40, is_on: 1 });
  await clock.advance(60_000);
  say(lamp.id, { is_on: 1 });
  say('kasa:80aa02', { power_watts: 2_000 });
  expect(service.view().house.powerWatts).toBe(2_040);
  await clock.advance(30_000);
  expect(service.view().house.powerWatts).toBe(2_000);
  const told = service.readings(clock.now()).map((r) => r.series.replace('home.electricity.kasa.', ''));
  expect(told).toContain('living_room_lamp.is_on');
  expect(told).not.toContain('living_room_lamp.power_watts');
});

const price = { series: 'home.electricity.house.price_per_kwh', at: start, value: 0.25 };

test('a house without a device says nothing about electricity but its price', async () => {
  const { service } = await house();
  expect(service.readings(start)).toEqual([price]);
});

test('trouble is told once with name, address and kind of error, and its end too', async () => {
  const { announce, say, service, clock, lines, device } = await house();
  announce(lamp);
  say(lamp.id, { power_watts: 40 });
  const error = new LaresError('TIMEOUT', 'did not answer within 5 s');
  for (let i = 0; i < 5; i += 1) {
    await clock.advance(30_000);
    service.take('kasa', { kind: 'trouble', id: lamp.id, address: '192.0.2.7', error });
  }
  expect(device('Living room lamp')).toMatchObject({ state: 'down', problem: 'did not answer within 5 s' });
  say(lamp.id, { power_watts: 41 });
  expect(device('Living room lamp')).toMatchObject({ state: 'ok', problem: undefined });
  const told = lines.filter((l) => l.includes('kasa error'));
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('kasa error: Living room lamp (192.0.2.7): TIMEOUT did not answer within 5 s');
  expect(lines.filter((l) => l.includes('answers again'))).toHaveLength(1);
});

test('the same trouble with another number in it is told once', async () => {
  const { announce, service, lines } = await house();
  announce(lamp);
  for (let i = 0; i < 5; i += 1) {
    const error = new LaresError('BAD_REPLY', `not JSON (${i * 7} characters)`);
    service.take('kasa', { kind: 'trouble', id: lamp.id, address: '192.0.2.7', error });
    service.take('kasa', { kind: 'trouble', id: undefined, address: '192.0.2.8', error });
  }
  expect(lines.filter((l) => l.includes('kasa error'))).toHaveLength(2);
});

test('what is not a number was not measured, and a clock that is ahead makes nothing fresh for ever', async () => {
  const { announce, say, clock, device } = await house();
  announce(lamp);
  say(lamp.id, { power_watts: Number.NaN, voltage_volts: 230, nonsense: 1 } as Values, start + 86_400_000);
  expect(device('kasa.living_room_lamp')).toMatchObject({
    values: { voltage_volts: 230 },
    measuredAt: start,
  });
  await clock.advance(120_000);
  expect(device('kasa.living_room_lamp').values).toEqual({});
});

test('a measurement that comes late does not replace a newer one', async () => {
  const { announce, say, device } = await house();
  announce(lamp);
  say(lamp.id, { power_watts: 40 });
  say(lamp.id, { power_watts: 10 }, start - 60_000);
  expect(device('kasa.living_room_lamp').values).toEqual({ power_watts: 40 });
});

test('somebody who presses the button is in the journal as the device itself', async () => {
  const { announce, say, events } = await house();
  announce(lamp);
  say(lamp.id, { is_on: 1 });
  say(lamp.id, { is_on: 1 });
  say(lamp.id, { is_on: 0 });
  const [event, ...more] = await events('electricity.turned-off');
  expect(more).toEqual([]);
  expect(event).toMatchObject({
    subject: 'device:kasa:80aa01',
    cause: 'device',
    data: { name: 'Living room lamp' },
  });
});

test('switching reads back, and says in the journal who, why and what came of it', async () => {
  const { announce, say, service, events } = await house();
  const asked: boolean[] = [];
  announce(lamp, { switches: { turn: async (on: boolean) => (asked.push(on), on) } });
  say(lamp.id, { is_on: 1 });
  const done = await service.turn(
    'living room LAMP',
    false,
    'user:cli',
    'bedtime',
    AbortSignal.timeout(60_000),
  );
  expect([done.path, done.isOn, asked]).toEqual(['kasa.living_room_lamp', false, [false]]);
  const [event] = await events('electricity.switched');
  expect(event).toMatchObject({
    id: done.event,
    subject: 'device:kasa:80aa01',
    cause: 'user:cli',
    data: { wanted: false, why: 'bedtime', is_on: false, was_on: true },
  });
  say(lamp.id, { is_on: 0 });
  expect(await events('electricity.turned-off')).toEqual([]);
});

test('what a device pushes while it is being switched is not taken for somebody at its button', async () => {
  const { announce, say, service, events } = await house();
  const turn = async (on: boolean) => {
    say(lamp.id, { is_on: on ? 1 : 0 });
    return on;
  };
  announce(lamp, { switches: { turn } });
  say(lamp.id, { is_on: 1, power_watts: 40 });
  await service.turn('kasa.living_room_lamp', false, 'user:cli', '', AbortSignal.timeout(60_000));
  expect(await events('electricity.turned-off')).toEqual([]);
  expect(await events('electricity.switched')).toHaveLength(1);
  say(lamp.id, { is_on: 1 });
  expect(await events('electricity.turned-on')).toHaveLength(1);
});

test('a device that was silent is heard again when it says that it switched', async () => {
  const { announce, say, service, clock, device } = await house();
  announce(lamp, { switches: { turn: async (on: boolean) => on } });
  say(lamp.id, { is_on: 1, power_watts: 40 });
  await clock.advance(600_000);
  await service.turn('kasa.living_room_lamp', false, 'user:cli', '', AbortSignal.timeout(60_000));
  expect(device('kasa.living_room_lamp')).toMatchObject({ state: 'ok', values: { is_on: 0 } });
});

test('a device that says something else after the command has not been switched', async () => {
  const { announce, service, events } = await house();
  announce(lamp, { switches: { turn: async () => true } });
  const turned = service.turn('kasa.living_room_lamp', false, 'user:cli', '', AbortSignal.timeout(60_000));
  await expect(turned).rejects.toMatchObject({ code: 'BAD_REPLY' });
  expect(await events('electricity.switched')).toEqual([]);
  expect(await events('electricity.switch-failed')).toHaveLength(1);
});

test('a device with control: false is refused, and the refusal is kept', async () => {
  const settings = { devices: [{ device: 'Living room lamp', control: false }] };
  const { announce, service, events, device } = await house(settings);
  let asked = 0;
  announce(lamp, { switches: { turn: async () => (asked++, true) } });
  expect(device('kasa.living_room_lamp').control).toBe('forbidden');
  const turned = service.turn('kasa.living_room_lamp', true, 'mqtt', '', AbortSignal.timeout(60_000));
  await expect(turned).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(asked).toBe(0);
  expect((await events('electricity.switch-refused')).map((e) => e.cause)).toEqual(['mqtt']);
});

test('a meter that was taken away does not blank the house for ever', async () => {
  const { announce, say, service, clock } = await house();
  announce(meter);
  announce(lamp);
  say(meter.id, { power_watts: 500 });
  say(lamp.id, { power_watts: 40 });
  await clock.advance(3_600_000);
  say(lamp.id, { power_watts: 40 });
  expect(service.view().house).toMatchObject({ basis: 'meter', powerWatts: undefined });
  await clock.advance(24 * 3_600_000);
  say(lamp.id, { power_watts: 40 });
  expect(service.view().house).toMatchObject({ basis: 'devices', powerWatts: 40 });
  say(meter.id, { power_watts: 500 });
  await clock.advance(61_000);
  say(meter.id, { power_watts: 500 });
  expect(service.view().house).toMatchObject({ basis: 'meter', powerWatts: 500 });
});

test('a meter whose source left the settings is no longer the house', async () => {
  const running = new Set(['kasa', 'pulse']);
  const { announce, say, service } = await house({}, undefined, (kind) => running.has(kind));
  service.take('pulse', { kind: 'device', device: meter });
  announce(lamp);
  say(meter.id, { power_watts: 500 });
  say(lamp.id, { power_watts: 40 });
  expect(service.view().house.basis).toBe('meter');
  running.delete('pulse');
  service.configure(electricityConfig.parse({}));
  expect(service.view().house).toMatchObject({ basis: 'devices', powerWatts: 40 });
});

test('devices without end are left out, with one warning, and what is known goes on', async () => {
  const { announce, say, lines, device, service } = await house();
  announce(lamp);
  for (let i = 0; i < 2_050; i += 1)
    announce({ id: `tasmota:${i}`, source: 'tasmota', name: `Invented ${i}` });
  say(lamp.id, { power_watts: 40 });
  expect(service.view().devices).toHaveLength(2_000);
  expect(device('kasa.living_room_lamp').values).toEqual({ power_watts: 40 });
  expect(lines.filter((l) => l.includes('2000 devices are known'))).toHaveLength(1);
});

test('a name that is no device lists those there are, and one that is two asks which', async () => {
  const { announce, service } = await house();
  announce(lamp);
  announce({ ...lamp, id: 'tuya:1', source: 'tuya' });
  expect(() => service.find('toaster')).toThrow('known: kasa.living_room_lamp, tuya.living_room_lamp');
  expect(() => service.find('Living room lamp')).toThrow('kasa.living_room_lamp or tuya.living_room_lamp');
});

test('the house is its meter, what devices do not explain is told, and energy adds up', async () => {
  const { announce, say, service, clock } = await house();
  announce(meter);
  announce(lamp);
  for (let i = 0; i <= 60; i += 1) {
    say(meter.id, { power_watts: 500, energy_wh: 1000 + (500 * i * 30) / 3600 });
    say(lamp.id, { power_watts: 40 });
    await clock.advance(30_000);
  }
  const { house: sum } = service.view();
  expect(sum).toMatchObject({ basis: 'meter', powerWatts: 500, unexplainedWatts: 460, pricePerKwh: 0.25 });
  expect(sum.energy?.todayWh).toBeCloseTo(250, 3);
  expect(service.readings(start).find((r) => r.series === 'home.electricity.meter.power_kw')?.value).toBe(
    0.5,
  );
});

test('names and devices are there again after a restart, silent until they answer', async () => {
  const first = await house();
  first.announce(lamp);
  first.announce({ ...lamp, id: 'kasa:80aa02' });
  first.say(lamp.id, { power_watts: 40 });
  await first.end();
  const second = await house({}, first.dataDir);
  expect(second.service.view().devices.map((d) => [d.device.id, d.path, d.state])).toEqual([
    ['kasa:80aa01', 'kasa.living_room_lamp', 'silent'],
    ['kasa:80aa02', 'kasa.living_room_lamp_2', 'silent'],
  ]);
  // The second one answers first, and is still the second one.
  second.announce({ ...lamp, id: 'kasa:80aa02' });
  expect(second.device('kasa:80aa02').path).toBe('kasa.living_room_lamp_2');
  expect(await second.events('electricity.discovered')).toHaveLength(2);
});

test('new settings rename, file under a circuit, and leave out, without a restart', async () => {
  const { announce, say, service } = await house();
  announce(lamp);
  say(lamp.id, { power_watts: 40 });
  const paths = () => service.view().devices.map((d) => d.path);
  service.configure(electricityConfig.parse({ devices: [{ device: lamp.id, name: 'Desk' }] }));
  expect(paths()).toEqual(['kasa.desk']);
  service.configure(electricityConfig.parse({ devices: [{ device: lamp.id, circuit: 'Study' }] }));
  expect(paths()).toEqual(['circuit.study']);
  service.configure(electricityConfig.parse({ devices: [{ device: lamp.id, ignore: true }] }));
  expect(paths()).toEqual([]);
  expect(service.readings(start)).toEqual([price]);
  service.configure(electricityConfig.parse({}));
  expect(service.view().devices).toMatchObject([
    { path: 'kasa.living_room_lamp', values: { power_watts: 40 } },
  ]);
});

describe('a thing that is read directly and told by Home Assistant too', () => {
  const mac = '02:00:00:00:00:01';
  const direct: Device = { ...lamp, mac };
  const told: Device = { id: 'homeassistant:1', source: 'homeassistant', name: 'Lamp of HA', mac };
  const hour = 3_600_000;

  test('is there once, as it is read directly, and its energy counts once', async () => {
    const { announce, say, service, clock, events } = await house();
    announce(direct);
    announce(told);
    for (let i = 0; i <= 4; i += 1) {
      say(direct.id, { power_watts: 100, energy_wh: 1000 + i * 50 });
      say(told.id, { power_watts: 100, energy_wh: 9000 + i * 50 });
      await clock.advance(hour / 2);
    }
    const { devices, house: sum } = service.view();
    expect(devices.map((d) => d.path)).toEqual(['kasa.living_room_lamp']);
    expect(sum.parts).toEqual([direct.id]);
    expect(sum.energy?.totalWh).toBeCloseTo(200, 6);
    expect(await events('electricity.discovered')).toHaveLength(1);
  });

  test('stands in when the direct one is gone for a day, goes when it is back, and no hour counts twice', async () => {
    const { announce, say, service, clock, events } = await house();
    announce(direct);
    announce(told);
    const energy_wh = () => (clock.now() - start) / 36_000;
    const run = async (hours: number, ids: readonly string[]) => {
      for (let i = 0; i < 12 * hours; i += 1) {
        await clock.advance(hour / 12);
        for (const id of ids) say(id, { power_watts: 100, energy_wh: energy_wh() });
      }
    };
    await run(2, [direct.id, told.id]);
    await run(23, [told.id]);
    expect(service.view().devices.map((d) => d.device.id)).toEqual([direct.id]);
    await run(5, [told.id]);
    const during = service.view();
    expect(during.devices.map((d) => [d.path, d.state])).toEqual([
      ['homeassistant.lamp_of_ha', 'ok'],
      ['kasa.living_room_lamp', 'silent'],
    ]);
    expect(during.house.parts).toEqual([told.id]);
    expect(during.house.powerWatts).toBe(100);
    expect((await events('electricity.discovered')).map((e) => e.subject)).toEqual([
      'device:kasa:80aa01',
      'device:homeassistant:1',
    ]);
    await run(2, [direct.id, told.id]);
    const after = service.view();
    expect(after.devices.map((d) => d.device.id)).toEqual([direct.id]);
    expect(after.house.parts).toEqual([direct.id]);
    // 32 h at 100 W, less the day in which neither counted for the house and a reading at each change; never more.
    const whole = after.house.energy!.totalWh;
    expect(whole).toBeLessThanOrEqual(3200 - 2400 + 1);
    expect(whole).toBeGreaterThan(3200 - 2400 - 30);
  });

  test('shows what Home Assistant tells when the settings leave the direct one out', async () => {
    const { announce, service } = await house({ devices: [{ device: direct.id, ignore: true }] });
    announce(direct);
    announce(told);
    expect(service.view().devices.map((d) => d.device.id)).toEqual([told.id]);
  });
});

test('another model under the same id begins a counter anew, another spelling of it does not', async () => {
  const { announce, say, service, clock } = await house();
  const count = async (energy_wh: number) => {
    say(lamp.id, { energy_wh });
    await clock.advance(60_000);
    return service.view().devices[0]!.energy?.totalWh;
  };
  announce(lamp);
  await count(1000);
  expect(await count(1010)).toBe(10);
  announce({ ...lamp, model: 'KP115' });
  expect(await count(1200)).toBe(10);
  expect(await count(1207)).toBe(17);
  announce(lamp);
  expect(await count(1210)).toBe(20);
});
