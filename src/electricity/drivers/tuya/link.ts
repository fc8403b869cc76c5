import { connect, type Socket } from 'node:net';
import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { explained } from '#platform/http-client.ts';
import { heartbeatRequest, readBody, type Request, type Said } from './message.codec.ts';
import { commands, hasSession, type DataPoints, type Message, type Version } from './model.ts';
import { FrameStream } from './stream.codec.ts';
import { newNonce, Wire } from './wire.ts';

// Devices drop a connection that was idle for 30 s; some do at 12.
const heartbeatMs = 9_000;
const silentBeats = 3;

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  readonly id: string;
  readonly key: Buffer;
  readonly version: Version;
  readonly clock: Clock;
  /** Hears everything that carries data points: replies, and what the device says unasked. */
  readonly heard: (reply: Reply, points: DataPoints) => void;
}

export interface Limit {
  readonly signal: AbortSignal;
  /** Milliseconds for this exchange. */
  readonly ms: number;
  /** The connection outlives an exchange that ran into its limit: no later reply can be mistaken. */
  readonly lenient?: boolean;
}

export type Reply = Message & { readonly said: Said };
type Accept<T> = (reply: Reply) => T | undefined;

interface Waiter {
  readonly offer: (reply: Reply) => void;
  readonly fail: (error: Error) => void;
}

/** One TCP connection to one physical device. One exchange at a time; every wait ends: with a reply, a limit or the end of the connection. */
export class TuyaLink {
  readonly #options: LinkOptions;
  readonly #wire: Wire;
  readonly #stream = new FrameStream();
  readonly #life = new AbortController();
  #socket: Socket | undefined;
  #waiter: Waiter | undefined;
  #busy: Promise<unknown> | undefined;
  #ended: Error | undefined;
  #quietBeats = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#wire = new Wire(options.version, options.key, 'client');
  }

  get version(): Version {
    return this.#options.version;
  }

  get open(): boolean {
    return this.#socket !== undefined && this.#ended === undefined;
  }

  /** Connects and, from 3.4 on, agrees upon a session key. Throws UNREACHABLE, TIMEOUT, BAD_REPLY or AUTH_REFUSED. */
  async connect(limit: Limit): Promise<void> {
    await this.#wait<true>(limit, (done) => this.#dial(() => done(true)));
    if (hasSession(this.version)) await this.#negotiate(limit);
    void this.#beat();
  }

  /** Sends a request and waits for the first reply that `accept` makes something of. */
  async exchange<T>(request: Request, accept: Accept<T>, limit: Limit): Promise<T> {
    while (this.#busy !== undefined) await this.#busy.catch(() => {});
    const exchange = this.#wait<T>(
      limit,
      () => this.send(request),
      (reply, done) => {
        const result = accept(reply);
        if (result !== undefined) done(result);
      },
    );
    this.#busy = exchange;
    try {
      return await exchange;
    } finally {
      this.#busy = undefined;
    }
  }

  /** Sends without waiting. */
  send({ command, body }: Request): void {
    this.#socket?.write(this.#wire.encode(command, body));
  }

  /** Lets go of everything at once; whoever waits is told. */
  close(error: Error = new LaresError('UNREACHABLE', 'the connection was closed')): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#life.abort();
    this.#socket?.destroy();
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.fail(error);
  }

  #dial(connected: () => void): void {
    const { host, port } = this.#options;
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    socket.on('connect', connected);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) =>
      this.close(new LaresError('UNREACHABLE', `${this.#where()}: ${explained(error)}`, { cause: error })),
    );
    socket.on('close', () =>
      this.close(
        new LaresError(
          'UNREACHABLE',
          `${this.#where()} closed the connection; most devices serve one client at a time: close the phone app`,
        ),
      ),
    );
  }

  async #negotiate(limit: Limit): Promise<void> {
    const wire = this.#wire;
    const nonce = newNonce();
    const theirs = await this.exchange<Buffer>(
      { command: commands.sessionStart, body: nonce },
      ({ command, body }) => (command === commands.sessionAnswer ? body : undefined),
      limit,
    );
    const deviceNonce = Buffer.from(theirs.subarray(0, 16));
    if (theirs.length < 48 || !wire.proves(nonce, theirs.subarray(16, 48))) {
      const error = new LaresError(
        'AUTH_REFUSED',
        `${this.#where()} proves another local key; pairing a device again changes its key: lares tuya wizard`,
      );
      this.close(error);
      throw error;
    }
    this.send({ command: commands.sessionFinish, body: wire.proof(deviceNonce) });
    wire.agree(nonce, deviceNonce);
  }

  #receive(chunk: Buffer): void {
    this.#quietBeats = 0;
    try {
      for (const frame of this.#stream.push(chunk)) {
        if (this.#ended !== undefined) return;
        const message = this.#wire.decode(frame);
        const said = isSession(message.command) ? {} : readBody(message.body);
        const reply = { ...message, said };
        if (said.points !== undefined) this.#options.heard(reply, said.points);
        this.#waiter?.offer(reply);
      }
    } catch (error) {
      // What is damaged once cannot be trusted again: the next poll connects anew.
      const { code, message } =
        error instanceof LaresError ? error : { code: 'BAD_REPLY' as const, message: 'sent nonsense' };
      this.close(new LaresError(code, `${this.#where()}: ${message}`, { cause: error }));
    }
  }

  #wait<T>(
    { signal, ms, lenient = false }: Limit,
    start: (done: (value: T) => void) => void,
    offer: (reply: Reply, done: (value: T) => void) => void = () => {},
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const over = () => {
        const error = new LaresError(
          'TIMEOUT',
          `${this.#where()} did not answer in time; another client, such as the phone app, may hold it`,
        );
        if (!lenient || signal.aborted) return this.close(error);
        settle();
        return reject(error);
      };
      const timer = setTimeout(over, ms);
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', over);
        this.#waiter = undefined;
      };
      const done = (value: T) => {
        settle();
        resolve(value);
      };
      const fail = (error: Error) => {
        settle();
        reject(error);
      };
      this.#waiter = { offer: (reply) => offer(reply, done), fail };
      signal.addEventListener('abort', over, { once: true });
      if (signal.aborted) over();
      else start(done);
    });
  }

  async #beat(): Promise<void> {
    const { clock, id } = this.#options;
    const { signal } = this.#life;
    for (;;) {
      await clock.sleep(heartbeatMs, signal);
      if (signal.aborted) return;
      if (this.#quietBeats >= silentBeats)
        return this.close(
          new LaresError('UNREACHABLE', `${this.#where()} fell silent; the connection is given up`),
        );
      this.#quietBeats += 1;
      this.send(heartbeatRequest(this.version, { id }));
    }
  }

  #where(): string {
    const { host, port, id } = this.#options;
    return `Tuya device ${id} at ${host}:${port}`;
  }
}

const isSession = (command: number) => command >= commands.sessionStart && command <= commands.sessionFinish;
