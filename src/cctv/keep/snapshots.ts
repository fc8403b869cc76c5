import { constants } from 'node:fs';
import { link, lstat, open, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { LaresError, reason } from '#kernel/errors.ts';
import { isClaimed, makeFolder, syncFolder } from './folders.ts';
import { dayFolder, isDayFolder, timeName } from './names.rules.ts';

// More pictures than a second can bring; the end of a loop, not a limit that is met.
const mostInOneSecond = 10_000;
let parts = 0;

export interface Snapshot {
  /** Epoch milliseconds of the picture. */
  readonly at: number;
  /** JPEG with the box of the object. */
  readonly boxed: Uint8Array;
  /** The same without. */
  readonly clean?: Uint8Array;
}

/**
 * Writes `YYYY-MM-DD/snapshot_HHMMSS[_n].jpg` in local time under `folder`, and beside it the picture without box as
 * `clean_HHMMSS[_n].jpg`: a name that `snapshot_*.jpg` does not find, so that each object is listed once. A file has its
 * name only when it is whole and on disk, and never replaces one. Returns the absolute file.
 * Throws STORE_UNAVAILABLE when the disk is full, not mounted or refuses.
 */
export async function saveSnapshot(folder: string, timeZone: string, snapshot: Snapshot): Promise<string> {
  if (!(await isClaimed(folder)))
    throw new LaresError(
      'STORE_UNAVAILABLE',
      `the folder ${folder} is not the one that snapshots were kept in: is its disk mounted?`,
    );
  const day = path.join(folder, dayFolder(snapshot.at, timeZone));
  return told(day, async () => {
    const n = await place(day, snapshot.boxed, (k) =>
      timeName('snapshot_', snapshot.at, timeZone, k, '.jpg'),
    );
    if (snapshot.clean !== undefined) {
      const name = timeName('clean_', snapshot.at, timeZone, n, '.jpg');
      // One that is left of a snapshot that somebody removed may stay.
      await place(day, snapshot.clean, (k) => (k === 1 ? name : undefined));
    }
    return path.join(day, timeName('snapshot_', snapshot.at, timeZone, n, '.jpg'));
  });
}

/**
 * Gives a snapshot other pictures. Whoever reads it meanwhile sees the old one or the new one, never half of each.
 * Throws STORE_UNAVAILABLE.
 */
export function replaceSnapshot(file: string, { boxed, clean }: Omit<Snapshot, 'at'>): Promise<void> {
  return told(path.dirname(file), async () => {
    await replace(file, boxed);
    if (clean !== undefined) await replace(cleanOf(file), clean);
  });
}

async function told<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new LaresError(
      'STORE_UNAVAILABLE',
      `a snapshot cannot be written to ${folder}: ${reason(error)}; free some space or check the disk`,
      { cause: error },
    );
  }
}

async function replace(file: string, bytes: Uint8Array): Promise<void> {
  const part = partIn(path.dirname(file));
  try {
    await writeWhole(part, bytes);
    await rename(part, file);
  } finally {
    await rm(part, { force: true });
  }
}

function partIn(day: string): string {
  parts += 1;
  return path.join(day, `.part-${process.pid}-${parts}`);
}

/** The picture without box that belongs to a snapshot; the file need not exist. */
export const cleanOf = (snapshot: string): string =>
  path.join(path.dirname(snapshot), path.basename(snapshot).replace(/^snapshot_/, 'clean_'));

/** Gives bytes the first free name. Returns its number, 0 when there was none. */
async function place(
  day: string,
  bytes: Uint8Array,
  name: (n: number) => string | undefined,
): Promise<number> {
  for (let again = 0; ; again += 1) {
    const part = partIn(day);
    try {
      await makeFolder(day);
      await writeWhole(part, bytes);
      for (let n = 1; n < mostInOneSecond; n += 1) {
        const wanted = name(n);
        if (wanted === undefined) return 0;
        try {
          await nameAs(part, path.join(day, wanted));
          await syncFolder(day);
          return n;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        }
      }
      throw new Error('too many pictures in one second');
    } catch (error) {
      // The day's folder may be removed between two calls, by whoever cleans up.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || again >= 3) throw error;
    } finally {
      await rm(part, { force: true });
    }
  }
}

/** Disks without hard links: exFAT, FAT, many shares. */
const linkless = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Throws EEXIST rather than take the place of a file that is there. */
async function nameAs(part: string, wanted: string): Promise<void> {
  try {
    await link(part, wanted);
  } catch (error) {
    if (!linkless.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    // There the name is taken by an empty file, for a moment.
    await (await open(wanted, 'wx', 0o640)).close();
    await rename(part, wanted);
  }
}

/** A new file that is on disk when this resolves. */
async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(file, 'wx', 0o640);
  try {
    await handle.writeFile(bytes);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/**
 * Opens a picture for reading by what a request names: `2026-03-01/snapshot_123456.jpg`. Nothing outside the folder can
 * be named, and no link is followed. Throws NOT_FOUND.
 */
export async function readSnapshot(folder: string, name: string): Promise<Buffer> {
  const missing = new LaresError(
    'NOT_FOUND',
    `there is no such picture; it may be older than snapshots are kept`,
  );
  const [day = '', file = '', ...rest] = name.split('/');
  if (rest.length > 0 || !isDayFolder(day) || !/^(snapshot|clean)_\d{6}(_\d{1,5})?\.jpg$/.test(file))
    throw missing;
  const absolute = path.join(folder, day, file);
  try {
    // The day itself may be a link to elsewhere.
    if ((await realpath(path.dirname(absolute))) !== path.join(await realpath(folder), day)) throw missing;
    if (!(await lstat(absolute)).isFile()) throw missing;
    const handle = await open(absolute, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof LaresError) throw error;
    if (['ENOENT', 'ELOOP', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) throw missing;
    throw error;
  }
}
