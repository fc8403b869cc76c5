import { open } from 'node:fs/promises';

/** Bytes of the largest picture that travels with an alert; ours are below 1 MB. */
const largest = 5 * 2 ** 20;

/** The picture of an alert; undefined when there is none, when it is gone or when it is too large to travel. */
export async function readPicture(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    return size === 0 || size > largest ? undefined : await handle.readFile();
  } catch {
    // Retention may have taken it; the words matter more than the picture.
    return undefined;
  }
}
