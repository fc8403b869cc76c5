import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { LaresError } from '#kernel/errors.ts';

/** Stands in every folder that we keep pictures or video in. When its disk is not mounted, the file is not there. */
const marker = '.lares-keep';

/** Whether this folder is ours at this moment: its disk is mounted. */
export const isClaimed = (folder: string): boolean => existsSync(path.join(folder, marker));

/** Before a folder in the registry that lies on the disk of the registry itself. */
const here = 'here ';

/**
 * Makes folders ours before anything is written in them. `registry` is a small file in the data directory that
 * remembers which ones were; a folder that was ours and has lost its marker is a mount point without its disk, unless it
 * was on the disk of the registry: then somebody emptied it.
 */
export class KeepFolders {
  readonly #registry: string;

  constructor(registry: string) {
    this.#registry = registry;
  }

  /** Throws STORE_UNAVAILABLE when the disk of the folder is not mounted. Claim again now and then: markers stay young so. */
  claim(folder: string): void {
    const known = this.#known();
    const ours = isClaimed(folder);
    if (!ours && known.get(folder) === false)
      throw new LaresError(
        'STORE_UNAVAILABLE',
        `nothing is written to ${folder}: its disk is not mounted. Mount it; if the folder was emptied on purpose, ` +
          `make the file ${path.join(folder, marker)} again`,
      );
    if (ours) {
      // Operators delete by age: `find data/snapshots -type f -mtime +7 -delete`.
      const now = new Date();
      utimesSync(path.join(folder, marker), now, now);
    } else {
      mkdirSync(folder, { recursive: true, mode: 0o750 });
      writeFileSync(path.join(folder, marker), 'Lares keeps pictures and video here.\n');
    }
    const local = this.#isHere(folder);
    // Remembered last: a crash between the two only claims again.
    if (known.get(folder) !== local) this.#remember(known.set(folder, local));
  }

  /** True for a folder that was ours and whose disk is not mounted now. Writes nothing. */
  isLost(folder: string): boolean {
    return !isClaimed(folder) && this.#known().get(folder) === false;
  }

  #isHere(folder: string): boolean {
    const own = path.dirname(this.#registry);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    return statSync(folder).dev === statSync(own).dev;
  }

  /** The folders, and whether each lies on the disk of the registry. */
  #known(): Map<string, boolean> {
    if (!existsSync(this.#registry)) return new Map();
    const lines = readFileSync(this.#registry, 'utf8').split('\n');
    return new Map(
      lines
        .filter((line) => line !== '')
        .map((line) => [line.startsWith(here) ? line.slice(here.length) : line, line.startsWith(here)]),
    );
  }

  #remember(folders: ReadonlyMap<string, boolean>): void {
    const lines = [...folders].map(([folder, local]) => `${local ? here : ''}${folder}\n`);
    writeFileSync(`${this.#registry}.part`, lines.join(''));
    renameSync(`${this.#registry}.part`, this.#registry);
  }
}
