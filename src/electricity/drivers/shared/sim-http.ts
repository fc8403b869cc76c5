import { createServer, type AddressInfo, type Socket } from 'node:net';
import { Faults } from './sim-faults.ts';

/**
 * What the line and the firmware of a simulated device can do wrong. `drop`: refuses connections. `hang`: accepts and
 * stays silent. `garbage`: bytes that are not HTTP. `bad-json`: half a JSON. `split`: few bytes per segment. `merge`:
 * a second reply in the same segment. `reset`: breaks the connection in mid-reply. `slow`: a second late.
 * `unauthorized`: refuses every sign-in. `busy`: status 503.
 */
export const httpFaults = [
  'drop',
  'hang',
  'garbage',
  'bad-json',
  'split',
  'merge',
  'reset',
  'slow',
  'unauthorized',
  'busy',
] as const;
export type HttpFault = (typeof httpFaults)[number];

export interface SimRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly uri: string;
}

export interface SimReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; text as it is where `plain`. */
  readonly body: unknown;
  readonly plain?: true;
}

const reasons: Readonly<Record<number, string>> = { 200: 'OK', 401: 'Unauthorized', 404: 'Not Found' };
const slowMs = 1_000;

/** A small HTTP/1.1 server on a raw socket, so that its bytes can be cut, mixed and lost at will. */
export class SimHttp {
  /** Requests answered so far, by path. */
  readonly asked = new Map<string, number>();
  /** Connections accepted so far. */
  accepted = 0;
  readonly #answer: (request: SimRequest) => SimReply;
  readonly #keepAlive: boolean;
  readonly #sockets = new Set<Socket>();
  readonly #faults = new Faults<HttpFault>();
  readonly #server = createServer((socket) => this.#serve(socket));

  /** `keepAlive` false: closes after each reply, as the web server of an ESP8266 does. */
  constructor(answer: (request: SimRequest) => SimReply, keepAlive = true) {
    this.#answer = answer;
    this.#keepAlive = keepAlive;
  }

  listen(port: number, host: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, resolve);
    });
  }

  /** `127.0.0.1:4711`; empty before `listen`. */
  get host(): string {
    const address = this.#server.address() as AddressInfo | null;
    return address === null ? '' : `${address.address}:${address.port}`;
  }

  /** Does this wrong for `ms`; for ever without. */
  fault(name: HttpFault, ms?: number): void {
    this.#faults.begin(name, ms);
    if (name === 'drop') this.cut();
  }

  heal(name: HttpFault): void {
    this.#faults.end(name);
  }

  has(name: HttpFault): boolean {
    return this.#faults.has(name);
  }

  /** Closes every connection, as a device does when it reboots. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.#faults.clear();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #serve(socket: Socket): void {
    this.accepted += 1;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (this.has('drop')) return void socket.destroy();
    let pending = '';
    let work = Promise.resolve();
    socket.on('data', (chunk: Buffer) => {
      pending += chunk.toString('latin1');
      for (let parsed = parse(pending); parsed !== undefined; parsed = parse(pending)) {
        pending = pending.slice(parsed.length);
        const { request } = parsed;
        work = work.then(() => this.#reply(socket, request));
      }
    });
  }

  async #reply(socket: Socket, request: SimRequest): Promise<void> {
    this.asked.set(request.path, (this.asked.get(request.path) ?? 0) + 1);
    if (this.has('hang')) return;
    if (this.has('slow')) await new Promise((resolve) => setTimeout(resolve, slowMs).unref());
    if (this.has('garbage')) return void socket.write(Buffer.from([0, 255, 13, 10, 1, 2, 3, 13, 10, 13, 10]));
    const reply: SimReply = this.has('busy') ? { status: 503, body: 'busy' } : this.#answer(request);
    const json = reply.plain === true ? String(reply.body) : JSON.stringify(reply.body);
    const bytes = this.#frame(reply, this.has('bad-json') ? json.slice(0, Math.ceil(json.length / 2)) : json);
    if (this.has('reset')) {
      socket.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => socket.resetAndDestroy());
    } else if (this.has('split')) {
      for (let at = 0; at < bytes.length && !socket.destroyed; at += 7) {
        socket.write(bytes.subarray(at, at + 7));
        await new Promise((resolve) => setImmediate(resolve));
      }
    } else socket.write(this.has('merge') ? Buffer.concat([bytes, bytes]) : bytes);
    if (!this.#keepAlive) socket.end();
  }

  #frame(reply: SimReply, body: string): Buffer {
    const headers = {
      'Content-Type': 'application/json',
      'Content-Length': String(Buffer.byteLength(body)),
      Connection: this.#keepAlive ? 'keep-alive' : 'close',
      ...reply.headers,
    };
    const lines = Object.entries(headers).map(([key, value]) => `${key}: ${value}\r\n`);
    return Buffer.from(
      `HTTP/1.1 ${reply.status} ${reasons[reply.status] ?? 'Status'}\r\n${lines.join('')}\r\n${body}`,
    );
  }
}

/** The first whole request in the text and how long it is; undefined until it is all there. */
function parse(text: string): { request: SimRequest; length: number } | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...lines] = text.slice(0, end).split('\r\n');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const length = end + 4 + Number(headers.get('content-length') ?? 0);
  if (text.length < length) return undefined;
  const [method = 'GET', uri = '/'] = first.split(' ');
  const [path = '/', query = ''] = uri.split('?');
  const body = Buffer.from(text.slice(end + 4, length), 'latin1').toString('utf8');
  return { request: { method, uri, path, query: new URLSearchParams(query), headers, body }, length };
}
