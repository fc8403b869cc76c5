import { connect, type Socket } from 'node:net';
import { LaresError } from '#kernel/errors.ts';
import { unexplained } from './rules.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export const named = ({ host, port }: Target): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;

export interface Receipt {
  /** From the first packet to Carbon's FIN. */
  readonly tookMs: number;
  /** The part of it that the network does not explain. */
  readonly carbonMs: number;
}

/**
 * Sends over a connection of its own, half-closes, and waits for Carbon's FIN, which Carbon sends once it has read
 * to the end: the only receipt that the plaintext protocol has. A FIN before ours, a reset, silence or an aborted
 * signal is no receipt: throws UNREACHABLE or TIMEOUT, both naming the target.
 */
export function deliver(
  target: Target,
  payload: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Receipt> {
  const startedAt = performance.now();
  let connectedAt = startedAt;
  return new Promise((resolve, reject) => {
    const socket = connect({ ...target, noDelay: true, allowHalfOpen: true });
    const settle = (error?: LaresError) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      socket.destroy();
      const tookMs = performance.now() - startedAt;
      if (error === undefined) resolve({ tookMs, carbonMs: unexplained(tookMs, connectedAt - startedAt) });
      else reject(error);
    };
    const timer = setTimeout(() => settle(timedOut(target, timeoutMs)), timeoutMs);
    const abort = () => settle(cutShort(target));
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort);
    let finished = false;
    socket.on('error', (error) => settle(unreachable(target, error)));
    socket.on('close', () => settle(cutShort(target)));
    socket.on('end', () => settle(finished ? undefined : cutShort(target)));
    socket.on('finish', () => (finished = true));
    socket.resume();
    socket.once('connect', () => {
      connectedAt = performance.now();
      socket.end(payload);
    });
  });
}

const timedOut = (target: Target, timeoutMs: number) =>
  new LaresError(
    'TIMEOUT',
    `timeout: ${named(target)} did not confirm within ${Math.ceil(timeoutMs / 100) / 10} s`,
  );
const unreachable = (target: Target, cause: NodeJS.ErrnoException) =>
  new LaresError(
    'UNREACHABLE',
    `${named(target)} ${words[cause.code ?? ''] ?? cause.message} (${cause.code})`,
    {
      cause,
    },
  );
const cutShort = (target: Target) =>
  new LaresError('UNREACHABLE', `${named(target)} closed the connection before it had read everything`);

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections; is Carbon running?',
  ECONNRESET: 'reset the connection',
  EPIPE: 'reset the connection',
  EHOSTUNREACH: 'has no route to it',
  ENETUNREACH: 'is in a network that cannot be reached',
  ENOTFOUND: 'has a name that cannot be resolved',
  EAI_AGAIN: 'has a name that cannot be resolved at the moment',
  ETIMEDOUT: 'gave no answer before the timeout',
};

/**
 * An idle connection whose end reveals that Carbon went away, even when it is back before the next batch.
 * `generation` changes with every end; a batch is confirmed only when it did not change meanwhile.
 */
export class Sentinel {
  readonly #target: Target;
  readonly #onGone: () => void;
  #socket: Socket | undefined;
  #generation = 0;

  constructor(target: Target, onGone: () => void) {
    this.#target = target;
    this.#onGone = onGone;
  }

  get generation(): number {
    return this.#generation;
  }

  get alive(): boolean {
    return this.#socket !== undefined;
  }

  /** Connects unless connected. Throws UNREACHABLE or TIMEOUT, also when the signal aborts. */
  async open(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#socket !== undefined) return;
    // Keep-alive tells a dead or rebooted host and a forgetful router from a quiet Carbon.
    const socket = connect({ ...this.#target, keepAlive: true, keepAliveInitialDelay: 30_000 });
    await new Promise<void>((resolve, reject) => {
      const fail = (error: LaresError) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        socket.destroy();
        reject(error);
      };
      const abort = () => fail(cutShort(this.#target));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort, { once: true });
      const timer = setTimeout(() => fail(timedOut(this.#target, timeoutMs)), timeoutMs);
      socket.once('connect', () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        resolve();
      });
      socket.on('error', (error) => fail(unreachable(this.#target, error)));
    });
    this.#socket = socket;
    socket.resume();
    // A process with nothing else to do may end.
    socket.unref();
    socket.once('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.#generation += 1;
      this.#onGone();
    });
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}
