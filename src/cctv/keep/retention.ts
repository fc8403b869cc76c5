import { lstat, readdir, rm, rmdir, stat, statfs } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import type { Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { EventBook } from '../book/book.ts';
import type { PictureFile, VideoFile } from '../book/files.ts';
import { isClaimed } from './folders.ts';
import { isDayFolder } from './names.rules.ts';
import { overdue, type DiskState, type KeptFile, type Kind, type Limit } from './retention.rules.ts';

const dayMs = 86_400_000;
/** Video this long before an event belongs to it: it began in the file before. */
const marginMs = 15_000;
// Rows that are changed at once: some milliseconds of the core's time.
const rowsAtOnce = 500;

export interface RetentionOptions {
  /** Absolute. */
  readonly snapshots: string;
  readonly recordings: string;
  readonly limits: Readonly<Record<Kind, Limit>>;
  readonly eventDays: number;
  readonly pathDays: number;
  readonly book: Pick<EventBook, 'files' | 'prune'>;
  readonly log: Log;
  /** What is not done when it aborts is done another time. */
  readonly signal?: AbortSignal;
  /** Of the disk that holds a folder; only tests bring their own. */
  readonly disk?: (folder: string) => Promise<DiskState>;
}

export interface Swept {
  readonly files: number;
  readonly bytes: number;
  /** Bytes of these that went before their time because the disk is nearly full. */
  readonly emergencyBytes: number;
  /** Rows of the book whose file somebody else had removed. */
  readonly missing: number;
  readonly rows: number;
  /** Bytes that stay. */
  readonly kept: { readonly recordings: number; readonly snapshots: number };
}

/**
 * Lets go of what is old or too much, oldest first, and of folders that became empty. Touches only files that look like
 * ours, in folders named by day, follows no link, and leaves a folder alone whose disk is not mounted. Never throws.
 */
export async function sweep(options: RetentionOptions, now: number): Promise<Swept> {
  const { book, log, signal } = options;
  const problems: string[] = [];
  const attempt = async <T>(what: string, empty: T, work: () => Promise<T>): Promise<T> => {
    try {
      signal?.throwIfAborted();
      return await work();
    } catch (error) {
      if (signal?.aborted !== true) problems.push(`${what}: ${reason(error)}`);
      return empty;
    }
  };
  const rows = await attempt('book', [], () => pages(book.files.video(marginMs), signal));
  const snapshots = await attempt('snapshots', [], () => snapshotFiles(options));
  const video = await attempt('recordings', [], () => videoFiles(options, rows, now));
  const { files, emergencyBytes } = await attempt('disk', { files: [], emergencyBytes: 0 }, () =>
    judge(options, snapshots, video, now),
  );
  const removed = new Set<string>();
  for (const { file } of files) if (await attempt(file, false, () => remove(file))) removed.add(file);
  const left = (all: readonly KeptFile[]) => all.filter(({ file }) => !removed.has(file));
  const kept = { recordings: left(video), snapshots: left(snapshots) };
  const missing =
    (await attempt('book', 0, () => tidyPictures(options, kept.snapshots, removed))) +
    (await attempt('book', 0, () => tidyVideo(options, rows, kept.recordings, removed)));
  for (const folder of [options.snapshots, options.recordings])
    await attempt(folder, undefined, () => removeEmptyDays(folder));
  const pruned = await attempt('book', 0, () =>
    book.prune({ events: now - options.eventDays * dayMs, paths: now - options.pathDays * dayMs }),
  );
  if (problems.length > 0) log.error(`retention error: ${problems[0]}`, { problems: problems.length });
  if (emergencyBytes > 0)
    log.warn('the disk is nearly full: pictures and video were deleted before their time', {
      megabytes: Math.round(emergencyBytes / 1e6),
    });
  const size = (all: readonly KeptFile[]) => all.reduce((n, file) => n + file.bytes, 0);
  return {
    files: removed.size,
    bytes: size(files.filter(({ file }) => removed.has(file))),
    emergencyBytes,
    missing,
    rows: pruned,
    kept: { recordings: size(kept.recordings), snapshots: size(kept.snapshots) },
  };
}

/** What goes. Only what lies on a disk that is nearly full makes room there. */
async function judge(
  { snapshots, recordings, limits, disk = diskOf }: RetentionOptions,
  pictures: readonly KeptFile[],
  video: readonly KeptFile[],
  now: number,
): Promise<{ files: KeptFile[]; emergencyBytes: number }> {
  const places = [
    { folder: snapshots, files: pictures },
    { folder: recordings, files: video },
  ];
  const byDisk = new Map<number, { folder: string; files: KeptFile[] }>();
  for (const { folder, files } of places) {
    if (!(await isClaimed(folder))) continue;
    const { dev } = await stat(folder);
    byDisk.set(dev, { folder, files: [...(byDisk.get(dev)?.files ?? []), ...files] });
  }
  const verdicts = [];
  for (const { folder, files } of byDisk.values())
    // Age counts also where nobody can say how full a disk is.
    verdicts.push(overdue(files, limits, now, await disk(folder).catch(() => undefined)));
  return {
    files: verdicts.flatMap((verdict) => verdict.files),
    emergencyBytes: verdicts.reduce((n, verdict) => n + verdict.emergencyBytes, 0),
  };
}

async function remove(file: string): Promise<boolean> {
  // `force`: that somebody else was quicker is no error.
  await rm(file, { force: true });
  return true;
}

async function diskOf(folder: string): Promise<DiskState> {
  const { blocks, bavail, bsize } = await statfs(folder);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

/** All rows of some pages. Others have their turn between two of them. */
async function pages<T>(of: Iterable<readonly T[]>, signal: AbortSignal | undefined): Promise<T[]> {
  const all: T[] = [];
  for (const page of of) {
    for (const row of page) all.push(row);
    await breathe();
    signal?.throwIfAborted();
  }
  return all;
}

async function inPortions<T>(all: readonly T[], work: (some: readonly T[]) => Promise<void>): Promise<void> {
  for (let i = 0; i < all.length; i += rowsAtOnce) {
    await work(all.slice(i, i + rowsAtOnce));
    await breathe();
  }
}

/** Entries of a folder that are what they say, not links to elsewhere. */
async function entries(folder: string, kind: 'isFile' | 'isDirectory'): Promise<string[]> {
  const found = await readdir(folder, { withFileTypes: true });
  return found.filter((entry) => entry[kind]()).map((entry) => entry.name);
}

async function dayFolders(folder: string): Promise<string[]> {
  return (await entries(folder, 'isDirectory')).filter(isDayFolder).map((day) => path.join(folder, day));
}

async function filesOf(
  day: string,
  pattern: RegExp,
  signal: AbortSignal | undefined,
): Promise<{ file: string; bytes: number; at: number }[]> {
  const found = [];
  signal?.throwIfAborted();
  for (const name of (await entries(day, 'isFile')).filter((n) => pattern.test(n))) {
    const file = path.join(day, name);
    const entry = await lstat(file).catch(() => undefined);
    if (entry !== undefined) found.push({ file, bytes: entry.size, at: entry.mtimeMs });
  }
  return found;
}

async function snapshotFiles({ snapshots: folder, signal }: RetentionOptions): Promise<KeptFile[]> {
  if (!(await isClaimed(folder))) return [];
  const files: KeptFile[] = [];
  for (const day of await dayFolders(folder))
    for (const file of await filesOf(day, /^(snapshot|clean)_.*\.jpg$|^\.part-/, signal))
      files.push({ ...file, kind: 'snapshots' });
  return files;
}

/** What a file is called within the folder that it is kept in: that stays when all are brought to another disk. */
const within = (file: string, depth: number) => file.split(path.sep).slice(-depth).join(path.sep);
const pictureDepth = 2;
const videoDepth = 3;

async function videoFiles(
  { recordings, signal }: RetentionOptions,
  rows: readonly VideoFile[],
  now: number,
): Promise<KeptFile[]> {
  if (!(await isClaimed(recordings))) return [];
  const known = new Map(rows.map((row) => [within(row.file, videoDepth), row]));
  const files: KeptFile[] = [];
  for (const camera of await entries(recordings, 'isDirectory'))
    for (const day of await dayFolders(path.join(recordings, camera)))
      for (const { file, bytes, at } of await filesOf(day, /^\d{6}(_\d+)?\.mp4$/, signal)) {
        const row = known.get(within(file, videoDepth));
        files.push({
          file,
          bytes,
          at: row?.startAt ?? at,
          kind: row?.clip === true ? 'clips' : 'continuous',
          // A file that nobody has told of yet is young; a killed process leaves rows that were never closed.
          open: now - at < 60_000 && row?.closed !== true,
        });
      }
  return files;
}

interface Fates<T> {
  /** Their file is no more. */
  readonly gone: T[];
  /** Their file lies in another folder now. */
  readonly moved: (T & { readonly to: string })[];
  /** Those gone that somebody else removed. */
  readonly missing: number;
}

/** What became of the files that the book knows; `there` are those that a folder holds. */
async function fates<T extends { readonly file: string }>(
  folder: string,
  depth: number,
  rows: readonly T[],
  there: readonly KeptFile[],
  removed: ReadonlySet<string>,
): Promise<Fates<T>> {
  const present = new Set(there.map(({ file }) => file));
  const gone: T[] = [];
  const moved: (T & { to: string })[] = [];
  for (const row of rows) {
    const { file } = row;
    if (present.has(file)) continue;
    const to = path.join(folder, within(file, depth));
    if (present.has(to)) moved.push({ ...row, to });
    // One that was made since we looked, or lies elsewhere, is asked for itself.
    else if (removed.has(file) || removed.has(to) || (await lstat(file).catch(() => undefined)) === undefined)
      gone.push(row);
  }
  return { gone, moved, missing: gone.filter(({ file }) => !removed.has(file)).length };
}

/** The book forgets pictures that are gone, whoever removed them. Returns how many others had removed. */
async function tidyPictures(
  { snapshots, book, signal }: RetentionOptions,
  there: readonly KeptFile[],
  removed: ReadonlySet<string>,
): Promise<number> {
  // Of a folder whose disk is not mounted nothing can be said.
  if (!(await isClaimed(snapshots))) return 0;
  const rows = await pages<PictureFile>(book.files.pictures(), signal);
  const { gone, moved, missing } = await fates(snapshots, pictureDepth, rows, there, removed);
  await inPortions(moved, (some) => book.files.picturesMoved(some));
  await inPortions(gone, (some) => book.files.picturesGone(some.map(({ event }) => event)));
  return missing;
}

async function tidyVideo(
  { recordings, book }: RetentionOptions,
  rows: readonly VideoFile[],
  there: readonly KeptFile[],
  removed: ReadonlySet<string>,
): Promise<number> {
  if (!(await isClaimed(recordings))) return 0;
  const { gone, moved, missing } = await fates(recordings, videoDepth, rows, there, removed);
  await inPortions(moved, (some) => book.files.videoMoved(some.map(({ file, to }) => [file, to])));
  await inPortions(gone, (some) => book.files.videoGone(some.map(({ file }) => file)));
  return missing;
}

async function removeEmptyDays(folder: string): Promise<void> {
  if (!(await isClaimed(folder))) return;
  const own = await dayFolders(folder);
  const below = await entries(folder, 'isDirectory');
  const cameras = await Promise.all(
    below.filter((name) => !isDayFolder(name)).map((name) => dayFolders(path.join(folder, name))),
  );
  // Refuses by itself what is not empty.
  for (const day of [...own, ...cameras.flat()]) await rmdir(day).catch(() => {});
}
