import { open, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { LaresError, reason } from '#kernel/errors.ts';
import { dayFolder, timeName } from './names.rules.ts';
import { isClaimed, makeFolder, syncFolder } from './folders.ts';
import { fragment, initSegment, ticks, type Sample, type Track } from './mp4/boxes.codec.ts';
import type { Picture } from './mp4/sampler.ts';

// At most this much is lost when the process is killed, besides the picture that waits for its successor.
const fragmentTicks = ticks / 2;
const fragmentBytes = 2 * 2 ** 20;
/** Bytes that wait for the disk: one that is this far behind does not come back in time. */
export const mostBehind = 32 * 2 ** 20;
const usualTicks = ticks / 25;

export interface SegmentOptions {
  /** Absolute folder of the camera. */
  readonly folder: string;
  readonly timeZone: string;
  readonly track: Track;
  readonly first: Picture;
  /** What was written so far, after each fragment, and at the end. */
  readonly told: (state: { file: string; bytes: number; endAt: number; closed: boolean }) => void;
  /** The disk refuses: nothing more is written. Told once. */
  readonly failed: (error: LaresError) => void;
}

/** One file of fragmented MP4 that can be played, up to half a second ago, at any moment of its growth. */
export class SegmentWriter {
  readonly startAt: number;
  readonly track: Track;
  readonly #options: SegmentOptions;
  readonly #base: number;
  #samples: Sample[] = [];
  #bytesWaiting = 0;
  #held: Picture;
  #sequence = 0;
  #behind = 0;
  #written = 0;
  #file = '';
  #endAt: number;
  #ended = false;
  #broken = false;
  /** Everything for the disk, one after the other. */
  #work: Promise<FileHandle | undefined>;

  constructor(options: SegmentOptions) {
    this.#options = options;
    this.track = options.track;
    this.startAt = options.first.at;
    this.#endAt = options.first.at;
    this.#base = options.first.time;
    this.#held = options.first;
    this.#work = this.#begin();
  }

  /** Seconds of video before this picture. */
  secondsAt(picture: Picture): number {
    return (picture.time - this.#base) / ticks;
  }

  /** Bytes that wait for the disk. */
  get behind(): number {
    return this.#behind;
  }

  get broken(): boolean {
    return this.#broken;
  }

  /** A picture lasts until the next one, so each waits for its successor. */
  add(picture: Picture): void {
    this.#push(picture.time - this.#held.time);
    this.#held = picture;
    const [first] = this.#samples;
    if (first === undefined) return;
    // A fragment that begins with a keyframe can be jumped to.
    const long = picture.time - first.time >= fragmentTicks || this.#bytesWaiting >= fragmentBytes;
    if (long || picture.key) this.#flush();
  }

  /** Writes the rest; resolves when the file is closed. */
  end(next?: Picture): Promise<void> {
    if (!this.#ended) {
      const last = this.#samples.at(-1)?.duration ?? usualTicks;
      this.#push(next === undefined ? last : next.time - this.#held.time);
      this.#flush();
      this.#ended = true;
      this.#then(async (handle) => {
        await handle.close();
        this.#tell(true);
        return undefined;
      });
    }
    return this.#work.then(() => {});
  }

  #push(duration: number): void {
    const { bytes, key, time, shift } = this.#held;
    this.#samples.push({ bytes, key, time, shift, duration });
    this.#bytesWaiting += bytes.length;
  }

  async #begin(): Promise<FileHandle | undefined> {
    let created: { file: string; handle: FileHandle } | undefined;
    try {
      created = await create(this.#options.folder, this.startAt, this.#options.timeZone);
      this.#file = created.file;
      await this.#append(created.handle, initSegment(this.track, this.startAt));
      await syncFolder(path.dirname(created.file));
      return created.handle;
    } catch (error) {
      this.#fail(error);
      await created?.handle.close().catch(() => {});
      if (created !== undefined) await rm(created.file, { force: true }).catch(() => {});
      return undefined;
    }
  }

  #flush(): void {
    if (this.#samples.length === 0) return;
    const samples = this.#samples;
    this.#samples = [];
    this.#bytesWaiting = 0;
    if (this.#broken || this.#ended) return;
    this.#sequence += 1;
    const bytes = fragment(this.#sequence, samples, this.#base);
    const { time, duration } = samples.at(-1)!;
    const endAt = this.startAt + Math.round(((time + duration - this.#base) * 1000) / ticks);
    this.#behind += bytes.length;
    if (this.#behind > mostBehind) {
      this.#fail(new Error('the disk is too slow for this camera'));
      return;
    }
    this.#then(async (handle) => {
      await this.#append(handle, bytes);
      this.#behind -= bytes.length;
      this.#endAt = endAt;
      this.#tell(false);
      return handle;
    });
  }

  #then(step: (handle: FileHandle) => Promise<FileHandle | undefined>): void {
    this.#work = this.#work.then(async (handle) => {
      if (handle === undefined) return undefined;
      try {
        return await step(handle);
      } catch (error) {
        this.#fail(error);
        // What was torn off in the middle of a fragment must not stand before what comes.
        await handle.truncate(this.#written).catch(() => {});
        await handle.close().catch(() => {});
        if (this.#sequence <= 1 || this.#endAt === this.startAt)
          await rm(this.#file, { force: true }).catch(() => {});
        else this.#tell(true);
        return undefined;
      }
    });
  }

  async #append(handle: FileHandle, bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, this.#written + done);
      done += bytesWritten;
    }
    await handle.datasync();
    this.#written += bytes.length;
  }

  #tell(closed: boolean): void {
    this.#options.told({ file: this.#file, bytes: this.#written, endAt: this.#endAt, closed });
  }

  #fail(error: unknown): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#options.failed(
      error instanceof LaresError
        ? error
        : new LaresError(
            'STORE_UNAVAILABLE',
            `recordings cannot be written to ${this.#options.folder}: ${reason(error)}; free some space or check the disk`,
            { cause: error },
          ),
    );
  }
}

/** Makes `YYYY-MM-DD/HHMMSS.mp4` in local time, with `_2`, `_3` … where a second has more than one. */
async function create(
  folder: string,
  at: number,
  timeZone: string,
): Promise<{ file: string; handle: FileHandle }> {
  const root = path.dirname(folder);
  if (!(await isClaimed(root)))
    throw new LaresError(
      'STORE_UNAVAILABLE',
      `the folder ${root} is not the one that recordings were kept in: is its disk mounted?`,
    );
  const day = path.join(folder, dayFolder(at, timeZone));
  for (let n = 1; ; n += 1) {
    const file = path.join(day, timeName('', at, timeZone, n, '.mp4'));
    try {
      await makeFolder(day);
      return { file, handle: await open(file, 'wx', 0o640) };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // The folder may be removed between two calls, by whoever cleans up.
      if ((code !== 'EEXIST' && code !== 'ENOENT') || n > 1_000) throw error;
    }
  }
}
