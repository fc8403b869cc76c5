import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDiscovery, parseMessage, parseStatus, readRelays, readSensor, relayOf } from './codec.ts';
import { deviceOf, layout } from './layout.rules.ts';
import { filters, hear, isPattern } from './topics.rules.ts';

describe('readings', () => {
  it('are one number each on a plug', () => {
    const ENERGY = {
      TotalStartTime: '2026-01-01T00:00:00',
      Total: 1290.396,
      Yesterday: 0.854,
      Today: 0.173,
      Power: 47.11,
      ApparentPower: 50,
      ReactivePower: 16,
      Factor: 0.94,
      Voltage: 232,
      Current: 0.215,
    };
    expect(readSensor({ StatusSNS: { Time: '2026-01-01T10:00:00', ENERGY } })).toEqual([
      {
        key: '',
        values: {
          power_watts: 47.11,
          voltage_volts: 232,
          current_amps: 0.215,
          apparent_power_va: 50,
          reactive_power_var: 16,
          power_factor: 0.94,
          energy_wh: 1_290_396,
        },
      },
    ]);
  });

  it('are arrays of channels behind one counter', () => {
    const ENERGY = {
      Total: 0.077,
      Power: [8.15, 0],
      Factor: [0.5, 0],
      Voltage: 237,
      Frequency: 50,
      Current: ['0.07', 'NaN'],
    };
    expect(readSensor({ ENERGY })).toEqual([
      { key: '', values: { power_watts: 8.15, voltage_volts: 237, frequency_hertz: 50, energy_wh: 77 } },
      {
        key: '1',
        values: {
          power_watts: 8.15,
          voltage_volts: 237,
          current_amps: 0.07,
          power_factor: 0.5,
          frequency_hertz: 50,
        },
      },
      { key: '2', values: { power_watts: 0, voltage_volts: 237, power_factor: 0, frequency_hertz: 50 } },
    ]);
  });

  it('are arrays of channels with a counter each', () => {
    const [whole, first, second] = readSensor({ ENERGY: { Total: [1.5, 2], Power: [1, 2] } });
    expect([whole, first, second]).toEqual([
      { key: '', values: { power_watts: 3, energy_wh: 3500 } },
      { key: '1', values: { power_watts: 1, energy_wh: 1500 } },
      { key: '2', values: { power_watts: 2, energy_wh: 2000 } },
    ]);
  });

  it('are the phases of one supply where each of three has its own voltage', () => {
    const ENERGY = {
      Total: 5,
      ExportActive: 2,
      Power: [100, -20, 3],
      Voltage: [230, 231, 232],
      Current: [1, 2, 3],
    };
    expect(readSensor({ ENERGY })).toEqual([
      {
        key: '',
        values: {
          power_watts: 83,
          current_amps: 6,
          energy_wh: 5000,
          export_wh: 2000,
          power_l1_watts: 100,
          power_l2_watts: -20,
          power_l3_watts: 3,
          voltage_l1_volts: 230,
          voltage_l2_volts: 231,
          voltage_l3_volts: 232,
          current_l1_amps: 1,
          current_l2_amps: 2,
          current_l3_amps: 3,
        },
      },
    ]);
  });

  it('come from a smart meter reader under the usual names', () => {
    const SML = { Total_in: 34507.4761, Total_out: 14737.1422, Power_curr: -894, Meter_number: '09' };
    expect(readSensor({ HTU21: { Temperature: 25.2 }, SML, Gas: { Count: 1.84 } })).toEqual([
      { key: '', values: { energy_wh: 34_507_476.1, export_wh: 14_737_142.2, power_watts: -894 } },
    ]);
  });

  it('of nothing electric are nothing', () => {
    expect(readSensor({ Time: 'x', AM2301: { Temperature: 20 }, COUNTER: { C1: 5 } })).toEqual([]);
  });

  it('survive numbers that are none', () => {
    const text = '{"ENERGY":{"Total":1,"Power":nan,"Voltage":-inf,"Current":[NaN]}}';
    expect(readSensor(parseMessage(text))).toEqual([{ key: '', values: { energy_wh: 1000 } }]);
  });
});

describe('relays', () => {
  it('are known by their keys', () => {
    expect(
      ['POWER', 'POWER1', 'POWER32', 'POWER0', 'POWER33', 'POWERONSTATE', '__proto__'].map(relayOf),
    ).toEqual(['', '1', '32', undefined, undefined, undefined, undefined]);
    expect(readRelays({ StatusSTS: { POWER1: 'ON', POWER2: 'OFF', POWER3: 'HELD', Uptime: 'ON' } })).toEqual(
      new Map([
        ['1', true],
        ['2', false],
      ]),
    );
  });

  it('belong to what they switch', () => {
    expect([
      layout([''], ['']),
      layout([''], ['1']),
      layout(['', '1', '2'], ['1', '2']),
      layout([''], ['1', '2']),
      layout([], ['1', '2']),
      layout(['', '1', '2'], ['1']),
    ]).toEqual([
      [{ key: '', relay: '' }],
      [{ key: '', relay: '1' }],
      [
        { key: '', relay: undefined },
        { key: '1', relay: '1' },
        { key: '2', relay: '2' },
      ],
      [
        { key: '', relay: undefined },
        { key: '1', relay: '1' },
        { key: '2', relay: '2' },
      ],
      [
        { key: '1', relay: '1' },
        { key: '2', relay: '2' },
      ],
      [
        { key: '', relay: undefined },
        { key: '1', relay: '1' },
        { key: '2', relay: undefined },
      ],
    ]);
  });

  it('are named as the device names them', () => {
    const identity = {
      mac: '02:00:00:00:00:0a',
      name: 'Strip',
      friendly: ['Lamp', undefined],
      model: 'X',
      firmware: '14',
    };
    const about = { base: 'tasmota:t', address: 't', name: undefined, fallback: 't', identity };
    const units = layout([''], ['1', '2']);
    expect(
      units.map((unit) => deviceOf(unit, units, about)).map(({ id, name, parent }) => [id, name, parent]),
    ).toEqual([
      ['tasmota:t', 'Strip', undefined],
      ['tasmota:t/1', 'Lamp', 'tasmota:t'],
      ['tasmota:t/2', 'Strip 2', 'tasmota:t'],
    ]);
  });
});

describe('topics', () => {
  it('are heard under several patterns', () => {
    const patterns = ['%prefix%/%topic%/', 'house/%topic%/%hostname%/%prefix%/'];
    expect(patterns.map(isPattern)).toEqual([true, true]);
    expect(patterns.flatMap(filters)).toEqual([
      'tele/+/+',
      'stat/+/+',
      'house/+/+/tele/+',
      'house/+/+/stat/+',
    ]);
    expect(
      [
        'tele/plug/SENSOR',
        'house/plug/host-1/stat/RESULT',
        'cmnd/plug/POWER',
        'tele/a/b/SENSOR',
        'other',
        'tele/pl\u001B[31mug/SENSOR',
        `tele/${'x'.repeat(65)}/SENSOR`,
      ].map((t) => hear(patterns, t)),
    ).toEqual([
      { prefix: 'tele', topic: 'plug', word: 'SENSOR', command: 'cmnd/plug' },
      { prefix: 'stat', topic: 'plug', word: 'RESULT', command: 'house/plug/host-1/cmnd' },
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it.each([
    ['%topic%/'],
    ['%prefix%/'],
    ['%prefix%/+/%topic%'],
    ['%prefix%%topic%'],
    ['%prefix%/%topic%/%topic%'],
  ])('cannot be %s', (pattern) => expect(isPattern(pattern)).toBe(false));
});

it('learns who a device is from its introduction and from its status', () => {
  const introduction = {
    t: 'plug',
    dn: 'Kettle',
    fn: ['Kettle', null],
    mac: '02000000000A',
    md: 'Plug',
    sw: '14.4.1',
  };
  const status = {
    Status: { DeviceName: 'Kettle', FriendlyName: ['Kettle'], Topic: 'plug' },
    StatusFWR: { Version: '14.4.1(release-tasmota)', Hardware: 'Plug' },
    StatusNET: { Mac: '02:00:00:00:00:0A' },
  };
  const identity = {
    mac: '02:00:00:00:00:0a',
    name: 'Kettle',
    friendly: ['Kettle'],
    model: 'Plug',
    firmware: '14.4.1',
  };
  expect(parseDiscovery(introduction)).toEqual({
    topic: 'plug',
    identity: { ...identity, friendly: ['Kettle', undefined] },
  });
  expect(parseStatus(status)).toEqual({ topic: 'plug', identity });
});

describe('whatever a broker carries', () => {
  const noise = fc.letrec<{ node: unknown }>((tie) => ({
    node: fc.oneof(
      { depthSize: 'small' },
      fc.oneof(
        fc.constant(null),
        fc.boolean(),
        fc.double(),
        fc.string(),
        fc.constantFrom('ON', 'OFF', 'NaN', '__proto__'),
      ),
      fc.array(tie('node'), { maxLength: 12 }),
      fc.dictionary(
        fc.constantFrom(
          'StatusSNS',
          'StatusSTS',
          'ENERGY',
          'SML',
          'Power',
          'Voltage',
          'Current',
          'Total',
          'Factor',
          'ExportActive',
          'Total_in',
          'power_l1',
          'POWER',
          'POWER2',
          'constructor',
          '__proto__',
          't',
          'dn',
          'fn',
          'mac',
          'Status',
          'StatusNET',
          'Mac',
        ),
        tie('node'),
      ),
    ),
  })).node;

  it('gives finite numbers or nothing, and never throws', () => {
    fc.assert(
      fc.property(noise, fc.string(), (message, text) => {
        for (const { key, values } of [...readSensor(message), ...readSensor(parseMessage(text))]) {
          expect(key).toMatch(/^[a-z0-9_]{0,64}$/);
          expect(Object.values(values).filter((v) => !Number.isFinite(v))).toEqual([]);
        }
        readRelays(message);
        parseDiscovery(message);
        parseStatus(message);
        hear(['%prefix%/%topic%/'], text);
      }),
      { numRuns: 2000 },
    );
  });
});
