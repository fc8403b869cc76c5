import { normaliseMac } from '../../mac.ts';
import type { Mac } from '../../model.ts';
import { parseIpv4 } from './ipv4.ts';

/** States of the kernel's neighbour table (linux/neighbour.h). Only REACHABLE proves life. */
export type NeighbourState =
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'incomplete'
  | 'failed'
  | 'permanent'
  | 'unknown';

export interface Neighbour {
  readonly ip: string;
  readonly mac: Mac | undefined;
  readonly device: string;
  readonly state: NeighbourState;
  /** Seconds since the neighbour last proved that it is there; undefined where the source does not say. */
  readonly confirmedAgoS: number | undefined;
}

const states = new Set<string>(['reachable', 'stale', 'delay', 'probe', 'incomplete', 'failed', 'permanent']);

/**
 * Reads `ip -j -s neigh show dev DEVICE`, which leaves the device out of each entry. Entries that make no sense are
 * left out; undefined when it is not JSON at all.
 */
export function parseIpNeigh(json: string, device?: string): Neighbour[] | undefined {
  let entries: unknown;
  try {
    entries = JSON.parse(json.trim() === '' ? '[]' : json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(entries)) return undefined;
  return entries.flatMap((entry: unknown): Neighbour[] => {
    const { dst, dev = device, lladdr, state, confirmed } = (entry ?? {}) as Record<string, unknown>;
    if (typeof dst !== 'string' || parseIpv4(dst) === undefined || typeof dev !== 'string') return [];
    const word = String(Array.isArray(state) ? state[0] : state).toLowerCase();
    return [
      {
        ip: dst,
        mac: typeof lladdr === 'string' ? normaliseMac(lladdr) : undefined,
        device: dev,
        state: states.has(word) ? (word as NeighbourState) : 'unknown',
        confirmedAgoS: typeof confirmed === 'number' && confirmed >= 0 ? confirmed : undefined,
      },
    ];
  });
}

/**
 * Reads `/proc/net/arp`. It cannot tell REACHABLE from STALE: a complete entry (flag 0x2) is `unknown`,
 * a static one (0x4) `permanent`, the rest `incomplete`.
 */
export function parseProcArp(text: string): Neighbour[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line): Neighbour[] => {
      const [ip = '', , flags = '', mac = '', , device = ''] = line.trim().split(/\s+/);
      if (parseIpv4(ip) === undefined || device === '') return [];
      const bits = Number(flags);
      const state = (bits & 4) !== 0 ? 'permanent' : (bits & 2) !== 0 ? 'unknown' : 'incomplete';
      return [{ ip, mac: normaliseMac(mac), device, state, confirmedAgoS: undefined }];
    });
}
