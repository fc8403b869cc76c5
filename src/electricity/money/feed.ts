import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { shown } from '#platform/http-client.ts';
import type { StateStore } from '#store/model.ts';
import type { Period } from '../energy/model.ts';
import { fetchPages } from './import/fetch.ts';
import { RateShelf, type Kept, type Shape } from './kept.ts';
import type { Imported } from './model.ts';
import { merge } from './rates.rules.ts';
import { nextFetchAt, type FetchState } from './schedule.rules.ts';

const dayMs = 86_400_000;
const largestFile = 64 * 2 ** 20;
// A restart loop must not become a flood of requests.
const freshMs = 15 * 60_000;
// Wall clocks jump, so a long wait looks at the clock again.
const longestSleepMs = 10 * 60_000;
const fileCheckMs = 60_000;

export interface FeedParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly state: StateStore;
  readonly timeZone: string;
  /** Folder that file names are relative to. */
  readonly folder: string;
  /** For one HTTP exchange; 20 s unless set. */
  readonly deadlineMs?: number | undefined;
}

/** What a page or `lares doctor` shows about where prices come from. */
export interface FeedStatus {
  readonly title: string;
  /** File name or address without secrets. */
  readonly origin: string;
  readonly okAt: number | undefined;
  readonly nextAt: number | undefined;
  /** End of the newest price, epoch ms; undefined when there is none, Infinity when it is open. */
  readonly knownUntil: number | undefined;
  readonly problem: string | undefined;
  readonly notes: readonly string[];
}

export interface FeedSource<T extends Period> {
  readonly title: string;
  /** Identity in the state store: equal sources share what was fetched. */
  readonly key: string;
  readonly file?: string | undefined;
  readonly url?: string | undefined;
  /** How far back the first fetch goes, and how far every one goes. */
  readonly historyMs: number;
  readonly recentMs: number;
  readonly parse: (text: string, name: string, code: 'CONFIG_INVALID' | 'BAD_REPLY') => Imported<T>;
  readonly shape: Shape<T>;
}

/** Prices or intensities from one file or address: fetched when they are due, kept when the server is away. */
export class Feed<T extends Period> {
  readonly #source: FeedSource<T>;
  readonly #parts: FeedParts;
  readonly #changed: () => void;
  readonly #shelf: RateShelf<T>;
  readonly #spread: number;
  #kept: Kept<T> | undefined;
  #notes: readonly string[] = [];
  #triedAt: number | undefined;
  #failures = 0;
  #retryAfterMs: number | undefined;
  #problem: string | undefined;
  #mtime: number | undefined;

  constructor(source: FeedSource<T>, parts: FeedParts, changed: () => void) {
    this.#source = source;
    this.#parts = parts;
    this.#changed = changed;
    this.#shelf = new RateShelf(parts.state, source.key, source.shape);
    this.#spread = parts.random();
  }

  get rates(): readonly T[] {
    return this.#kept?.rates ?? [];
  }

  status(): FeedStatus {
    const { file, url, title } = this.#source;
    return {
      title,
      origin: file ?? shown(url!),
      okAt: this.#kept?.okAt,
      nextAt: url === undefined ? undefined : this.#nextAt(),
      knownUntil: this.rates.at(-1)?.to,
      problem: this.#problem,
      notes: this.#notes,
    };
  }

  /** What was fetched before, or what the file holds. Throws CONFIG_INVALID, NOT_FOUND for the file. */
  async load(): Promise<void> {
    if (this.#source.file !== undefined) return this.#readFile();
    const kept = await this.#shelf.load();
    if (kept !== undefined) this.#keep(kept);
  }

  /** Asks for everything since an instant (epoch ms), unless it is there already. Throws LaresError. */
  async refresh(since: number, signal: AbortSignal): Promise<void> {
    if (this.#source.file !== undefined) return this.#readFile();
    const now = this.#parts.clock.now();
    const kept = this.#kept;
    if (kept !== undefined && kept.since <= since && now - kept.okAt < freshMs) return;
    await this.#fetch(Math.min(since, kept?.since ?? since), signal);
  }

  /** Keeps itself up to date until the signal aborts; a failure is a status, a log line and a later try. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    if (this.#source.file !== undefined) {
      for (; !signal.aborted; await clock.sleep(fileCheckMs, signal))
        await this.#guard(signal, () => this.#readFile());
      return;
    }
    const started = clock.now();
    const stale = this.#kept === undefined || started - this.#kept.okAt > freshMs;
    if (stale) await this.#guard(signal, () => this.#due(signal));
    while (!signal.aborted) {
      const left = this.#nextAt() - clock.now();
      if (left > 0) await clock.sleep(Math.min(left, longestSleepMs), signal);
      else await this.#guard(signal, () => this.#due(signal));
    }
  }

  #nextAt(): number {
    const state: FetchState = {
      okAt: this.#kept?.okAt,
      triedAt: this.#triedAt,
      failures: this.#failures,
      retryAfterMs: this.#retryAfterMs,
      knownUntil: this.rates.at(-1)?.to ?? -Infinity,
    };
    // A wall clock that was set back must not hold us for longer than a day.
    const next = nextFetchAt(state, this.#parts.timeZone, this.#spread);
    return Math.min(next, this.#parts.clock.now() + 1.5 * dayMs);
  }

  #due(signal: AbortSignal): Promise<void> {
    const { historyMs, recentMs } = this.#source;
    const now = this.#parts.clock.now();
    const kept = this.#kept;
    const oldest = now - historyMs;
    const whole = kept === undefined || kept.since > oldest;
    return this.#fetch(whole ? oldest : Math.max(oldest, Math.min(now, kept.okAt) - recentMs), signal);
  }

  async #guard(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const { log } = this.#parts;
    const { title } = this.#source;
    try {
      await work();
      if (this.#problem !== undefined) log.info(`${title}: works again`);
      this.#problem = undefined;
    } catch (error) {
      if (signal.aborted) return;
      const sentence = reason(error);
      if (this.#problem !== sentence) log.warn(`${title}: ${sentence}; the prices known so far stay in use`);
      this.#problem = sentence;
    }
  }

  async #fetch(since: number, signal: AbortSignal): Promise<void> {
    const { clock, deadlineMs } = this.#parts;
    const now = clock.now();
    const kept = this.#kept;
    const deeper = kept === undefined || since < kept.since;
    this.#triedAt = now;
    try {
      const { rates, notes, validators } = await fetchPages<T>({
        url: this.#source.url!,
        since,
        now,
        deadlineMs,
        signal,
        known: deeper ? undefined : { etag: kept.etag, modified: kept.modified },
        parse: (text, name) => this.#source.parse(text, name, 'BAD_REPLY'),
      });
      this.#failures = 0;
      if (rates !== undefined) this.#notes = notes;
      const merged = rates === undefined ? this.rates : merge(this.rates, rates);
      const next = { ...validators, okAt: now, since: Math.min(since, kept?.since ?? since), rates: merged };
      this.#keep(next);
      await this.#shelf.save(next).catch((error: unknown) => {
        // They are in memory and on the server; only a restart would have to ask again.
        this.#parts.log.warn(`${this.#source.title}: cannot keep the prices: ${reason(error)}`);
      });
    } catch (error) {
      if (!signal.aborted) this.#failures += 1;
      this.#retryAfterMs = error instanceof LaresError ? error.retryAfterMs : undefined;
      throw error;
    }
  }

  async #readFile(): Promise<void> {
    const name = this.#source.file!;
    const file = path.resolve(this.#parts.folder, name);
    const read = async () => {
      const { mtimeMs, size } = await stat(file);
      if (size > largestFile) throw new LaresError('CONFIG_INVALID', `${file} is larger than 64 MiB`);
      return mtimeMs === this.#mtime ? undefined : { mtimeMs, text: await readFile(file, 'utf8') };
    };
    const fresh = await read().catch((error: unknown) => {
      if (error instanceof LaresError) throw error;
      throw new LaresError('NOT_FOUND', `cannot read ${file}: ${reason(error)}; correct the file name`, {
        cause: error,
      });
    });
    if (fresh === undefined) return;
    const { rates, notes } = this.#source.parse(fresh.text, name, 'CONFIG_INVALID');
    this.#mtime = fresh.mtimeMs;
    this.#notes = notes;
    this.#keep({ okAt: this.#parts.clock.now(), since: -Infinity, rates });
  }

  #keep(kept: Kept<T>): void {
    this.#kept = kept;
    this.#changed();
  }
}
