import { readdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import type { EventBook } from '#cctv/book/book.ts';
import type { CctvConfig } from '#cctv/config.ts';
import { limitsOf } from '#cctv/keep/config.ts';
import { isDayFolder } from '#cctv/keep/names.rules.ts';
import { periods } from '#electricity/energy/calendar.rules.ts';
import type { Clock } from '#kernel/driver.ts';
import { duration, table } from '#platform/table.ts';
import {
  bytesPerDay,
  forecastDisk,
  headroomOf,
  type DiskForecast,
  type Headroom,
  type Kept,
} from './capacity.rules.ts';
import { diskOf, servicePid, snapshot } from './machine.ts';
import { rowOf } from './monitor.rules.ts';

export interface CapacityOptions {
  readonly config: CctvConfig;
  readonly dataDir: string;
  readonly book: EventBook | undefined;
  /** Cameras that give pictures now, as the running service says; undefined where it does not answer. */
  readonly camerasLive: number | undefined;
  readonly clock: Clock;
  readonly timeZone: string;
  readonly watchMs: number;
  readonly signal: AbortSignal;
}

export interface Month {
  /** First day: `2026-01-01`. */
  readonly from: string;
  readonly events: number;
  readonly alerts: number;
}

export interface Capacity {
  readonly running: boolean;
  readonly cores: number;
  readonly headroom: Headroom;
  readonly kept: readonly Kept[];
  /** One for each disk that holds something; the data directory first. */
  readonly disks: readonly (DiskForecast & { readonly folder: string })[];
  readonly months: readonly Month[];
}

const windowDays = 7;
const shownMonths = 6;

/** How many more cameras this machine carries and how long its disks last, by what is measured now. */
export async function capacity(options: CapacityOptions): Promise<Capacity> {
  const { config, dataDir, book, clock, watchMs, camerasLive, timeZone, signal } = options;
  const now = clock.now();
  const pid = await servicePid(dataDir);
  const place = { pid, dataDir, withGpu: false };
  const before = await snapshot(place, clock.now());
  if (pid !== undefined) await clock.sleep(watchMs, signal);
  const after = await snapshot(place, clock.now());
  const row = rowOf(before, after);
  const cores = availableParallelism();
  const { core, cameras, detector, other } = row.cpuPercent;
  const folders = {
    snapshots: path.resolve(config.snapshots.folder ?? path.join(dataDir, 'snapshots')),
    recordings: path.resolve(config.recording.folder ?? path.join(dataDir, 'recordings')),
  };
  const { limits, eventDays } = limitsOf(config.retention);
  const video = [...(book?.files.video(15_000) ?? [])]
    .flat()
    .map((s) => ({ at: s.startAt, bytes: s.bytes, clip: s.clip }));
  const pictures = await picturesIn(folders.snapshots);
  const kind = (
    name: string,
    items: readonly { at: number; bytes: number }[],
    limit: { days: number; bytes?: number | undefined },
  ): Kept => ({
    kind: name,
    bytes: items.reduce((sum, i) => sum + i.bytes, 0),
    bytesPerDay: bytesPerDay(items, now, windowDays),
    days: limit.days,
    limitBytes: limit.bytes,
  });
  const records = recordsOf(book, now, eventDays);
  const clips = kind(
    'clips',
    video.filter((v) => v.clip),
    limits.clips,
  );
  const continuous = kind(
    'continuous',
    video.filter((v) => !v.clip),
    limits.continuous,
  );
  const snapshots = kind('snapshots', pictures, limits.snapshots);
  return {
    running: pid !== undefined,
    cores,
    headroom: headroomOf({
      cores,
      cameras: pid === undefined ? 0 : (camerasLive ?? 0),
      cctvPercent: cameras + detector,
      otherPercent: Math.max(0, row.systemPercent * cores - cameras - detector - core - other) + core + other,
      freeMemoryBytes: after.memory.availableBytes,
      camerasBytes: row.rssBytes.cameras,
    }),
    kept: [clips, continuous, snapshots, records],
    disks: await disksOf([
      [dataDir, records],
      [folders.snapshots, snapshots],
      [folders.recordings, clips],
      [folders.recordings, continuous],
    ]),
    months: book === undefined ? [] : monthsOf(book, now, timeZone),
  };
}

/** The events database as one kind: as many bytes a day as its rows of a week are of all of it. */
function recordsOf(book: EventBook | undefined, now: number, days: number): Kept {
  if (book === undefined) return { kind: 'events.db', bytes: 0, bytesPerDay: 0, days };
  const { bytes, events } = book.counts();
  const first = book.events({ order: 'asc', limit: 1 }).rows[0]?.at ?? now;
  const recent = book.countSince(now - windowDays * 86_400_000).events;
  const span = Math.min(windowDays, Math.max(1, (now - first) / 86_400_000));
  return { kind: 'events.db', bytes, bytesPerDay: events === 0 ? 0 : (bytes * recent) / events / span, days };
}

async function picturesIn(folder: string): Promise<{ at: number; bytes: number }[]> {
  const days = (await readdir(folder).catch(() => [])).filter(isDayFolder);
  const all = await Promise.all(
    days.map(async (day) => {
      const files = await readdir(path.join(folder, day)).catch(() => []);
      return Promise.all(
        files.map(async (file) => {
          const found = await stat(path.join(folder, day, file)).catch(() => undefined);
          return found?.isFile() === true ? [{ at: found.mtimeMs, bytes: found.size }] : [];
        }),
      );
    }),
  );
  return all.flat(2);
}

/** Kinds by the disk they lie on: folders of one device share its room. */
async function disksOf(kept: readonly (readonly [folder: string, kind: Kept])[]) {
  const byDevice = new Map<number, { folder: string; kinds: Kept[] }>();
  for (const [folder, kind] of kept) {
    const found = await stat(folder).catch(() => undefined);
    if (found === undefined) continue;
    const known = byDevice.get(found.dev) ?? { folder, kinds: [] };
    known.kinds.push(kind);
    byDevice.set(found.dev, known);
  }
  const disks = await Promise.all(
    [...byDevice.values()].map(async ({ folder, kinds }) => {
      const disk = await diskOf(folder);
      return disk === undefined ? [] : [{ folder, ...forecastDisk(kinds, disk) }];
    }),
  );
  return disks.flat();
}

function monthsOf(book: EventBook, now: number, timeZone: string): Month[] {
  const all = periods('month', now - shownMonths * 30 * 86_400_000, now, timeZone).slice(-shownMonths);
  const day = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeZone });
  return all.map(({ from, to }) => {
    const [since, after] = [book.countSince(from), book.countSince(to)];
    return {
      from: day.format(from),
      events: since.events - after.events,
      alerts: since.alerts - after.alerts,
    };
  });
}

const gb = (bytes: number) =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;

export function capacityText({ running, headroom, kept, disks, months, cores }: Capacity): string {
  const { cameras, limitedBy, percentPerCamera, bytesPerCamera } = headroom;
  const more =
    cameras === undefined
      ? running
        ? 'No camera gives pictures now, so nothing can be said about further ones; lares cctv benchmark measures the machine alone.'
        : 'The service does not run, so nothing can be said about further cameras; lares cctv benchmark measures the machine alone.'
      : `Room for ${cameras} more cameras like these on ${cores} processors; the ${limitedBy} ends it. Each takes ${percentPerCamera!.toFixed(1)} % of a core as they are now and ${gb(bytesPerCamera!)} of memory.`;
  const disk = disks.map((d) => {
    const verdict =
      d.fullInDays === undefined
        ? d.emergencyInDays === undefined
          ? 'retention keeps it from filling up'
          : `nearly full in ${duration(d.emergencyInDays * 86_400_000)}: then pictures go before their time; lower cctv.retention`
        : `full in ${duration(d.fullInDays * 86_400_000)} at this pace: lower cctv.retention, set its gigabytes, or bring a larger disk`;
    return `Disk of ${d.folder}: ${gb(d.freeBytes)} of ${gb(d.totalBytes)} free, ${gb(d.bytesPerDay)} a day more, ${gb(d.steadyBytes)} in the end; ${verdict}.`;
  });
  return [
    more,
    '',
    table(
      ['KEPT', 'NOW', 'A DAY', 'RETENTION'],
      kept.map((k) => [
        k.kind,
        gb(k.bytes),
        gb(k.bytesPerDay),
        `${k.days} days${k.limitBytes === undefined ? '' : `, ${gb(k.limitBytes)}`}`,
      ]),
    ),
    ...disk,
    ...(months.length === 0
      ? []
      : [
          '',
          table(
            ['MONTH', 'EVENTS', 'ALERTS'],
            months.map((m) => [m.from.slice(0, 7), String(m.events), String(m.alerts)]),
          ),
        ]),
  ].join('\n');
}
