import { usableShare } from '#cctv/demand.rules.ts';

/** What is kept of one kind, and how fast more of it comes. */
export interface Kept {
  readonly kind: string;
  readonly bytes: number;
  readonly bytesPerDay: number;
  /** What retention leaves: days, and bytes where a limit of them is set. */
  readonly days: number;
  readonly limitBytes?: number | undefined;
}

export interface DiskForecast {
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly bytesPerDay: number;
  /** What all kinds take together once each is as large as retention lets it become. */
  readonly steadyBytes: number;
  /** Days until nothing is free; undefined when retention keeps it below that. */
  readonly fullInDays: number | undefined;
  /** Days until old pictures go before their time because the disk is nearly full; undefined likewise. */
  readonly emergencyInDays: number | undefined;
}

/** From this share on retention lets go of pictures before their time. */
const emergencyShare = 0.95;

/** The most that a kind grows to at its present pace; never less than it is. */
export function steadyBytes({ bytes, bytesPerDay, days, limitBytes = Infinity }: Kept): number {
  return Math.max(Math.min(bytes, limitBytes), Math.min(bytesPerDay * days, limitBytes));
}

/** Days until the kinds have grown by so much together; undefined when they never do. Each grows evenly to its end. */
export function daysUntil(kinds: readonly Kept[], growth: number): number | undefined {
  const growing = kinds
    .filter((k) => k.bytesPerDay > 0 && steadyBytes(k) > k.bytes)
    .map((k) => ({ pace: k.bytesPerDay, until: (steadyBytes(k) - k.bytes) / k.bytesPerDay }))
    .toSorted((a, b) => a.until - b.until);
  if (growth <= 0) return 0;
  let [day, grown] = [0, 0];
  for (const [i, { until }] of growing.entries()) {
    const pace = growing.slice(i).reduce((sum, g) => sum + g.pace, 0);
    const reached = day + (growth - grown) / pace;
    if (reached <= until) return reached;
    grown += pace * (until - day);
    day = until;
  }
  return undefined;
}

export function forecastDisk(
  kinds: readonly Kept[],
  disk: { readonly freeBytes: number; readonly totalBytes: number },
): DiskForecast {
  const { freeBytes, totalBytes } = disk;
  return {
    freeBytes,
    totalBytes,
    bytesPerDay: kinds.reduce((sum, k) => sum + k.bytesPerDay, 0),
    steadyBytes: kinds.reduce((sum, k) => sum + steadyBytes(k), 0),
    fullInDays: daysUntil(kinds, freeBytes),
    emergencyInDays: daysUntil(kinds, freeBytes - (1 - emergencyShare) * totalBytes),
  };
}

export interface Load {
  readonly cores: number;
  /** Percent of one core: cameras and detector together, and everything else on the machine. */
  readonly cctvPercent: number;
  readonly otherPercent: number;
  /** Cameras that give pictures. */
  readonly cameras: number;
  readonly freeMemoryBytes: number;
  /** Of the processes that read cameras. */
  readonly camerasBytes: number;
}

export interface Headroom {
  /** Further cameras like those there are; undefined without one to measure. */
  readonly cameras: number | undefined;
  readonly limitedBy: 'processor' | 'memory' | undefined;
  readonly percentPerCamera: number | undefined;
  readonly bytesPerCamera: number | undefined;
}

/** A camera takes at least this much memory of its process, whatever the mean says. */
const leastCameraBytes = 30e6;
/** What must stay free for everything else. */
const memoryReserve = 300e6;

/** How many more cameras like the present ones the machine carries, by what these take now. */
export function headroomOf(load: Load): Headroom {
  const { cores, cctvPercent, otherPercent, cameras, freeMemoryBytes, camerasBytes } = load;
  if (cameras === 0)
    return {
      cameras: undefined,
      limitedBy: undefined,
      percentPerCamera: undefined,
      bytesPerCamera: undefined,
    };
  // A camera that is idle now costs more when somebody walks by; never count one for nothing.
  const percentPerCamera = Math.max(0.5, cctvPercent / cameras);
  const bytesPerCamera = Math.max(leastCameraBytes, camerasBytes / cameras);
  const byCpu = Math.floor((cores * 100 * usableShare - cctvPercent - otherPercent) / percentPerCamera);
  const byMemory = Math.floor((freeMemoryBytes - memoryReserve) / bytesPerCamera);
  return {
    cameras: Math.max(0, Math.min(byCpu, byMemory)),
    limitedBy: byCpu <= byMemory ? 'processor' : 'memory',
    percentPerCamera,
    bytesPerCamera,
  };
}

/** Bytes a day of what carries its instant. Too young to tell counts as a day: the first hour is no trend. */
export function bytesPerDay(
  items: readonly { readonly at: number; readonly bytes: number }[],
  now: number,
  windowDays: number,
): number {
  const dayMs = 86_400_000;
  const recent = items.filter((i) => i.at >= now - windowDays * dayMs && i.at <= now);
  if (recent.length === 0) return 0;
  const first = Math.min(...items.map((i) => i.at));
  const days = Math.min(windowDays, Math.max(1, (now - first) / dayMs));
  return recent.reduce((sum, i) => sum + i.bytes, 0) / days;
}
