import { access } from 'node:fs/promises';
import { LaresError } from '#kernel/errors.ts';
import { replaceSnapshot, saveSnapshot } from './snapshots.ts';

export interface Picture {
  readonly event: string;
  /** Epoch milliseconds of the frame. */
  readonly at: number;
  /** JPEG with the box of the object, where one was drawn, and without. */
  readonly boxed: Uint8Array | undefined;
  readonly clean: Uint8Array;
}

export interface AlbumOptions {
  /** Absolute. */
  readonly folder: string;
  readonly timeZone: string;
  /** Whether pictures are kept at all. */
  readonly enabled: () => boolean;
  /** Whether the picture without box is kept too. */
  readonly keepClean: () => boolean;
}

// Events come and go; a better picture of one that ended long ago is not expected.
const mostRemembered = 500;
// A disk that is this far behind hangs; a picture is some hundred kilobytes.
const mostWaiting = 50;

interface Waiting {
  readonly picture: Picture;
  readonly done: PromiseWithResolvers<string | undefined>;
}

/** One picture an event: a better one takes the place and the name of the one before, so that no reference breaks. */
export class Album {
  readonly #o: AlbumOptions;
  readonly #files = new Map<string, string>();
  /** Pictures to be written, one of each event: the newest. */
  readonly #waiting = new Map<string, Waiting>();
  #writes = false;

  constructor(options: AlbumOptions) {
    this.#o = options;
  }

  /**
   * Absolute file of the picture of the event; undefined while none are kept, and where a newer one came before it was
   * written. Throws STORE_UNAVAILABLE.
   */
  save(picture: Picture): Promise<string | undefined> {
    if (!this.#o.enabled()) return Promise.resolve(undefined);
    const { event } = picture;
    const before = this.#waiting.get(event);
    if (before === undefined && this.#waiting.size >= mostWaiting)
      return Promise.reject(
        new LaresError(
          'STORE_UNAVAILABLE',
          `the disk of ${this.#o.folder} is too slow for snapshots; check it`,
        ),
      );
    before?.done.resolve(undefined);
    const done = Promise.withResolvers<string | undefined>();
    this.#waiting.set(event, { picture, done });
    void this.#writeAll();
    return done.promise;
  }

  /** One at a time: a disk that hangs holds one thread of the process, and names of hosts are looked up in the others. */
  async #writeAll(): Promise<void> {
    if (this.#writes) return;
    this.#writes = true;
    for (const [event, { picture, done }] of this.#waiting) {
      this.#waiting.delete(event);
      await this.#write(picture).then(done.resolve, done.reject);
    }
    this.#writes = false;
  }

  async #write({ event, at, boxed, clean }: Picture): Promise<string> {
    const { folder, timeZone, keepClean } = this.#o;
    const both = { at, boxed: boxed ?? clean, ...(keepClean() ? { clean } : {}) };
    const before = this.#files.get(event);
    // Somebody may have removed it meanwhile; then it is a new one.
    if (before !== undefined && (await exists(before))) {
      await replaceSnapshot(before, both);
      return before;
    }
    const file = await saveSnapshot(folder, timeZone, both);
    this.#files.set(event, file);
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= mostRemembered) break;
      this.#files.delete(oldest);
    }
    return file;
  }
}

const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );
