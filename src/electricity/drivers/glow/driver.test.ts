import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { startBroker, type RunningBroker } from '#platform/mqtt/broker.ts';
import { publishOnce } from '#platform/mqtt/client.ts';
import { brokerConfig } from '#platform/mqtt/config.ts';
import { runDriver, type DriverRun } from '../../../../tests/contract/run-driver.ts';
import { MemoryState } from '../../../../tests/servers/memory-store.ts';
import { mosquitto, mosquittoProgram } from '../../../../tests/servers/mosquitto.ts';
import { until } from '../../../../tests/servers/process.ts';
import type { ElectricitySignal } from '../../model.ts';
import { example, makeGlowDriver } from './driver.ts';
import { electricity, start } from './fixture.ts';
import { GlowSim, type GlowFault, type GlowSimOptions } from './sim.ts';

describe('on a broker', () => {
  const stops: (() => unknown)[] = [];
  let broker: RunningBroker;
  beforeEach(async () => {
    broker = await startBroker(
      brokerConfig.parse({ port: 0, users: [{ name: 'glow', password: 'secret-of-glow' }] }),
      {
        log: new Logger({ write: () => {} }),
        signal: new AbortController().signal,
      },
    );
    stops.push(() => broker.close());
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).toReversed()) await stop();
  });

  const values = (run: DriverRun<ElectricitySignal>) =>
    run.signals.flatMap((s) => (s.kind === 'measured' ? [[s.id, s.at - start, s.values] as const] : []));
  const troubles = (run: DriverRun<ElectricitySignal>) =>
    run.signals.flatMap((s) => (s.kind === 'trouble' ? [s.error.message] : []));

  async function house(settings: object = {}, options: Partial<GlowSimOptions> = {}) {
    const clock = new ManualClock(start);
    const run = runDriver(makeGlowDriver({ state: new MemoryState(), broker }), settings, clock);
    stops.push(() => run.stop());
    await until(() => run.details.some((d) => d?.startsWith('connected') ?? false));
    const sim = await new GlowSim({
      broker,
      now: () => clock.now(),
      everyMs: 0,
      power: () => 3_600,
      gas: () => 7_200,
      ...options,
    }).listen();
    stops.push(() => sim.close());
    return { clock, run, sim };
  }

  test('the driver accepts its own example and refuses what it does not know', () => {
    const { config } = makeGlowDriver({ state: new MemoryState() });
    expect(config.parse(example)).toMatchObject({ prefix: 'glow', local: true });
    expect(() => config.parse({ unknown: 1 })).toThrow('unknown');
    expect(() => config.parse({ prefix: 'a/#' })).toThrow('no + or #');
  });

  test('without a broker, or with nothing to read, it says what to set', async () => {
    const parts = { state: new MemoryState() };
    expect(await runDriver(makeGlowDriver(parts), {}).ended).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(await runDriver(makeGlowDriver(parts), { local: false }).ended).toMatchObject({
      code: 'CONFIG_INVALID',
    });
  });

  test('a display tells of electricity and gas, each a device of its own', async () => {
    const { run, sim, clock } = await house();
    await clock.advance(10_000);
    await sim.step();
    await until(() => values(run).length === 2);
    expect(values(run)).toEqual([
      [
        'glow:0123456789ab/electricity',
        10_000,
        { power_watts: 3_600, energy_wh: 15_254_010, unit_price: 0.2703, standing_charge: 0.5351 },
      ],
      [
        'glow:0123456789ab/gas',
        10_000,
        { energy_wh: 2_282_020, volume_m3: 203.752, unit_price: 0.0612, standing_charge: 0.2747 },
      ],
    ]);
    expect(run.signals.filter((s) => s.kind === 'device').map((s) => s.device)).toEqual([
      {
        id: 'glow:0123456789ab/electricity',
        source: 'glow',
        name: 'electricity',
        medium: 'electricity',
        address: 'glow/0123456789AB',
        model: 'GLOW-IHD-01-1v4-SMETS2',
        firmware: 'v1.8.13',
        mac: '01:23:45:67:89:ab',
        notes: ['supplied by Example Energy'],
      },
      {
        id: 'glow:0123456789ab/gas',
        source: 'glow',
        name: 'gas',
        medium: 'gas',
        address: 'glow/0123456789AB',
        model: 'GLOW-IHD-01-1v4-SMETS2',
        firmware: 'v1.8.13',
        mac: '01:23:45:67:89:ab',
      },
    ]);
    // The same once more is no news.
    await sim.step();
    await clock.advance(10_000);
    await sim.step();
    await until(() => values(run).length === 4);
    expect(values(run)[2]).toMatchObject([
      'glow:0123456789ab/electricity',
      20_000,
      { energy_wh: 15_254_020 },
    ]);
  });

  test('the cloud format says the same', async () => {
    const { run, sim, clock } = await house(
      {
        local: false,
        cloud: {
          url: broker.url,
          username: broker.username,
          password: broker.password,
          device_id: '0123456789ABCDEF',
        },
      },
      { format: 'cloud', power: () => -1_500 },
    );
    await clock.advance(10_000);
    await sim.step();
    await until(() => values(run).length === 2);
    expect(values(run)).toEqual([
      [
        'glow:0123456789abcdef/electricity',
        10_000,
        { power_watts: -1_500, energy_wh: 15_254_000, export_wh: 4 },
      ],
      ['glow:0123456789abcdef/gas', 10_000, { volume_m3: 203.752 }],
    ]);
  });

  test.each<[GlowFault, number]>([
    ['drop', 0],
    ['hang', 0],
    ['garbage', 0],
    ['split', 0],
    ['merge', 2],
    ['reset', 2],
    ['slow', 2],
    ['stale', 0],
    ['error', 0],
    ['nulls', 2],
    ['retain', 2],
  ])(
    'the fault %s tells %d measurements while it lasts, and is over when it is over',
    async (fault, told) => {
      const { run, sim, clock } = await house();
      await sim.step();
      await until(() => values(run).length === 2);
      sim.fault(fault, 700_000);
      await clock.advance(600_000);
      await sim.step();
      await publishOnce(broker, 'glow/end/SENSOR/gasmeter', JSON.stringify(electricity({ timestamp: null })));
      await until(() => values(run).some(([id]) => id === 'glow:end/electricity'));
      const during = values(run)
        .slice(2)
        .filter(([id]) => id !== 'glow:end/electricity');
      expect(during.map(([, , v]) => v.energy_wh)).not.toContain(0);
      expect(during.map(([, , v]) => v.power_watts)).not.toContain(-8_388_608);
      // Gas may be told half an hour late, so a stale one is not news either.
      expect(during).toHaveLength(told);
      await clock.advance(600_000);
      await sim.step();
      await until(() =>
        values(run).some(([id, at]) => id === 'glow:0123456789ab/electricity' && at === 1_200_000),
      );
      expect(values(run).findLast(([id]) => id === 'glow:0123456789ab/electricity')?.[2]).toMatchObject({
        energy_wh: 15_255_200,
      });
    },
  );

  test('a message that the broker kept for hours is neither a device nor a measurement of now', async () => {
    await publishOnce(
      broker,
      'glow/0123456789AB/SENSOR/electricitymeter',
      JSON.stringify(electricity({ timestamp: '2026-11-21T05:00:00Z' })),
      { retain: true },
    );
    const { run, sim } = await house();
    await until(() => run.details.includes('electricity of the past'));
    expect(run.signals).toEqual([]);
    await sim.step();
    await until(() => values(run).length === 2);
  });

  test('a display that has lost the meter, or says so, is named once', async () => {
    const { run, sim, clock } = await house();
    await sim.step();
    sim.fault('stale', 3_600_000);
    await clock.advance(600_000);
    await sim.step();
    await sim.step();
    const lost = JSON.stringify({ han: { status: 'scanning' } });
    await publishOnce(broker, 'glow/0123456789AB/STATE', lost);
    await publishOnce(broker, 'glow/0123456789AB/STATE', lost);
    await until(() => troubles(run).length === 2);
    expect(troubles(run)).toEqual([
      'the display tells of 2026-11-21T08:00:00.000Z: it does not hear the electricity meter, or its clock is wrong',
      'the display does not hear the meter (scanning); bring it nearer to the meter',
    ]);
  });

  test('with both lines, a cloud that refuses us does not stop the local display', async () => {
    const { run, sim } = await house({
      cloud: { url: broker.url, username: 'glow', password: 'wrong-password', device_id: '0123456789ABCDEF' },
    });
    await until(() => troubles(run).length === 1);
    await sim.step();
    await until(() => values(run).length === 2);
    expect(troubles(run)[0]).toMatch(/refused the user name or password/);
    expect(troubles(run).join()).not.toMatch(/wrong-password/);
  });
});

test.skipIf(mosquittoProgram === undefined)(
  'Mosquitto goes and comes back: the run ends for the supervisor, and the next one hears again',
  async () => {
    const server = await mosquitto({ users: { alex: 'secret-of-alex' } });
    try {
      const broker = { url: server.url, username: 'alex', password: 'secret-of-alex' };
      const driver = makeGlowDriver({ state: new MemoryState(), broker });
      const first = runDriver(driver, {});
      await until(() => first.details.length > 0);
      await server.stop('SIGKILL');
      expect(await first.ended).toMatchObject({ code: 'UNREACHABLE' });
      await server.start();
      const second = runDriver(driver, {});
      await until(() => second.details.length > 0);
      const sim = await new GlowSim({ broker, everyMs: 50 }).listen();
      await until(() => second.signals.some((s) => s.kind === 'measured'));
      await sim.close();
      expect(await second.stop()).toBeUndefined();
    } finally {
      await server.remove();
    }
  },
);
