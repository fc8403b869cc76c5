/** How many of the unit that Lares counts in are in one of the device's, by the word at the end of a quantity. */
export const units = {
  watts: { W: 1, kW: 1e3, MW: 1e6, mW: 1e-3 },
  wh: { Wh: 1, kWh: 1e3, MWh: 1e6, GWh: 1e9 },
  volts: { V: 1, mV: 1e-3, kV: 1e3 },
  amps: { A: 1, mA: 1e-3 },
  va: { VA: 1, kVA: 1e3 },
  var: { var: 1, kvar: 1e3 },
  hertz: { Hz: 1, kHz: 1e3 },
  m3: { m3: 1, 'm³': 1, L: 1e-3 },
  ratio: { ratio: 1, '': 1, '%': 0.01 },
} as const;

const families: ReadonlyMap<string, Readonly<Record<string, number>>> = new Map(Object.entries(units));

/** The units that a quantity may come in; undefined for one without a unit of its own, like a price. */
export function unitsOf(quantity: string): Readonly<Record<string, number>> | undefined {
  // `power_factor_l1` is the one whose last word says no unit.
  const family = quantity.startsWith('power_factor')
    ? 'ratio'
    : quantity.slice(quantity.lastIndexOf('_') + 1);
  return families.get(family);
}

/** What a number in `unit` is multiplied with; undefined where the unit does not fit the quantity. */
export function factorOf(quantity: string, unit: string): number | undefined {
  const fitting = unitsOf(quantity) ?? { [unit]: 1 };
  return Object.hasOwn(fitting, unit) ? fitting[unit] : undefined;
}
