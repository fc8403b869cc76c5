import type { Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';

export const levels = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type Level = (typeof levels)[number];

export interface LogOptions {
  readonly level?: Level;
  readonly format?: 'text' | 'json';
  readonly write?: (line: string) => void;
  readonly now?: () => number;
}

/** Hears every line that is written, without its line break. Must not throw or log. */
export type LineListener = (line: string, level: Level, component: string) => void;

/** Counters for `lares_log_lines_total`; operators watch the error rate. */
export type LineCounts = Record<Level, number>;

// A name from the network may carry line breaks or terminal escapes; neither may forge a log line.
const printable = (text: string) =>
  text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * The one writer of log lines. Text: `ISO time|LEVEL|component|CODE|message key=value`. CODE is that of the error in
 * `fields.error`, or `fields.code`; it never holds what varies, so that lines can be counted by it.
 * Every registered secret is replaced before a line leaves the process.
 */
export class Logger implements Log {
  readonly #component: string;
  readonly #shared: {
    level: Level;
    format: 'text' | 'json';
    write: (line: string) => void;
    now: () => number;
    secrets: Set<string>;
    counts: LineCounts;
    also?: LineListener;
  };

  constructor(options: LogOptions = {}, component = 'lares', shared?: Logger) {
    this.#component = component;
    this.#shared = shared?.shared ?? {
      level: options.level ?? 'info',
      format: options.format ?? 'text',
      write: options.write ?? ((line) => process.stdout.write(`${line}\n`)),
      now: options.now ?? Date.now,
      secrets: new Set(),
      counts: { debug: 0, info: 0, warn: 0, error: 0, fatal: 0 },
    };
  }

  private get shared() {
    return this.#shared;
  }

  get counts(): Readonly<LineCounts> {
    return this.#shared.counts;
  }

  configure(options: LogOptions): void {
    Object.assign(this.#shared, options);
  }

  /** Where lines go besides. */
  listen(listener: LineListener): void {
    this.#shared.also = listener;
  }

  /** From now on this text never appears in a line. Short values are ignored: they would blot out ordinary words. */
  hide(secret: string): void {
    if (secret.length >= 6) this.#shared.secrets.add(secret);
  }

  child(component: string): Logger {
    return new Logger({}, component, this);
  }

  debug(message: string, fields?: object): void {
    this.#line('debug', message, fields);
  }
  info(message: string, fields?: object): void {
    this.#line('info', message, fields);
  }
  warn(message: string, fields?: object): void {
    this.#line('warn', message, fields);
  }
  error(message: string, fields?: object): void {
    this.#line('error', message, fields);
  }
  fatal(message: string, fields?: object): void {
    this.#line('fatal', message, fields);
  }

  #line(level: Level, message: string, fields: object = {}): void {
    const { counts, format, now, secrets, write } = this.#shared;
    counts[level] += 1;
    if (levels.indexOf(level) < levels.indexOf(this.#shared.level)) return;
    const { error, code: own, ...rest } = fields as { error?: unknown; code?: string };
    const code = own ?? (error instanceof LaresError ? error.code : '-');
    const time = new Date(now()).toISOString();
    // A message that tells the reason already need not tell it twice.
    const cause = error === undefined || message.includes(reason(error)) ? {} : { reason: reason(error) };
    let line =
      format === 'json'
        ? JSON.stringify({ time, level, component: this.#component, code, message, ...cause, ...rest })
        : `${time}|${level.toUpperCase()}|${this.#component}|${code}|${printable(message)}${pairs({ ...cause, ...rest })}`;
    for (const secret of secrets) line = line.replaceAll(secret, '[secret]');
    try {
      write(line);
      this.#shared.also?.(line, level, this.#component);
    } catch {
      // A full disk or a closed pipe must never stop the house.
    }
  }
}

function pairs(fields: object): string {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const text = printable(typeof value === 'string' ? value : JSON.stringify(value));
      return ` ${key}=${/^[^\s|"]+$/.test(text) ? text : JSON.stringify(text)}`;
    })
    .join('');
}

/** A log that keeps nothing, for code that is used as a library. */
export const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
