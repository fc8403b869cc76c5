import { access, mkdir, open, readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LaresError, reason } from '#kernel/errors.ts';

/** Stands in every folder that we keep pictures or video in. When its disk is not mounted, the file is not there. */
const marker = '.lares-keep';

/** Whether this folder is ours at this moment: its disk is mounted. Never resolves while a network disk hangs. */
export const isClaimed = (folder: string): Promise<boolean> =>
  access(path.join(folder, marker)).then(
    () => true,
    () => false,
  );

/** What is new in a folder is on disk only when the folder is. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some shares know no such thing.
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await handle.close();
  }
}

/** Makes a folder and those above it that are missing, on disk when it resolves. */
export async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o750 });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = path.dirname(made))
    await syncFolder(path.dirname(made));
}

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

  /**
   * Throws STORE_UNAVAILABLE when the disk of the folder is not mounted or refuses. Claim again now and then: markers stay
   * young so.
   */
  async claim(folder: string): Promise<void> {
    try {
      await this.#claim(folder);
    } catch (error) {
      if (error instanceof LaresError) throw error;
      throw new LaresError(
        'STORE_UNAVAILABLE',
        `nothing can be written to ${folder}: ${reason(error)}; let the user of the service write there, or check the disk`,
        { cause: error },
      );
    }
  }

  async #claim(folder: string): Promise<void> {
    const known = await this.#known();
    const ours = await isClaimed(folder);
    if (!ours && known.get(folder) === false)
      throw new LaresError(
        'STORE_UNAVAILABLE',
        `nothing is written to ${folder}: its disk is not mounted. Mount it; if the folder was emptied on purpose, ` +
          `make the file ${path.join(folder, marker)} again`,
      );
    if (ours) {
      // Operators delete by age: `find data/snapshots -type f -mtime +7 -delete`.
      const now = new Date();
      await utimes(path.join(folder, marker), now, now);
    } else {
      await mkdir(folder, { recursive: true, mode: 0o750 });
      await writeFile(path.join(folder, marker), 'Lares keeps pictures and video here.\n');
    }
    const local = await this.#isHere(folder);
    // Remembered last: a crash between the two only claims again.
    if (known.get(folder) !== local) await this.#remember(known.set(folder, local));
  }

  /** True for a folder that was ours and whose disk is not mounted now. Writes nothing. */
  async isLost(folder: string): Promise<boolean> {
    return !(await isClaimed(folder)) && (await this.#known()).get(folder) === false;
  }

  async #isHere(folder: string): Promise<boolean> {
    const own = path.dirname(this.#registry);
    await mkdir(own, { recursive: true, mode: 0o700 });
    return (await stat(folder)).dev === (await stat(own)).dev;
  }

  /** The folders, and whether each lies on the disk of the registry. */
  async #known(): Promise<Map<string, boolean>> {
    const text = await readFile(this.#registry, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return new Map(
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => [line.startsWith(here) ? line.slice(here.length) : line, line.startsWith(here)]),
    );
  }

  async #remember(folders: ReadonlyMap<string, boolean>): Promise<void> {
    const lines = [...folders].map(([folder, local]) => `${local ? here : ''}${folder}\n`);
    await writeFile(`${this.#registry}.part`, lines.join(''));
    await rename(`${this.#registry}.part`, this.#registry);
  }
}
