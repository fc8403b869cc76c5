import { LaresError } from '#kernel/errors.ts';
import type { DiscoverIo } from '../../driver.ts';

const parallel = 256;
// At a second and a half an address, a /16 takes as long as two searches may lie apart.
const widest = 16;

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

/**
 * Probes every address of the networks, many at a time, and yields what was found as answers come in; ends by itself.
 * `probe` never throws; it gives undefined where there is nothing. Throws CONFIG_INVALID for a network wider than /16.
 */
export async function* sweep<T>(
  networks: readonly string[],
  probe: (address: string, signal: AbortSignal) => Promise<T | undefined>,
  { signal: outer, progress }: DiscoverIo,
): AsyncGenerator<T> {
  const wide = networks.find((network) => Number(network.split('/')[1] ?? 32) < widest);
  if (wide !== undefined)
    throw new LaresError(
      'CONFIG_INVALID',
      `${wide} is too wide to be searched; name networks of /${widest} or smaller`,
    );
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const addresses = networks.values().flatMap(hosts);
  const total = networks.reduce((sum, n) => sum + 2 ** (32 - Number(n.split('/')[1] ?? 32)), 0);
  const ready: T[] = [];
  let [asked, wake] = [0, () => {}];
  const worker = async () => {
    for (const address of addresses) {
      if (signal.aborted) return;
      const found = await probe(address, signal);
      asked += 1;
      if (found !== undefined) ready.push(found);
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
