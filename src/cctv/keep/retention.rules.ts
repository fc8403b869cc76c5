/** What is kept, each for a time of its own. */
export const kinds = ['snapshots', 'clips', 'continuous'] as const;
export type Kind = (typeof kinds)[number];

export interface Limit {
  readonly days: number;
  /** Bytes that all files of this kind may take together; absent for no limit. */
  readonly bytes?: number | undefined;
}

export interface KeptFile {
  readonly file: string;
  readonly kind: Kind;
  /** Epoch milliseconds of its content, or of the file where that is not known. */
  readonly at: number;
  readonly bytes: number;
  /** Is being written: stays. */
  readonly open?: boolean;
}

export interface DiskState {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** From this share on the disk is full enough that old pictures must go before their time, down to the second. */
export const emergency = { from: 0.95, to: 0.9 };
const dayMs = 86_400_000;

/** In an emergency what goes first: video of nothing, then snapshots, last the clips of events. */
const sacrifice: readonly Kind[] = ['continuous', 'snapshots', 'clips'];

export interface Verdict {
  readonly files: readonly KeptFile[];
  /** Bytes that go only because the disk is nearly full. */
  readonly emergencyBytes: number;
}

/** Which files go now, oldest first: too old, too many, or too much for the disk. */
export function overdue(
  files: readonly KeptFile[],
  limits: Readonly<Record<Kind, Limit>>,
  now: number,
  disk: DiskState | undefined,
): Verdict {
  const gone = new Set<KeptFile>();
  const byAge = files.filter((file) => file.open !== true).toSorted((a, b) => a.at - b.at);
  for (const kind of kinds) {
    const own = byAge.filter((file) => file.kind === kind);
    for (const file of own) if (now - file.at > limits[kind].days * dayMs) gone.add(file);
    let bytes = own.reduce((n, file) => n + (gone.has(file) ? 0 : file.bytes), 0);
    for (const file of own) {
      if (bytes <= (limits[kind].bytes ?? Infinity)) break;
      if (gone.has(file)) continue;
      gone.add(file);
      bytes -= file.bytes;
    }
  }
  let missing = needed(disk) - [...gone].reduce((n, file) => n + file.bytes, 0);
  let emergencyBytes = 0;
  for (const kind of sacrifice)
    for (const file of byAge) {
      if (missing <= 0) break;
      if (file.kind !== kind || gone.has(file)) continue;
      gone.add(file);
      missing -= file.bytes;
      emergencyBytes += file.bytes;
    }
  return { files: byAge.filter((file) => gone.has(file)), emergencyBytes };
}

/** Bytes that must become free; 0 while the disk has room. */
function needed(disk: DiskState | undefined): number {
  if (disk === undefined || disk.totalBytes <= 0) return 0;
  const used = disk.totalBytes - disk.freeBytes;
  return used / disk.totalBytes < emergency.from ? 0 : used - emergency.to * disk.totalBytes;
}
