import { expect, test } from 'vitest';
import { quantities } from '../../model.ts';
import { factorOf, unitsOf } from './units.rules.ts';

test('every quantity comes in its own unit as it is', () => {
  for (const [name, { unit }] of Object.entries(quantities))
    expect([name, factorOf(name, unit === 'bool' ? '' : unit)]).toEqual([name, 1]);
});

test('larger and smaller units are converted, others refused', () => {
  expect([
    factorOf('power_watts', 'kW'),
    factorOf('power_l1_watts', 'MW'),
    factorOf('energy_wh', 'MWh'),
    factorOf('volume_m3', 'm³'),
    factorOf('power_factor', '%'),
    factorOf('power_factor_l1', '%'),
    factorOf('unit_price', 'GBP/kWh'),
  ]).toEqual([1e3, 1e6, 1e6, 1, 0.01, 0.01, 1]);
  expect([factorOf('power_watts', 'kWh'), factorOf('energy_wh', 'constructor')]).toEqual([
    undefined,
    undefined,
  ]);
  expect(unitsOf('reactive_power_var')).toEqual({ var: 1, kvar: 1e3 });
});
