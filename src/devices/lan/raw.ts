import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Log } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import type { LanScanner, LanSighting, SweepResult } from '../model.ts';
import { parseNetwork, type Network } from './codec/ipv4.ts';
import { portFor } from './interfaces.ts';
import { lineReader, type Found, type Line, type Place, type Task } from './raw-protocol.ts';

export interface RawOptions {
  readonly networks: readonly string[];
  readonly interface?: string | undefined;
  /** Undefined: 500, and more for networks that could not be asked in 20 s otherwise. */
  readonly maxFramesPerSecond?: number | undefined;
  /** Rounds after the first. */
  readonly retries: number;
  readonly why: string;
  readonly log?: Log | undefined;
}

const childPath = fileURLToPath(new URL('raw-child.ts', import.meta.url));
/** Half the air of a 1 Mbit/s Wi-Fi cell is the most that a sweep may take. */
const gentleFramesPerSecond = 500;
const largeNetworkSeconds = 20;

/** Frames per second for a network: the configured limit, or a gentle rate that still ends in reasonable time. */
export function frameRate(network: Network, limit: number | undefined): number {
  const size = 2 ** (32 - network.prefix);
  return limit ?? Math.max(gentleFramesPerSecond, Math.ceil(size / largeNetworkSeconds));
}

/** Rounds after the first; networks of more than 4,096 addresses get two at most, so that a /16 takes less than a minute. */
const retriesFor = (network: Network, retries: number) =>
  network.prefix < 20 ? Math.min(2, retries) : retries;

/** Talks to the scanner process. Nothing is restarted here: a dead process fails every open task, and the supervisor starts anew. */
class RawScanner implements LanScanner {
  readonly method = 'raw' as const;
  readonly why: string;
  readonly #options: RawOptions;
  readonly #child: ChildProcess;
  readonly #open = new Map<number, { resolve: (found: Found) => void; reject: (error: Error) => void }>();
  readonly #heard = new Set<(sighting: LanSighting) => void>();
  #nextTask = 1;
  #ended: LaresError | undefined;

  constructor(child: ChildProcess, options: RawOptions) {
    this.#child = child;
    this.#options = options;
    this.why = options.why;
    let complaint = '';
    child.stdout?.on(
      'data',
      lineReader((line) => this.#take(line)),
    );
    child.stderr?.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2_000)));
    child.stdin?.on('error', () => {});
    const ended = (how: string) => {
      const last = complaint
        .trim()
        .split('\n')
        .findLast((line) => /error/i.test(line));
      this.#end(
        new LaresError(
          'UNREACHABLE',
          `the scanner process ended (${how})${last === undefined ? '' : `: ${last}`}`,
        ),
      );
    };
    child.on('error', (error) => ended(error.message));
    child.on('exit', (code, signal) => ended(signal ?? `exit code ${code}`));
  }

  async sweep(network: string, signal: AbortSignal): Promise<SweepResult> {
    const parsed = parseNetwork(network);
    const { maxFramesPerSecond, retries } = this.#options;
    const place = this.#place(parsed);
    const framesPerSecond = frameRate(parsed, maxFramesPerSecond);
    const task: Task = { do: 'sweep', place, framesPerSecond, retries: retriesFor(parsed, retries) };
    return { network: parsed.cidr, ...(await this.#perform(task, signal)), at: Date.now() };
  }

  async probe(
    network: string,
    targets: Parameters<LanScanner['probe']>[1],
    signal: AbortSignal,
  ): Promise<LanSighting[]> {
    const parsed = parseNetwork(network);
    const framesPerSecond = frameRate(parsed, this.#options.maxFramesPerSecond);
    const task: Task = { do: 'probe', place: this.#place(parsed), framesPerSecond, targets };
    return [...(await this.#perform(task, signal)).found];
  }

  async listen(
    networks: readonly string[],
    heard: (sighting: LanSighting) => void,
    signal: AbortSignal,
  ): Promise<void> {
    this.#heard.add(heard);
    try {
      await this.#perform({ do: 'listen', places: this.#places(networks) }, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#heard.delete(heard);
    }
  }

  /** Opens a socket for each network whose interface works. Throws when none does, or without the capability. */
  async check(): Promise<void> {
    const never = new AbortController().signal;
    for (const place of this.#places(this.#options.networks))
      await this.#perform({ do: 'check', place }, never);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined)
      return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    const hard = setTimeout(() => this.#child.kill('SIGKILL'), 1_000);
    await gone;
    clearTimeout(hard);
  }

  #place(network: Network): Place {
    const port = portFor(network, this.#options.interface);
    return { network: network.cidr, interface: port.name, mac: port.mac, address: port.address };
  }

  /** One lost interface must not blind the others; throws only when none is left. */
  #places(networks: readonly string[]): Place[] {
    const troubles: unknown[] = [];
    const places = networks.flatMap((network) => {
      try {
        return [this.#place(parseNetwork(network))];
      } catch (error) {
        troubles.push(error);
        return [];
      }
    });
    if (places.length === 0 && troubles.length > 0) throw troubles[0];
    return places;
  }

  #perform(task: Task, signal: AbortSignal): Promise<Found> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (signal.aborted) return Promise.reject(new LaresError('TIMEOUT', 'the scan was stopped'));
    const id = this.#nextTask;
    this.#nextTask += 1;
    return new Promise((resolve, reject) => {
      const cancel = () => this.#send(this.#nextTask++, { do: 'cancel', task: id });
      const settle = () => {
        signal.removeEventListener('abort', cancel);
        this.#open.delete(id);
      };
      signal.addEventListener('abort', cancel, { once: true });
      this.#open.set(id, {
        resolve: (found) => (settle(), resolve(found)),
        reject: (error) => (settle(), reject(error)),
      });
      this.#send(id, task);
    });
  }

  #send(id: number, task: Task): void {
    this.#child.stdin?.write(`${JSON.stringify({ id, ...task })}\n`);
  }

  #take(text: string): void {
    const line = JSON.parse(text) as Line;
    if ('heard' in line) {
      for (const heard of this.#heard) heard(line.heard);
      return;
    }
    const task = this.#open.get(line.task);
    if ('done' in line) task?.resolve(line.done);
    else task?.reject(new LaresError(line.failed.code, line.failed.message));
  }

  #end(error: LaresError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const task of this.#open.values()) task.reject(error);
  }
}

/**
 * Starts the scanner process and opens a raw socket for each network.
 * Throws PERMISSION_MISSING without CAP_NET_RAW, UNREACHABLE for an interface that is down, missing or without address.
 */
export async function openRawScanner(options: RawOptions): Promise<LanScanner> {
  const child = spawn(process.execPath, ['--max-semi-space-size=1', childPath], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1' },
  });
  const scanner = new RawScanner(child, options);
  try {
    await scanner.check();
    return scanner;
  } catch (error) {
    await scanner.close();
    throw error;
  }
}
