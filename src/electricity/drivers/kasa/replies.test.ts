import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  packRequests,
  parseRealtime,
  parseSysinfo,
  parseTime,
  sumOf,
  switchError,
  switchRequest,
} from './iot.codec.ts';
import { parseBatch, parseComponents, parseInfo, parseMeter, parseSmart } from './smart.codec.ts';

describe('replies', () => {
  test.each([
    [
      'W, V, A, kWh of the first HS110',
      { current: 0.0149, voltage: 231.07, power: 0.93, total: 55.139, err_code: 0 },
      { power_watts: 0.93, voltage_volts: 231.07, current_amps: 0.0149, energy_wh: 55_139 },
    ],
    [
      'mW, mV, mA, Wh of later ones',
      { current_ma: 451, voltage_mv: 230_837, power_mw: 61_753, total_wh: 16_323 },
      { power_watts: 61.753, voltage_volts: 230.837, current_amps: 0.451, energy_wh: 16_323 },
    ],
    [
      'the socket of a strip, with its number',
      { slot_id: 2, current_ma: 10, voltage_mv: 118_000, power_mw: 500, total_wh: 9, err_code: 0 },
      { power_watts: 0.5, voltage_volts: 118, current_amps: 0.01, energy_wh: 9 },
    ],
    ['a bulb that says power only', { power_mw: 10_800, err_code: 0 }, { power_watts: 10.8 }],
    [
      'a light strip that measures no voltage',
      { current_ma: 0, voltage_mv: 0, power_mw: 2_725, total_wh: 1_193 },
      { power_watts: 2.725, energy_wh: 1_193 },
    ],
    [
      'numbers that are none',
      { current_ma: null, voltage_mv: 230_000, power_mw: 'NaN', total_wh: -1 },
      { voltage_volts: 230 },
    ],
  ])('readings: %s', (_, meter, values) => {
    expect(parseRealtime({ emeter: { get_realtime: meter } }, 'plug')).toEqual(values);
    expect(parseRealtime({ 'smartlife.iot.common.emeter': { get_realtime: meter } }, 'bulb')).toEqual(values);
  });

  test.each([
    { emeter: { err_code: -1, err_msg: 'module not support' } },
    { emeter: { err_code: -2001, err_msg: 'Module not support' } },
    { emeter: { get_realtime: { err_code: -1, err_msg: 'module not support' } } },
    { emeter: { get_realtime: { err_code: -2, err_msg: 'member not support' } } },
    {},
  ])('a device that cannot meter says so as %j', (reply) =>
    expect(parseRealtime(reply, 'plug')).toBeUndefined(),
  );

  test('a strip sums its sockets, averages their voltage, and sums nothing that one of them does not tell', () => {
    const part = { power_watts: 62.43, voltage_volts: 118.4, current_amps: 0.544, energy_wh: 10 };
    expect(sumOf([part, { ...part, voltage_volts: 118.6 }])).toEqual({
      power_watts: 124.86,
      voltage_volts: 118.5,
      current_amps: 1.088,
      energy_wh: 20,
    });
    expect(sumOf([part, { power_watts: 1 }])).toEqual({ power_watts: 63.43 });
    expect(sumOf([])).toEqual({});
  });

  test('short ids of sockets are made whole, and foreign ones become no path', () => {
    const info = parseSysinfo({
      system: {
        get_sysinfo: {
          deviceId: '8006AB',
          mic_type: 'IOT.SMARTPLUGSWITCH',
          feature: 'TIM:ENE',
          mac: '02:00:00:00:00:01',
          children: [
            { id: '0', state: 1, alias: 'Lamp' },
            { id: '8006AB01', state: 0 },
            { id: '__proto__/../x', state: 2 },
          ],
        },
      },
    });
    expect(info?.sockets).toEqual([
      { id: '8006AB00', node: '00', name: 'Lamp', on: true },
      { id: '8006AB01', node: '01', name: undefined, on: false },
      { id: '__proto__/../x', node: '02', name: undefined, on: undefined },
    ]);
    expect(info).toMatchObject({
      kind: 'strip',
      metered: true,
      on: true,
      mac: '020000000001',
      deviceId: '8006ab',
    });
  });

  test('a strip that claims a thousand sockets is asked about the first few dozen', () => {
    const children = Array.from({ length: 1_000 }, (_, i) => ({ id: `s${i}`, state: 1 }));
    expect(
      parseSysinfo({ system: { get_sysinfo: { type: 'IOT.SMARTPLUGSWITCH', children } } })?.sockets,
    ).toHaveLength(64);
  });

  test('kinds are read off what the device can do', () => {
    const kind = (info: object) => parseSysinfo({ system: { get_sysinfo: info } })?.kind;
    expect([
      kind({ type: 'IOT.SMARTPLUGSWITCH', relay_state: 1 }),
      kind({ mic_type: 'IOT.SMARTBULB', light_state: { on_off: 1 } }),
      kind({ mic_type: 'IOT.SMARTBULB', light_state: { on_off: 1 }, length: 16 }),
      kind({ err_code: -1 }),
      kind({}),
    ]).toEqual(['plug', 'bulb', 'lightstrip', undefined, undefined]);
  });

  test('requests are split where the replies would not fit the memory of the device', () => {
    const commands = ['get_daystat', 'get_monthstat'].map((command) => ({
      module: 'm',
      command,
      parameters: {},
    }));
    const sysinfo = { module: 'system', command: 'get_sysinfo', parameters: {} };
    expect(packRequests([sysinfo, ...commands], { kind: 'plug' })).toEqual([
      '{"system":{"get_sysinfo":{}},"m":{"get_daystat":{},"get_monthstat":{}}}',
    ]);
    expect(packRequests([sysinfo, ...commands], { kind: 'bulb' })).toEqual([
      '{"system":{"get_sysinfo":{}},"m":{"get_daystat":{}}}',
      '{"m":{"get_monthstat":{}}}',
    ]);
    expect(packRequests([sysinfo, sysinfo], { kind: 'plug', child: 'c' })).toHaveLength(2);
  });

  test('switching names the module of the kind, and an error anywhere in the reply is found', () => {
    expect(switchRequest('strip', true, ['a', 'b'])).toBe(
      '{"context":{"child_ids":["a","b"]},"system":{"set_relay_state":{"state":1}}}',
    );
    expect(switchRequest('lightstrip', false, [])).toBe(
      '{"smartlife.iot.lightStrip":{"set_light_state":{"on_off":0}}}',
    );
    expect([
      switchError({ system: { set_relay_state: { err_code: 0 } } }),
      switchError({ system: { set_relay_state: { err_code: -3 } } }),
      switchError({ x: { err_code: -1 } }),
    ]).toEqual([0, -3, -1]);
  });

  test('power of a Tapo plug comes from the finest source that speaks', () => {
    const usage = { current_power: 1_003, today_energy: 20, month_energy: 971 };
    const emeter = { power_mw: 68_325, voltage_mv: 120_254, current_ma: 589, energy_wh: 249 };
    const power = { current_power: 68 };
    expect(parseMeter({ usage, emeter, power })).toEqual({
      power_watts: 68.325,
      voltage_volts: 120.254,
      current_amps: 0.589,
      energy_wh: 971,
    });
    expect(parseMeter({ usage, emeter: undefined, power })).toEqual({ power_watts: 1.003, energy_wh: 971 });
    expect(parseMeter({ usage: undefined, emeter: undefined, power })).toEqual({ power_watts: 68 });
    expect(parseMeter({ usage: {}, emeter: { voltage_mv: 0, current_ma: 0 }, power: {} })).toEqual({});
  });

  test('names of Tapo devices are base64', () => {
    expect(parseInfo({ nickname: Buffer.from('Küche').toString('base64'), device_on: true }).name).toBe(
      'Küche',
    );
    expect(parseComponents({ component_list: [{ id: 'device' }, 7] })).toEqual(new Set(['device']));
    expect(parseComponents({})).toBeUndefined();
    expect(parseTime({ year: 2026, month: 2, mday: 3, hour: 4, min: 5, sec: 6 })).toBe(
      Date.UTC(2026, 1, 3, 4, 5, 6),
    );
    expect(parseTime({ year: 1970, month: 1, mday: 1 })).toBeUndefined();
  });

  test('no reply of any shape makes a parser throw', () => {
    const keys = fc.constantFrom(
      'system',
      'get_sysinfo',
      'children',
      'emeter',
      'get_realtime',
      'result',
      'responses',
      'method',
      'error_code',
      'id',
      '__proto__',
      'light_state',
      'err_code',
    );
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        fc.jsonValue(),
        fc.dictionary(keys, tie('tree')),
        fc.array(tie('tree'), { maxLength: 3 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(keys, tree), (reply) => {
        parseSysinfo(reply);
        parseRealtime(reply, 'plug');
        parseInfo(reply);
        parseComponents(reply);
        switchError(reply);
        parseTime(reply);
        parseBatch([{ method: 'a' }, { method: 'b' }], parseSmart(reply) ?? { code: 0, result: reply });
      }),
    );
  });
});
