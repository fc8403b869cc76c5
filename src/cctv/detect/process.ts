import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { backoff } from '#platform/supervisor.ts';
import { childEnvironment } from '../child-environment.ts';
import type { Configure, DetectorPlan, Report } from './child.model.ts';
import type { DetectorStats } from './server.ts';
import type { ModelFace } from './wire.codec.ts';

export interface DetectorProcessOptions {
  readonly plan: DetectorPlan;
  /** Folder of the models: `<data>/models`. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

export interface LoadedModel extends ModelFace {
  /** What it really runs on. */
  readonly device: string;
}

const script = path.join(import.meta.dirname, 'child.ts');
// A large model on a slow machine may load for as long without a sign of life.
const longestSilenceMs = 20_000;
// A run of this length was a success; the next failure starts from the shortest wait.
const goodRunMs = 60_000;
const endWithinMs = 1_000;
// What was missing may be there by now: somebody was told to install it.
const askAgainMs = 60_000;
const longestErrorLine = 300;

/** Keeps the detector's process alive: starts it, tells it what to load, watches it, and starts it again. */
export class DetectorProcess {
  readonly #options: DetectorProcessOptions;
  #plan: DetectorPlan;
  #folder: string | undefined;
  #child: ChildProcess | undefined;
  #stats: DetectorStats | undefined;
  #restarts = 0;
  #model: LoadedModel | undefined;
  #problem: LaresError | undefined;
  /** The next `ready` is of the model that stands in, which mends no problem. */
  #standIn = false;
  #lastSignAt = 0;
  #waiting = Promise.withResolvers<LoadedModel>();

  constructor(options: DetectorProcessOptions) {
    this.#options = options;
    this.#plan = options.plan;
  }

  /** The Unix socket for cameras; the same over restarts. Undefined before `run`. */
  get path(): string | undefined {
    return this.#folder === undefined ? undefined : path.join(this.#folder, 'detector.sock');
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** What is loaded; undefined while nothing is. */
  get model(): LoadedModel | undefined {
    return this.#model;
  }

  /** Why the model that was asked for cannot be used. It is tried again each minute, and another one looks meanwhile. */
  get problem(): LaresError | undefined {
    return this.#problem;
  }

  /** Resolves when a model is loaded; rejects when the one that was asked for cannot be. */
  get ready(): Promise<LoadedModel> {
    return this.#waiting.promise;
  }

  /** As of the last second; undefined before the first. */
  stats(): DetectorStats | undefined {
    return this.#stats;
  }

  /** Changes the model or what it runs on, without ending the process. What was loaded works until the new one does. */
  configure(plan: DetectorPlan): void {
    this.#plan = plan;
    this.#problem = undefined;
    this.#expect();
    this.#tell();
  }

  /** Runs until the signal aborts, and is gone within two seconds of that. `path` is known as soon as this returns. */
  run(signal: AbortSignal): Promise<void> {
    this.#expect();
    // Only this user's processes may show it pictures.
    this.#folder ??= mkdtempSync(path.join(tmpdir(), 'lares-'));
    return this.#keep(signal).finally(() => {
      if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    });
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const startedAt = clock.monotonic();
      const why = await this.#once(signal);
      this.#model = undefined;
      if (signal.aborted) return;
      this.#expect();
      this.#restarts += 1;
      if (clock.monotonic() - startedAt > goodRunMs) attempt = 0;
      const wait = backoff(attempt, random());
      log.warn(`the detector ${why}; it is started again`, { retry_in_s: Math.round(wait / 1000) });
      await clock.sleep(wait, signal);
    }
  }

  /** One life of the process. Gives how it ended, in words. */
  async #once(signal: AbortSignal): Promise<string> {
    const { clock, log } = this.#options;
    const child = fork(script, [], {
      serialization: 'advanced',
      execArgv: [],
      env: childEnvironment(process.env),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#lastSignAt = clock.monotonic();
    // Libraries write there also what is told elsewhere in our words; it matters when the process dies of it.
    let lastLine = '';
    createInterface({ input: child.stderr! }).on('line', (line) => {
      if (line.trim().length > 4) lastLine = line.slice(0, longestErrorLine);
      log.debug(`detector: ${line.slice(0, longestErrorLine)}`);
    });
    child.on('message', (message: Report) => this.#hear(message));
    const over = new AbortController();
    const ended = new Promise<string>((resolve) => {
      const end = (how: string) => {
        over.abort();
        resolve(how);
      };
      child.on('error', (error) => end(`could not be started (${error.message})`));
      child.on('exit', (code, name) =>
        end(name === null ? `ended with code ${code}` : `was ended by ${name}`),
      );
    });
    this.#tell();
    void this.#watch(child, over.signal);
    const stop = () => {
      child.disconnect();
      setTimeout(() => child.kill('SIGKILL'), endWithinMs).unref();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const how = await ended;
    signal.removeEventListener('abort', stop);
    this.#child = undefined;
    return lastLine === '' ? how : `${how} (${lastLine})`;
  }

  /** Native code can hang where no error tells of it; only killing helps then. */
  async #watch(child: ChildProcess, over: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    let askedAt = clock.monotonic();
    while (!over.aborted) {
      await clock.sleep(longestSilenceMs / 4, over);
      const now = clock.monotonic();
      if (this.#problem !== undefined && now - askedAt >= askAgainMs) {
        askedAt = now;
        this.#tell();
      }
      if (over.aborted || now - this.#lastSignAt < longestSilenceMs) continue;
      log.warn(`the detector gave no sign of life for ${longestSilenceMs / 1000} s and is killed`);
      child.kill('SIGKILL');
    }
  }

  #tell(): void {
    if (this.#child?.connected !== true || this.path === undefined) return;
    const message: Configure = {
      kind: 'configure',
      plan: this.#plan,
      folder: this.#options.folder,
      path: this.path,
    };
    this.#child.send(message, () => {});
  }

  /** Whoever asks `ready` from now on waits for the next model. */
  #expect(): void {
    const before = this.#waiting;
    this.#waiting = Promise.withResolvers<LoadedModel>();
    this.#waiting.promise.catch(() => {});
    // Who waited already is served by the same model.
    this.#waiting.promise.then(before.resolve, before.reject);
  }

  #hear(message: Report): void {
    const { clock, log } = this.#options;
    this.#lastSignAt = clock.monotonic();
    if (message.kind === 'stats') this.#stats = message.stats;
    else if (message.kind === 'log') log[message.level](message.message);
    else if (message.kind === 'ready') {
      const { model, device } = message;
      if (!this.#standIn) this.#problem = undefined;
      this.#standIn = false;
      this.#model = { ...model, device };
      log.info(`detection by ${model.name}, ${model.width}x${model.height}, on ${device}`);
      this.#waiting.resolve(this.#model);
    } else {
      const known = this.#problem?.message === message.message;
      this.#problem = new LaresError(message.code, message.message);
      this.#standIn = message.standIn;
      if (!known) log.error(`detection error: ${message.message}`, { error: this.#problem });
      if (!message.standIn) this.#waiting.reject(this.#problem);
    }
  }
}
