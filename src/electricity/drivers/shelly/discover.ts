import type { DiscoverIo } from '../../driver.ts';
import type { Found } from '../../model.ts';
import { parseIdentity, type Identity } from './codec.ts';
import { HttpLine } from './http.ts';
import { parseJson } from '../shared/json.codec.ts';
import { addressesOf, searchable } from '../shared/networks.rules.ts';
import { sweep } from '../shared/sweep.ts';

/** Of one address; a Shelly on bad Wi-Fi answers within a few hundred milliseconds. */
const limitMs = 1_500;

export interface FoundShelly {
  /** With its port where that is not 80. */
  readonly host: string;
  readonly identity: Identity;
  readonly found: Found;
}

/** Asks every address of the networks for `/shelly`, which needs no password; yields each Shelly once. */
export async function* findShellys(
  networks: readonly string[],
  port: number,
  io: DiscoverIo,
): AsyncGenerator<FoundShelly> {
  const seen = new Set<string>();
  const addresses = addressesOf(searchable(networks));
  for await (const found of sweep(addresses, (address, signal) => probe(address, port, signal), io)) {
    if (seen.has(found.identity.station)) continue;
    seen.add(found.identity.station);
    yield found;
  }
}

async function probe(address: string, port: number, signal: AbortSignal): Promise<FoundShelly | undefined> {
  const host = port === 80 ? address : `${address}:${port}`;
  const line = new HttpLine(address, port);
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const reply = await line.ask({ method: 'GET', path: '/shelly' }, limit);
    if (reply.status !== 200) return undefined;
    const identity = parseIdentity(parseJson(reply.text, host));
    const { station, name, model, mac, firmware, metered } = identity;
    return {
      host,
      identity,
      found: { kind: 'shelly', id: station, host, name, model, mac, firmware, metered },
    };
  } catch {
    // Most addresses are empty and the rest is mostly no Shelly: that is what a search finds out.
    return undefined;
  } finally {
    line.close();
  }
}
