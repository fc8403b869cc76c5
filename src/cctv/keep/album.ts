import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { cleanOf, saveSnapshot, writeWhole } from './snapshots.ts';

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

/** One picture an event: a better one takes the place and the name of the one before, so that no reference breaks. */
export class Album {
  readonly #o: AlbumOptions;
  readonly #files = new Map<string, string>();

  constructor(options: AlbumOptions) {
    this.#o = options;
  }

  /** Absolute file of the picture of the event; undefined while none are kept. Throws STORE_UNAVAILABLE. */
  async save({ event, at, boxed, clean }: Picture): Promise<string | undefined> {
    const { folder, timeZone, enabled, keepClean } = this.#o;
    if (!enabled()) return undefined;
    const both = { at, boxed: boxed ?? clean, ...(keepClean() ? { clean } : {}) };
    const before = this.#files.get(event);
    // Somebody may have removed it meanwhile; then it is a new one.
    if (before !== undefined && existsSync(before)) {
      await replace(before, both.boxed);
      if (both.clean !== undefined) await replace(cleanOf(before), both.clean);
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

/** Whoever reads the file meanwhile sees the old picture or the new one, never half of each. */
async function replace(file: string, bytes: Uint8Array): Promise<void> {
  const part = path.join(path.dirname(file), `.part-${randomUUID()}`);
  await writeWhole(part, bytes);
  await rename(part, file);
}
