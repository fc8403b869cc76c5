import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isRandomised } from './mac.ts';
import type { Mac } from './model.ts';

// Lengths of IEEE prefixes in hexadecimal digits, longest first: MA-S (36 bits), MA-M (28), MA-L (24).
const prefixLengths = [9, 7, 6] as const;
const remembered = 1_024;
const longestName = 64;

/**
 * Who made a network card, by the IEEE registry. The registry is a file of 5 MB: it is searched as bytes and let go,
 * and only the answers are kept.
 */
export class Vendors {
  readonly #known = new Map<Mac, string | undefined>();

  /** What was found before; undefined also for randomised addresses and unknown makers. */
  get(mac: Mac): string | undefined {
    return this.#known.get(mac.slice(0, 13));
  }

  /** Looks up those that are not known yet, with one reading of the file. Never throws: without the file nothing is known. */
  async learn(macs: Iterable<Mac>): Promise<void> {
    const wanted = new Set([...macs].filter((m) => !isRandomised(m)).map((m) => m.slice(0, 13)));
    const missing = [...wanted].filter((prefix) => !this.#known.has(prefix));
    if (missing.length === 0) return;
    const registry = await readRegistry();
    if (this.#known.size + missing.length > remembered) this.#known.clear();
    for (const prefix of missing)
      this.#known.set(prefix, registry === undefined ? undefined : find(registry, prefix));
  }
}

async function readRegistry(): Promise<Buffer | undefined> {
  try {
    return await readFile(fileURLToPath(import.meta.resolve('oui-data')));
  } catch {
    return undefined;
  }
}

function find(registry: Buffer, prefix: string): string | undefined {
  const digits = prefix.replaceAll(':', '').toUpperCase();
  for (const length of prefixLengths) {
    const key = `"${digits.slice(0, length)}": `;
    const at = registry.indexOf(key, 0, 'latin1');
    if (at < 0) continue;
    // Each entry is one line: "AABBCC": "Name\nAddress",
    const line = registry.subarray(at + key.length, registry.indexOf('\n', at)).toString('utf8');
    const text: unknown = JSON.parse(line.trim().replace(/,$/, ''));
    return typeof text === 'string' ? text.split('\n')[0]?.slice(0, longestName) : undefined;
  }
  return undefined;
}
