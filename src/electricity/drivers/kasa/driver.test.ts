import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { config, example, protocol } from './driver.ts';
import { simModels, type SimModelName, type SimWay } from './sim-models.ts';
import type { SmartBrain } from './sim-smart.ts';
import { closeAll, day, device, last, signal, start, values, watch } from './watch.fixture.ts';

afterEach(closeAll);

interface Batch {
  readonly params: { readonly requests: readonly { readonly method: string }[] };
}

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

  test('a list of sockets that comes in pages is read to its end', async () => {
    const sim = await device({ model: 'P304M' });
    (sim.brain as SmartBrain).pageSize = 1;
    expect((await watch(sim).poll()).answers).toHaveLength(5);
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
    expect(sim.asked.filter((q) => q.includes('multipleRequest'))).toHaveLength(1);
  });

  test('the first question is only what a device is; then it is asked everything at once', async () => {
    const sysinfo = '"system":{"get_sysinfo":{}}';
    const meter = '"emeter":{"get_realtime":{}}';
    for (const way of ['xor', 'klap1'] as const) {
      const sim = await device({ model: 'KP115', way });
      const { poll } = watch(sim);
      await poll();
      await poll();
      expect(sim.asked).toEqual([`{${sysinfo}}`, `{${meter}}`, `{${sysinfo},${meter}}`]);
    }
  });

  test('a device without a meter is never asked for one', async () => {
    const sim = await device({ model: 'HS100' });
    const { poll } = watch(sim);
    await poll();
    await poll();
    expect(new Set(sim.asked)).toEqual(new Set(['{"system":{"get_sysinfo":{}}}']));
  });

  test('methods that a device lacks are asked for once', async () => {
    const sim = await device({ model: 'P110', since, power });
    const { poll } = watch(sim);
    await poll();
    await poll();
    const before = sim.asked.length;
    await poll();
    const methods = sim.asked
      .slice(before)
      .map((q) => (JSON.parse(q) as Batch).params.requests.map((r) => r.method));
    expect(methods).toEqual([['get_device_info', 'get_energy_usage']]);
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
