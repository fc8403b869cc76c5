import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
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
import { parseCloud, parseMessage, parseLocal, parseState } from './codec.ts';
import { example, makeGlowDriver } from './driver.ts';
import { judge } from './rules.ts';
import { GlowSim, type GlowFault, type GlowSimOptions } from './sim.ts';

const start = Date.UTC(2026, 10, 21, 8);

const electricity = (more: object = {}) => ({
  electricitymeter: {
    timestamp: '2026-11-21T08:00:00Z',
    energy: {
      export: { cumulative: 0, units: 'kWh' },
      import: {
        cumulative: 1234.567,
        day: 3.1,
        week: 20.25,
        month: 60.4,
        units: 'kWh',
        mpan: '1200012345678',
        supplier: 'Example Energy',
        price: { unitrate: 0.2703, standingcharge: 0.5351 },
      },
    },
    power: { value: 0.431, units: 'kW' },
    ...more,
  },
});

test('a local message of electricity, to the last digit', () => {
  expect(parseLocal(electricity())).toEqual({
    medium: 'electricity',
    at: start,
    values: { power_watts: 431, energy_wh: 1_234_567, unit_price: 0.2703, standing_charge: 0.5351 },
    periods: { day: 3.1, week: 20.25, month: 60.4 },
    point: '1200012345678',
    supplier: 'Example Energy',
  });
});

test('error values and nulls of the display are absent, not measured', () => {
  const broken = electricity({
    power: { value: -8388.608, units: 'kW' },
    energy: {
      export: { cumulative: null },
      import: {
        cumulative: 0,
        day: null,
        units: 'kWh',
        supplier: '---',
        price: { unitrate: 0, standingcharge: 0 },
      },
    },
  });
  expect(parseLocal(broken)).toEqual({ medium: 'electricity', at: start, values: {}, periods: {} });
  expect(parseLocal(electricity({ energy: null, power: null, timestamp: '2000-01-01T00:00:00Z' }))).toEqual({
    medium: 'electricity',
    values: {},
    periods: {},
  });
});

test('what is fed back is negative power and a counter of its own', () => {
  const message = electricity({
    power: { value: -1.25, units: 'kW' },
    energy: { export: { cumulative: 12.5, units: 'kWh' }, import: { cumulative: 1, units: 'kWh' } },
  });
  expect(parseLocal(message).values).toEqual({ power_watts: -1_250, energy_wh: 1_000, export_wh: 12_500 });
});

test('gas in kWh and m³, as old and new displays write it', () => {
  const gas = (bought: object) =>
    parseLocal({ gasmeter: { timestamp: '2026-11-21T07:30:00Z', energy: { import: bought } } });
  const fresh = {
    cumulative: 2282.363,
    units: 'kWh',
    cumulativevol: 203.782,
    cumulativevolunits: 'm3',
    day: 1.5,
    mprn: '42',
  };
  expect(gas(fresh)).toEqual({
    medium: 'gas',
    at: start - 1_800_000,
    values: { energy_wh: 2_282_363, volume_m3: 203.782 },
    periods: { day: 1.5 },
    point: '42',
  });
  expect(gas({ cumulative: 203.782, units: 'm3', day: 1.5 })).toMatchObject({
    values: { volume_m3: 203.782 },
    periods: {},
  });
  expect(gas({ ...fresh, cumulativevol: 0 }).values).toEqual({ energy_wh: 2_282_363 });
});

const cloud = (attributes: object, medium = 'elecMtr') =>
  parseCloud({
    [medium]: { '0702': { '03': { '01': '00000001', '02': '000003E8', '00': '00' }, ...attributes } },
    gmtime: start / 1_000,
  });

test('a cloud message: 48-bit sums, a signed demand of 24 bits, periods and the instant', () => {
  expect(
    cloud({
      '00': { '00': '0000004D64CC', '01': '0000000003E8' },
      '04': { '00': '000009F3', '01': '001F23', '30': '004A12', '40': '011C3C' },
    }),
  ).toEqual([
    {
      medium: 'electricity',
      at: start,
      values: { power_watts: 2_547, energy_wh: 5_072_076, export_wh: 1_000 },
      periods: { day: 7.971, week: 18.962, month: 72.764 },
    },
  ]);
});

test.each([
  ['FFFFFE', -2],
  ['00FFFF38', -200],
  ['7FFFFF', 8_388_607],
  ['800000', undefined],
  ['00800000', undefined],
  ['', undefined],
])('the demand %s is %s W', (raw, watts) =>
  expect(cloud({ '04': { '00': raw } })[0]!.values.power_watts).toBe(watts),
);

test('gas of the cloud counts m³, and its periods are kWh', () => {
  const gas = { '03': { '01': '00000001', '02': '000003E8', '00': '01', '12': '00' } };
  expect(
    cloud({ ...gas, '00': { '00': '00000022D37B' }, '0C': { '01': '009A1C', '30': '015DF5' } }, 'gasMtr'),
  ).toEqual([
    { medium: 'gas', at: start, values: { volume_m3: 2_282.363 }, periods: { day: 39.452, week: 89.589 } },
  ]);
});

test('sums that are zero or all ones are unknown; a time in hexadecimal will do', () => {
  const value = {
    elecMtr: { '0702': { '00': { '00': '000000000000', '01': 'FFFFFFFFFFFF' } } },
    time: '6A200000',
  };
  expect(parseCloud(value)).toEqual([
    { medium: 'electricity', at: 0x6a20_0000 * 1_000, values: {}, periods: {} },
  ]);
});

test('the state of the display', () => {
  const state = {
    software: 'v1.8.13',
    hardware: 'GLOW-IHD-01',
    ethmac: '0123456789AB',
    han: { status: 'joined' },
  };
  expect([parseState(state), parseState('nothing')]).toEqual([
    { firmware: 'v1.8.13', model: 'GLOW-IHD-01', mac: '01:23:45:67:89:ab', link: 'joined' },
    {},
  ]);
});

test('a counter of whole Wh survives the way through kWh, written and read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 ** 11 }), (wh) => {
      const message = electricity({ energy: { import: { cumulative: wh / 1_000, units: 'kWh' } } });
      expect(parseLocal(JSON.parse(JSON.stringify(message))).values.energy_wh).toBe(wh);
      const raw = wh.toString(16).toUpperCase().padStart(12, '0');
      expect(cloud({ '00': { '00': raw } })[0]!.values.energy_wh).toBe(wh);
    }),
  );
});

test('whatever is published, the codec gives finite values or refuses with BAD_REPLY', () => {
  const leaf = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('800000', 'FFFFFF', -8388.608, 0, '2026-11-21T08:00:00Z'),
  );
  const keyed =
    (...keys: string[]) =>
    (value: fc.Arbitrary<unknown>) =>
      fc.dictionary(fc.constantFrom(...keys), value);
  const level = keyed(
    '00',
    '01',
    '02',
    '03',
    '04',
    '0C',
    '30',
    '40',
    'cumulative',
    'units',
    'price',
    'unitrate',
    'value',
    'day',
  );
  const meter = keyed(
    '0702',
    '0708',
    'energy',
    'power',
    'import',
    'export',
    'timestamp',
  )(fc.oneof(leaf, level(fc.oneof(leaf, level(leaf))), keyed('import', 'export')(level(leaf))));
  const message = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    keyed('electricitymeter', 'gasmeter', 'elecMtr', 'gasMtr', 'gmtime', 'time')(fc.oneof(meter, leaf)),
  );
  fc.assert(
    fc.property(message, (value) => {
      for (const parse of [parseLocal, parseCloud]) {
        let numbers: number[] = [];
        try {
          numbers = [parse(value)]
            .flat()
            .flatMap(({ values, periods }) => [...Object.values(values), ...Object.values(periods)]);
        } catch (error) {
          if (!(error instanceof LaresError) || error.code !== 'BAD_REPLY') throw error;
        }
        expect(numbers.filter((number) => !Number.isFinite(number))).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
  expect(() => parseMessage('{')).toThrow('not JSON');
});

test.each([
  ['just now', 'electricity', start - 10_000, false, undefined, 'new', start - 10_000],
  ['kept by the broker, but of now', 'electricity', start - 10_000, true, undefined, 'new', start - 10_000],
  ['kept for hours', 'electricity', start - 7_200_000, true, undefined, 'old', start - 7_200_000],
  ['kept, without an instant', 'electricity', undefined, true, undefined, 'old', start],
  ['live, without an instant', 'electricity', undefined, false, undefined, 'new', start],
  ['told before', 'electricity', start - 10_000, false, start - 10_000, 'again', start - 10_000],
  ['a display that runs ahead', 'electricity', start + 3_600_000, false, start - 1, 'new', start],
  [
    'a gas meter that sleeps half an hour',
    'gas',
    start - 1_900_000,
    false,
    undefined,
    'new',
    start - 1_900_000,
  ],
] as const)('age of a message: %s', (_, medium, at, retained, told, age, of) =>
  expect(judge({ at, medium }, retained, told, start)).toEqual({ age, at: of }),
);

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
