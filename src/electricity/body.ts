import { z } from 'zod';
import { instant, iso, isoOrNull } from '#platform/wire.ts';
import type { Totals } from './energy/model.ts';
import { isSupply } from './household.rules.ts';
import type { DeviceView, ElectricityView } from './view.model.ts';

const totalsBody = z.object({
  today_kwh: z.number(),
  week_kwh: z.number(),
  month_kwh: z.number(),
  year_kwh: z.number(),
  total_kwh: z.number(),
  export_today_kwh: z.number(),
  export_total_kwh: z.number(),
});

export const electricDeviceBody = z.object({
  id: z.string(),
  path: z.string(),
  name: z.string(),
  source: z.string(),
  medium: z.enum(['electricity', 'gas']),
  model: z.string().nullable(),
  firmware: z.string().nullable(),
  address: z.string().nullable(),
  parent: z.string().nullable(),
  /** It measures what the house draws; not a load among others. */
  whole_house: z.boolean(),
  state: z.enum(['ok', 'silent', 'down']),
  problem: z.string().nullable(),
  control: z.enum(['allowed', 'forbidden', 'impossible']),
  measured_at: instant.nullable(),
  values: z.record(z.string(), z.number()),
  energy: totalsBody.nullable(),
  cost_today: z.number().nullable(),
  notes: z.array(z.string()),
});
export type ElectricDeviceBody = z.infer<typeof electricDeviceBody>;

export const electricityBody = z.object({
  at: instant,
  house: z.object({
    basis: z.enum(['meter', 'circuits', 'devices', 'none']),
    power_watts: z.number().nullable(),
    unexplained_watts: z.number().nullable(),
    base_load_watts: z.number().nullable(),
    energy: totalsBody.nullable(),
    cost_today: z.number().nullable(),
    price_per_kwh: z.number().nullable(),
    currency: z.string().nullable(),
    carbon_grams_per_kwh: z.number().nullable(),
  }),
  devices: z.array(electricDeviceBody),
});
export type ElectricityBody = z.infer<typeof electricityBody>;

export const kwh = (wh: number) => Math.round(wh) / 1000;
/** Money is rounded where it is shown, to a hundredth of the smallest coin. */
export const money = (value: number) => Math.round(value * 10_000) / 10_000;
const orNull = <T>(value: T | undefined): T | null => value ?? null;

const toTotals = (t: Totals | undefined): z.infer<typeof totalsBody> | null =>
  t === undefined
    ? null
    : {
        today_kwh: kwh(t.todayWh),
        week_kwh: kwh(t.weekWh),
        month_kwh: kwh(t.monthWh),
        year_kwh: kwh(t.yearWh),
        total_kwh: kwh(t.totalWh),
        export_today_kwh: kwh(t.todayExportWh),
        export_total_kwh: kwh(t.totalExportWh),
      };

export function toElectricDeviceBody(view: DeviceView): ElectricDeviceBody {
  const { device, costToday } = view;
  return {
    id: device.id,
    path: view.path,
    name: device.name,
    source: device.source,
    medium: device.medium ?? 'electricity',
    model: orNull(device.model),
    firmware: orNull(device.firmware),
    address: orNull(device.address),
    parent: orNull(device.parent),
    whole_house: isSupply(device),
    state: view.state,
    problem: orNull(view.problem),
    control: view.control,
    measured_at: isoOrNull(view.measuredAt),
    values: { ...view.values },
    energy: toTotals(view.energy),
    cost_today: costToday === undefined ? null : money(costToday),
    notes: [...(device.notes ?? [])],
  };
}

export function toElectricityBody({ at, house, devices }: ElectricityView): ElectricityBody {
  return {
    at: iso(at),
    house: {
      basis: house.basis,
      power_watts: orNull(house.powerWatts),
      unexplained_watts: orNull(house.unexplainedWatts),
      base_load_watts: orNull(house.baseLoadWatts),
      energy: toTotals(house.energy),
      cost_today: house.costToday === undefined ? null : money(house.costToday.total),
      price_per_kwh: orNull(house.pricePerKwh),
      currency: orNull(house.currency),
      carbon_grams_per_kwh: orNull(house.carbonIntensity),
    },
    devices: devices.map(toElectricDeviceBody),
  };
}

export const energyBody = z.object({
  path: z.string(),
  days: z.array(
    z.object({
      from: instant,
      to: instant,
      kwh: z.number(),
      export_kwh: z.number(),
      /** Share of the day that is known first hand or from the device's memory. */
      covered: z.number().min(0).max(1),
      how: z.enum(['counter', 'integrated', 'remembered', 'spread', 'missing']),
    }),
  ),
});
export type EnergyBody = z.infer<typeof energyBody>;

export const costBody = z.object({
  currency: z.string().nullable(),
  days: z.array(
    z.object({
      path: z.string(),
      from: instant,
      to: instant,
      kwh: z.number(),
      total: z.number(),
      import: z.number(),
      export: z.number(),
      standing: z.number(),
      unpriced_kwh: z.number(),
    }),
  ),
});
export type CostBody = z.infer<typeof costBody>;

export const historyBody = z.object({
  series: z.string(),
  from: instant,
  to: instant,
  points: z.array(z.object({ at: instant, mean: z.number(), min: z.number(), max: z.number() })),
});

export const switchedBody = z.object({
  device: z.string(),
  path: z.string(),
  is_on: z.boolean(),
  event: z.string(),
});

export const cheapestBody = z.object({
  from: instant,
  to: instant,
  price_per_kwh: z.number(),
  currency: z.string().nullable(),
});
export type CheapestBody = z.infer<typeof cheapestBody>;
