import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** `drop` ends all connections and refuses new ones, `hang` lets nothing through, `reset` breaks all connections once. */
export const relayFaults = ['drop', 'hang', 'reset'] as const;
export type RelayFault = (typeof relayFaults)[number];

/** A port of loopback that passes everything on to another one, and can be cut: the network in front of a server. */
export class Relay {
  /** Where it leads; nobody is let in before it is set. */
  target: number | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  readonly #faults = new Map<RelayFault, NodeJS.Timeout>();

  listen(): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => resolve(this));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const timer of this.#faults.values()) clearTimeout(timer);
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Goes wrong in this way for `ms` of real time. */
  fault(name: RelayFault, ms: number): void {
    if (name === 'reset') {
      for (const socket of this.#sockets) socket.resetAndDestroy();
      return;
    }
    clearTimeout(this.#faults.get(name));
    this.#faults.set(name, setTimeout(() => this.#heal(name), ms).unref());
    for (const socket of this.#sockets)
      if (name === 'drop') socket.destroy();
      else socket.pause();
  }

  #heal(name: RelayFault): void {
    this.#faults.delete(name);
    if (name === 'hang') for (const socket of this.#sockets) socket.resume();
  }

  #accept(near: Socket): void {
    if (this.target === undefined || this.#faults.has('drop')) return void near.destroy();
    const far = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => {});
      from.on('data', (bytes: Buffer) => to.write(bytes));
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#faults.has('hang')) from.pause();
    }
  }
}
