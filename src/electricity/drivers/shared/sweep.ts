import type { DiscoverIo } from '../../driver.ts';

const parallel = 256;

/**
 * Probes every address, many at a time, and yields what was found as answers come in; ends by itself. `probe` never
 * throws; it gives undefined where there is nothing.
 */
export async function* sweep<T>(
  addresses: readonly string[],
  probe: (address: string, signal: AbortSignal) => Promise<T | undefined>,
  { signal: outer, progress }: DiscoverIo,
): AsyncGenerator<T> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const left = addresses.values();
  const ready: T[] = [];
  let [asked, wake] = [0, () => {}];
  const worker = async () => {
    for (const address of left) {
      if (signal.aborted) return;
      const found = await probe(address, signal);
      asked += 1;
      if (found !== undefined) ready.push(found);
      if (found !== undefined || asked % 64 === 0)
        progress?.(asked / addresses.length, `${asked} addresses asked`);
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
