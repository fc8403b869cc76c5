import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { header, takeRtsp, writeRtsp, type RtspMessage } from '../onvif/rtsp.codec.ts';
import {
  noFaults,
  type Cut,
  type Faults,
  type Medium,
  type PathCounts,
  type PathOptions,
} from './rtsp.model.ts';
import { allowed, challengesOf, handlers, methods, pathOf, type Call, type Place } from './rtsp-methods.ts';
import type { RtspSession } from './rtsp-session.ts';

const reasons: Readonly<Record<number, string>> = {
  200: 'OK',
  302: 'Moved Temporarily',
  401: 'Unauthorized',
  404: 'Not Found',
  405: 'Method Not Allowed',
  453: 'Not Enough Bandwidth',
  454: 'Session Not Found',
  461: 'Unsupported Transport',
  503: 'Service Unavailable',
};

const longestWait = 65_536;

const newNonce = () => randomBytes(12).toString('hex');

/** One path of the simulator: a medium, its faults and what was counted. */
class Path implements Place {
  medium: Medium;
  readonly name: string;
  readonly options: PathOptions;
  faults: Faults = noFaults;
  readonly sessions = new Set<RtspSession>();
  readonly connections = new Set<Connection>();
  connected = 0;
  mostConnections = 0;
  played = 0;
  describes = 0;
  pictures = 0;
  bytes = 0;

  constructor(name: string, medium: Medium, options: PathOptions) {
    this.name = name;
    this.medium = medium;
    this.options = options;
  }

  count(pictures: number, bytes: number): void {
    this.pictures += pictures;
    this.bytes += bytes;
  }

  described(): void {
    this.describes += 1;
  }

  began(): void {
    this.played += 1;
  }

  join(connection: Connection): void {
    if (this.connections.has(connection)) return;
    this.connections.add(connection);
    this.connected += 1;
    this.mostConnections = Math.max(this.mostConnections, this.connections.size);
  }
}

/** One client. */
interface Connection {
  readonly socket: Socket;
  nonce: string;
  readonly sessions: Set<RtspSession>;
  path: Path | undefined;
  /** Replies are sent in order, also slow ones. */
  queue: Promise<void>;
}

export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
  /** With a key and a certificate (PEM) it speaks `rtsps`. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

/**
 * RTSP cameras on one port: H.264 and H.265 over TCP and UDP, Digest and Basic, any number of clients, and each path
 * with its own faults. After `close` it may listen again, also on the same port, as a camera that restarts.
 */
export class RtspSim {
  readonly #paths = new Map<string, Path>();
  readonly #connections = new Set<Connection>();
  readonly #random: () => number;
  #server: Server | undefined;
  #scheme = 'rtsp';
  #host = '127.0.0.1';

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  listen(options: ListenOptions = {}): Promise<this> {
    const { tls } = options;
    const accept = (socket: Socket) => this.#accept(socket);
    const server = tls === undefined ? createServer(accept) : createTlsServer({ ...tls }, accept);
    this.#server = server;
    this.#scheme = tls === undefined ? 'rtsp' : 'rtsps';
    this.#host = options.host ?? '127.0.0.1';
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, this.#host, () => resolve(this));
    });
  }

  get port(): number {
    const address = this.#server?.address() as AddressInfo | undefined;
    if (address === undefined) throw new RangeError('the simulator does not listen');
    return address.port;
  }

  /** Adds a camera: `add('/main', clip)`. A path that exists is replaced. */
  add(path: string, medium: Medium, options: PathOptions = {}): this {
    this.#paths.set(path, new Path(path, medium, options));
    return this;
  }

  /** The address of a path, with the credentials that it asks for. */
  url(path: string): string {
    const { username, password } = this.#path(path).options;
    const login =
      username === undefined ? '' : `${encodeURIComponent(username)}:${encodeURIComponent(password ?? '')}@`;
    return `${this.#scheme}://${login}${this.#host}:${this.port}${path}`;
  }

  /** Sets faults of a path; those not named stay. They act at once, also on clients that play. */
  fault(path: string, faults: Partial<Faults>): void {
    const place = this.#path(path);
    place.faults = { ...place.faults, ...faults };
  }

  heal(path: string): void {
    this.#path(path).faults = noFaults;
  }

  /** Ends every connection of a path. */
  cut(path: string, how: Cut = 'fin'): void {
    for (const { socket } of this.#path(path).connections) {
      if (how === 'rst') socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  /**
   * Another medium on a path: its pictures follow in band, with new parameter sets and timestamps that go on, as when
   * the size is changed. Another codec ends the connections, as cameras do, because the description no longer holds.
   */
  replace(path: string, medium: Medium): void {
    const place = this.#path(path);
    const sameCodec = place.medium.codec === medium.codec;
    place.medium = medium;
    if (!sameCodec) return this.cut(path);
    for (const session of place.sessions) session.change();
  }

  counts(path: string): PathCounts {
    const { connections, sessions, connected, mostConnections, played, describes, pictures, bytes } =
      this.#path(path);
    return {
      connections: connections.size,
      connected,
      mostConnections,
      playing: [...sessions].filter(({ playing }) => playing).length,
      played,
      describes,
      pictures,
      bytes,
    };
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const { socket } of this.#connections) socket.destroy();
    await closed;
  }

  #path(name: string): Path {
    const path = this.#paths.get(name);
    if (path === undefined) throw new RangeError(`no simulated camera at ${name}`);
    return path;
  }

  #accept(socket: Socket): void {
    socket.setNoDelay(true);
    const connection: Connection = {
      socket,
      nonce: newNonce(),
      sessions: new Set(),
      path: undefined,
      queue: Promise.resolve(),
    };
    this.#connections.add(connection);
    let pending: Buffer = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#leave(connection));
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        const taken = takeRtsp(pending);
        if (taken.kind === 'garbage' || pending.length > longestWait) return void socket.destroy();
        if (taken.kind === 'more') return;
        pending = taken.rest;
        if (taken.kind === 'message') this.#enqueue(connection, taken.message);
      }
    });
  }

  #leave(connection: Connection): void {
    this.#connections.delete(connection);
    connection.path?.connections.delete(connection);
    for (const session of connection.sessions) this.#end(connection, session);
  }

  #end(connection: Connection, session: RtspSession): void {
    if (!connection.sessions.delete(session)) return;
    session.end();
    connection.path?.sessions.delete(session);
  }

  #enqueue(connection: Connection, request: RtspMessage): void {
    const path = this.#paths.get(pathOf(request.url ?? ''));
    if (path !== undefined && connection.path === undefined) {
      connection.path = path;
      path.join(connection);
    }
    const work = async () => {
      const { slowMs } = (connection.path ?? { faults: noFaults }).faults;
      if (slowMs > 0) await new Promise((resolve) => setTimeout(resolve, slowMs));
      if (!connection.socket.destroyed) await this.#answer(connection, request, path);
    };
    connection.queue = connection.queue.then(work);
  }

  async #answer(connection: Connection, request: RtspMessage, path: Path | undefined): Promise<void> {
    const { socket } = connection;
    const faults = path?.faults ?? noFaults;
    const method = request.method ?? '';
    if (faults.refuse) return void socket.destroy();
    if (faults.hang) return;
    if (faults.babble) return void socket.write(randomBytes(400));
    const reply: Call['reply'] = (status, headers = {}, body = '') =>
      void socket.write(
        writeRtsp(
          `RTSP/1.0 ${status} ${reasons[status] ?? 'Error'}`,
          { CSeq: header(request, 'cseq') ?? '0', ...headers },
          body,
        ),
      );
    if (path === undefined) return method === 'OPTIONS' ? reply(200, { Public: methods }) : reply(404);
    const refused = faults.status[method];
    if (refused !== undefined) return reply(refused);
    const { options } = path;
    if (options.movedTo !== undefined) return reply(302, { Location: options.movedTo });
    if (method !== 'OPTIONS') {
      const { nonce } = connection;
      const knows = allowed(options, request, nonce);
      if (options.nonceOnce === true) connection.nonce = newNonce();
      const stale = options.nonceOnce === true && header(request, 'authorization') !== undefined;
      if (!knows) return reply(401, { 'WWW-Authenticate': challengesOf(options, connection.nonce, stale) });
    }
    const handle = Object.hasOwn(handlers, method) ? handlers[method] : undefined;
    if (handle === undefined) return reply(405);
    await handle({
      place: path,
      request,
      socket,
      sessions: connection.sessions,
      random: this.#random,
      reply,
      end: (session) => this.#end(connection, session),
    });
  }
}
