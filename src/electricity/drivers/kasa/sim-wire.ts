import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** What can go wrong on the way. */
export const wireFaults = [
  'drop',
  'hang',
  'half-open',
  'garbage',
  'oversized',
  'split',
  'merge',
  'twice',
  'reset',
  'slow',
] as const;
export type WireFault = (typeof wireFaults)[number];

/** Finds one question in what has come so far, and says how many bytes it is; undefined while it is not whole. */
export type Cut<Question> = (
  bytes: Buffer,
) => { readonly question: Question; readonly bytes: number } | undefined;

export interface WireOptions<Question> {
  readonly cut: Cut<Question>;
  readonly answer: (question: Question) => Buffer;
  /** A start of a reply that announces more than any client should take. */
  readonly oversized: Buffer;
  readonly has: (fault: WireFault) => boolean;
}

const pieceBytes = 7;
const mergeMs = 20;
const slowMs = 100;

/** A TCP server of a simulated device: cuts questions out of the stream, and spoils the answers as the faults say. */
export class SimWire<Question> {
  readonly #options: WireOptions<Question>;
  readonly #sockets = new Set<Socket>();
  readonly #deaf = new WeakSet<Socket>();
  #server: Server | undefined;

  constructor(options: WireOptions<Question>) {
    this.#options = options;
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? 0;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  listen(port: number, host: string): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.cut();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The device forgets its connections without a word, as after a power cut. */
  forget(): void {
    for (const socket of this.#sockets) this.#deaf.add(socket);
  }

  #serve(socket: Socket): void {
    if (this.#options.has('drop')) return void socket.destroy();
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let held: Buffer = Buffer.alloc(0);
    let merged: Buffer[] = [];
    socket.on('data', (segment: Buffer) => {
      if (this.#deaf.has(socket)) return;
      held = held.length === 0 ? segment : Buffer.concat([held, segment]);
      for (let next = this.#options.cut(held); next !== undefined; next = this.#options.cut(held)) {
        held = held.subarray(next.bytes);
        const reply = this.#options.answer(next.question);
        if (!this.#options.has('merge')) {
          void this.#deliver(socket, reply);
          continue;
        }
        if (merged.push(reply) === 1)
          setTimeout(() => {
            if (!socket.destroyed) socket.write(Buffer.concat(merged));
            merged = [];
          }, mergeMs);
      }
    });
  }

  async #deliver(socket: Socket, reply: Buffer): Promise<void> {
    const { has, oversized } = this.#options;
    if (has('hang') || has('half-open')) return;
    if (has('slow')) await pause(slowMs);
    if (socket.destroyed) return;
    if (has('garbage'))
      return void socket.write(Buffer.from(reply.map((byte, i) => (byte * 31 + i * 17 + 5) & 255)));
    if (has('oversized')) return void socket.write(oversized);
    if (has('twice')) return void socket.write(Buffer.concat([reply, reply]));
    if (has('reset')) {
      socket.write(reply.subarray(0, Math.ceil(reply.length / 2)), () => socket.resetAndDestroy());
      return;
    }
    if (!has('split')) return void socket.write(reply);
    for (let at = 0; at < reply.length && !socket.destroyed; at += pieceBytes) {
      socket.write(reply.subarray(at, at + pieceBytes));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
