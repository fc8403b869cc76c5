import type { Device, Values } from './model.ts';
import type { Basis } from './view.model.ts';

export interface Composition {
  readonly basis: Basis;
  /** Ids whose sum is the house. */
  readonly parts: readonly string[];
  /** Circuits, and the other devices: either may lie behind the other, so the larger sum is what explains the house. */
  readonly explaining: readonly (readonly string[])[];
}

const meterSources = ['meter', 'glow'];

/** Whether a device measures the supply of the house: a meter, or what the settings say does. */
export function isSupply({ source, wholeHouse, medium }: Device): boolean {
  return medium !== 'gas' && (wholeHouse === true || meterSources.includes(source));
}

/** What `main_meter` says when the circuits together are the house. */
export const allCircuits = 'circuits';

/**
 * What makes up the house: the meter of the supply; without one everything that measures, or only the circuits where
 * the settings say that these are the whole board. `mainMeter` is the id that the settings name, or `circuits`. Parts
 * of a device that measures itself are not counted again, and neither is gas.
 */
export function compose(devices: readonly Device[], mainMeter?: string): Composition {
  const electric = devices.filter((d) => d.medium !== 'gas');
  const byId = new Map(electric.map((d) => [d.id, d]));
  const supplies = electric.filter((d) => isSupply(d) && !isInside(d, byId));
  const first = meterSources.flatMap((source) => supplies.find((d) => d.source === source) ?? [])[0];
  const meter = (mainMeter === undefined ? undefined : byId.get(mainMeter)) ?? first ?? supplies[0];
  const others = electric.filter((d) => d !== meter && !isSupply(d) && !isInside(d, byId));
  const circuits = others.filter((d) => d.source === 'circuit').map((d) => d.id);
  const loads = others.filter((d) => d.source !== 'circuit').map((d) => d.id);
  const explaining = [circuits, loads];
  if (mainMeter === allCircuits && circuits.length > 0)
    return { basis: 'circuits', parts: circuits, explaining };
  if (meter !== undefined) return { basis: 'meter', parts: [meter.id], explaining };
  const parts = [...circuits, ...loads];
  return { basis: parts.length === 0 ? 'none' : 'devices', parts, explaining };
}

/** Whether a device above it is in the list, and so counts what it draws. */
function isInside(device: Device, byId: ReadonlyMap<string, Device>): boolean {
  return device.parent !== undefined && byId.has(device.parent);
}

/**
 * Power of some devices together, W. A plug that is unreachable is worth nothing unless the sum `mustBeWhole`: half a
 * house is not the house.
 */
export function sumOfPower(
  ids: readonly string[],
  values: ReadonlyMap<string, Values>,
  mustBeWhole: boolean,
): number | undefined {
  const powers = ids.map((id) => values.get(id)?.power_watts);
  const known = powers.filter((p) => p !== undefined);
  if (known.length === 0 || (mustBeWhole && known.length < powers.length)) return undefined;
  return known.reduce((sum, p) => sum + p, 0);
}
