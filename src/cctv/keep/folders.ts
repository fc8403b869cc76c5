import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LaresError } from '#kernel/errors.ts';

/** Stands in every folder that we keep pictures or video in. When its disk is not mounted, the file is not there. */
const marker = '.lares-keep';

/** Whether this folder is ours at this moment: its disk is mounted. */
export const isClaimed = (folder: string): boolean => existsSync(path.join(folder, marker));

/**
 * Makes folders ours before anything is written in them. `registry` is a small file in the data directory that
 * remembers which ones were; a folder that was ours and has lost its marker is a mount point without its disk.
 */
export class KeepFolders {
  readonly #registry: string;

  constructor(registry: string) {
    this.#registry = registry;
  }

  /** Throws STORE_UNAVAILABLE when the disk of the folder is not mounted. */
  claim(folder: string): void {
    const known = this.#known();
    if (isClaimed(folder)) {
      if (!known.includes(folder)) this.#remember([...known, folder]);
      return;
    }
    if (known.includes(folder))
      throw new LaresError(
        'STORE_UNAVAILABLE',
        `nothing is written to ${folder}: its disk is not mounted. Mount it; if the folder was emptied on purpose, ` +
          `make the file ${path.join(folder, marker)} again`,
      );
    mkdirSync(folder, { recursive: true, mode: 0o750 });
    // Remembered last: a crash between the two only claims again.
    writeFileSync(path.join(folder, marker), 'Lares keeps pictures and video here.\n');
    this.#remember([...known, folder]);
  }

  #known(): string[] {
    if (!existsSync(this.#registry)) return [];
    return readFileSync(this.#registry, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  }

  #remember(folders: readonly string[]): void {
    mkdirSync(path.dirname(this.#registry), { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#registry}.part`, `${folders.join('\n')}\n`);
    renameSync(`${this.#registry}.part`, this.#registry);
  }
}
