import { connect, type Socket } from 'node:net';
import { LaresError } from '#kernel/errors.ts';
import { explained } from '#platform/http-client.ts';

// Every socket of this process reads into the same memory: what is read is used up before the next read.
const scratch = Buffer.allocUnsafeSlow(65_536);

interface Waiting<Reply> {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** A connection that was kept open had ended before the peer saw the question; it may be asked again. */
class Stale extends Error {}

/**
 * One TCP connection that is kept open and carries one question and its reply at a time. A new one is made when there is
 * none, and once more when a kept one turns out to have ended meanwhile. Whatever does not fit the protocol ends it, so
 * that no reply can ever be taken for the answer to a later question.
 */
export abstract class Peer<Reply> {
  readonly host: string;
  readonly port: number;
  #socket: Socket | undefined;
  #waiting: Waiting<Reply> | undefined;
  #heard = false;

  constructor(host: string, port: number) {
    this.host = host;
    this.port = port;
  }

  /** For people and logs. */
  get shown(): string {
    return `${this.host}:${this.port}`;
  }

  /** Takes in a segment, whose memory is only lent; a reply when it is complete. Throws BAD_REPLY. */
  protected abstract take(segment: Buffer): Reply | undefined;
  /** The peer ended the connection: the reply, where that is how a reply ends. */
  protected abstract finish(): Reply | undefined;
  /** Forgets a reply that came in part. True when there was one. */
  protected abstract clear(): boolean;
  /** Whether the connection may be used again after this reply. */
  protected abstract keeps(reply: Reply): boolean;

  /** Throws UNREACHABLE, BAD_REPLY, or TIMEOUT when the signal aborts. */
  async exchange(question: Buffer, signal: AbortSignal): Promise<Reply> {
    for (let kept = this.#socket !== undefined; ; kept = false) {
      try {
        return await this.#once(question, signal);
      } catch (error) {
        if (!(error instanceof Stale)) throw error;
        if (!kept) throw this.#unreachable('the connection ended before the reply came');
      }
    }
  }

  close(): void {
    this.#drop();
    this.#fail(this.#unreachable('the connection was closed'));
  }

  #once(question: Buffer, signal: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(this.#late());
      const socket = this.#socket ?? this.#open();
      this.clear();
      this.#heard = false;
      this.#waiting = { resolve, reject, signal };
      signal.addEventListener('abort', this.#onAbort);
      socket.write(question);
    });
  }

  #open(): Socket {
    const callback = (bytes: number, memory: Uint8Array) => {
      if (this.#socket === socket) this.#onData(memory as Buffer, bytes);
      return true;
    };
    const socket = connect({
      host: this.host,
      port: this.port,
      noDelay: true,
      onread: { buffer: scratch, callback },
    });
    this.#socket = socket;
    socket.on('error', (error) => this.#onEnd(socket, error));
    socket.on('close', () => this.#onEnd(socket, undefined));
    return socket;
  }

  #onData(memory: Buffer, bytes: number): void {
    // Nobody asked: the next reply could not be told from this.
    if (this.#waiting === undefined) return this.#drop();
    this.#heard = true;
    try {
      const reply = this.take(memory.subarray(0, bytes));
      if (reply === undefined) return;
      if (!this.keeps(reply) || this.clear()) this.#drop();
      this.#done()?.resolve(reply);
    } catch (error) {
      this.#drop();
      this.#fail(error);
    }
  }

  #onEnd(socket: Socket, error: Error | undefined): void {
    if (this.#socket !== socket) return;
    this.#drop();
    if (this.#waiting === undefined) return;
    const reply = error === undefined ? this.finish() : undefined;
    if (reply !== undefined) return this.#done()?.resolve(reply);
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    if (!this.#heard && (error === undefined || code === 'ECONNRESET' || code === 'EPIPE'))
      return this.#fail(new Stale());
    this.#fail(
      this.#unreachable(
        error === undefined ? 'the connection ended in the middle of a reply' : explained(error),
        error,
      ),
    );
  }

  readonly #onAbort = (): void => {
    this.#drop();
    this.#fail(this.#late());
  };

  #fail(error: unknown): void {
    this.#done()?.reject(error);
  }

  #done(): Waiting<Reply> | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.signal.removeEventListener('abort', this.#onAbort);
    return waiting;
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #unreachable(text: string, cause?: unknown): LaresError {
    return new LaresError('UNREACHABLE', `${this.shown}: ${text}`, { cause });
  }

  #late(): LaresError {
    return new LaresError('TIMEOUT', `${this.shown} did not answer in time`);
  }
}
