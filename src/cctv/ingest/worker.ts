import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Order, Signal } from './messages.ts';

const entry = fileURLToPath(new URL('child.ts', import.meta.url));

/** Every connection reads on a thread of libuv's pool and blocks it while its camera is silent; files and DNS need some too. */
const threadsFor = (cameras: number) => String(4 + 3 * cameras);

/** Names of variables that a reader of cameras needs; secrets of the core stay with the core. */
const environment = [
  'PATH',
  'HOME',
  'LANG',
  'TZ',
  'TMPDIR',
  'LIBVA_DRIVER_NAME',
  'LIBVA_DRIVERS_PATH',
  'LD_LIBRARY_PATH',
];

/** One process that reads cameras. */
export class Worker {
  readonly #process: ChildProcess;
  /** When it last said anything, milliseconds that never jump. */
  heardAt: number;
  /** It has said its first word. */
  ready = false;
  readonly ended: Promise<void>;
  #over = false;

  constructor(cameras: number, now: () => number, onSignal: (signal: Signal) => void) {
    this.heardAt = now();
    const kept = environment.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value] as const];
    });
    this.#process = fork(entry, [], {
      serialization: 'advanced',
      // Whatever debugs or loads into the core has no business here.
      execArgv: ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=2'],
      env: {
        ...Object.fromEntries(kept),
        UV_THREADPOOL_SIZE: threadsFor(cameras),
        // Many threads that each keep a heap of their own cost tens of megabytes.
        MALLOC_ARENA_MAX: '2',
      },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#process.on('message', (signal: Signal) => {
      this.heardAt = now();
      this.ready = true;
      onSignal(signal);
    });
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.#over = true;
        resolve();
      };
      this.#process.once('exit', end);
      // Failed to start, or to be told something: `exit` may not follow the first.
      this.#process.on('error', () => this.#process.pid === undefined && end());
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  send(order: Order): void {
    if (this.#process.connected) this.#process.send(order, () => {});
  }

  /** A process that hangs in native code answers nothing else. */
  kill(): void {
    if (!this.#over) this.#process.kill('SIGKILL');
  }
}
