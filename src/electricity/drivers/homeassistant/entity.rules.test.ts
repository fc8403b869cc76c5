import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EntityState } from '#platform/homeassistant/model.ts';
import type { Quantity } from '../../model.ts';
import { isAutomatic, isOn, measurementOf, stem, valueOf } from './entity.rules.ts';
import { planDevices } from './plan.rules.ts';
import { noRegistry, parseRegistry, type Registry } from './registry.codec.ts';

const entity = (
  id: string,
  device_class: string,
  unit_of_measurement: string,
  more: object = {},
): EntityState => ({
  entity: id,
  state: '1',
  attributes: {
    device_class,
    unit_of_measurement,
    state_class: device_class === 'energy' ? 'total' : 'measurement',
    ...more,
  },
  changedAt: 0,
});

test.each<[string, string, Quantity, number]>([
  ['power', 'W', 'power_watts', 1],
  ['power', 'kW', 'power_watts', 1000],
  ['power', 'mW', 'power_watts', 0.001],
  ['energy', 'Wh', 'energy_wh', 1],
  ['energy', 'kWh', 'energy_wh', 1000],
  ['energy', 'MWh', 'energy_wh', 1e6],
  ['voltage', 'V', 'voltage_volts', 1],
  ['voltage', 'mV', 'voltage_volts', 0.001],
  ['current', 'A', 'current_amps', 1],
  ['current', 'mA', 'current_amps', 0.001],
  ['power_factor', '%', 'power_factor', 0.01],
  ['frequency', 'Hz', 'frequency_hertz', 1],
])('%s in %s becomes %s', (kind, unit, quantity, factor) => {
  expect(measurementOf(entity('sensor.x', kind, unit))).toEqual({ quantity, factor });
});

test('a unit that does not fit, a class that is none of ours, and a prototype’s name measure nothing', () => {
  expect(measurementOf(entity('sensor.x', 'power', 'BTU/h'))).toBeUndefined();
  expect(measurementOf(entity('sensor.x', 'temperature', '°C'))).toBeUndefined();
  expect(measurementOf(entity('sensor.x', 'constructor', '__proto__'))).toBeUndefined();
  expect(measurementOf(entity('sensor.x', 'power', 'toString'))).toBeUndefined();
  expect(measurementOf(entity('sensor.x', 'energy', 'kWh'), 'export_wh')).toEqual({
    quantity: 'export_wh',
    factor: 1000,
  });
  expect(measurementOf(entity('sensor.x', 'energy', 'kWh'), 'power_watts')).toBeUndefined();
});

test.each<[string, number | undefined]>([
  ['12.5', 12.5],
  ['-3', -3],
  ['1e3', 1000],
  ['0', 0],
  ['unavailable', undefined],
  ['unknown', undefined],
  ['', undefined],
  [' ', undefined],
  ['Infinity', undefined],
  ['NaN', undefined],
  ['0x10', undefined],
  ['1,5', undefined],
  ['1.2.3', undefined],
])('the state %j is %s', (state, value) => {
  expect(valueOf({ entity: 'sensor.x', state, attributes: {}, changedAt: 0 }, 1)).toBe(value);
});

test('an entity that is gone says nothing, and decimal fractions stay decimal', () => {
  expect(valueOf({ entity: 'sensor.x', missing: true }, 1)).toBeUndefined();
  expect(valueOf({ entity: 'sensor.x', state: '0.1', attributes: {}, changedAt: 0 }, 1000)).toBe(100);
  expect(valueOf({ entity: 'sensor.x', state: '1234.567', attributes: {}, changedAt: 0 }, 1000)).toBe(
    1_234_567,
  );
  expect(isOn({ entity: 'switch.x', state: 'unavailable', attributes: {}, changedAt: 0 })).toBeUndefined();
});

test('no state makes a value that is not finite', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(1, 1000, 0.001), (state, factor) => {
      const value = valueOf({ entity: 'sensor.x', state, attributes: {}, changedAt: 0 }, factor);
      expect(value === undefined || Number.isFinite(value)).toBe(true);
    }),
  );
});

test.each([
  ['sensor.plug_3_energy_total', 'plug_3'],
  ['sensor.fridge_power', 'fridge'],
  ['Shelly 3EM Channel A Power', 'Shelly 3EM Channel A'],
  ['sensor.power', 'power'],
  ['switch.fridge', 'fridge'],
])('the stem of %s is %s', (name, expected) => {
  expect(stem(name)).toBe(expected);
});

test('only counters of energy are taken unasked', () => {
  expect(isAutomatic(entity('sensor.x', 'energy', 'kWh'))).toBe(true);
  expect(isAutomatic(entity('sensor.x', 'energy', 'kWh', { state_class: 'measurement' }))).toBe(false);
  expect(isAutomatic(entity('number.x', 'power', 'W'))).toBe(false);
  expect(isAutomatic(entity('sensor.x', 'frequency', 'Hz'))).toBe(false);
});

const registry = (rows: Record<string, [device: string, uniqueId: string, category?: string]>): Registry =>
  parseRegistry(
    Object.entries(rows).map(([entity_id, [device_id, unique_id, entity_category = null]]) => ({
      entity_id,
      device_id,
      unique_id,
      entity_category,
    })),
    [...new Set(Object.values(rows).map(([id]) => id))].map((id) => ({
      id,
      name: `Device ${id}`,
      manufacturer: 'Acme',
      model: 'X',
      identifiers: [['mqtt', id]],
      connections: [],
    })),
  );
const auto = { auto: true, entities: [] };
const said = (plan: ReturnType<typeof planDevices>) =>
  plan.devices.map((d) => [
    d.device.id,
    d.device.name,
    d.sensors.map((s) => s.entity.slice(7)).join(' '),
    d.switch,
  ]);

test('entities of one device are one device, with its switch, and a battery is none', () => {
  const states = [
    entity('sensor.tv_power', 'power', 'W'),
    entity('sensor.tv_energy_today', 'energy', 'kWh'),
    entity('sensor.tv_energy_total', 'energy', 'kWh'),
    entity('sensor.tv_voltage', 'voltage', 'V'),
    entity('switch.tv', '', ''),
    entity('switch.tv_led', '', ''),
    entity('sensor.button_voltage', 'voltage', 'V'),
  ];
  const known = registry({
    'sensor.tv_power': ['d1', 'a'],
    'sensor.tv_energy_today': ['d1', 'b'],
    'sensor.tv_energy_total': ['d1', 'c'],
    'sensor.tv_voltage': ['d1', 'd'],
    'switch.tv': ['d1', 'e'],
    'switch.tv_led': ['d1', 'f', 'config'],
    'sensor.button_voltage': ['d2', 'g'],
  });
  expect(said(planDevices(auto, states, known))).toEqual([
    ['homeassistant:d1', 'Device d1', 'tv_power tv_energy_total tv_voltage', 'switch.tv'],
  ]);
});

test('the channels of one device are told apart by the names of their entities', () => {
  const states = ['a', 'b'].flatMap((c) => [
    entity(`sensor.em_${c}_power`, 'power', 'W', { friendly_name: `EM ${c.toUpperCase()} Power` }),
    entity(`sensor.em_${c}_energy`, 'energy', 'kWh'),
  ]);
  const known = registry(Object.fromEntries(states.map((s) => [s.entity, ['d1', s.entity]])));
  expect(said(planDevices(auto, states, known))).toEqual([
    ['homeassistant:d1/em_a', 'EM A', 'em_a_power em_a_energy', undefined],
    ['homeassistant:d1/em_b', 'EM B', 'em_b_power em_b_energy', undefined],
  ]);
});

test('entities without a device belong together by their names', () => {
  const states = [
    entity('sensor.solar_power', 'power', 'kW'),
    entity('sensor.solar_energy', 'energy', 'kWh'),
  ];
  expect(said(planDevices(auto, states, noRegistry))).toEqual([
    ['homeassistant:solar', 'solar', 'solar_power solar_energy', undefined],
  ]);
});

test('what Lares told Home Assistant itself is never read back', () => {
  const states = [
    entity('sensor.kettle_power', 'power', 'W'),
    entity('sensor.lamp_power', 'power', 'W'),
    entity('sensor.lares_meter_power', 'power', 'W'),
  ];
  const known = registry({
    'sensor.kettle_power': ['d1', 'lares_electricity_kasa_kettle_power_watts'],
    'sensor.lamp_power': ['lares_electricity', 'other'],
  });
  expect(planDevices(auto, states, known)).toEqual({ devices: [], problems: [] });
  const named = planDevices({ auto: false, entities: [{ entity: 'sensor.kettle_power' }] }, states, known);
  expect(named).toEqual({
    devices: [],
    problems: ['sensor.kettle_power comes from Lares itself and would be counted twice; remove it'],
  });
});

test('named entities come first, keep their ids, and are not taken twice', () => {
  const states = [
    entity('sensor.hp_power', 'power', 'W'),
    entity('sensor.hp_kwh', 'energy', 'kWh'),
    entity('sensor.sun', 'energy', 'kWh'),
    entity('sensor.weather', 'temperature', '°C'),
  ];
  const entities = [
    { entity: 'sensor.hp_power', name: 'Heat pump', energy: 'sensor.hp_kwh', switch: 'switch.hp' },
    { entity: 'sensor.sun', name: 'Solar', quantity: 'export_wh' as const },
    { entity: 'sensor.weather' },
    { entity: 'sensor.nowhere' },
  ];
  const plan = planDevices({ auto: true, entities }, states, noRegistry);
  expect(said(plan)).toEqual([
    ['homeassistant:sensor.hp_power', 'Heat pump', 'hp_power hp_kwh', 'switch.hp'],
    ['homeassistant:sensor.sun', 'Solar', 'sun', undefined],
  ]);
  expect(plan.problems).toEqual([
    'sensor.weather measures nothing that Lares knows (it comes in °C); set its quantity',
    'sensor.nowhere does not exist there; correct it or remove it',
  ]);
});

test('registries of any shape are read without a throw', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (entities, devices) => {
      const { entities: e, devices: d } = parseRegistry(entities, devices);
      expect(e.size + d.size).toBeGreaterThanOrEqual(0);
    }),
  );
  expect(
    parseRegistry(
      [{ entity_id: 'sensor.x', unique_id: 5 }, null, 3],
      [{ id: 'd', connections: [['mac', 'AA:BB']] }],
    ),
  ).toEqual({
    entities: new Map([['sensor.x', { uniqueId: '', device: undefined, auxiliary: false }]]),
    devices: new Map([
      ['d', { name: undefined, model: undefined, firmware: undefined, mac: undefined, identifiers: [] }],
    ]),
  });
});
