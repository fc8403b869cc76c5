import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { start, type Env } from './program.ts';

/** How often a connected speaker is looked at. */
const lookMs = 60_000;

/** Milliseconds before try number `attempt` (from 0) to connect in the background: 5 s doubling to 5 min, with jitter. */
export const reconnectMs = (attempt: number, random: number): number =>
  Math.round(Math.min(300_000, 5_000 * 2 ** attempt) * (0.5 + random / 2));

export interface BluetoothIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly env: Env;
  /** Milliseconds that the adapter gets for one command. */
  readonly commandMs: number;
}

export type BluetoothState = 'unknown' | 'connected' | 'away';

/**
 * Keeps one Bluetooth speaker connected through `bluetoothctl`. The adapter makes one connection at a time, so all
 * speakers share `adapter`.
 */
export class BluetoothLink {
  readonly #mac: string;
  readonly #name: string;
  readonly #io: BluetoothIo;
  readonly #adapter: Adapter;
  #state: BluetoothState = 'unknown';
  #trouble = '';

  constructor(mac: string, name: string, io: BluetoothIo, adapter: Adapter) {
    this.#mac = mac;
    this.#name = name;
    this.#io = io;
    this.#adapter = adapter;
  }

  get state(): BluetoothState {
    return this.#state;
  }

  /** Why it is away, as a sentence. */
  get trouble(): string {
    return this.#trouble;
  }

  /**
   * Makes sure that it is connected; true when it had to be connected just now.
   * A speaker known to be away is not waited for: `keep` fetches it, and somebody else speaks meanwhile.
   * @throws LaresError UNREACHABLE, NOT_FOUND where it was never paired or bluetoothctl is missing.
   */
  async ready(signal: AbortSignal): Promise<boolean> {
    if (this.#state === 'away') throw new LaresError('UNREACHABLE', this.#trouble);
    return this.#connect(signal);
  }

  /** Looks after the connection until the signal aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#io;
    for (let attempt = 0; !signal.aborted;) {
      const before = this.#state;
      try {
        await this.#connect(signal);
        attempt = 0;
        if (before === 'away') log.info(`the speaker ${this.#name} is connected again`);
        await clock.sleep(lookMs, signal);
      } catch (error) {
        if (signal.aborted) return;
        if (before !== 'away') log.warn(`${reason(error)}; it is tried again in the background`);
        await clock.sleep(reconnectMs(attempt, random()), signal);
        attempt += 1;
      }
    }
  }

  async #connect(signal: AbortSignal): Promise<boolean> {
    try {
      const connect = async () => {
        await this.#run(['connect', this.#mac], signal);
        // Old versions end with 0 whatever happened, so the question is asked again.
        if (!(await this.#isConnected(signal)))
          throw new LaresError(
            'UNREACHABLE',
            `the Bluetooth speaker ${this.#name} (${this.#mac}) does not connect; is it switched on and near, and not held by a phone?`,
          );
        return true;
      };
      // Who is connected does not wait for the adapter, which may be busy with a speaker that is away.
      const fresh = !(await this.#isConnected(signal)) && (await this.#adapter(connect));
      this.#state = 'connected';
      this.#trouble = '';
      return fresh;
    } catch (error) {
      if (!signal.aborted) {
        this.#state = 'away';
        this.#trouble = reason(error);
      }
      throw error;
    }
  }

  async #isConnected(signal: AbortSignal): Promise<boolean> {
    const text = await this.#run(['info', this.#mac], signal);
    if (/not available|No default controller/i.test(text))
      throw new LaresError(
        'NOT_FOUND',
        /controller/i.test(text)
          ? 'this machine has no Bluetooth adapter that works; `bluetoothctl list` shows them'
          : `the Bluetooth speaker ${this.#name} (${this.#mac}) was never paired; run \`bluetoothctl pair ${this.#mac}\` and \`bluetoothctl trust ${this.#mac}\``,
      );
    return /^\s*Connected:\s*yes\s*$/im.test(text);
  }

  /** What it printed; its exit code says nothing reliable. */
  async #run(args: readonly string[], signal: AbortSignal): Promise<string> {
    const limit = AbortSignal.timeout(this.#io.commandMs);
    const { child, ended } = start('bluetoothctl', args, this.#io.env, AbortSignal.any([signal, limit]));
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text = (text + chunk.toString('utf8')).slice(-8_000)));
    // It may have ended before all that it printed has come.
    const over = new Promise<void>((resolve) => child.stdout.once('close', resolve));
    child.stdin.end();
    const { said } = await ended;
    await over;
    if (signal.aborted) throw new LaresError('TIMEOUT', 'the voice was stopped');
    if (limit.aborted && args[0] !== 'connect')
      throw new LaresError('TIMEOUT', 'bluetoothctl does not answer; is the service bluetooth running?');
    return `${text}\n${said}`;
  }
}

/** Runs one thing after the other. */
export type Adapter = <T>(work: () => Promise<T>) => Promise<T>;

export function makeAdapter(): Adapter {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work, work);
    last = mine.catch(() => {});
    return mine;
  };
}
