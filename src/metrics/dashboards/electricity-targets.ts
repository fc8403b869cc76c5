import { defaultPrefix, deviceMetrics, houseMetrics } from '#electricity/index.ts';

const deviceLeaves = new Set(deviceMetrics.map((row) => row.leaf));
const houseLeaves = new Set(houseMetrics.map((row) => row.leaf));

/** Path of a reading of devices; `which` is `<source>.<device>`, with globs. Throws when the table has no such row. */
export function ofDevice(which: string, leaf: string): string {
  if (!deviceLeaves.has(leaf)) throw new RangeError(`no reading ${leaf} of a device`);
  return `${defaultPrefix}.${which}.${leaf}`;
}

/** Path of a reading of the whole house. Throws when the table has no such row. */
export function ofWholeHouse(leaf: string): string {
  if (!houseLeaves.has(leaf)) throw new RangeError(`no reading ${leaf} of the house`);
  return `${defaultPrefix}.house.${leaf}`;
}

// Circuits and meters measure what plugs measure too; added to plugs they would count twice.
const plugs = (leaf: string) => `exclude(${ofDevice('*.*', leaf)}, '\\.(circuit|meter|glow)\\.')`;
// A counter that is sent every tick; a day is what it grew by.
const perDay = (path: string) => `summarize(nonNegativeDerivative(keepLastValue(${path})), '1d', 'sum')`;

/** Every Graphite expression of the electricity dashboard and its alerts, by what it shows. */
export const electricityTargets = {
  house: `alias(${ofWholeHouse('power_watts')}, 'house')`,
  unexplained: `alias(${ofWholeHouse('unexplained_watts')}, 'unexplained')`,
  baseLoad: `alias(${ofWholeHouse('base_load_watts')}, 'base load')`,
  today: `alias(${ofWholeHouse('energy_today_kwh')}, 'today')`,
  perDay: `alias(${perDay(ofWholeHouse('energy_total_kwh'))}, 'kWh a day')`,
  costToday: `alias(${ofWholeHouse('cost_today')}, 'today')`,
  price: `alias(${ofWholeHouse('price_per_kwh')}, 'price')`,
  carbon: `alias(${ofWholeHouse('carbon_grams_per_kwh')}, 'carbon')`,
  devices: `aliasByNode(${plugs('power_watts')}, 3)`,
  switched: `aliasByNode(consolidateBy(${ofDevice('*.$device', 'is_on')}, 'max'), 3)`,
  deviceToday: `aliasByNode(${plugs('energy_today_kwh')}, 3)`,
  deviceCost: `aliasByNode(${plugs('cost_today')}, 3)`,
  chosen: `aliasByNode(${ofDevice('*.$device', 'power_watts')}, 2, 3)`,
  circuits: `aliasByNode(${ofDevice('circuit.*', 'power_watts')}, 3)`,
  circuitDays: `aliasByNode(${perDay(ofDevice('circuit.*', 'energy_total_kwh'))}, 3)`,
  voltage: `aliasByNode(${ofDevice('*.*', 'voltage_volts')}, 2, 3)`,
  names: `expand(${ofDevice('*.*', 'power_watts')})`,
} as const;
