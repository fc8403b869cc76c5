import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  readFileSync,
} from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { localDay } from './local-time.ts';
import type { Level, LineListener } from './log.ts';

const flushMs = 200;
const mostWaiting = 10_000;
const dayMs = 86_400_000;
// A broken device must not fill the disk within one day.
const largestFile = 64 * 1024 * 1024;

/** Which file, beside `app.log`, a line belongs to. */
export interface LogFilesOptions {
  /** Absolute folder. */
  readonly folder: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly timeZone: string;
  /** Days after which a finished file is compressed, and after which the compressed one is removed. */
  readonly compressDays?: number;
  readonly removeDays?: number;
}

const errors: readonly Level[] = ['error', 'fatal'];

/**
 * Log files as operators know them: `app.log` holds every line, `errors.log` those of ERROR and above, `alerts.log` one
 * for each alert. At local midnight a file becomes `app-2026-01-31.log`; later it is compressed, then removed. Lines are
 * written by name, batch by batch, so that whoever moves, compresses or deletes a file disturbs nothing.
 */
export class LogFiles {
  readonly #o: LogFilesOptions;
  readonly #waiting = new Map<string, string[]>();
  #timer: NodeJS.Timeout | undefined;
  #day: string | undefined;
  #failing = false;

  constructor(options: LogFilesOptions) {
    this.#o = options;
  }

  readonly hear: LineListener = (line, level, component) => {
    this.#put('app', line);
    if (errors.includes(level)) this.#put('errors', line);
    if (component === 'alerts') this.#put('alerts', line);
  };

  /** Writes what waits. Never throws: a full disk must not stop the house. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      mkdirSync(this.#o.folder, { recursive: true, mode: 0o750 });
      this.#turnDay();
      for (const [name, lines] of this.#waiting) {
        const file = this.#file(name);
        appendFileSync(file, `${lines.join('\n')}\n`, { mode: 0o640 });
        if (statSync(file).size > largestFile) renameSync(file, this.#file(`${name}.1`));
      }
      this.#waiting.clear();
      this.#failing = false;
    } catch (error) {
      // Standard output has the lines as well; it is the place to say why the files have not.
      if (!this.#failing) process.stderr.write(`log files cannot be written: ${String(error)}\n`);
      this.#failing = true;
    }
  }

  #file(name: string): string {
    return path.join(this.#o.folder, `${name}.log`);
  }

  #put(name: string, line: string): void {
    const lines = this.#waiting.get(name) ?? [];
    this.#waiting.set(name, lines);
    if (lines.length < mostWaiting) lines.push(line);
    this.#timer ??= setTimeout(() => this.flush(), flushMs).unref();
  }

  #turnDay(): void {
    const { now, timeZone, folder } = this.#o;
    const today = localDay(now(), timeZone);
    if (today === this.#day) return;
    this.#day = today;
    for (const name of ['app', 'errors', 'alerts']) {
      const stat = statSync(this.#file(name), { throwIfNoEntry: false });
      const written = stat === undefined ? today : localDay(stat.mtimeMs, timeZone);
      if (written < today) renameSync(this.#file(name), this.#file(`${name}-${written}`));
    }
    this.#tidy(readdirSync(folder));
  }

  #tidy(names: readonly string[]): void {
    const { now, folder, compressDays = 30, removeDays = 90 } = this.#o;
    for (const name of names) {
      const day = /^(?:app|errors|alerts)-(\d{4}-\d{2}-\d{2})\.log(\.gz)?$/.exec(name);
      if (day === null) continue;
      const file = path.join(folder, name);
      const age = (now() - Date.parse(day[1]!)) / dayMs;
      if (day[2] !== undefined) {
        if (age > removeDays) rmSync(file, { force: true });
      } else if (age > compressDays) {
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file)), { mode: 0o640 });
        rmSync(file, { force: true });
      }
    }
  }
}
