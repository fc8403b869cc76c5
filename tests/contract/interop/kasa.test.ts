import { Client, type AnyDevice } from 'tplink-smarthome-api';
import { Device } from 'tplink-smarthome-simulator';
import { afterEach, describe, expect, test } from 'vitest';
import { config, protocol } from '#electricity/drivers/kasa/driver.ts';
import { KasaSim, type KasaSimOptions } from '#electricity/drivers/kasa/sim.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const signal = () => AbortSignal.timeout(60_000);

describe('our client against devices of tplink-smarthome-simulator', () => {
  async function open(model: string) {
    // It wants one number free for UDP and TCP; on an address of its own no connection of others can hold it.
    const host = '127.8.1.1';
    const device = new Device({ model, port: 0, address: host, alias: 'Interop' });
    await device.start();
    closers.push(() => device.stop());
    const settings = config.parse({ ports: { local: device.port, http: 1 }, timeout_seconds: 60 });
    const station = protocol.open({ host }, settings, {
      clock: systemClock,
      log: silent,
      random: Math.random,
    });
    closers.push(() => station.close());
    return { device, poll: () => station.poll(signal()) };
  }

  const meters = ['power_watts', 'voltage_volts', 'current_amps', 'energy_wh', 'is_on'];
  test.each<[string, number, readonly string[]]>([
    ['hs100', 1, ['is_on']],
    ['hs105', 1, ['is_on']],
    ['hs110', 1, meters],
    ['hs110v2', 1, meters],
    ['hs200', 1, ['is_on']],
    ['hs220', 1, ['is_on']],
    ['hs300', 7, meters],
    ['lb100', 1, ['power_watts', 'is_on']],
    ['lb120', 1, ['power_watts', 'is_on']],
    ['lb130', 1, ['power_watts', 'is_on']],
    ['kl430', 1, ['power_watts', 'is_on']],
  ])('a %s is read, switched off and on, and read back', async (model, devices, quantities) => {
    const { poll } = await open(model);
    const first = await poll();
    const later = await poll();
    expect(first.answers).toHaveLength(devices);
    for (const { device, values } of [...first.answers, ...later.answers]) {
      expect(Object.keys(values).toSorted()).toEqual([...quantities].toSorted());
      expect(device.mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    }
    const last = later.answers.at(-1)!;
    for (const on of [false, true, false]) {
      expect(await last.switches?.turn(on, signal())).toBe(on);
      expect((await poll()).answers.at(-1)?.values.is_on).toBe(on ? 1 : 0);
    }
  });

  test('a socket of a strip is switched alone', async () => {
    const { poll } = await open('hs300');
    const [whole, ...sockets] = (await poll()).answers;
    await whole!.switches!.turn(true, signal());
    await sockets[2]!.switches!.turn(false, signal());
    expect((await poll()).answers.slice(1).map((a) => a.values.is_on)).toEqual([1, 1, 0, 1, 1, 1]);
  });

  test('daily statistics are recalled in their shape, kWh and Wh', async () => {
    for (const model of ['hs110', 'hs110v2']) {
      const { poll } = await open(model);
      const [answer] = (await poll()).answers;
      const now = Date.now();
      for (const slot of await answer!.remembers!.energy(now - 40 * 86_400_000, now, signal())) {
        expect(slot.to).toBeGreaterThan(slot.from);
        expect(slot.wh).toBeGreaterThanOrEqual(0);
      }
    }
  });
});

describe('tplink-smarthome-api against our simulator', () => {
  async function open(options: KasaSimOptions): Promise<{ sim: KasaSim; device: AnyDevice; client: Client }> {
    const sim = await new KasaSim({ power: () => 1_234, since: Date.now() - 3_600_000, ...options }).listen();
    closers.push(() => sim.close());
    const client = new Client();
    const device = await client.getDevice({ host: sim.host, port: sim.port });
    return { sim, device, client };
  }

  test.each<[KasaSimOptions['model'], object]>([
    ['HS110', { power: 1_234, voltage: 230 }],
    ['KP115', { power_mw: 1_234_000, voltage_mv: 230_000 }],
    ['KL110', { power_mw: 1_234_000 }],
  ])('reads and switches a %s', async (model, reading) => {
    const { sim, device } = await open({ model });
    expect(await device.emeter.getRealtime()).toMatchObject(reading);
    expect(device.model).toBe(`${model}(UK)`);
    for (const on of [false, true]) {
      await device.setPowerState(on);
      expect(await device.getPowerState()).toBe(on);
      expect(sim.meters[0]?.on).toBe(on);
    }
  });

  test('reads the statistics that our simulated plug keeps', async () => {
    // In one year, whatever the calendar says today.
    const now = Date.UTC(2026, 10, 21, 12);
    const lived = { now: () => now, since: now - 3_600_000 };
    const { device } = await open({ model: 'KP115', zone: 38, ...lived });
    const reply: unknown = await device.emeter.getMonthStats(2026);
    const total = (reply as { month_list: { energy_wh: number }[] }).month_list.reduce(
      (sum, m) => sum + m.energy_wh,
      0,
    );
    expect(Math.abs(total - 1_234)).toBeLessThan(3);
  });

  test('addresses one socket of a strip', async () => {
    const { sim, client } = await open({ model: 'HS300' });
    const plug = await client.getDevice({ host: sim.host, port: sim.port, childId: '02' });
    await plug.setPowerState(false);
    expect(sim.meters.map((m) => m.on)).toEqual([true, true, false, true, true, true]);
  });

  test('speaks to it over UDP as well', async () => {
    const { sim, client } = await open({ model: 'KP115', name: 'Kettle' });
    const info = await client.getSysInfo(sim.host, sim.port, { transport: 'udp' });
    expect(info.alias).toBe('Kettle');
  });
});
