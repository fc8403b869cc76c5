import { createServer } from 'node:http';
import { createServer as createTcp, type AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { Clock } from '#kernel/driver.ts';
import { ManualClock, systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import type { Answer, Poll } from '../../driver.ts';
import { config, example, protocol, type KasaConfig } from './driver.ts';
import type { KasaTarget } from './model.ts';
import { HttpPeer } from './http-peer.ts';
import { KasaSim, simLogin, simulate, type KasaFault, type KasaSimOptions } from './sim.ts';
import { simModels, type SimModelName, type SimWay } from './sim-models.ts';
import type { SmartBrain } from './sim-smart.ts';

const hour = 3_600_000;
const day = 24 * hour;
const start = Date.UTC(2026, 10, 21, 8);
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function device(options: KasaSimOptions): Promise<KasaSim> {
  const sim = await new KasaSim({ now: () => start, ...options }).listen();
  closers.push(() => sim.close());
  return sim;
}

interface Watch {
  readonly login?: object;
  readonly target?: Partial<KasaTarget>;
  readonly clock?: Clock;
  readonly settings?: object;
}

/** A station for a simulated device, and its polls with a time limit that only a hang reaches. */
function watch(sim: KasaSim, { login = simLogin, target = {}, clock, settings = {} }: Watch = {}) {
  const unused = { local: 1, http: 1 };
  const ports = { ...unused, [sim.way === 'xor' ? 'local' : 'http']: sim.port };
  const all: KasaConfig = config.parse({ ...login, ports, ...settings });
  const context = { clock: clock ?? new ManualClock(start), log: silent, random: () => 0.5 };
  const station = protocol.open({ host: sim.host, ...target }, all, context);
  closers.push(() => station.close());
  return { poll: (ms = 5_000) => station.poll(AbortSignal.timeout(ms)), station };
}

const values = (poll: Poll) => poll.answers.map((a) => a.values);
const last = (poll: Poll): Answer => poll.answers.at(-1)!;
const signal = () => AbortSignal.timeout(5_000);

describe('readings', () => {
  const since = start - 2 * day;
  const power = (_: number, socket: number) => 100 + socket;
  const amps = (watts: number) => Math.round((watts / 230) * 1000) / 1000;

  test.each<[SimModelName, SimWay | undefined, object]>([
    ['HS100', undefined, { is_on: 1 }],
    [
      'HS110',
      undefined,
      { power_watts: 100, voltage_volts: 230, current_amps: 100 / 230, energy_wh: 4_800, is_on: 1 },
    ],
    [
      'KP115',
      undefined,
      { power_watts: 100, voltage_volts: 230, current_amps: amps(100), energy_wh: 4_800, is_on: 1 },
    ],
    [
      'KP115',
      'klap1',
      { power_watts: 100, voltage_volts: 230, current_amps: amps(100), energy_wh: 4_800, is_on: 1 },
    ],
    [
      'KP115',
      'klap2',
      { power_watts: 100, voltage_volts: 230, current_amps: amps(100), energy_wh: 4_800, is_on: 1 },
    ],
    ['KP405', undefined, { is_on: 1 }],
    ['KL110', undefined, { power_watts: 100, is_on: 1 }],
    ['KL430', undefined, { power_watts: 100, energy_wh: 4_800, is_on: 1 }],
    ['P100', undefined, { is_on: 1 }],
    ['P100', 'aes', { is_on: 1 }],
    ['P110', undefined, { power_watts: 100, energy_wh: 4_800, is_on: 1 }],
    ['P110', 'aes', { power_watts: 100, energy_wh: 4_800, is_on: 1 }],
    [
      'KP125M',
      undefined,
      { power_watts: 100, voltage_volts: 230, current_amps: amps(100), energy_wh: 4_800, is_on: 1 },
    ],
  ])('of a %s (%s) are the same at the first poll and at later ones', async (model, way, expected) => {
    const sim = await device({ model, way, since, power, name: 'Lamp' });
    const { poll } = watch(sim);
    const first = await poll();
    expect(first.answers.map((a) => a.device)).toEqual([
      {
        id: 'kasa:020000000001',
        source: 'kasa',
        name: 'Lamp',
        model: simModels[model].family === 'iot' ? `${model}(UK)` : model,
        firmware:
          simModels[model].family === 'iot'
            ? '1.0.4 Build 191111 Rel.143500'
            : '1.2.3 Build 230425 Rel.142542',
        mac: '02:00:00:00:00:01',
        address: sim.host,
        parent: undefined,
      },
    ]);
    expect([first.station, first.mac]).toEqual(['020000000001', '02:00:00:00:00:01']);
    expect([values(first), values(await poll()), values(await poll())].map((v) => v.map(rounded))).toEqual(
      Array.from({ length: 3 }, () => [rounded(expected)]),
    );
  });

  test.each<[SimModelName, SimWay | undefined, number]>([
    ['HS300', undefined, 6],
    ['HS300', 'klap2', 6],
    ['P304M', undefined, 4],
    ['P304M', 'aes', 4],
  ])('of a %s (%s) come for each socket and for the strip as a whole', async (model, way, sockets) => {
    const sim = await device({ model, way, since, power, name: 'Desk' });
    const { poll } = watch(sim);
    await poll();
    const { answers } = await poll();
    const each = Array.from({ length: sockets }, (_, i) => 100 + i);
    expect(
      answers.map((a) => [
        a.device.id,
        a.device.name,
        a.device.parent,
        a.values.power_watts,
        a.values.energy_wh,
      ]),
    ).toEqual([
      ['kasa:020000000001', 'Desk', undefined, sum(each), sum(each) * 48],
      ...each.map((watts, i) => [
        `kasa:020000000001/0${i}`,
        `Desk ${i + 1}`,
        'kasa:020000000001',
        watts,
        watts * 48,
      ]),
    ]);
    expect(answers.map((a) => a.values.voltage_volts)).toEqual(
      Array.from({ length: sockets + 1 }, () => 230),
    );
  });

  test('a strip without meters still shows which sockets are on', async () => {
    const sim = await device({ model: 'KP303' });
    sim.meters[1]!.on = false;
    expect(values(await watch(sim).poll())).toEqual([{ is_on: 1 }, { is_on: 1 }, { is_on: 0 }, { is_on: 1 }]);
  });

  test('the name of the settings wins, and an announcement is the same object until something changes', async () => {
    const sim = await device({ model: 'KP115' });
    const { poll } = watch(sim, { target: { name: 'Freezer' } });
    const [first, second] = [last(await poll()), last(await poll())];
    expect(first.device.name).toBe('Freezer');
    expect(second.device).toBe(first.device);
  });

  test('a device that refuses batches is asked one by one', async () => {
    const sim = await device({ model: 'KP125M', since, power });
    sim.fault('no-batch');
    const { poll } = watch(sim);
    await poll();
    expect(values(await poll())).toEqual([
      { power_watts: 100, voltage_volts: 230, current_amps: amps(100), energy_wh: 4_800, is_on: 1 },
    ]);
  });

  test('methods that a device lacks are asked for once', async () => {
    const sim = await device({ model: 'P110', since, power });
    const { poll } = watch(sim);
    await poll();
    await poll();
    const before = (sim.brain as SmartBrain).asked.length;
    await poll();
    expect((sim.brain as SmartBrain).asked.slice(before)).toEqual([
      'multipleRequest',
      'get_device_info',
      'get_energy_usage',
    ]);
  });

  test('NaN, and volts that are zero, are no readings', async () => {
    for (const model of ['KP115', 'KP125M'] as const) {
      const sim = await device({ model, since, power });
      const { poll } = watch(sim);
      sim.fault('nan');
      sim.fault('zero-volts');
      expect(values(await poll())).toEqual([{ energy_wh: 4_800, is_on: 1 }]);
    }
  });

  test('a power cut shows as a counter that starts again', async () => {
    const sim = await device({ model: 'KP115', since, power });
    const { poll } = watch(sim);
    expect(last(await poll()).values.energy_wh).toBe(4_800);
    sim.reboot();
    expect(last(await poll()).values.energy_wh).toBe(0);
  });
});

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
const rounded = (v: object) =>
  Object.fromEntries(Object.entries(v).map(([k, n]) => [k, Number((n as number).toFixed(3))]));

describe('switching', () => {
  test.each<[SimModelName, SimWay | undefined]>([
    ['KP115', undefined],
    ['HS300', undefined],
    ['KL110', undefined],
    ['KL430', undefined],
    ['KP405', 'klap1'],
    ['P110', undefined],
    ['P304M', undefined],
    ['P110', 'aes'],
  ])('a %s (%s) switches and reads back, and nothing else moves', async (model, way) => {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    const answer = last(await poll());
    expect(await answer.switches?.turn(false, signal())).toBe(false);
    expect(sim.meters.map((m) => m.on)).toEqual(sim.meters.map((_, i) => i !== sim.meters.length - 1));
    expect(last(await poll()).values.is_on).toBe(0);
    expect(await answer.switches?.turn(true, signal())).toBe(true);
    expect(sim.meters.every((m) => m.on)).toBe(true);
  });

  test('a strip of the older family switches all of its sockets', async () => {
    const sim = await device({ model: 'HS300' });
    const whole = (await watch(sim).poll()).answers[0]!;
    expect(await whole.switches?.turn(false, signal())).toBe(false);
    expect(sim.meters.some((m) => m.on)).toBe(false);
  });

  test.each(['KP115', 'P110'] as const)(
    'a %s whose relay is stuck is reported as it is, and one that refuses says so',
    async (model) => {
      const sim = await device({ model });
      const { poll } = watch(sim, { clock: systemClock });
      const answer = last(await poll());
      sim.fault('stuck');
      expect(await answer.switches?.turn(false, signal())).toBe(true);
      sim.fault('locked');
      await expect(answer.switches?.turn(false, signal())).rejects.toMatchObject({
        code: 'BAD_REPLY',
        message: expect.stringMatching(/^127\.0\.0\.1 refuses to be switched \(its error -\d+\)$/),
      });
    },
  );

  test('polls, switching and recollection at the same time take turns', async () => {
    const sim = await device({ model: 'KP115', way: 'klap2', since: start - day });
    const { poll } = watch(sim);
    const answer = last(await poll());
    const all = await Promise.all([
      poll(),
      answer.switches!.turn(false, signal()),
      answer.remembers!.energy(start - day, start, signal()),
      answer.switches!.turn(true, signal()),
    ]);
    expect([all[1], all[2].length, all[3]]).toEqual([false, 2, true]);
  });
});

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

describe.each<[SimModelName, SimWay]>([
  ['KP115', 'xor'],
  ['KP115', 'klap1'],
  ['P110', 'klap2'],
  ['P110', 'aes'],
])('on the way to a %s (%s)', (model, way) => {
  const outcome: Readonly<Partial<Record<KasaFault, RegExp>>> = {
    drop: /UNREACHABLE/,
    hang: /TIMEOUT/,
    garbage: /BAD_REPLY/,
    oversized: /BAD_REPLY/,
    reset: /UNREACHABLE/,
  };

  test.each(Object.keys(outcome) as (keyof typeof outcome)[])(
    '%s fails one poll, and the next one after it works',
    async (fault) => {
      const sim = await device({ model, way });
      const { poll } = watch(sim);
      await poll();
      sim.fault(fault);
      const error: unknown = await poll(fault === 'hang' ? 300 : 5_000).catch((e: unknown) => e);
      expect((error as { code?: string }).code).toMatch(outcome[fault]!);
      sim.heal();
      expect(last(await poll()).values.is_on).toBe(1);
    },
  );

  test.each(['split', 'merge', 'slow'] as const)('%s changes nothing', async (fault) => {
    const sim = await device({ model, way });
    sim.fault(fault);
    const { poll } = watch(sim);
    expect([last(await poll()).values.is_on, last(await poll()).values.is_on]).toEqual([1, 1]);
  });

  test('a reply that comes twice is never the answer to the next question', async () => {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    sim.fault('twice');
    for (const on of [false, true, false]) {
      sim.meters[0]!.on = on;
      expect(last(await poll()).values.is_on).toBe(on ? 1 : 0);
    }
  });

  test('a device that lost its power without a word costs one poll', async () => {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    sim.fault('half-open');
    await expect(poll(200)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(last(await poll()).values.is_on).toBe(1);
  });

  test('a connection that the device closed while nothing was asked costs nothing', async () => {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    sim.reboot();
    expect(last(await poll()).values.is_on).toBe(1);
  });

  test('it keeps one connection, and none after it was closed', async () => {
    const sim = await device({ model, way });
    const { poll, station } = watch(sim);
    for (let i = 0; i < 5; i += 1) await poll();
    expect(sim.connections).toBe(1);
    station.close();
    await expect.poll(() => sim.connections).toBe(0);
  });
});

test('a reply with a wrong signature is refused', async () => {
  for (const [way, model] of [
    ['klap1', 'KP115'],
    ['klap2', 'P110'],
    ['aes', 'P110'],
  ] as const) {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    sim.fault('bad-tag');
    await expect(poll()).rejects.toMatchObject({ code: 'BAD_REPLY' });
    sim.heal();
    expect(last(await poll()).values.is_on).toBe(1);
  }
});

test('one silent device among twenty delays none of the others', async () => {
  const sims = await Promise.all(Array.from({ length: 20 }, () => device({ model: 'KP115', way: 'klap2' })));
  const watched = sims.map((sim) => watch(sim, { target: { way: 'klap' } }));
  await Promise.all(watched.map((w) => w.poll()));
  sims[7]!.fault('hang');
  const ended: number[] = [];
  const polls = watched.map((w, i) =>
    w.poll(1_500).then(
      () => ended.push(i),
      () => ended.push(-1),
    ),
  );
  await Promise.all(polls);
  expect(ended.length).toBe(20);
  expect(ended.indexOf(-1)).toBe(19);
});

describe('the HTTP client', () => {
  async function serve(bytes: string, end = false) {
    const server = createTcp((socket) => {
      socket.on('data', () => (end ? socket.end(bytes, 'latin1') : socket.write(bytes, 'latin1')));
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const peer = new HttpPeer('127.0.0.1', (server.address() as AddressInfo).port);
    closers.push(() => (peer.close(), server.close()));
    const post = async () => {
      const { status, body } = await peer.post('/x', 'y', { signal: AbortSignal.timeout(400) });
      return `${status} ${body.toString()}`;
    };
    return post;
  }

  test.each([
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', false, '200 hello'],
    [
      'chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\n\r\n',
      false,
      '200 hello',
    ],
    ['the end of the connection', 'HTTP/1.1 200 OK\r\n\r\nhello', true, '200 hello'],
    ['no body', 'HTTP/1.1 403 Forbidden\r\ncontent-length:0\r\n\r\n', false, '403 '],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', true, '200 ok'],
  ])('reads a body by %s, again and again', async (_, bytes, end, expected) => {
    const post = await serve(bytes, end);
    expect([await post(), await post()]).toEqual([expected, expected]);
  });

  test.each([
    ['endless headers', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(9_000)}`],
    ['a body without measure', 'HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n'],
    ['a chunk without measure', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n'],
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a status that is none', 'HTTP/1.1 abc\r\n\r\n'],
  ])('refuses %s', async (_, bytes) => {
    const post = await serve(bytes);
    await expect(post()).rejects.toMatchObject({ code: 'BAD_REPLY' });
  });

  test('whatever a peer sends, a question ends with a reply or a known error', async () => {
    let bytes = '';
    const server = createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(bytes, 'latin1'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = (server.address() as AddressInfo).port;
    closers.push(() => server.close());
    const parts = fc.constantFrom(
      'HTTP/1.1 200 OK',
      '\r\n',
      '\r\n\r\n',
      'Content-Length: 3',
      'Transfer-Encoding: chunked',
      'Set-Cookie: TP_SESSIONID=A;TIMEOUT=9',
      '3\r\nabc',
      '0\r\n\r\n',
      'HTTP/1.1 ',
    );
    const noise = fc.string({ unit: 'binary', maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(parts, noise), { maxLength: 12 }), async (pieces) => {
        bytes = pieces.join('');
        const peer = new HttpPeer('127.0.0.1', port);
        const outcome: unknown = await peer
          .post('/', 'x', { signal: signal() })
          .catch((error: unknown) => error);
        peer.close();
        const { status, code } = outcome as { status?: number; code?: string };
        expect(status ?? code).toSatisfy(
          (end) => typeof end === 'number' || end === 'BAD_REPLY' || end === 'UNREACHABLE',
        );
      }),
      { numRuns: 200 },
    );
  });

  test('works with the server of Node', async () => {
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        response.write('chunk ');
        response.end(request.headers.cookie);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const peer = new HttpPeer('127.0.0.1', (server.address() as AddressInfo).port);
    closers.push(() => (peer.close(), server.close()));
    for (let i = 0; i < 3; i += 1)
      expect((await peer.post('/', 'x', { signal: signal(), cookie: `ab${i}` })).body.toString()).toBe(
        `chunk TP_SESSIONID=ab${i}`,
      );
  });
});

test('the simulator for the contract test is a plug that its own settings watch', async () => {
  const { config: settings, close } = await simulate();
  closers.push(close);
  const all = config.parse(settings);
  const [target] = protocol.configured(all);
  const station = protocol.open(target!, all, { clock: systemClock, log: silent, random: Math.random });
  closers.push(() => station.close());
  expect(last(await station.poll(signal())).values.power_watts).toBe(10);
});

describe('settings', () => {
  test('the example is valid, unknown keys are not, and a device needs an address or an id', () => {
    expect(config.parse(example)).toMatchObject(example);
    expect(() => config.parse({ surprise: 1 })).toThrow(/surprise/);
    expect(() => config.parse({ devices: [{ name: 'x' }] })).toThrow(/set host, or id/);
    expect(() => config.parse({ devices: [{ id: 'plug' }] })).toThrow(/expected a MAC address/);
  });

  test('name stations with an address; those with an id only are left to discovery', () => {
    const settings = config.parse({
      username: 'alex@example.com',
      devices: [
        { host: '192.0.2.7', name: 'Kettle', poll_interval_seconds: 10 },
        { id: '02:00:00:00:00:02' },
        { host: '192.0.2.8', id: '02-00-00-00-00-03', password: 'other' },
      ],
    });
    expect(protocol.configured(settings)).toEqual([
      {
        host: '192.0.2.7',
        id: undefined,
        mac: undefined,
        name: 'Kettle',
        pollIntervalMs: 10_000,
        login: undefined,
      },
      {
        host: '192.0.2.8',
        id: '020000000003',
        mac: '02:00:00:00:00:03',
        name: undefined,
        pollIntervalMs: undefined,
        login: { username: 'alex@example.com', password: 'other' },
      },
    ]);
  });
});
