import type { Device } from './model.ts';

/** A device and when it was last heard, epoch ms. */
export interface Heard {
  readonly device: Pick<Device, 'id' | 'source' | 'mac'>;
  readonly lastSeen: number;
}

/** What is the same thing twice: read directly, and told by Home Assistant. Only one of them counts. */
export interface Twins {
  /** Ids of what Home Assistant tells of things that are read directly: neither shown nor counted. */
  readonly hidden: ReadonlySet<string>;
  /** Ids of things that have been gone for so long that Home Assistant stands in: shown, but no part of the house. */
  readonly replaced: ReadonlySet<string>;
}

const toldBy = 'homeassistant';
/** A thing that is read directly and was silent for this long is no longer preferred, ms. */
const goneMs = 86_400_000;

/** Pairs devices by MAC address, in any spelling. */
export function findTwins(devices: Iterable<Heard>, now: number): Twins {
  const byMac = new Map<string, { direct: Heard[]; told: Heard[] }>();
  for (const heard of devices) {
    const mac = heard.device.mac?.toLowerCase().replaceAll(/[^0-9a-f]/g, '') ?? '';
    if (mac === '') continue;
    let same = byMac.get(mac);
    if (same === undefined) byMac.set(mac, (same = { direct: [], told: [] }));
    (heard.device.source === toldBy ? same.told : same.direct).push(heard);
  }
  const lives = ({ lastSeen }: Heard) => now - lastSeen <= goneMs;
  const [hidden, replaced] = [new Set<string>(), new Set<string>()];
  for (const { direct, told } of byMac.values()) {
    if (direct.length === 0 || told.length === 0) continue;
    // While neither answers, the direct one stays: it says more.
    if (direct.some(lives) || !told.some(lives)) for (const { device } of told) hidden.add(device.id);
    else for (const { device } of direct) replaced.add(device.id);
  }
  return { hidden, replaced };
}
