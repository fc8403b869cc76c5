import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { freePort } from './process.ts';

/**
 * What the line between two programs does. `pass`: nothing. `hang`: accepts and reads nothing, as a frozen host behind
 * a router. `reset`: breaks every connection after `afterBytes`. `slow`: lets `bytesPerSecond` through.
 */
export type Line =
  | { readonly mode: 'pass' }
  | { readonly mode: 'hang' }
  | { readonly mode: 'reset'; readonly afterBytes: number }
  | { readonly mode: 'slow'; readonly bytesPerSecond: number };

/** A TCP line on loopback that can be made bad while it runs; half-closes are passed on. */
export class TcpProxy {
  line: Line = { mode: 'pass' };
  /** Connections accepted so far. */
  accepted = 0;
  readonly #open = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  get port(): number {
    return this.#port;
  }

  get connections(): number {
    return this.#open.size;
  }

  /** On a port that is free again when the line is cut and mended. */
  async start(targetPort: number, wanted?: number): Promise<void> {
    const port = wanted ?? (await freePort());
    const server = createServer({ allowHalfOpen: true }, (client) => this.#carry(client, targetPort));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** Breaks every connection with a reset. */
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) =>
      this.#server === undefined ? resolve() : this.#server.close(() => resolve()),
    );
  }

  #carry(client: Socket, targetPort: number): void {
    this.accepted += 1;
    this.#open.add(client);
    client.on('close', () => this.#open.delete(client));
    client.on('error', () => client.destroy());
    if (this.line.mode === 'hang') return void client.pause();
    const server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    server.on('error', () => client.resetAndDestroy());
    server.on('close', () => client.destroy());
    client.on('close', () => server.destroy());
    server.pipe(client);
    let seen = 0;
    client.on('data', (chunk: Buffer) => {
      const { line } = this;
      seen += chunk.length;
      if (line.mode === 'reset' && seen >= line.afterBytes) {
        server.write(chunk.subarray(0, Math.max(0, chunk.length - (seen - line.afterBytes))));
        client.resetAndDestroy();
        return;
      }
      server.write(chunk);
      if (line.mode !== 'slow' && line.mode !== 'hang') return;
      client.pause();
      const waitMs = line.mode === 'slow' ? (chunk.length / line.bytesPerSecond) * 1000 : 86_400_000;
      setTimeout(() => client.resume(), waitMs).unref();
    });
    client.on('end', () => server.end());
  }
}
