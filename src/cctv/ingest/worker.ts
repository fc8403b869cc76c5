import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../child-environment.ts';
import type { Order, Signal } from './messages.ts';

const entry = fileURLToPath(new URL('child.ts', import.meta.url));

/** Every connection reads on a thread of libuv's pool and blocks it while its camera is silent; files and DNS need some too. */
const threadsFor = (cameras: number) => String(4 + 3 * cameras);

export interface WorkerLimits {
  /** How many it may read at once. */
  readonly cameras: number;
  /** Bytes of memory with which it ends itself: a camera floods it. */
  readonly mostMemory: number;
}

/** One process that reads cameras. */
export class Worker {
  readonly #process: ChildProcess;
  /** When it last said anything, milliseconds that never jump. */
  heardAt: number;
  /** It has said its first word. */
  ready = false;
  readonly ended: Promise<void>;
  #over = false;

  constructor({ cameras, mostMemory }: WorkerLimits, now: () => number, onSignal: (signal: Signal) => void) {
    this.heardAt = now();
    this.#process = fork(entry, [String(mostMemory)], {
      serialization: 'advanced',
      // Whatever debugs or loads into the core has no business here.
      execArgv: ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=2'],
      env: {
        ...childEnvironment(process.env),
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
