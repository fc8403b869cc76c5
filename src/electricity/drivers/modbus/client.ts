import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { LaresError } from '#kernel/errors.ts';
import { explained } from '#platform/http-client.ts';
import { decodeReply, encodeRead, Refusal, type Framing, type ReadRequest, type Reply } from './codec.ts';
import type { Dial } from './dial.ts';

/** Requests without a reply whose late reply is still recognised. */
const mostAbandoned = 32;
// A peer that sends more than two whole frames for one request is not talking to us.
const mostBuffered = 1024;

export interface LinkOptions {
  /** For errors: `192.0.2.7:502`. */
  readonly address: string;
  readonly dial: Dial;
  readonly framing: Framing;
  /** Silence before each request, which a serial line needs. */
  readonly quietMs?: number;
}

interface Pending {
  readonly request: ReadRequest;
  readonly transaction: number;
  readonly resolve: (registers: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

type Abandoned = Pick<Pending, 'request' | 'transaction'>;

/**
 * One connection to a bus, one request at a time. It connects by itself when it must. Whatever breaks the stream (garbage,
 * a wrong CRC, a reply to something that was never asked) closes it, so that the next request starts on clean ground;
 * silence does not, because behind a gateway it is one meter that is silent and not the gateway.
 */
export class Link {
  readonly #options: LinkOptions;
  #stream: Duplex | undefined;
  #buffer: Buffer = Buffer.alloc(0);
  #pending: Pending | undefined;
  #transaction = 0;
  #abandoned: Abandoned[] = [];
  #lastHeardAt = 0;
  /** The last connection is closed for good. */
  #gone: Promise<void> | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /**
   * The registers of one request, two bytes each. Throws Refusal (the device said no), TIMEOUT, UNREACHABLE or BAD_REPLY;
   * rejects with the signal's reason when it aborts.
   */
  async read(request: ReadRequest, timeoutMs: number, signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted();
    if (this.#pending !== undefined) throw new LaresError('INTERNAL', 'two Modbus requests at the same time');
    const stream = this.#stream ?? (await this.connect(timeoutMs, signal));
    if (this.#options.quietMs !== undefined && this.#options.quietMs > 0) await this.#quiet(signal);
    return await this.#exchange(stream, request, timeoutMs, signal);
  }

  /** Connects, unless it is connected. Throws UNREACHABLE, TIMEOUT or CONFIG_INVALID. */
  async connect(timeoutMs: number, signal: AbortSignal): Promise<Duplex> {
    if (this.#stream !== undefined) return this.#stream;
    // A serial port stays locked until its last owner has let go.
    await this.#gone;
    const stream = await this.#options.dial(timeoutMs, signal);
    if (signal.aborted) {
      stream.destroy();
      throw signal.reason;
    }
    this.#stream = stream;
    this.#buffer = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => this.#hear(stream, chunk));
    stream.on('error', (error) => this.#lost(stream, `${this.#options.address}: ${explained(error)}`, error));
    stream.on('close', () => this.#lost(stream, `${this.#options.address} closed the connection`));
    stream.on('end', () => stream.destroy());
    this.#gone = new Promise((resolve) => stream.once('close', () => resolve()));
    return stream;
  }

  /** Lets go of the connection; a request on its way fails. */
  close(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#lost(stream, `the connection to ${this.#options.address} was closed`);
    stream.destroy();
  }

  async #quiet(signal: AbortSignal): Promise<void> {
    const left = (this.#options.quietMs ?? 0) - (performance.now() - this.#lastHeardAt);
    if (left > 0) await sleep(left, undefined, { signal });
  }

  #exchange(stream: Duplex, request: ReadRequest, timeoutMs: number, signal: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#pending = undefined;
      };
      this.#transaction = (this.#transaction + 1) & 0xffff;
      const pending: Pending = {
        request,
        transaction: this.#transaction,
        resolve: (registers) => (done(), resolve(registers)),
        reject: (error) => (done(), reject(error as Error)),
      };
      const giveUp = (error: unknown) => {
        if (this.#pending !== pending) return;
        this.#abandoned = [...this.#abandoned, pending].slice(-mostAbandoned);
        pending.reject(error);
      };
      const onAbort = () => giveUp(signal.reason);
      const silence = () =>
        new LaresError(
          'TIMEOUT',
          `timeout: ${this.#who(request)} did not answer within ${timeoutMs / 1000} s`,
        );
      // After a halt of this process the timer is due before the socket is read; a reply that came in time lies there.
      const timer = setTimeout(() => setImmediate(() => giveUp(silence())), timeoutMs);
      signal.addEventListener('abort', onAbort, { once: true });
      // What lies here was sent unasked or came too late; a reply never begins before its request.
      this.#buffer = Buffer.alloc(0);
      this.#pending = pending;
      stream.write(encodeRead(this.#options.framing, pending.transaction, request));
    });
  }

  #hear(stream: Duplex, chunk: Buffer): void {
    this.#lastHeardAt = performance.now();
    if (this.#pending === undefined || stream !== this.#stream) return;
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    try {
      this.#take();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#break(stream, new LaresError('BAD_REPLY', `${this.#options.address}: ${text}`));
    }
  }

  #take(): void {
    while (this.#pending !== undefined && this.#buffer.length > 0) {
      if (this.#buffer.length > mostBuffered) throw new LaresError('BAD_REPLY', 'it sends without end');
      const reply = decodeReply(this.#options.framing, this.#buffer);
      if (reply === undefined) return;
      this.#buffer = this.#buffer.subarray(reply.length);
      const pending: Pending = this.#pending;
      if (!answers(pending, reply)) {
        this.#forgive(pending, reply);
        continue;
      }
      if (reply.exception === undefined) pending.resolve(reply.data);
      else pending.reject(new Refusal(reply.exception, this.#who(pending.request)));
    }
  }

  /** Drops the late reply to a request that was given up. Throws when the reply belongs to no request at all. */
  #forgive(pending: Pending, reply: Reply): void {
    const index = this.#abandoned.findIndex((old) => answers(old, reply));
    if (index < 0) throw new LaresError('BAD_REPLY', stranger(pending, reply));
    this.#abandoned.splice(index, 1);
  }

  #break(stream: Duplex, error: LaresError): void {
    this.#stream = undefined;
    stream.destroy();
    this.#pending?.reject(error);
  }

  #lost(stream: Duplex, text: string, cause?: unknown): void {
    if (stream !== this.#stream) return;
    this.#break(stream, new LaresError('UNREACHABLE', text, cause === undefined ? {} : { cause }));
  }

  #who = (request: ReadRequest) => `unit ${request.unit} at ${this.#options.address}`;
}

/** Whether the reply can only be the one to this request. A serial frame has no number, so all that it says must fit. */
function answers({ request, transaction }: Abandoned, reply: Reply): boolean {
  if (reply.transaction !== undefined && reply.transaction !== transaction) return false;
  if (reply.unit !== request.unit || reply.fn !== request.fn) return false;
  return reply.exception !== undefined || reply.data.length === request.count * 2;
}

function stranger({ request, transaction }: Pending, reply: Reply): string {
  if (reply.transaction !== undefined && reply.transaction !== transaction)
    // Without the numbers: with them every poll would be a new complaint.
    return 'it answered a transaction which is not ours';
  if (reply.unit !== request.unit)
    return `unit ${reply.unit} answered for unit ${request.unit}; do two meters share an id?`;
  if (reply.fn !== request.fn) return `it answered function ${reply.fn} to function ${request.fn}`;
  return `it sent ${reply.data.length / 2} registers instead of ${request.count}`;
}
