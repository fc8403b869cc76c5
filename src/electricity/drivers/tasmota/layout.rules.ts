import type { Device } from '../../model.ts';
import type { Identity } from './codec.ts';

/** One thing behind a Tasmota: what it measures, what it switches, or both. */
export interface Unit {
  /** `''` for the device itself, else the channel. */
  readonly key: string;
  /** Suffix of its `POWER` key; undefined where it does not switch. */
  readonly relay: string | undefined;
}

/**
 * Which things a device is, from the keys of its measuring parts and of its relays. The only relay switches what the
 * whole device measures; of several each is its own thing, together with the channel of the same number.
 */
export function layout(parts: Iterable<string>, relays: Iterable<string>): Unit[] {
  const measuring = new Set(parts);
  const all = [...relays];
  const only = all.length === 1 && !measuring.has('1') ? all[0] : undefined;
  const switching = new Map(all.map((relay) => [only === undefined ? relay || '1' : '', relay]));
  return [...new Set([...measuring, ...switching.keys()])]
    .toSorted()
    .map((key) => ({ key, relay: switching.get(key) }));
}

/** The device of a unit. `base` is the id of the whole. */
export function deviceOf(
  unit: Unit,
  units: readonly Unit[],
  about: {
    readonly base: string;
    readonly address: string;
    readonly name: string | undefined;
    readonly fallback: string;
    readonly identity: Identity | undefined;
  },
): Device {
  const { base, address, name, fallback, identity } = about;
  const whole =
    name ?? identity?.name ?? (units.length === 1 ? identity?.friendly[0] : undefined) ?? fallback;
  const channel = Number(unit.key);
  const own = Number.isInteger(channel) && channel > 0 ? identity?.friendly[channel - 1] : undefined;
  return {
    id: unit.key === '' ? base : `${base}/${unit.key}`,
    source: 'tasmota',
    name: unit.key === '' ? whole : (own ?? `${whole} ${unit.key}`),
    model: identity?.model,
    firmware: identity?.firmware,
    mac: identity?.mac,
    address,
    ...(unit.key !== '' && { parent: base }),
  };
}
