import { normaliseNode } from '#kernel/reading.ts';
import type { Device } from './model.ts';

/** The path node of every device that was ever named, so that a restart or a new neighbour never renames a series. */
export interface Names {
  readonly [id: string]: { readonly path: string; readonly asked: string };
}

// Leaves and other sub-paths of these sources; a device must not hide behind the same name.
const meterSource = 'meter';

/** The path that a device would have if it were alone: `<source>.<name>`. The first meter is just `meter`. */
export function wishedPath(device: Device): string {
  return `${normaliseNode(device.source)}.${normaliseNode(device.name, fallbackOf(device))}`;
}

/** A name with nothing left (a name in another script) is replaced by the tail of the id, which never changes. */
function fallbackOf(device: Device): string {
  const tail = device.id.split(':').at(-1) ?? '';
  return normaliseNode(tail, 'device').slice(-16);
}

/**
 * Gives a device its path. A known device keeps its path until it is called otherwise; a name that is taken gets a
 * number. `isMainMeter`: it is the meter of the whole house, whose series are `meter.power_kw` without a name.
 */
export function assignPath(
  names: Names,
  device: Device,
  isMainMeter = false,
): { readonly names: Names; readonly path: string; readonly collided: boolean } {
  const asked = isMainMeter ? meterSource : wishedPath(device);
  const known = names[device.id];
  if (known?.asked === asked) return { names, path: known.path, collided: false };
  const taken = new Set(Object.entries(names).flatMap(([id, n]) => (id === device.id ? [] : [n.path])));
  let path = asked;
  for (let number = 2; taken.has(path); number += 1) path = `${asked}_${number}`;
  return { names: { ...names, [device.id]: { path, asked } }, path, collided: path !== asked };
}
