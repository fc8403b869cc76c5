import type { Quantity, Values } from '../../model.ts';
import type { DataPoints } from './model.ts';
import { readPhase } from './phase.codec.ts';
import { productRows } from './products.ts';

/** A data point and what its raw number is divided by to become our unit. */
export interface Scaled {
  readonly dp: number;
  readonly scale: number;
}

/** What the data points of one product mean. */
export interface PointMap {
  /** For people: `standard plug`, `product djfep9s6s3b2qk89`. */
  readonly title: string;
  /** The data point that switches the load; none on meters. */
  readonly switchDp?: number | undefined;
  readonly values: Readonly<Partial<Record<Quantity, Scaled>>>;
  /** Packed base64 data points, one for each phase. */
  readonly phases?: readonly number[];
  /** Data points that say `FORWARD` or `REVERSE` (or 0 and 1) about the sign of a power. */
  readonly directions?: Readonly<Partial<Record<Quantity, number>>>;
}

const letters: Readonly<Record<string, Quantity>> = {
  V: 'voltage_volts',
  V1: 'voltage_l1_volts',
  V2: 'voltage_l2_volts',
  V3: 'voltage_l3_volts',
  I: 'current_amps',
  I1: 'current_l1_amps',
  I2: 'current_l2_amps',
  I3: 'current_l3_amps',
  P: 'power_watts',
  P1: 'power_l1_watts',
  P2: 'power_l2_watts',
  P3: 'power_l3_watts',
  E: 'energy_wh',
  X: 'export_wh',
  F: 'frequency_hertz',
  C: 'power_factor',
  Q: 'reactive_power_var',
  S: 'apparent_power_va',
};

/** Reads the short form of `products.ts`: `I=18/1000 P=19/10 phases=6,7,8`. */
export function parsePoints(text: string): Pick<PointMap, 'values' | 'phases'> {
  const values: Partial<Record<Quantity, Scaled>> = {};
  let phases: readonly number[] | undefined;
  for (const word of text.split(' ')) {
    const [name = '', rest = ''] = word.split('=');
    const quantity = letters[name];
    if (name === 'phases') phases = rest.split(',').map(Number);
    else if (quantity !== undefined) {
      const [dp, scale] = rest.split('/').map(Number);
      values[quantity] = { dp: dp!, scale: scale! };
    }
  }
  return { values, ...(phases !== undefined && { phases }) };
}

const products: ReadonlyMap<string, PointMap> = new Map(
  productRows.flatMap(([ids, text]) =>
    ids
      .split(' ')
      .map((id): [string, PointMap] => [
        id,
        { title: `product ${id}`, ...parsePoints(text), switchDp: switchOf(text) },
      ]),
  ),
);

/** Breakers switch with 16, plugs with 1; where 1 counts energy it is no switch. */
function switchOf(text: string): number | undefined {
  if (/\b[A-Z]\d?=1\//.test(text) || text.includes('phases=6')) return 16;
  return 1;
}

const plug: PointMap = { title: 'standard plug', switchDp: 1, ...parsePoints('I=18/1000 P=19/10 V=20/10') };
const oldPlug: PointMap = { title: 'old plug', switchDp: 1, ...parsePoints('I=4/1000 P=5/10 V=6/10') };
const breaker: PointMap = { title: 'breaker with packed phases', switchDp: 16, ...parsePoints('E=1/0.1') };
const dualClamp: PointMap = {
  title: 'dual clamp meter (PJ1103A)',
  ...parsePoints('I1=113/1000 I2=114/1000 P=115/10 P1=101/10 P2=105/10 V=112/10 F=111/100'),
  directions: { power_l1_watts: 102, power_l2_watts: 104 },
};
const switchOnly: PointMap = { title: 'switch without a meter', switchDp: 1, values: {} };

/** The map of a product whose numbers are known. */
export const productMap = (productId: string | undefined): PointMap | undefined =>
  productId === undefined ? undefined : products.get(productId);

/** Recognises the usual families by the data points that they show; undefined where nothing fits yet. */
export function recognise(points: DataPoints): PointMap | undefined {
  const number = (dp: number) => typeof points.get(dp) === 'number';
  const phases = [6, 7, 8].filter((dp) => readPhase(points.get(dp)) !== undefined);
  if (phases.length > 0) return { ...breaker, phases };
  if (number(19) && number(20)) return plug;
  if (number(101) && number(112) && number(115)) return dualClamp;
  // Thermostats and lamps use the same numbers for other things; only mains voltage gives a plug away.
  const volts = Number(points.get(6)) / 10;
  if (number(4) && number(5) && number(6) && volts >= 85 && volts <= 265) return oldPlug;
  return typeof points.get(1) === 'boolean' ? switchOnly : undefined;
}

/** The data points that a device should be made to measure before it is read. */
export function measuredPoints({ values, phases = [] }: PointMap): number[] {
  return [...new Set([...Object.values(values).map(({ dp }) => dp), ...phases])].toSorted((a, b) => a - b);
}

/** Every data point to name to a device that answers only by name; those of all usual families where the map is unknown. */
export function wantedPoints(map: PointMap | undefined): number[] {
  if (map === undefined)
    return [1, 4, 5, 6, 7, 8, 16, 17, 18, 19, 20, 101, 102, 104, 105, 111, 112, 113, 114, 115];
  const direction = Object.values(map.directions ?? {});
  const wanted = [
    ...(map.switchDp === undefined ? [] : [map.switchDp]),
    ...measuredPoints(map),
    ...direction,
  ];
  return [...new Set(wanted)].toSorted((a, b) => a - b);
}

/** Whole numbers times a power of ten, without the noise of binary fractions. */
export const scaled = (raw: number, scale: number): number =>
  scale >= 1 ? raw / scale : raw * Math.round(1 / scale);

/**
 * What a state means in our units. What is absent or no number is left out, never 0; 0 V too, because a device that
 * answers has mains, so it only has not measured.
 */
export function toValues(map: PointMap, points: DataPoints): Values {
  const values: Partial<Record<Quantity, number>> = {};
  for (const [quantity, { dp, scale }] of Object.entries(map.values) as [Quantity, Scaled][]) {
    const raw = points.get(dp);
    if (typeof raw === 'number' && !(raw === 0 && quantity.startsWith('voltage_')))
      values[quantity] = scaled(raw, scale) * sign(map.directions?.[quantity], points);
  }
  addPhases(values, map, points);
  const state = map.switchDp === undefined ? undefined : points.get(map.switchDp);
  if (typeof state === 'boolean') values.is_on = state ? 1 : 0;
  return values;
}

const sign = (dp: number | undefined, points: DataPoints): 1 | -1 => {
  const said = dp === undefined ? undefined : points.get(dp);
  return said === 'REVERSE' || said === 1 ? -1 : 1;
};

const phaseNames = [
  { voltage: 'voltage_l1_volts', current: 'current_l1_amps', power: 'power_l1_watts' },
  { voltage: 'voltage_l2_volts', current: 'current_l2_amps', power: 'power_l2_watts' },
  { voltage: 'voltage_l3_volts', current: 'current_l3_amps', power: 'power_l3_watts' },
] as const;

/** A single phase is the device itself; of several, the power of the whole is their sum unless the device says it. */
function addPhases(values: Partial<Record<Quantity, number>>, map: PointMap, points: DataPoints): void {
  const { phases = [] } = map;
  const read = phases.map((dp) => readPhase(points.get(dp)));
  const [only] = read;
  if (phases.length === 1 && only !== undefined) {
    if (only.volts > 0) values.voltage_volts ??= only.volts;
    values.current_amps ??= only.amps;
    values.power_watts ??= only.watts;
    return;
  }
  read.forEach((phase, index) => {
    const names = phaseNames[index];
    if (phase === undefined || names === undefined) return;
    if (phase.volts > 0) values[names.voltage] = phase.volts;
    values[names.current] = phase.amps;
    values[names.power] = phase.watts;
  });
  if (phases.length > 1 && read.every((phase) => phase !== undefined))
    values.power_watts ??= read.reduce((sum, phase) => sum + phase.watts, 0);
}
