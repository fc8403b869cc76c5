import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { childEnvironment } from '../child-environment.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { backoff } from '#platform/supervisor.ts';
import type { Box, Identity } from '../model.ts';
import type { Order, Report, Wanted } from './child.model.ts';
import type { RecogniserKind } from './registry.ts';

export interface RecogniseProcessOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** The program of the process; ours unless given. */
  readonly script?: string;
}

const ownScript = path.join(import.meta.dirname, 'child.ts');
// A large network on a slow machine may load for as long without a sign of life.
const longestSilenceMs = 20_000;
// A run of this length was a success; the next failure starts from the shortest wait.
const goodRunMs = 60_000;
const endWithinMs = 1_000;
// What was missing may be there by now: somebody was told to bring it.
const askAgainMs = 60_000;

/**
 * Keeps the process that recognises alive while something is to be recognised: starts it, tells it what to load, kills
 * it when it hangs, and starts it again when it dies.
 */
export class RecogniseProcess {
  readonly #options: RecogniseProcessOptions;
  readonly #waiting = new Map<number, (identities: readonly Identity[]) => void>();
  readonly #ready = new Set<RecogniserKind>();
  readonly #refused = new Map<RecogniserKind, string>();
  #wanted: readonly Wanted[] = [];
  #child: ChildProcess | undefined;
  #lastSignAt = 0;
  #looks = 0;
  #wake = Promise.withResolvers<void>();

  constructor(options: RecogniseProcessOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** True once what recognises this kind is loaded. */
  ready(kind: RecogniserKind): boolean {
    return this.#ready.has(kind);
  }

  /** Takes what is to be recognised, with settings. With nothing there is no process. */
  configure(wanted: readonly Wanted[]): void {
    this.#wanted = wanted;
    this.#refused.clear();
    for (const kind of this.#ready) if (!wanted.some((w) => w.recogniser === kind)) this.#ready.delete(kind);
    if (wanted.length === 0) this.#child?.disconnect();
    else {
      this.#tell();
      this.#wake.resolve();
    }
  }

  /** What is read of the object in `box`. Nothing while nothing is loaded, and of a picture on which the process died. */
  look(recogniser: RecogniserKind, jpeg: Uint8Array, box: Box): Promise<readonly Identity[]> {
    const child = this.#child;
    if (child?.connected !== true || !this.#ready.has(recogniser)) return Promise.resolve([]);
    const id = (this.#looks += 1);
    const { promise, resolve } = Promise.withResolvers<readonly Identity[]>();
    this.#waiting.set(id, resolve);
    const order: Order = { kind: 'look', id, recogniser, jpeg, box };
    child.send(order, (error) => {
      if (error !== null) this.#answer(id, []);
    });
    return promise;
  }

  /** Runs until the signal aborts, and is gone within two seconds of that. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, random } = this.#options;
    const stop = () => this.#wake.resolve();
    signal.addEventListener('abort', stop, { once: true });
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      if (this.#wanted.length === 0) {
        this.#wake = Promise.withResolvers<void>();
        await this.#wake.promise;
        attempt = -1;
        continue;
      }
      const startedAt = clock.monotonic();
      const how = await this.#once(signal);
      if (signal.aborted || this.#wanted.length === 0) continue;
      if (clock.monotonic() - startedAt > goodRunMs) attempt = 0;
      const wait = backoff(attempt, random());
      log.warn(`the process that recognises ${how}; it is started again`, {
        retry_in_s: Math.round(wait / 1000),
      });
      await clock.sleep(wait, signal);
    }
    signal.removeEventListener('abort', stop);
  }

  /** One life of the process. Gives how it ended, in words. */
  async #once(signal: AbortSignal): Promise<string> {
    const child = fork(this.#options.script ?? ownScript, [], {
      serialization: 'advanced',
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: childEnvironment(process.env),
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.#child = child;
    this.#lastSignAt = this.#options.clock.monotonic();
    child.on('message', (message: Report) => this.#hear(message));
    const over = new AbortController();
    const ended = new Promise<string>((resolve) => {
      const end = (how: string) => {
        over.abort();
        resolve(how);
      };
      child.on('error', (error) => child.pid === undefined && end(`could not be started (${error.message})`));
      child.on('exit', (code, name) =>
        end(name === null ? `ended with code ${code}` : `was ended by ${name}`),
      );
    });
    const kill = () => setTimeout(() => child.kill('SIGKILL'), endWithinMs).unref();
    child.once('disconnect', kill);
    const stop = () => {
      if (child.connected) child.disconnect();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.#tell();
    void this.#watch(child, over.signal);
    const how = await ended;
    signal.removeEventListener('abort', stop);
    this.#child = undefined;
    this.#ready.clear();
    for (const id of this.#waiting.keys()) this.#answer(id, []);
    return how;
  }

  /** Native code can hang where no error tells of it; only killing helps then. */
  async #watch(child: ChildProcess, over: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    let askedAt = clock.monotonic();
    while (!over.aborted) {
      await clock.sleep(longestSilenceMs / 4, over);
      if (over.aborted) return;
      const now = clock.monotonic();
      if (this.#refused.size > 0 && now - askedAt >= askAgainMs) {
        askedAt = now;
        this.#tell();
      }
      if (now - this.#lastSignAt < longestSilenceMs) continue;
      log.warn(
        `the process that recognises gave no sign of life for ${longestSilenceMs / 1000} s and is killed`,
      );
      child.kill('SIGKILL');
    }
  }

  #tell(): void {
    if (this.#child?.connected !== true) return;
    const order: Order = { kind: 'configure', dataDir: this.#options.dataDir, wanted: this.#wanted };
    this.#child.send(order, () => {});
  }

  #answer(id: number, identities: readonly Identity[]): void {
    this.#waiting.get(id)?.(identities);
    this.#waiting.delete(id);
  }

  #hear(message: Report): void {
    const { clock, log } = this.#options;
    this.#lastSignAt = clock.monotonic();
    switch (message.kind) {
      case 'seen':
        return this.#answer(message.id, message.identities);
      case 'failed':
        log.debug(`a picture could not be looked at: ${message.message}`);
        return this.#answer(message.id, []);
      case 'warn':
        return log.warn(`recognition: ${message.message}`);
      case 'ready':
        this.#ready.add(message.recogniser);
        this.#refused.delete(message.recogniser);
        return log.info(`recognition of ${message.about}`);
      case 'refused': {
        const { recogniser, code, message: text } = message;
        const known = this.#refused.get(recogniser) === text;
        this.#refused.set(recogniser, text);
        if (!known) log.error(`recognition error: ${text}`, { error: new LaresError(code, text) });
        return;
      }
      case 'alive':
    }
  }
}
