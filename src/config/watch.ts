import { statSync, watch, type FSWatcher } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { Clock, Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import { describeChanges, type Change } from './changes.ts';
import { diffConfig, type ConfigDiff } from './diff.ts';
import { ConfigError, type Loaded } from './load.ts';
import type { Problem } from './model.ts';

export interface Reloaded<Config> extends ConfigDiff {
  readonly next: Config;
  readonly loaded: Loaded<Config>;
  /** Every setting that differs with what it was and is, as everybody may see it. */
  readonly changes: readonly Change[];
  /** Those of the watched files that are not as they were when the settings until now were taken. */
  readonly from: readonly string[];
}

export interface WatchOptions<S extends z.ZodType> {
  readonly schema: S;
  /** Everything whose change may change the settings: `lares.yaml`, env files, `secrets.yaml`. */
  readonly files: readonly string[];
  readonly current: Loaded<z.output<S>>;
  /** Reads and checks again: `() => loadConfig(schema, options)`. */
  readonly load: () => Loaded<z.output<S>>;
  /** Called only when something differs and all of it is valid. */
  readonly onChange: (change: Reloaded<z.output<S>>) => void;
  /** Called with everything that is wrong; the settings in use stay as they are. */
  readonly onInvalid: (problems: readonly Problem[], error: unknown) => void;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Pick<Log, 'warn'>;
  readonly signal: AbortSignal;
  /** Editors write a file in several steps; milliseconds without a further change until it is read. */
  readonly settleMs?: number;
}

export interface ConfigWatch {
  /** Reads again now, whatever the file system says. For SIGHUP. */
  reload(): void;
}

/** Reads the settings again when one of their files changes, until the signal aborts. */
export function watchConfig<S extends z.ZodType>(options: WatchOptions<S>): ConfigWatch {
  const { schema, files, load, onChange, onInvalid, clock, log, signal, settleMs = 200 } = options;
  let current = options.current;
  let seen = signatures(files);
  let taken = seen;
  let waiting = false;

  const reload = (): void => {
    if (signal.aborted) return;
    try {
      // Before they are read: what is written meanwhile is a change that is still to come.
      const now = signatures(files);
      const loaded = load();
      const diff = diffConfig(schema, current.config, loaded.config);
      const changes = describeChanges(schema, current, loaded);
      const from = files.filter((_, i) => now[i] !== taken[i]);
      current = loaded;
      taken = now;
      if (diff.changed.length > 0) onChange({ ...diff, next: loaded.config, loaded, changes, from });
    } catch (error) {
      onInvalid(error instanceof ConfigError ? error.problems : [], error);
    }
  };
  const settle = async (): Promise<void> => {
    if (waiting) return;
    waiting = true;
    let now = signatures(files);
    let before: string[];
    // A file that still grows, as one that is copied over a slow line, is half a file: its second half is not gone.
    do {
      before = now;
      await clock.sleep(settleMs, signal);
      now = signatures(files);
    } while (!signal.aborted && !isDeepStrictEqual(now, before));
    waiting = false;
    if (isDeepStrictEqual(now, seen)) return;
    seen = now;
    reload();
  };

  const watchers: FSWatcher[] = [];
  // The directory, not the file: editors replace the file, and the watch would stay with the old one.
  for (const directory of new Set(files.map((file) => path.dirname(path.resolve(file))))) {
    try {
      const watcher = watch(directory, { persistent: false }, () => void settle());
      watcher.on('error', (error) => log.warn(`config watch error: ${reason(error)}`, { directory }));
      watchers.push(watcher);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        log.warn(`config watch error: ${reason(error)}; send SIGHUP after a change`, { directory });
    }
  }
  const close = () => watchers.forEach((watcher) => watcher.close());
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  return { reload };
}

/** One for each file; differs whenever it was written, replaced, created or removed; follows symbolic links. */
function signatures(files: readonly string[]): string[] {
  return files.map((file) => {
    try {
      const { ino, mtimeMs, ctimeMs, size } = statSync(file);
      return `${ino}:${mtimeMs}:${ctimeMs}:${size}`;
    } catch {
      return 'absent';
    }
  });
}
