import { lstat, readdir, rm, rmdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { EventBook } from '../book/book.ts';
import { isClaimed } from './folders.ts';
import { isDayFolder } from './names.rules.ts';
import { overdue, type DiskState, type KeptFile, type Kind, type Limit } from './retention.rules.ts';

const dayMs = 86_400_000;
/** Video this long before an event belongs to it: it began in the file before. */
const marginMs = 15_000;

export interface RetentionOptions {
  /** Absolute. */
  readonly snapshots: string;
  readonly recordings: string;
  readonly limits: Readonly<Record<Kind, Limit>>;
  readonly eventDays: number;
  readonly pathDays: number;
  readonly book: Pick<EventBook, 'segmentsOf' | 'segmentsGone' | 'snapshotsGone' | 'snapshotFiles' | 'prune'>;
  readonly log: Log;
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
  const { book, limits, log } = options;
  const problems: string[] = [];
  const attempt = async <T>(what: string, empty: T, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      problems.push(`${what}: ${reason(error)}`);
      return empty;
    }
  };
  const snapshots = await attempt('snapshots', [], () => snapshotFiles(options.snapshots));
  const video = await attempt('recordings', [], () => videoFiles(options, now));
  const disk = await attempt('disk', undefined, () => diskOf(options));
  const { files, emergencyBytes } = overdue([...snapshots, ...video], limits, now, disk);
  const removed: KeptFile[] = [];
  for (const file of files) if (await attempt(file.file, false, () => remove(file.file))) removed.push(file);
  const missing = await attempt('book', 0, () => tidyBook(options, snapshots, video, removed));
  for (const folder of [options.snapshots, options.recordings])
    await attempt(folder, undefined, () => removeEmptyDays(folder));
  const rows = await attempt('book', 0, () =>
    book.prune({ events: now - options.eventDays * dayMs, paths: now - options.pathDays * dayMs }),
  );
  if (problems.length > 0) log.error(`retention error: ${problems[0]}`, { problems: problems.length });
  if (emergencyBytes > 0)
    log.warn('the disk is nearly full: pictures and video were deleted before their time', {
      megabytes: Math.round(emergencyBytes / 1e6),
    });
  const bytes = removed.reduce((n, file) => n + file.bytes, 0);
  const gone = new Set(removed);
  const size = (files: readonly KeptFile[]) =>
    files.reduce((n, file) => n + (gone.has(file) ? 0 : file.bytes), 0);
  const kept = { recordings: size(video), snapshots: size(snapshots) };
  return { files: removed.length, bytes, emergencyBytes, missing, rows, kept };
}

async function remove(file: string): Promise<boolean> {
  // `force`: that somebody else was quicker is no error.
  await rm(file, { force: true });
  return true;
}

async function diskOf({ disk, snapshots, recordings }: RetentionOptions): Promise<DiskState | undefined> {
  const folder = [recordings, snapshots].find(isClaimed);
  if (folder === undefined) return undefined;
  if (disk !== undefined) return disk(folder);
  const { blocks, bavail, bsize } = await statfs(folder);
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
}

/** Entries of a folder that are what they say, not links to elsewhere. */
async function entries(folder: string, kind: 'isFile' | 'isDirectory'): Promise<string[]> {
  const found = await readdir(folder, { withFileTypes: true });
  return found.filter((entry) => entry[kind]()).map((entry) => entry.name);
}

async function dayFolders(folder: string): Promise<string[]> {
  return (await entries(folder, 'isDirectory')).filter(isDayFolder).map((day) => path.join(folder, day));
}

async function filesOf(day: string, pattern: RegExp): Promise<{ file: string; bytes: number; at: number }[]> {
  const found = [];
  for (const name of (await entries(day, 'isFile')).filter((n) => pattern.test(n))) {
    const file = path.join(day, name);
    const stat = await lstat(file).catch(() => undefined);
    if (stat !== undefined) found.push({ file, bytes: stat.size, at: stat.mtimeMs });
  }
  return found;
}

async function snapshotFiles(folder: string): Promise<KeptFile[]> {
  if (!isClaimed(folder)) return [];
  const files: KeptFile[] = [];
  for (const day of await dayFolders(folder))
    for (const file of await filesOf(day, /^(snapshot|clean)_.*\.jpg$|^\.part-/))
      files.push({ ...file, kind: 'snapshots' });
  return files;
}

async function videoFiles({ recordings, book }: RetentionOptions, now: number): Promise<KeptFile[]> {
  if (!isClaimed(recordings)) return [];
  const known = new Map(book.segmentsOf(marginMs).map((row) => [row.file, row]));
  const files: KeptFile[] = [];
  for (const camera of await entries(recordings, 'isDirectory'))
    for (const day of await dayFolders(path.join(recordings, camera)))
      for (const { file, bytes, at } of await filesOf(day, /^\d{6}(_\d+)?\.mp4$/)) {
        const row = known.get(file);
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

/** The book forgets files that are gone, whoever removed them. Returns how many others had removed. */
async function tidyBook(
  { snapshots, recordings, book }: RetentionOptions,
  pictures: readonly KeptFile[],
  video: readonly KeptFile[],
  removed: readonly KeptFile[],
): Promise<number> {
  const gone = new Set(removed.map(({ file }) => file));
  const left = (files: readonly KeptFile[]) =>
    new Set(files.map(({ file }) => file).filter((file) => !gone.has(file)));
  let missing = 0;
  // Of a folder whose disk is not mounted nothing can be said.
  const lost = async (folder: string, rows: readonly string[], there: ReadonlySet<string>) => {
    if (!isClaimed(folder)) return [];
    const files: string[] = [];
    for (const file of rows)
      // One that was made since we looked, or lies elsewhere, is asked for itself.
      if (!there.has(file) && (await lstat(file).catch(() => undefined)) === undefined) files.push(file);
    missing += files.filter((file) => !gone.has(file)).length;
    return files;
  };
  await book.snapshotsGone(await lost(snapshots, book.snapshotFiles(), left(pictures)));
  const segments = book.segmentsOf(0).map(({ file }) => file);
  await book.segmentsGone(await lost(recordings, segments, left(video)));
  return missing;
}

async function removeEmptyDays(folder: string): Promise<void> {
  if (!isClaimed(folder)) return;
  const own = await dayFolders(folder);
  const below = await entries(folder, 'isDirectory');
  const cameras = await Promise.all(
    below.filter((name) => !isDayFolder(name)).map((name) => dayFolders(path.join(folder, name))),
  );
  // Refuses by itself what is not empty.
  for (const day of [...own, ...cameras.flat()]) await rmdir(day).catch(() => {});
}
