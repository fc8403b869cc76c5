import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { parseIdentity, type Identity } from './codec.ts';
import { addLogs, parseLog, readGen1 } from './gen1.codec.ts';
import { minutes, output, parseBlocks, parseHistory, readGen2 } from './gen2.codec.ts';

const gen1 = (model: string): Identity =>
  parseIdentity({ type: model, mac: '020000000001', auth: false, fw: '20230913-113421/v1.14.0-gcb84623' });

describe('identity', () => {
  it('knows the first generation by its type', () => {
    expect(gen1('SHPLG-S')).toEqual({
      gen: 1,
      mac: '02:00:00:00:00:01',
      station: 'shelly:020000000001',
      model: 'SHPLG-S',
      firmware: '1.14.0',
      name: undefined,
      needsPassword: false,
      metered: undefined,
    });
  });

  it('takes every later generation for the second', () => {
    const info = { gen: 4, model: 'S4PL', mac: '0200000000AB', ver: '1.7.0', auth_en: true, name: 'Oven\n' };
    expect(parseIdentity(info)).toEqual({
      gen: 2,
      mac: '02:00:00:00:00:ab',
      station: 'shelly:0200000000ab',
      model: 'S4PL',
      firmware: '1.7.0',
      name: 'Oven',
      needsPassword: true,
      metered: undefined,
    });
  });

  it.each([[null], [[]], ['x'], [{}], [{ mac: '020000000001' }], [{ type: 'SHPLG-S', mac: 'zz' }]])(
    'refuses %j as something that is no Shelly',
    (value) => expect(() => parseIdentity(value)).toThrow(LaresError),
  );
});

describe('first generation', () => {
  it('counts watt-minutes on a plug', () => {
    const status = {
      mac: '020000000001',
      relays: [{ ison: true }],
      meters: [{ power: 12.5, is_valid: true, total: 2632 }],
    };
    expect(readGen1(gen1('SHPLG-S'), { relays: [{ name: 'Lamp' }] }, status)).toEqual({
      mac: '02:00:00:00:00:01',
      unixTime: undefined,
      revision: undefined,
      channels: [
        {
          key: 'relay:0',
          name: 'Lamp',
          values: { is_on: 1, power_watts: 12.5, energy_wh: 2632 / 60 },
          notes: [],
          turning: { path: '/relay/0' },
        },
      ],
    });
  });

  it('counts watt-hours on the clamps of an EM, each a circuit of its own', () => {
    const status = {
      emeters: [
        {
          power: -620.34,
          reactive: 714.48,
          pf: -0.66,
          voltage: 235.68,
          is_valid: true,
          total: 401472.9,
          total_returned: 653673.7,
        },
        { power: 1, is_valid: false, total: 7 },
      ],
    };
    expect(readGen1(gen1('SHEM'), {}, status).channels).toEqual([
      {
        key: 'emeter:0',
        name: undefined,
        values: {
          power_watts: -620.34,
          reactive_power_var: 714.48,
          power_factor: -0.66,
          voltage_volts: 235.68,
          energy_wh: 401472.9,
          export_wh: 653673.7,
        },
        notes: [],
        memory: { depth: 'logs', paths: ['/emeter/0/em_data.csv'] },
      },
      {
        key: 'emeter:1',
        name: undefined,
        values: {},
        notes: ['it says that its measurement is not valid'],
        memory: { depth: 'logs', paths: ['/emeter/1/em_data.csv'] },
      },
    ]);
  });

  it('takes the clamps of a 3EM for the phases of one supply', () => {
    const phase = (power: number) => ({
      power,
      pf: 1,
      current: 2,
      voltage: 230,
      is_valid: true,
      total: 100,
      total_returned: 1,
    });
    const [channel] = readGen1(gen1('SHEM-3'), {}, { emeters: [phase(1), phase(2), phase(-3)] }).channels;
    expect(channel?.values).toEqual({
      power_watts: 0,
      current_amps: 6,
      energy_wh: 300,
      export_wh: 3,
      power_l1_watts: 1,
      power_l2_watts: 2,
      power_l3_watts: -3,
      voltage_l1_volts: 230,
      voltage_l2_volts: 230,
      voltage_l3_volts: 230,
      current_l1_amps: 2,
      current_l2_amps: 2,
      current_l3_amps: 2,
    });
  });

  it('gives no sum where a phase is missing, so that the counter never jumps', () => {
    const phase = { power: 5, total: 100, is_valid: true };
    const [channel] = readGen1(
      gen1('SHEM-3'),
      {},
      { emeters: [phase, phase, { ...phase, is_valid: false }] },
    ).channels;
    expect(channel).toEqual({
      key: 'em:0',
      name: undefined,
      values: { power_l1_watts: 5, power_l2_watts: 5 },
      notes: ['it says that its measurement is not valid'],
      memory: { depth: 'logs', paths: [0, 1, 2].map((i) => `/emeter/${i}/em_data.csv`) },
    });
  });

  it('keeps a log, of which cut and garbled lines are left out', () => {
    const at = Date.UTC(2026, 8, 3, 12);
    const log = parseLog(
      'Date/time UTC,Active energy Wh (1),Returned energy Wh (1),Min V,Max V\n2026-09-03 12:00,100.00,0.00,226.0,232.0\r\n' +
        '2026-99-03 12:10,1.00,0.00,1,1\n\ngarbage\n2026-09-03 12:10,50.50,25.00,230.0,230.0\n2026-09-03 12:20,5',
    );
    expect(log).toEqual([
      { from: at, to: at + 600_000, wh: 100, exportWh: 0 },
      { from: at + 600_000, to: at + 1_200_000, wh: 50.5, exportWh: 25 },
    ]);
    expect(addLogs([log, log.slice(1)])).toEqual([
      { from: at + 600_000, to: at + 1_200_000, wh: 101, exportWh: 50 },
    ]);
  });

  it('keeps the one meter of two relays apart from both', () => {
    const status = {
      relays: [{ ison: true, overpower: true }, { ison: false }],
      meters: [{ power: 9, total: 60 }],
      overtemperature: true,
    };
    expect(readGen1(gen1('SHSW-21'), {}, status).channels).toEqual([
      {
        key: 'relay:0',
        name: undefined,
        values: { is_on: 1 },
        notes: ['it reports overpower', 'it reports overtemperature'],
        turning: { path: '/relay/0' },
      },
      {
        key: 'relay:1',
        name: undefined,
        values: { is_on: 0 },
        notes: ['it reports overtemperature'],
        turning: { path: '/relay/1' },
      },
      {
        key: 'meter:0',
        name: undefined,
        values: { power_watts: 9, energy_wh: 1 },
        notes: ['it reports overtemperature'],
      },
    ]);
  });

  it('says that the wattage of a Shelly 1 was typed in by a person', () => {
    const status = { relays: [{ ison: false }], meters: [{ power: 81.5, is_valid: true }] };
    const [channel] = readGen1(gen1('SHSW-1'), {}, status).channels;
    expect(channel?.notes).toEqual(['its power is the figure of its settings, not a measurement']);
  });
});

describe('later generations', () => {
  it('takes returned energy off the counter that includes it', () => {
    expect(
      output({ apower: -350, output: true, aenergy: { total: 10_000 }, ret_aenergy: { total: 4_000 } }),
    ).toEqual({
      power_watts: -350,
      is_on: 1,
      energy_wh: 6_000,
      export_wh: 4_000,
    });
  });

  it('reads a switch, a three-phase meter and a clamp, and nothing else', () => {
    const status = {
      sys: { mac: '020000000001', unixtime: 1_767_225_600, cfg_rev: 7 },
      'input:0': { id: 0, state: false },
      'switch:0': {
        id: 0,
        output: false,
        apower: 0,
        voltage: 230.5,
        current: 0,
        aenergy: { total: 1.5 },
        errors: ['overpower', 'over\u0007temp'],
      },
      'em:0': {
        a_act_power: 1,
        b_act_power: 2,
        c_act_power: -5,
        total_act_power: -2,
        n_current: null,
        a_errors: ['out_of_range:voltage'],
      },
      'emdata:0': { total_act: 10, total_act_ret: 20 },
      'em1:2': { act_power: 3, aprt_power: 4, pf: 0.75, freq: 50, voltage: 229, current: 0.02 },
    };
    expect(readGen2({ 'switch:0': { name: 'Pump' } }, status)).toEqual({
      mac: '02:00:00:00:00:01',
      unixTime: 1_767_225_600,
      revision: 7,
      channels: [
        {
          key: 'em1:2',
          name: undefined,
          values: {
            power_watts: 3,
            apparent_power_va: 4,
            power_factor: 0.75,
            frequency_hertz: 50,
            voltage_volts: 229,
            current_amps: 0.02,
          },
          notes: [],
          memory: { rpc: 'EM1Data', id: 2, depth: 'weeks' },
        },
        {
          key: 'em:0',
          name: undefined,
          values: {
            power_watts: -2,
            power_l1_watts: 1,
            power_l2_watts: 2,
            power_l3_watts: -5,
            energy_wh: 10,
            export_wh: 20,
          },
          notes: ['it reports out_of_range:voltage'],
          memory: { rpc: 'EMData', id: 0, depth: 'weeks' },
        },
        {
          key: 'switch:0',
          name: 'Pump',
          values: { power_watts: 0, voltage_volts: 230.5, current_amps: 0, is_on: 0, energy_wh: 1.5 },
          notes: ['it reports overpower, over temp'],
          turning: { rpc: 'Switch', id: 0 },
        },
      ],
    });
  });

  it('dates the last minutes by the start of the running one', () => {
    const start = 1_767_225_600;
    expect(
      minutes({
        aenergy: { by_minute: [3000, 2000, 1000], minute_ts: start },
        ret_aenergy: { by_minute: [500, 0, 0] },
      }),
    ).toEqual([
      { from: (start - 180) * 1000, to: (start - 120) * 1000, wh: 1, exportWh: 0 },
      { from: (start - 120) * 1000, to: (start - 60) * 1000, wh: 2, exportWh: 0 },
      { from: (start - 60) * 1000, to: start * 1000, wh: 2.5, exportWh: 0.5 },
    ]);
  });

  it('leaves out the running minute where firmware counts it in', () => {
    const start = 1_767_225_600;
    expect(minutes({ aenergy: { by_minute: [30, 45, 46], minute_ts: start + 45 } })).toEqual([
      { from: (start - 120) * 1000, to: (start - 60) * 1000, wh: 0.046 },
      { from: (start - 60) * 1000, to: start * 1000, wh: 0.045 },
    ]);
  });

  it('adds the phases of each record of the history', () => {
    const keys = [
      'a_total_act_energy',
      'a_fund_act_energy',
      'a_total_act_ret_energy',
      'b_total_act_energy',
      'c_total_act_energy',
    ];
    const data = [
      {
        ts: 1_767_225_600,
        period: 60,
        values: [
          [1, 9, 0.5, 2, 3],
          [4, 9, 0, 5, null],
        ],
      },
    ];
    expect(parseHistory({ keys, data, next_record_ts: 1_767_225_720 })).toEqual({
      slots: [
        { from: 1_767_225_600_000, to: 1_767_225_660_000, wh: 6, exportWh: 0.5 },
        { from: 1_767_225_660_000, to: 1_767_225_720_000, wh: 9, exportWh: 0 },
      ],
      next: 1_767_225_720,
    });
  });

  it('leaves out blocks from before the clock was set', () => {
    const data_blocks = [
      { ts: 1_767_225_600, period: 60, records: 2 },
      { ts: 120, period: 60, records: 5 },
      { ts: 4.2e9, period: 60, records: 1 },
    ];
    expect(parseBlocks({ data_blocks })).toEqual({
      blocks: [{ ts: 1_767_225_600, end: 1_767_225_720 }],
      next: undefined,
    });
  });
});

/** JSON that looks like a Shelly often enough to reach every branch. */
const noise = fc.letrec<{ node: unknown }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(
      fc.constant(null),
      fc.boolean(),
      fc.double(),
      fc.string(),
      fc.constantFrom('__proto__', 'overpower'),
    ),
    fc.array(tie('node'), { maxLength: 4 }),
    fc.dictionary(
      fc.constantFrom(
        'sys',
        'mac',
        'switch:0',
        'em:0',
        'emdata:0',
        'em1:1',
        'pm1:0',
        '__proto__:0',
        'constructor:1',
        'aenergy',
        'ret_aenergy',
        'by_minute',
        'minute_ts',
        'total',
        'errors',
        'relays',
        'meters',
        'emeters',
        'lights',
        'power',
        'is_valid',
        'ison',
        'keys',
        'data',
        'ts',
        'period',
        'values',
        'data_blocks',
        'records',
        'next_record_ts',
        'output',
        'apower',
        'unixtime',
      ),
      tie('node'),
    ),
  ),
})).node;

describe('whatever a network sends', () => {
  const models = ['SHEM-3', 'SHEM', 'SHPLG-S', 'SHRGBW2'].map(gen1);

  it('gives finite numbers or nothing, and never throws', () => {
    fc.assert(
      fc.property(noise, noise, fc.constantFrom(...models), fc.string(), (config, status, identity, text) => {
        const readings = [readGen1(identity, config, status), readGen2(config, status)];
        for (const { channels } of readings)
          for (const { values, notes, key } of channels) {
            expect(Object.values(values).filter((v) => !Number.isFinite(v))).toEqual([]);
            expect(notes.filter((n) => n.length > 800)).toEqual([]);
            expect(key).toMatch(/^[a-z0-9]+:\d{1,3}$/);
          }
        const log = parseLog(`${text}\n2026-01-01 00:${text.slice(0, 2)},1,1,${text}`);
        for (const slot of [...minutes(status), ...parseHistory(status).slots, ...log]) {
          expect(slot.to).toBeGreaterThan(slot.from);
          expect(Number.isFinite(slot.wh)).toBe(true);
        }
        for (const block of parseBlocks(status).blocks) expect(block.end).toBeGreaterThan(block.ts);
      }),
      { numRuns: 2000 },
    );
  });
});
