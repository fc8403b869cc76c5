import type { DiscoverIo } from '../../driver.ts';
import type { Found } from '../../model.ts';
import { parseIdentity, parseJson, type Identity } from './codec.ts';
import { HttpLine } from './http.ts';

const parallel = 256;
/** Of one address; a Shelly on bad Wi-Fi answers within a few hundred milliseconds. */
const limitMs = 1_500;

/** Every host address of a network in CIDR notation; all of a /31 and /32, else without network and broadcast. */
export function* hosts(network: string): Generator<string> {
  const [address = '', width = '32'] = network.split('/');
  const bits = 32 - Number(width);
  const value = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const first = Math.floor(value / 2 ** bits) * 2 ** bits;
  const edge = bits >= 2 ? 1 : 0;
  for (let i = first + edge; i < first + 2 ** bits - edge; i += 1)
    yield [24, 16, 8, 0].map((shift) => Math.floor(i / 2 ** shift) % 256).join('.');
}

export interface FoundShelly {
  /** With its port where that is not 80. */
  readonly host: string;
  readonly identity: Identity;
  readonly found: Found;
}

/** Asks every address of the networks for `/shelly`, many at a time; yields as answers come in; ends by itself. */
export async function* sweep(
  networks: readonly string[],
  port: number,
  { signal: outer, progress }: DiscoverIo,
): AsyncGenerator<FoundShelly> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const addresses = networks.values().flatMap(hosts);
  const total = networks.reduce((sum, n) => sum + 2 ** (32 - Number(n.split('/')[1] ?? 32)), 0);
  const ready: FoundShelly[] = [];
  const seen = new Set<string>();
  let [asked, wake] = [0, () => {}];
  const worker = async () => {
    for (const address of addresses) {
      if (signal.aborted) return;
      const found = await probe(address, port, signal);
      asked += 1;
      if (found !== undefined && !seen.has(found.identity.station)) {
        seen.add(found.identity.station);
        ready.push(found);
      }
      if (found !== undefined || asked % 64 === 0)
        progress?.(Math.min(1, asked / total), `${asked} addresses asked`);
      wake();
    }
  };
  let running = true;
  const all = Promise.all(Array.from({ length: parallel }, worker)).finally(() => {
    running = false;
    wake();
  });
  try {
    while (running || ready.length > 0) {
      const next = ready.shift();
      if (next !== undefined) yield next;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stop.abort();
    await all;
  }
}

async function probe(address: string, port: number, signal: AbortSignal): Promise<FoundShelly | undefined> {
  const host = port === 80 ? address : `${address}:${port}`;
  const line = new HttpLine(address, port);
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const reply = await line.ask({ method: 'GET', path: '/shelly' }, limit);
    if (reply.status !== 200) return undefined;
    const identity = parseIdentity(parseJson(reply.text));
    const { station, name, model, mac, firmware, metered, needsPassword } = identity;
    const needs = needsPassword ? 'a password' : undefined;
    return {
      host,
      identity,
      found: { kind: 'shelly', id: station, host, name, model, mac, firmware, metered, needs },
    };
  } catch {
    // Most addresses are empty and the rest is mostly no Shelly: that is what a search finds out.
    return undefined;
  } finally {
    line.close();
  }
}
