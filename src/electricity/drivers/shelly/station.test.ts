import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import type { EnergySlot } from '../../model.ts';
import { config, example, protocol } from './driver.ts';
import type { HttpFault } from '../shared/sim-http.ts';
import { ShellySim, type ShellySimOptions } from './sim.ts';
import { Logger } from '#platform/log.ts';

const start = Date.UTC(2026, 0, 1);
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

const log = new Logger({ write: () => {}, now: () => 0, level: 'error' });
const soon = () => AbortSignal.timeout(60_000);

/** A simulated Shelly on loopback and our station for it; both live by `clock`. */
async function pair(options: ShellySimOptions = {}, settings: object = {}, target: object = {}) {
  const clock = new ManualClock(start);
  const sim = await new ShellySim({ now: () => clock.now(), ...options }).listen();
  const station = protocol.open({ host: sim.host, ...target }, config.parse(settings), {
    clock,
    log,
    random: Math.random,
  });
  open.push(station, sim);
  return { clock, sim, station };
}

const kettle = (at: number) => ((at - start) % 3_600_000 < 180_000 ? 2000 : 1);
const wh = (slots: readonly EnergySlot[]) => slots.reduce((a, s) => a + s.wh, 0);

describe('settings', () => {
  it('accept the example and refuse unknown keys', () => {
    expect(protocol.configured(config.parse(example))).toEqual([
      { host: '192.0.2.20', name: 'Heat pump', pollIntervalMs: 5000 },
    ]);
    expect(() => config.parse({ hosts: [] })).toThrow('hosts');
  });

  it('make the identity of a device from its MAC', () => {
    const parsed = config.parse({
      devices: [{ host: '192.0.2.21', mac: '02-00-00-00-00-0A', password: 'secret' }],
    });
    expect(protocol.configured(parsed)).toEqual([
      {
        host: '192.0.2.21',
        name: undefined,
        mac: '02:00:00:00:00:0a',
        id: 'shelly:02000000000a',
        password: 'secret',
      },
    ]);
  });
});

describe('polling', () => {
  it('reads a plug of the second generation', async () => {
    const { station, clock } = await pair({ name: 'Kettle', power: kettle });
    await clock.advance(90_000);
    const poll = await station.poll(soon());
    expect(poll).toEqual({
      station: 'shelly:020000000001',
      mac: '02:00:00:00:00:01',
      answers: [
        {
          device: {
            id: 'shelly:020000000001/switch:0',
            source: 'shelly',
            name: 'Kettle',
            model: 'SNPL-00112EU',
            firmware: '1.4.4',
            mac: '02:00:00:00:00:01',
            address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
            parent: 'shelly:020000000001',
            notes: [],
          },
          values: {
            power_watts: 2000,
            voltage_volts: 230.1,
            current_amps: 8.692,
            frequency_hertz: 50,
            is_on: 1,
            energy_wh: 50,
            export_wh: 0,
          },
          switches: { turn: expect.any(Function) as unknown },
          remembers: { energy: expect.any(Function) as unknown },
        },
      ],
    });
  });

  it.each([
    ['plug-s', ['relay:0'], { power_watts: 60, energy_wh: 60, is_on: 1 }],
    ['1pm', ['relay:0'], { power_watts: 60, energy_wh: 60, is_on: 1 }],
    ['em', ['emeter:0', 'emeter:1', 'relay:0'], { power_watts: 60, energy_wh: 60, export_wh: 0 }],
    [
      '3em',
      ['em:0', 'relay:0'],
      { power_watts: 60, power_l2_watts: 20, energy_wh: 60, voltage_l3_volts: 230.1 },
    ],
    ['plus-1pm', ['switch:0'], { power_watts: 60, energy_wh: 60, is_on: 1 }],
    ['plus-2pm', ['switch:0', 'switch:1'], { power_watts: 60, energy_wh: 60, is_on: 1 }],
    ['pm-mini', ['pm1:0'], { power_watts: 60, energy_wh: 60 }],
    ['pro-em', ['em1:0', 'em1:1'], { power_watts: 60, energy_wh: 60, apparent_power_va: 60 }],
    ['pro-3em', ['em:0'], { power_watts: 60, power_l2_watts: 20, energy_wh: 60, voltage_l3_volts: 230.1 }],
  ] as const)('reads every channel of a %s', async (model, keys, values) => {
    const { station, clock } = await pair({ model, power: () => 60 });
    await clock.advance(3_600_000);
    const { answers } = await station.poll(soon());
    expect(answers.map((a) => a.device.id)).toEqual(keys.map((key) => `shelly:020000000001/${key}`));
    expect(answers[0]?.values).toMatchObject(values);
  });

  it('asks once a poll on one connection, and for the names only when they have changed', async () => {
    const { station, sim } = await pair({ name: 'Lamp' });
    for (let i = 0; i < 5; i += 1) await station.poll(soon());
    expect([sim.asked.get('/shelly'), sim.asked.get('/rpc'), sim.connections]).toEqual([1, 6, 1]);
    sim.rename('Freezer');
    const poll = await station.poll(soon());
    expect([poll.answers[0]?.device.name, sim.asked.get('/rpc')]).toEqual(['Freezer', 8]);
  });

  it('lets the settings name the device, and numbers the channels of a bigger one', async () => {
    const one = await pair({ name: 'Lamp' }, {}, { name: 'Fridge' });
    const two = await pair({ model: 'plus-2pm' }, {}, { name: 'Hall' });
    const names = async ({ station }: typeof one) =>
      (await station.poll(soon())).answers.map((a) => a.device.name);
    expect([await names(one), await names(two)]).toEqual([['Fridge'], ['Hall switch 0', 'Hall switch 1']]);
  });

  it.each([
    ['plus-1pm', ['shelly:020000000002', 'shelly:020000000002']],
    // It speaks otherwise, so that the first poll fails.
    ['plug-s', ['BAD_REPLY', 'shelly:020000000002']],
  ] as const)('notices that a %s has taken over the address', async (model, expected) => {
    const { station, sim } = await pair();
    await station.poll(soon());
    const port = Number(sim.host.split(':')[1]);
    await sim.close();
    open.push(await new ShellySim({ mac: '020000000002', model }).listen(port));
    const outcome = () =>
      station.poll(soon()).then(
        (poll) => poll.station,
        (error: Error & { code: string }) => error.code,
      );
    expect([await outcome(), await outcome()]).toEqual(expected);
  });

  it('tells of negative power and of returned energy apart', async () => {
    const { station, clock } = await pair({
      model: 'pm-mini',
      power: (at) => (at < start + 3_600_000 ? 120 : -600),
    });
    await clock.advance(7_200_000);
    const { answers } = await station.poll(soon());
    expect(answers[0]?.values).toMatchObject({ power_watts: -600, energy_wh: 120, export_wh: 600 });
  });

  it('passes on what the device complains about', async () => {
    const { station, sim } = await pair();
    sim.errors = ['overpower'];
    const { answers } = await station.poll(soon());
    expect(answers[0]?.device.notes).toEqual(['it reports overpower']);
  });
});

describe('sign-in', () => {
  it.each([
    ['plus-plug-s', false],
    ['plus-plug-s', true],
    ['plug-s', false],
  ] as const)('works on a %s (nonce reused: %s)', async (model, reusesNonce) => {
    const { station } = await pair({ model, reusesNonce, password: 'right' }, { password: 'right' });
    for (let i = 0; i < 4; i += 1)
      await expect(station.poll(soon())).resolves.toMatchObject({ mac: '02:00:00:00:00:01' });
  });

  it('spends one request a poll where firmware takes a nonce again, two where it does not', async () => {
    const counts = await Promise.all(
      [true, false].map(async (reusesNonce) => {
        const { station, sim } = await pair({ reusesNonce, password: 'right' }, { password: 'right' });
        await station.poll(soon());
        const before = sim.asked.get('/rpc') ?? 0;
        for (let i = 0; i < 4; i += 1) await station.poll(soon());
        return (sim.asked.get('/rpc') ?? 0) - before;
      }),
    );
    expect(counts).toEqual([4, 8]);
  });

  it.each([['plus-plug-s'], ['plug-s']] as const)('says what to do where a %s refuses', async (model) => {
    const wrong = await pair({ model, password: 'right' }, { password: 'wrong-and-secret' });
    const none = await pair({ model, password: 'right' });
    const errors = await Promise.all(
      [wrong, none].map(({ station }) => station.poll(soon()).then(String, (error: Error) => error)),
    );
    expect(errors).toMatchObject([
      {
        code: 'AUTH_REFUSED',
        message: 'the Shelly refuses the password; set the one that protects its own web page',
      },
      {
        code: 'AUTH_REFUSED',
        message: 'the Shelly wants a password; set password for this device or for all Shellys',
      },
    ]);
    expect(JSON.stringify(errors)).not.toContain('secret');
  });
});

describe('switching', () => {
  it.each([['plus-plug-s'], ['plug-s'], ['plus-2pm']] as const)(
    'turns a %s and reads back',
    async (model) => {
      const { station, sim } = await pair({ model });
      const { answers } = await station.poll(soon());
      const last = answers.at(-1)?.switches;
      const output = answers.length - 1;
      expect([await last?.turn(false, soon()), sim.isOn(output)]).toEqual([false, false]);
      expect([await last?.turn(true, soon()), sim.isOn(output)]).toEqual([true, true]);
      expect((await station.poll(soon())).answers.at(-1)?.values.is_on).toBe(1);
    },
  );

  it('reports what the device says afterwards, not what was asked for', async () => {
    const { station, sim } = await pair();
    const { answers } = await station.poll(soon());
    sim.overrides.set('Switch.Set', { was_on: true });
    expect(await answers[0]?.switches?.turn(false, soon())).toBe(true);
  });

  it('does not wait for a poll that hangs', async () => {
    const { station, sim } = await pair();
    const { answers } = await station.poll(soon());
    sim.fault('hang');
    const abort = new AbortController();
    const hanging = station.poll(abort.signal);
    const failed = expect(hanging).rejects.toMatchObject({ code: 'TIMEOUT' });
    while ((sim.asked.get('/rpc') ?? 0) < 3) await new Promise((resolve) => setImmediate(resolve));
    sim.heal('hang');
    expect(await answers[0]?.switches?.turn(false, soon())).toBe(false);
    abort.abort();
    await failed;
  });
});

describe('memory', () => {
  it('gives back every minute of an outage, page by page', async () => {
    const { station, clock, sim } = await pair({ model: 'pro-3em', power: kettle, pageSize: 50 });
    const { answers } = await station.poll(soon());
    await clock.advance(6 * 3_600_000);
    const slots = (await answers[0]?.remembers?.energy(start, clock.now(), soon())) ?? [];
    expect([slots.length, slots[0]?.from, slots.at(-1)?.to]).toEqual([360, start, start + 6 * 3_600_000]);
    const counted = [0, 1, 2].reduce((a, i) => a + sim.counted(i).wh, 0);
    expect(wh(slots)).toBeCloseTo(counted, 6);
  });

  it('asks a clamp for itself alone and only for the time that is wanted', async () => {
    const { station, clock } = await pair({ model: 'pro-em', power: [() => 60, () => -120] });
    const { answers } = await station.poll(soon());
    await clock.advance(3_600_000);
    const from = start + 1_800_000;
    const slots = (await answers[1]?.remembers?.energy(from, from + 120_000, soon())) ?? [];
    expect(slots).toEqual([
      { from, to: from + 60_000, wh: 0, exportWh: expect.closeTo(2, 9) as number },
      { from: from + 60_000, to: from + 120_000, wh: 0, exportWh: expect.closeTo(2, 9) as number },
    ]);
  });

  it.each([
    ['em', 1, [60, -120], 0, 20],
    ['3em', 0, [60, 30, -120], 15, 20],
  ] as const)(
    'reads the log of an %s of the first generation',
    async (model, channel, watts, wh10, back10) => {
      const { station, clock } = await pair({ model, power: watts.map((w) => () => w) });
      const { answers } = await station.poll(soon());
      await clock.advance(3 * 3_600_000);
      const from = start + 3_600_000;
      const slots = (await answers[channel]?.remembers?.energy(from, from + 1_200_000, soon())) ?? [];
      expect(slots).toEqual(
        [0, 1].map((i) => ({
          from: from + i * 600_000,
          to: from + (i + 1) * 600_000,
          wh: wh10,
          exportWh: back10,
        })),
      );
    },
  );

  it('waits its turn where somebody else reads the log', async () => {
    const { station, sim } = await pair({ model: 'em' });
    const { answers } = await station.poll(soon());
    sim.overrides.set('/emeter/0/em_data.csv', 'Another file transfer is in progress!');
    await expect(answers[0]?.remembers?.energy(start, start + 1, soon())).rejects.toMatchObject({
      code: 'UNREACHABLE',
    });
  });

  it('knows the last three minutes of a plug', async () => {
    const { station, clock } = await pair({ power: () => 60 });
    await clock.advance(600_000);
    const { answers } = await station.poll(soon());
    const slots = (await answers[0]?.remembers?.energy(start, clock.now(), soon())) ?? [];
    expect(slots).toEqual(
      [7, 8, 9].map((m) => ({ from: start + m * 60_000, to: start + (m + 1) * 60_000, wh: 1, exportWh: 0 })),
    );
  });

  it.each([[600_000], [-600_000]])(
    'puts minutes right where the clock of the device is %i ms off',
    async (skewMs) => {
      const { station, clock, sim } = await pair({ model: 'pro-3em', power: kettle });
      sim.skewMs = skewMs;
      await clock.advance(3_600_000);
      const { answers } = await station.poll(soon());
      const slots = (await answers[0]?.remembers?.energy(start, start + 180_000, soon())) ?? [];
      expect([slots.length, slots[0]?.from]).toEqual([3, start]);
      expect(wh(slots)).toBeCloseTo(100, 6);
      expect(answers[0]?.device.notes).toEqual([
        `its clock is 10 min ${skewMs > 0 ? 'ahead' : 'behind'}; its history is shifted by as much`,
      ]);
    },
  );

  it('is not used while the device has no time', async () => {
    const { station, sim } = await pair({ model: 'pro-3em', power: kettle });
    sim.hasTime = false;
    const { answers } = await station.poll(soon());
    expect(await answers[0]?.remembers?.energy(start, start + 1, soon())).toEqual([]);
    expect(answers[0]?.device.notes).toEqual([
      'it does not know the time, so its history cannot be used: give it a time server',
    ]);
  });

  it('ends where pages lead in circles', async () => {
    const { station, clock, sim } = await pair({ model: 'pro-3em', power: kettle });
    const { answers } = await station.poll(soon());
    await clock.advance(600_000);
    sim.overrides.set('EMData.GetData', { keys: [], data: [], next_record_ts: 5 });
    expect(await answers[0]?.remembers?.energy(start, clock.now(), soon())).toEqual([]);
  });
});

describe('a bad line', () => {
  it.each([
    ['drop', 'UNREACHABLE'],
    ['garbage', 'BAD_REPLY'],
    ['bad-json', 'BAD_REPLY'],
    ['reset', 'UNREACHABLE'],
    ['busy', 'UNREACHABLE'],
    ['unauthorized', 'AUTH_REFUSED'],
    ['hang', 'TIMEOUT'],
  ] as const satisfies readonly (readonly [HttpFault, string])[])(
    '%s is %s, and the next poll works',
    async (fault, code) => {
      const { station, sim } = await pair({}, { password: 'x' });
      await station.poll(soon());
      sim.fault(fault);
      const limit = code === 'TIMEOUT' ? AbortSignal.timeout(200) : soon();
      await expect(station.poll(limit)).rejects.toMatchObject({ code });
      sim.heal(fault);
      await expect(station.poll(soon())).resolves.toMatchObject({ station: 'shelly:020000000001' });
    },
  );

  it.each([['split'], ['merge'], ['slow']] as const)('%s does no harm', async (fault) => {
    const { station, sim } = await pair();
    sim.fault(fault);
    for (let i = 0; i < 2; i += 1)
      await expect(station.poll(soon())).resolves.toMatchObject({ mac: '02:00:00:00:00:01' });
  });

  it('a reboot between two polls costs none of them, and the counter starts again', async () => {
    const { station, clock, sim } = await pair({ power: () => 60 });
    await clock.advance(3_600_000);
    const before = await station.poll(soon());
    sim.reboot({ resetCounters: true });
    await clock.advance(60_000);
    const after = await station.poll(soon());
    expect([before, after].map((p) => p.answers[0]?.values.energy_wh)).toEqual([60, 1]);
  });

  it.each([[null], [[]], [{}], [{ sys: null }], ['text']])('copes with the status %j', async (status) => {
    const { station, sim } = await pair();
    sim.overrides.set('Shelly.GetStatus', status);
    const outcome = await station.poll(soon()).then(
      (poll) => poll.answers,
      (error: Error & { code: string }) => error.code,
    );
    expect(outcome).toEqual(
      status !== null && typeof status === 'object' && 'sys' in status ? [] : 'BAD_REPLY',
    );
  });

  it('that loses the names does not lose the readings', async () => {
    const { station, sim } = await pair({ name: 'Lamp', power: () => 60 });
    sim.overrides.set('Shelly.GetConfig', undefined);
    const { answers } = await station.poll(soon());
    expect(answers[0]?.values.power_watts).toBe(60);
  });

  it('closing ends what is under way; what was announced before still switches', async () => {
    const { station, sim } = await pair();
    const { answers } = await station.poll(soon());
    sim.fault('hang');
    const failed = expect(station.poll(soon())).rejects.toMatchObject({ code: 'UNREACHABLE' });
    while ((sim.asked.get('/rpc') ?? 0) < 3) await new Promise((resolve) => setImmediate(resolve));
    station.close();
    await failed;
    expect(sim.asked.get('/rpc')).toBe(3);
    sim.heal('hang');
    expect(await answers[0]?.switches?.turn(false, soon())).toBe(false);
  });

  it('says what the device says when it refuses', async () => {
    const { station, sim } = await pair();
    const { answers } = await station.poll(soon());
    sim.overrides.set('/rpc', { id: 1, error: { code: -114, message: 'Method\u0007 failed' } });
    await expect(answers[0]?.switches?.turn(true, soon())).rejects.toMatchObject({
      code: 'BAD_REPLY',
      message: 'the Shelly refuses Switch.Set: Method  failed (-114)',
    });
  });
});
