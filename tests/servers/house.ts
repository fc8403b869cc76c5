import koffi from 'koffi';
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { lineReader } from '#devices/lan/raw-protocol.ts';
import { until } from './process.ts';

const program = fileURLToPath(new URL('../../bin/lares', import.meta.url));

export interface LaresOptions {
  /** Holds lares.yaml and, in `data/`, the database. */
  readonly dir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** In place of `run`. */
  readonly args?: readonly string[];
}

const environment = (options: LaresOptions) => ({
  PATH: process.env['PATH'] ?? '/usr/bin:/bin',
  LANG: 'C.UTF-8',
  HOME: options.dir,
  LARES_CONFIG: path.join(options.dir, 'lares.yaml'),
  LARES_DATA: path.join(options.dir, 'data'),
  ...options.env,
});

/** The service as a process of its own: `bin/lares run`, with everything that it printed. */
export class LaresProcess {
  /** Lines of standard output and standard error, in the order in which they came. */
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  /** Resolves with what the process ended with: a code or the name of a signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly startedAt = Date.now();

  constructor(options: LaresOptions) {
    this.child = spawn(program, [...(options.args ?? ['run'])], {
      env: environment(options),
      cwd: options.dir,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = lineReader((line) => void this.lines.push(line));
    this.child.stdout?.on('data', keep);
    this.child.stderr?.on(
      'data',
      lineReader((line) => void this.lines.push(line)),
    );
    this.ended = new Promise((resolve) =>
      this.child.once('close', (code, signal) => resolve(code ?? signal ?? 'SIGKILL')),
    );
    process.once('exit', this.#reap);
    void this.ended.then(() => process.off('exit', this.#reap));
  }

  /** No service outlives the process that started it. */
  readonly #reap = (): void => void this.child.kill('SIGKILL');

  get pid(): number {
    return this.child.pid ?? 0;
  }

  count(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }

  /** The first line that matches, as soon as there is one. */
  async line(pattern: RegExp, timeoutMs = 30_000): Promise<string> {
    const found = () => this.lines.find((line) => pattern.test(line));
    await until(
      () => found() !== undefined,
      () => `no line matches ${String(pattern)}:\n${this.lines.slice(-30).join('\n')}`,
      timeoutMs,
    );
    return found() ?? '';
  }

  /** Where the status page is, as the log says it. */
  async url(): Promise<string> {
    const line = await this.line(/Lares is at http/);
    return /http:\/\/\S+/.exec(line)?.[0] ?? '';
  }

  async get<T>(pathname: string): Promise<T> {
    const reply = await fetch(`${await this.url()}${pathname}`);
    return (await reply.json()) as T;
  }

  /** Sends a signal and waits for the end. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Starts `bin/lares run` (or other arguments) with the settings that lie in `dir`. Does not wait. */
export function startLares(options: LaresOptions): LaresProcess {
  return new LaresProcess(options);
}

export interface Ran {
  readonly code: number | NodeJS.Signals;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
}

/** Runs one command line of `bin/lares` to its end. */
export async function lares(options: LaresOptions, ...args: string[]): Promise<Ran> {
  return runBin(program, args, options);
}

/** Runs a program to its end in the environment of the service. */
export async function runBin(command: string, args: readonly string[], options: LaresOptions): Promise<Ran> {
  const child = spawn(command, [...args], {
    env: environment(options),
    cwd: options.dir,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('close', (exit, signal) => resolve(exit ?? signal ?? 'SIGKILL')),
  );
  return { code, out, err };
}

/** Writes settings as JSON, which is YAML. In one step, or a house that runs may read them half written. */
export function writeSettings(dir: string, settings: object): void {
  const file = path.join(dir, 'lares.yaml');
  writeFileSync(`${file}.new`, JSON.stringify(settings, undefined, 2));
  renameSync(`${file}.new`, file);
}

const cloneNewNet = 0x40000000;

/**
 * Moves the main thread of this process into a network namespace, with every socket it opens and every child it starts
 * from then on. Returns the way back. Sockets that were open before stay where they are.
 */
export function enterNetwork(name: string): () => void {
  const setns = koffi.load(null).func('int setns(int fd, int kind)');
  const home = openSync('/proc/thread-self/ns/net', 'r');
  const enter = (fd: number) => {
    const failed: number = setns(fd, cloneNewNet);
    closeSync(fd);
    if (failed !== 0) throw new Error(`setns failed: ${koffi.errno()}`);
  };
  enter(openSync(`/run/netns/${name}`, 'r'));
  return () => enter(home);
}
