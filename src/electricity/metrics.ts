import type { Reading } from '#kernel/reading.ts';
import { quantities, type Quantity } from './model.ts';
import type { Totals } from './energy/model.ts';
import type { DeviceView, ElectricityView, HouseView } from './view.model.ts';

export const defaultPrefix = 'home.electricity';

interface Row<Subject> {
  /** Last node of the series. */
  readonly leaf: string;
  readonly title: string;
  readonly unit: string;
  /** Undefined where nothing is known; the reading is then left out, never 0. */
  readonly read: (subject: Subject) => number | undefined;
}

export type DeviceMetric = Row<DeviceView>;
export type HouseMetric = Row<HouseView>;

// Counters of devices reset and wrap; what is published is the ledger's own, which does not.
const unpublished: readonly Quantity[] = ['energy_wh', 'export_wh'];

const kwh = (wh: number | undefined) => (wh === undefined ? undefined : wh / 1000);

const periods = {
  today: 'today',
  week: 'this week',
  month: 'this month',
  year: 'this year',
  total: 'ever',
} as const;

const energyRows: readonly Row<{ readonly energy: Totals | undefined }>[] = Object.entries(periods).flatMap(
  ([period, words]) => {
    const node = period as keyof typeof periods;
    return [
      {
        leaf: `energy_${node}_kwh`,
        title: `Energy drawn ${words}`,
        unit: 'kWh',
        read: ({ energy }) => kwh(energy?.[`${node}Wh`]),
      },
      {
        leaf: `export_${node}_kwh`,
        title: `Energy fed back ${words}`,
        unit: 'kWh',
        // Most things feed nothing back; a row of zeros for every plug would bury what matters.
        read: ({ energy }) =>
          (energy?.totalExportWh ?? 0) > 0 ? kwh(energy?.[`${node}ExportWh`]) : undefined,
      },
    ];
  },
);

/** One row per reading of a device: `home.electricity.<source>.<device>.<leaf>`. */
export const deviceMetrics: readonly DeviceMetric[] = [
  ...(Object.keys(quantities) as Quantity[])
    .filter((quantity) => !unpublished.includes(quantity))
    .map((quantity): DeviceMetric => ({
      leaf: quantity,
      ...quantities[quantity],
      read: ({ values }) => values[quantity],
    })),
  {
    leaf: 'power_kw',
    title: 'Power of a meter, as the original system named it',
    unit: 'kW',
    read: ({ device, values }) => (device.source === 'meter' ? kwh(values.power_watts) : undefined),
  },
  ...energyRows,
  {
    leaf: 'cost_today',
    title: 'Cost today, without standing charge',
    unit: 'currency',
    read: (d) => d.costToday,
  },
];

/** One row per reading of the whole house: `home.electricity.house.<leaf>`. */
export const houseMetrics: readonly HouseMetric[] = [
  { leaf: 'power_watts', title: 'Power of the house', unit: 'W', read: (h) => h.powerWatts },
  {
    leaf: 'unexplained_watts',
    title: 'Power of the house beyond its known devices',
    unit: 'W',
    read: (h) => h.unexplainedWatts,
  },
  { leaf: 'base_load_watts', title: 'Always-on base load', unit: 'W', read: (h) => h.baseLoadWatts },
  ...energyRows,
  {
    leaf: 'cost_today',
    title: 'Cost today, standing charge included',
    unit: 'currency',
    read: (h) => h.costToday?.total,
  },
  { leaf: 'price_per_kwh', title: 'Price of a kWh now', unit: 'currency/kWh', read: (h) => h.pricePerKwh },
  {
    leaf: 'carbon_grams_per_kwh',
    title: 'Carbon intensity of the grid now',
    unit: 'g/kWh',
    read: (h) => h.carbonIntensity,
  },
];

/** The readings of one instant, `view.at`. What a device said last stands in every tick for as long as it holds. */
export function electricityReadings(view: ElectricityView, prefix: string = defaultPrefix): Reading[] {
  const all: Reading[] = [];
  const add = <S>(path: string, rows: readonly Row<S>[], subject: S) => {
    for (const { leaf, read } of rows) {
      const value = read(subject);
      if (value !== undefined) all.push({ series: `${prefix}.${path}.${leaf}`, at: view.at, value });
    }
  };
  for (const device of view.devices) add(device.path, deviceMetrics, device);
  add('house', houseMetrics, view.house);
  return all;
}
