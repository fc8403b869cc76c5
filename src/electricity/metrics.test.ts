import { expect, test } from 'vitest';
import type { Totals } from './energy/model.ts';
import { electricityReadings } from './metrics.ts';
import type { DeviceView, HouseView } from './view.model.ts';

const totals: Totals = {
  todayWh: 1500,
  weekWh: 2500,
  monthWh: 3500,
  yearWh: 4500,
  totalWh: 5500,
  todayExportWh: 0,
  weekExportWh: 0,
  monthExportWh: 0,
  yearExportWh: 0,
  totalExportWh: 0,
};
const nothing: HouseView = {
  basis: 'none',
  parts: [],
  powerWatts: undefined,
  unexplainedWatts: undefined,
  energy: undefined,
  costToday: undefined,
  pricePerKwh: undefined,
  currency: undefined,
  baseLoadWatts: undefined,
  carbonIntensity: undefined,
};
const lamp: DeviceView = {
  device: { id: 'kasa:1', source: 'kasa', name: 'Living room lamp' },
  path: 'kasa.living_room_lamp',
  state: 'ok',
  control: 'allowed',
  values: { power_watts: 40.5, voltage_volts: 231, current_amps: 0.18, is_on: 1, energy_wh: 99 },
  measuredAt: 0,
  energy: undefined,
  costToday: undefined,
};

const lines = (devices: readonly DeviceView[], house = nothing) =>
  electricityReadings({ at: 5_000, devices, house }).map((r) => `${r.series} ${r.value} ${r.at}`);

test('a plug is sent under the names of the original system, and its own counter is not', () => {
  expect(lines([lamp])).toEqual([
    'home.electricity.kasa.living_room_lamp.power_watts 40.5 5000',
    'home.electricity.kasa.living_room_lamp.voltage_volts 231 5000',
    'home.electricity.kasa.living_room_lamp.current_amps 0.18 5000',
    'home.electricity.kasa.living_room_lamp.is_on 1 5000',
  ]);
});

test('the meter is sent in watts and, as the original named it, in kilowatts', () => {
  const device = { id: 'pulse:1', source: 'meter', name: 'Meter' };
  expect(lines([{ ...lamp, device, path: 'meter', values: { power_watts: 425 } }])).toEqual([
    'home.electricity.meter.power_watts 425 5000',
    'home.electricity.meter.power_kw 0.425 5000',
  ]);
});

test('a device that says nothing now is not 0: only its energy stands', () => {
  expect(lines([{ ...lamp, values: {}, energy: totals, costToday: 0.45 }])).toEqual([
    'home.electricity.kasa.living_room_lamp.energy_today_kwh 1.5 5000',
    'home.electricity.kasa.living_room_lamp.energy_week_kwh 2.5 5000',
    'home.electricity.kasa.living_room_lamp.energy_month_kwh 3.5 5000',
    'home.electricity.kasa.living_room_lamp.energy_year_kwh 4.5 5000',
    'home.electricity.kasa.living_room_lamp.energy_total_kwh 5.5 5000',
    'home.electricity.kasa.living_room_lamp.cost_today 0.45 5000',
  ]);
});

test('what is fed back is sent where anything ever was, for the house too', () => {
  const energy = { ...totals, totalExportWh: 200, todayExportWh: 100 };
  const sent = lines([], { ...nothing, energy, powerWatts: -300, pricePerKwh: -0.02 });
  expect(sent).toContain('home.electricity.house.power_watts -300 5000');
  expect(sent).toContain('home.electricity.house.export_today_kwh 0.1 5000');
  expect(sent).toContain('home.electricity.house.price_per_kwh -0.02 5000');
});
