import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface MjpegOptions {
  /** Pictures as JPEG, shown in turn for ever. */
  readonly pictures: readonly Buffer[];
  readonly fps: number;
  readonly username?: string;
  readonly password?: string;
}

/** What goes wrong until it is told otherwise. */
export type MjpegFault = 'none' | 'refuse' | 'silent' | 'stall' | 'garbage' | '404';

const boundary = 'lares-frame';

/** A camera that sends JPEG pictures over HTTP: `/stream` as multipart, `/snapshot.jpg` as one. */
export class MjpegSim {
  fault: MjpegFault = 'none';
  readonly #options: MjpegOptions;
  readonly #sockets = new Set<Socket>();
  #watching = 0;
  #watched = 0;
  readonly #server = createServer((request, response) => this.#serve(request, response));

  constructor(options: MjpegOptions) {
    this.#options = options;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  listen(port = 0, host = '127.0.0.1'): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve(this));
    });
  }

  /** The address of the stream, with the credentials that it asks for. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    const { username, password = '' } = this.#options;
    const login =
      username === undefined ? '' : `${encodeURIComponent(username)}:${encodeURIComponent(password)}@`;
    return `http://${login}${address}:${port}/stream`;
  }

  /** Streams that are open now, and that ever were. */
  get counts(): { readonly watching: number; readonly watched: number } {
    return { watching: this.#watching, watched: this.#watched };
  }

  /** Ends every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    if (this.fault === 'refuse') return void request.socket.destroy();
    if (this.fault === 'silent') return;
    const [picture] = this.#options.pictures;
    if (this.fault === '404' || picture === undefined) return void response.writeHead(404).end();
    if (!this.#allowed(request.headers.authorization)) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="simulated camera"' }).end();
      return;
    }
    if (request.url === '/snapshot.jpg') {
      response.writeHead(200, { 'content-type': 'image/jpeg' }).end(picture);
      return;
    }
    if (request.url !== '/stream') return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': `multipart/x-mixed-replace; boundary=${boundary}` });
    this.#watching += 1;
    this.#watched += 1;
    let index = 0;
    const timer = setInterval(() => {
      if (this.fault === 'stall') return;
      const { pictures } = this.#options;
      const data =
        this.fault === 'garbage' ? randomBytes(500) : (pictures[index % pictures.length] ?? picture);
      index += 1;
      response.write(`--${boundary}\r\nContent-Type: image/jpeg\r\nContent-Length: ${data.length}\r\n\r\n`);
      response.write(data);
      response.write('\r\n');
    }, 1000 / this.#options.fps);
    response.on('close', () => {
      clearInterval(timer);
      this.#watching -= 1;
    });
  }

  #allowed(authorization: string | undefined): boolean {
    const { username, password = '' } = this.#options;
    if (username === undefined) return true;
    return authorization === `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
}
