/** One number of one series at one instant. The unit is in the name: `home.electricity.kasa.kettle.power_watts`. */
export interface Reading {
  readonly series: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly value: number;
}

/** All readings of one tick; they share one instant. */
export interface Batch {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly values: ReadonlyMap<string, number>;
}

/** Where finished batches go: Graphite, MQTT. Must never block or throw; trouble is the sink's own affair. */
export interface Sink {
  readonly name: string;
  offer(batch: Batch): void;
}

const seriesPattern = /^[a-z0-9_]+(\.[a-z0-9_]+)+$/;

/** True for a dotted path of normalised nodes of at most 255 characters each (the file systems under Carbon). */
export function isSeries(path: string): boolean {
  return (
    path.length <= 512 && seriesPattern.test(path) && path.split('.').every((node) => node.length <= 120)
  );
}

/**
 * The node of a metric path for a name from outside: lower case, spaces to `_`, everything outside
 * `[a-z0-9_]` removed, at most 64 characters. A name with nothing left becomes `fallback`.
 */
export function normaliseNode(name: string, fallback = 'unnamed'): string {
  const node = name
    .normalize('NFKD')
    .toLowerCase()
    .trim()
    .replaceAll(/\s+/g, '_')
    .replaceAll(/[^a-z0-9_]/g, '')
    .slice(0, 64);
  return node === '' ? fallback : node;
}
