import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';
import { LaresError, reason } from '#kernel/errors.ts';
import { editText, type Edit } from './edit.ts';
import { loadConfig, type Finding, type Loaded, type LoadOptions } from './load.ts';
import { decode } from './source.ts';

/** Writes a whole file or nothing, also when the power fails: temporary file, fsync, rename, fsync of the directory. */
export function writeAtomically(file: string, text: string, mode?: number): void {
  const target = realpath(file);
  const old = statSync(target, { throwIfNoEntry: false });
  const directory = path.dirname(target);
  const temporary = path.join(directory, `.${path.basename(target)}.${process.pid}.tmp`);
  try {
    const handle = openSync(temporary, 'w', 0o600);
    try {
      // Goes on until every byte is written; a full disk throws here, before the rename.
      writeFileSync(handle, text);
      fchmodSync(handle, mode ?? (old === undefined ? 0o644 : old.mode & 0o7777));
      if (old !== undefined && process.getuid?.() === 0) fchownSync(handle, old.uid, old.gid);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new LaresError(
      'PERMISSION_MISSING',
      `cannot write ${file}: ${reason(error)}; check the owner and the space of ${directory}`,
      { cause: error },
    );
  }
  const handle = openSync(directory, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

const realpath = (file: string) => {
  try {
    return realpathSync(file);
  } catch {
    return path.resolve(file);
  }
};

/**
 * Changes settings in the file and keeps every other line as it is. The result is checked before anything is
 * written: throws ConfigError and leaves the file alone when it would not be valid.
 */
export function editConfig<S extends z.ZodType>(
  schema: S,
  options: Omit<LoadOptions, 'text'>,
  edits: readonly Edit[],
  check?: (config: z.output<S>) => readonly Finding[],
): Loaded<z.output<S>> {
  const read = () => {
    try {
      const { text, problem } = decode(readFileSync(options.file), options.file);
      if (problem !== undefined)
        throw new LaresError('CONFIG_INVALID', `${options.file}: ${problem.message}`);
      return text;
    } catch (error) {
      if (error instanceof LaresError) throw error;
      throw new LaresError(
        'CONFIG_UNREADABLE',
        `cannot read ${options.file}: ${reason(error)}; write one with: lares init`,
        { cause: error },
      );
    }
  };
  const before = read();
  const after = editText(before, edits);
  const loaded = loadConfig(schema, { ...options, text: after }, check);
  if (read() !== before)
    throw new LaresError(
      'CONFIG_INVALID',
      `${options.file} was changed by somebody else at the same time; try again`,
    );
  if (after !== before) writeAtomically(options.file, after);
  return loaded;
}
