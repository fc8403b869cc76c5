import { describe, expect, test } from 'vitest';
import { electricityConfig } from './config.ts';
import type { Device } from './model.ts';
import { house, lamp, meter, price, start } from './fixture.ts';

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
