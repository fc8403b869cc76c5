import { parts, type Part, type Snapshot } from './machine.model.ts';

/** One row: what was used between two snapshots. Percent of one processor core, except where it says otherwise. */
export interface Row {
  /** Epoch ms of its end. */
  readonly at: number;
  readonly cpuPercent: Readonly<Record<Part, number>>;
  readonly rssBytes: Readonly<Record<Part, number>>;
  /** Percent of all cores. */
  readonly systemPercent: number;
  readonly load: number;
  readonly memoryPercent: number;
  readonly diskPercent: number | undefined;
  readonly celsius: number | undefined;
  readonly gpuPercent: number | undefined;
  readonly gpuMemoryBytes: number | undefined;
}

const forParts = (value: (part: Part) => number): Record<Part, number> => ({
  core: value('core'),
  cameras: value('cameras'),
  detector: value('detector'),
  other: value('other'),
});

export function rowOf(before: Snapshot, after: Snapshot): Row {
  const seconds = Math.max(0.001, (after.at - before.at) / 1000);
  const { disk, memory, gpu } = after;
  const total = after.cpu.total - before.cpu.total;
  return {
    at: after.at,
    // A process that ended takes its time with it: less than nothing was not used.
    cpuPercent: forParts((p) =>
      Math.max(0, (100 * (after.parts[p].cpuSeconds - before.parts[p].cpuSeconds)) / seconds),
    ),
    rssBytes: forParts((p) => after.parts[p].rssBytes),
    systemPercent: total <= 0 ? 0 : (100 * (after.cpu.busy - before.cpu.busy)) / total,
    load: after.load,
    memoryPercent: memory.totalBytes === 0 ? 0 : 100 * (1 - memory.availableBytes / memory.totalBytes),
    diskPercent: disk === undefined ? undefined : 100 * (1 - disk.freeBytes / disk.totalBytes),
    celsius: after.celsius,
    gpuPercent: gpu?.percent,
    gpuMemoryBytes: gpu?.memoryBytes,
  };
}

const sum = (of: Readonly<Record<Part, number>>) => parts.reduce((n, p) => n + of[p], 0);
const mib = 2 ** 20;

interface Column {
  /** Its name in the CSV file. */
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  /** Undefined where this machine has no such thing. */
  readonly read: (row: Row) => number | undefined;
}

/** Every figure that is shown, in the order of the file. */
export const columns: readonly Column[] = [
  ...parts.flatMap((p): Column[] => [
    { name: `${p}_cpu_percent`, title: `CPU of ${p}`, unit: '%', read: (r) => r.cpuPercent[p] },
    { name: `${p}_rss_mib`, title: `Memory of ${p}`, unit: 'MiB', read: (r) => r.rssBytes[p] / mib },
  ]),
  { name: 'lares_cpu_percent', title: 'CPU of Lares', unit: '%', read: (r) => sum(r.cpuPercent) },
  { name: 'lares_rss_mib', title: 'Memory of Lares', unit: 'MiB', read: (r) => sum(r.rssBytes) / mib },
  {
    name: 'system_cpu_percent',
    title: 'CPU of the machine, all cores',
    unit: '%',
    read: (r) => r.systemPercent,
  },
  { name: 'load_1min', title: 'Load', unit: '', read: (r) => r.load },
  { name: 'memory_percent', title: 'Memory of the machine', unit: '%', read: (r) => r.memoryPercent },
  { name: 'disk_percent', title: 'Disk of the data', unit: '%', read: (r) => r.diskPercent },
  { name: 'temperature_celsius', title: 'Temperature', unit: '°C', read: (r) => r.celsius },
  { name: 'gpu_percent', title: 'GPU', unit: '%', read: (r) => r.gpuPercent },
  {
    name: 'gpu_memory_mib',
    title: 'Memory of the GPU',
    unit: 'MiB',
    read: (r) => (r.gpuMemoryBytes === undefined ? undefined : r.gpuMemoryBytes / mib),
  },
];

export const csvHead = `time,${columns.map((c) => c.name).join(',')}`;

/** A line of the CSV file; what is not known stays empty. */
export function csvLine(row: Row): string {
  const cells = columns.map(({ read }) => read(row)?.toFixed(2) ?? '');
  return [new Date(row.at).toISOString(), ...cells].join(',');
}

export interface Summary {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly mean: number;
  readonly least: number;
  readonly most: number;
}

/** Mean, least and most of every figure that this machine has. */
export function summarise(rows: readonly Row[]): Summary[] {
  return columns.flatMap(({ name, title, unit, read }) => {
    const values = rows.map(read).filter((v) => v !== undefined);
    if (values.length === 0) return [];
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return [{ name, title, unit, mean, least: Math.min(...values), most: Math.max(...values) }];
  });
}

/** Change of a figure in its unit a minute: the median of all slopes between two rows, which one spike does not move. */
export function slopePerMinute(points: readonly (readonly [at: number, value: number])[]): number {
  const slopes = points.flatMap(([t, v], i) =>
    points.slice(i + 1).map(([u, w]) => ((w - v) * 60_000) / (u - t)),
  );
  const sorted = slopes.filter((s) => Number.isFinite(s)).toSorted((a, b) => a - b);
  if (sorted.length === 0) return 0;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
