import { createServer } from 'node:http';
import { createServer as createTcp, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ManualClock, systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { config, protocol } from './driver.ts';
import { KasaSim, simLogin } from './sim.ts';
import type { SimModelName, SimWay } from './sim-models.ts';
import { closeAll, closers, device, hour, last, signal, start, values, watch } from './watch.fixture.ts';

afterEach(closeAll);

describe('finding out how to ask', () => {
  const found = async (way: SimWay, model: SimModelName, login?: object) => {
    const sim = await device({ model, way });
    return (await watch(sim, { login: login ?? simLogin }).poll()).answers[0]!.values.is_on;
  };

  test('no way, version or family needs to be told', async () => {
    for (const way of ['xor', 'klap1', 'klap2'] as const) expect(await found(way, 'HS100')).toBe(1);
    for (const way of ['klap2', 'aes'] as const) expect(await found(way, 'P100')).toBe(1);
  });

  test('devices with the logins that they carry from the factory need none of ours', async () => {
    for (const login of [
      { username: 'kasa@tp-link.net', password: 'kasaSetup' },
      { username: 'test@tp-link.net', password: 'test' },
      { username: '', password: '' },
    ]) {
      const sim = await device({ model: 'KP115', way: 'klap1', login });
      expect(last(await watch(sim, { login: {} }).poll()).values.is_on).toBe(1);
    }
  });

  test.each<[SimWay, object, RegExp]>([
    [
      'klap2',
      { username: 'alex@example.com', password: 'wrong' },
      /^127\.0\.0\.1: wrong e-mail or password; .*Third-Party Compatibility/,
    ],
    ['klap2', {}, /^127\.0\.0\.1 wants a login: set username and password of electricity\.kasa/],
    ['aes', { username: 'alex@example.com', password: 'wrong' }, /wrong e-mail or password/],
  ])(
    'over %s a login of %j is refused with what to do about it and without the password',
    async (way, login, text) => {
      const sim = await device({ model: 'P110', way });
      const error: unknown = await watch(sim, { login })
        .poll()
        .catch((e: unknown) => e);
      expect(error).toMatchObject({ code: 'AUTH_REFUSED', message: expect.stringMatching(text) });
      expect(String(error)).not.toMatch(/"wrong"|simulated/);
    },
  );

  test('where nothing listens the error says what to check', async () => {
    const sim = await device({ model: 'KP115' });
    const { poll } = watch(sim);
    await sim.close();
    await expect(poll()).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(
        /^127\.0\.0\.1 cannot be reached on port \d+ or 1: .*ECONNREFUSED.*Third-Party Compatibility/,
      ),
    });
  });

  test('a web server that is no plug is told apart', async () => {
    const server = createServer((_, response) => response.writeHead(404).end('nothing here'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const http = (server.address() as AddressInfo).port;
    const all = config.parse({ ports: { local: 1, http } });
    const station = protocol.open({ host: '127.0.0.1' }, all, {
      clock: systemClock,
      log: silent,
      random: Math.random,
    });
    await expect(station.poll(signal())).rejects.toMatchObject({
      code: 'BAD_REPLY',
      message: expect.stringMatching(/does not speak Kasa or Tapo/),
    });
    station.close();
  });

  test('a firmware update from XOR to KLAP is followed', async () => {
    const old = await device({ model: 'KP115' });
    const renewed = await device({ model: 'KP115', way: 'klap2' });
    const { poll } = watch(old, { settings: { ports: { local: old.port, http: renewed.port } } });
    await poll();
    await old.close();
    await expect(poll()).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(last(await poll()).values.is_on).toBe(1);
    expect(renewed.handshakes).toBe(1);
  });

  test('what discovery says is tried first', async () => {
    const sim = await device({ model: 'KP115', way: 'klap2' });
    const trap = createTcp((socket) => socket.destroy());
    let visits = 0;
    trap.on('connection', () => (visits += 1));
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    closers.push(() => trap.close());
    const local = (trap.address() as AddressInfo).port;
    const { poll } = watch(sim, {
      target: { way: 'klap', family: 'iot', port: sim.port },
      settings: { ports: { local, http: 1 } },
    });
    await poll();
    expect(visits).toBe(0);
  });
});

describe('recorded replies', () => {
  const sysinfo = {
    alias: 'Recorded',
    deviceId: '8006',
    mac: '02:00:00:00:00:07',
    model: 'HS110(EU)',
    mic_type: 'IOT.SMARTPLUGSWITCH',
    feature: 'TIM:ENE',
    relay_state: 0,
    err_code: 0,
  };
  const info = {
    device_id: '8022',
    device_on: true,
    mac: '02-00-00-00-00-08',
    model: 'P110',
    nickname: 'UmVjb3JkZWQ=',
    type: 'SMART.TAPOPLUG',
  };
  const component_nego = { component_list: [{ id: 'energy_monitoring' }] };
  const child = { device_id: '802200', device_on: false, nickname: 'U29ja2V0' };

  test.each<[string, object, SimWay, object[]]>([
    [
      'a meter',
      { system: { get_sysinfo: sysinfo }, emeter: { get_realtime: { power_mw: 1_500, err_code: 0 } } },
      'xor',
      [{ power_watts: 1.5, is_on: 0 }],
    ],
    [
      'a meter that is none after all',
      { system: { get_sysinfo: sysinfo }, emeter: { err_code: -1, err_msg: 'module not support' } },
      'klap1',
      [{ is_on: 0 }],
    ],
    [
      'a member that is missing',
      { system: { get_sysinfo: sysinfo }, emeter: { get_daystat: {} } },
      'klap2',
      [{ is_on: 0 }],
    ],
    [
      'a plug with methods that fail',
      {
        get_device_info: info,
        component_nego,
        get_energy_usage: -1001,
        get_current_power: { current_power: 7 },
      },
      'klap2',
      [{ power_watts: 7, is_on: 1 }],
    ],
    [
      'a plug that lists no components',
      { get_device_info: info, get_energy_usage: { current_power: 900, month_energy: 5 } },
      'aes',
      [{ power_watts: 0.9, energy_wh: 5, is_on: 1 }],
    ],
    [
      'a strip',
      {
        get_device_info: { ...info, device_on: undefined },
        component_nego: { component_list: [{ id: 'energy_monitoring' }, { id: 'child_device' }] },
        get_child_device_list: { child_device_list: [child], sum: 1, start_index: 0 },
        child_devices: {
          '802200': { get_emeter_data: { power_mw: 2_000, voltage_mv: 230_000, current_ma: 9 } },
        },
      },
      'klap2',
      [
        { power_watts: 2, voltage_volts: 230, current_amps: 0.009, is_on: 0 },
        { power_watts: 2, voltage_volts: 230, current_amps: 0.009, is_on: 0 },
      ],
    ],
  ])('of %s are played and read, at the first poll and at later ones', async (_, fixture, way, expected) => {
    const sim = await new KasaSim({ fixture, way }).listen();
    closers.push(() => sim.close());
    const { poll } = watch(sim);
    expect([values(await poll()), values(await poll())]).toEqual([expected, expected]);
  });
});

describe('sessions', () => {
  test.each<[SimModelName, SimWay]>([
    ['KP115', 'klap1'],
    ['P110', 'klap2'],
    ['P110', 'aes'],
  ])('of a %s (%s) that the device ended are made again within the same poll', async (model, way) => {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    await poll();
    expect(sim.handshakes).toBe(1);
    sim.expire();
    expect(last(await poll()).values.is_on).toBe(1);
    expect(sim.handshakes).toBe(2);
  });

  test.each<SimWay>(['klap2', 'aes'])('over %s are renewed before their time is over', async (way) => {
    const clock = new ManualClock(start);
    const sim = await device({ model: 'P110', way, sessionSeconds: 86_400 });
    const { poll } = watch(sim, { clock });
    await poll();
    await clock.advance(23 * hour);
    await poll();
    expect(sim.handshakes).toBe(1);
    await clock.advance(hour);
    await poll();
    expect(sim.handshakes).toBe(2);
  });

  test('survive that the device falls back to its own login and returns', async () => {
    const sim = await device({ model: 'P110' });
    const { poll } = watch(sim);
    for (const login of [simLogin, { username: 'test@tp-link.net', password: 'test' }, simLogin]) {
      sim.login = login;
      sim.expire();
      expect(last(await poll()).values.is_on).toBe(1);
    }
  });

  test.each<SimWay>(['klap2', 'aes'])(
    'over %s that never work end with a sentence, not with a loop',
    async (way) => {
      const sim = await device({ model: 'P110', way });
      const { poll } = watch(sim);
      await poll();
      sim.fault('forbidden');
      await expect(poll()).rejects.toMatchObject({ code: 'BAD_REPLY' });
      sim.heal();
      expect(last(await poll()).values.is_on).toBe(1);
    },
  );
});
