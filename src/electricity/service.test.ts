import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import type { Values } from './model.ts';
import { house, lamp, meter, price, start } from './fixture.ts';

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
