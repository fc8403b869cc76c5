import { createServer as plainServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as tlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { difference, full, rest, type Json, type Kept } from './sim.codec.ts';

/** What a simulated Home Assistant does instead of answering. */
export type Fault =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  | 'hang'
  | 'html'
  | 'huge'
  | 'slow'
  | 'garbage';

export interface SimOptions {
  readonly token?: string;
  /** Epoch ms; the demo house brings its own time. */
  readonly now?: () => number;
  /** Failed logins before this machine is banned, as `login_attempts_threshold`; never unless told. */
  readonly banAfter?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly status: number | Extract<Fault, string>;
  /** Epoch ms. */
  readonly at: number;
}

interface Client {
  readonly socket: WebSocket;
  coalesce: boolean;
  lastId: number;
  /** Subscription id to its entities; undefined means all. */
  readonly subscriptions: Map<number, ReadonlySet<string> | undefined>;
}

/**
 * A Home Assistant on loopback that speaks the real REST and WebSocket protocol: tokens, bans, states,
 * `subscribe_entities` by difference, coalesced messages; and fails on demand.
 */
export class HomeAssistantSim {
  /** Everything asked of it, oldest first. */
  readonly requests: SeenRequest[] = [];
  /** Texts that clients sent over WebSockets, without their tokens. */
  readonly heard: Json[] = [];
  token: string;
  /** Set to fail every request whose path the pattern matches. */
  fault: Fault | undefined;
  faultPath = /^\/api\//;
  /** Refuses WebSockets with this status, as a proxy does. */
  socketFault: Extract<Fault, object> | undefined;
  /** Results of further WebSocket commands by their type, for areas that ask more than presence does. */
  readonly commands = new Map<string, (message: Json) => unknown>();
  /** What a service call does with an entity, by `domain/service`. */
  readonly services = new Map<string, (entity: string) => void>();
  /** What is asked over REST is answered as it is then, and arrives when this resolves: a slow line. */
  line: Promise<unknown> | undefined;
  /** Takes WebSocket messages and answers none. */
  mute = false;
  #banned = false;
  #failures = 0;
  readonly #banAfter: number;
  readonly #now: () => number;
  readonly #secure: boolean;
  readonly #states = new Map<string, Kept>();
  readonly #clients = new Set<Client>();
  readonly #open = new Set<Duplex>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: 4 * 2 ** 20 });
  #contexts = 0;

  constructor(options: SimOptions = {}) {
    this.token = options.token ?? 'simulated-long-lived-token';
    this.#now = options.now ?? Date.now;
    this.#banAfter = options.banAfter ?? Number.POSITIVE_INFINITY;
    this.#secure = options.tls !== undefined;
    const answer = (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response);
    this.#server = options.tls === undefined ? plainServer(answer) : tlsServer(options.tls, answer);
    this.#server.on('connection', (socket: Duplex) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      socket.on('error', () => {});
    });
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
  }

  /** Listens; resolves with itself once it does. */
  listen(port = 0): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => resolve(this));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#secure ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** Number of WebSockets that are logged in and subscribed. */
  get subscribers(): number {
    return [...this.#clients].filter((c) => c.subscriptions.size > 0).length;
  }

  get banned(): boolean {
    return this.#banned;
  }

  /** Bans or, as editing ip_bans.yaml and restarting does, unbans. */
  ban(banned = true): void {
    this.#banned = banned;
    this.#failures = 0;
  }

  state(entity: string): { readonly state: string; readonly attributes: Json } | undefined {
    return this.#states.get(entity);
  }

  /** Sets state and all attributes, and tells the subscribers what differs. */
  setState(entity: string, state: string, attributes: Json = {}): void {
    const before = this.#states.get(entity);
    const now = this.#now();
    const changed = before?.state === state ? before.changed : now;
    this.#contexts += 1;
    const context = String(this.#contexts).padStart(26, '0');
    const kept = { state, attributes, changed, updated: now, context };
    this.#states.set(entity, kept);
    this.#publish(
      entity,
      before === undefined ? { a: { [entity]: full(kept) } } : { c: { [entity]: difference(before, kept) } },
    );
  }

  removeState(entity: string): void {
    if (this.#states.delete(entity)) this.#publish(entity, { r: [entity] });
  }

  /** Cuts every WebSocket without a farewell, as a killed process does. */
  dropSockets(): void {
    for (const { socket } of this.#clients) socket.terminate();
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.dropSockets();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #publish(entity: string, event: Json): void {
    for (const client of this.#clients)
      for (const [id, entities] of client.subscriptions)
        if (entities === undefined || entities.has(entity))
          this.#send(client, [{ id, type: 'event', event }]);
  }

  #send(client: Client, messages: readonly Json[]): void {
    if (this.mute) return;
    // The real one sends an array only to clients that asked for it, and only when several are due.
    if (client.coalesce && messages.length > 1) client.socket.send(JSON.stringify(messages));
    else for (const message of messages) client.socket.send(JSON.stringify(message));
  }

  #log(request: IncomingMessage, status: SeenRequest['status']): void {
    const path = request.url ?? '';
    this.requests.push({ method: request.method ?? '', path, status, at: this.#now() });
  }

  #failedLogin(): void {
    this.#failures += 1;
    if (this.#failures >= this.#banAfter) this.#banned = true;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '';
    if (this.fault !== undefined && this.faultPath.test(path))
      return this.#fail(this.fault, request, response);
    const reply = (status: number, body: unknown, type = 'application/json') => {
      this.#log(request, status);
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const send = () => response.writeHead(status, { 'content-type': type }).end(text);
      if (this.line === undefined) send();
      else void this.line.then(send);
    };
    if (this.#banned) return reply(403, '403: Forbidden', 'text/plain; charset=utf-8');
    if (!path.startsWith('/api/')) {
      return path === '/'
        ? reply(200, '<!DOCTYPE html><title>Home Assistant</title>', 'text/html')
        : reply(404, '404: Not Found', 'text/plain; charset=utf-8');
    }
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      this.#failedLogin();
      return reply(401, '401: Unauthorized', 'text/plain; charset=utf-8');
    }
    const service = this.services.get(/^\/api\/services\/(\w+\/\w+)$/.exec(path)?.[1] ?? '');
    if (request.method === 'POST' && service !== undefined)
      return void json(request).then((body) => {
        service(String(body['entity_id']));
        reply(200, []);
      });
    const entity = /^\/api\/states\/([^/?]+)$/.exec(path)?.[1];
    if (request.method !== 'GET') return reply(405, '405: Method Not Allowed', 'text/plain; charset=utf-8');
    if (path === '/api/') return reply(200, { message: 'API running.' });
    if (path === '/api/states')
      return reply(
        200,
        [...this.#states].map(([id, kept]) => rest(id, kept)),
      );
    if (entity === undefined) return reply(404, '404: Not Found', 'text/plain; charset=utf-8');
    const kept = this.#states.get(decodeURIComponent(entity));
    return kept === undefined
      ? reply(404, { message: 'Entity not found.' })
      : reply(200, rest(decodeURIComponent(entity), kept));
  }

  #fail(fault: Fault, request: IncomingMessage, response: ServerResponse): void {
    this.#log(request, typeof fault === 'string' ? fault : fault.status);
    if (typeof fault === 'object') {
      response.writeHead(fault.status, { 'content-type': 'text/plain; charset=utf-8', ...fault.headers });
      response.end(fault.body ?? `${fault.status}: simulated`);
      return;
    }
    const type = fault === 'html' ? 'text/html; charset=utf-8' : 'application/json';
    if (fault !== 'hang') response.writeHead(200, { 'content-type': type });
    const bodies: Partial<Record<typeof fault, string>> = {
      html: '<!DOCTYPE html><title>Router login</title>',
      garbage: '{"entity_id": "person.alex", "state": ',
      huge: `{"entity_id":"person.alex","state":"${'x'.repeat(10 * 2 ** 20)}"}`,
    };
    const body = bodies[fault];
    if (body !== undefined) return void response.end(body);
    if (fault !== 'slow') return;
    const timer = setInterval(() => response.write(' '), 1000);
    this.#timers.add(timer);
    response.write(' ');
    response.on('close', () => clearInterval(timer));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = this.#banned ? { status: 403 } : this.socketFault;
    if (refuse !== undefined || request.url !== '/api/websocket') {
      const status = refuse?.status ?? 404;
      this.#log(request, status);
      socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    this.#log(request, 101);
    this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#welcome(ws));
  }

  #welcome(socket: WebSocket): void {
    const client: Client = { socket, coalesce: false, lastId: 0, subscriptions: new Map() };
    let known = false;
    socket.on('error', () => {});
    socket.on('close', () => this.#clients.delete(client));
    this.#clients.add(client);
    this.#send(client, [{ type: 'auth_required', ha_version: '2026.11.1' }]);
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Json;
      this.heard.push(Object.fromEntries(Object.entries(message).filter(([key]) => key !== 'access_token')));
      if (this.mute) return;
      if (known) return this.#obey(client, message);
      known = message['type'] === 'auth' && message['access_token'] === this.token;
      if (known) {
        this.#failures = 0;
        this.#send(client, [{ type: 'auth_ok', ha_version: '2026.11.1' }]);
        return;
      }
      this.#failedLogin();
      this.#send(client, [{ type: 'auth_invalid', message: 'Invalid access token or password' }]);
      socket.close();
    });
  }

  #obey(client: Client, message: Json): void {
    const id = Number(message['id']);
    const result = { id, type: 'result', success: true, result: null };
    const refuse = (code: string, text: string) =>
      this.#send(client, [{ id, type: 'result', success: false, error: { code, message: text } }]);
    if (!(id > client.lastId)) return refuse('id_reuse', 'Identifier values have to increase.');
    client.lastId = id;
    const commands: Readonly<Record<string, () => void>> = {
      ping: () => this.#send(client, [{ id, type: 'pong' }]),
      supported_features: () => {
        client.coalesce = (message['features'] as Json | undefined)?.['coalesce_messages'] === 1;
        this.#send(client, [result]);
      },
      subscribe_entities: () => {
        const ids = message['entity_ids'] as string[] | undefined;
        const wanted = ids === undefined ? undefined : new Set(ids);
        client.subscriptions.set(id, wanted);
        const a = [...this.#states]
          .filter(([entity]) => wanted?.has(entity) ?? true)
          .map(([e, k]) => [e, full(k)]);
        this.#send(client, [result, { id, type: 'event', event: { a: Object.fromEntries(a) } }]);
      },
      get_states: () =>
        this.#send(client, [{ ...result, result: [...this.#states].map(([e, kept]) => rest(e, kept)) }]),
      unsubscribe_events: () => {
        client.subscriptions.delete(Number(message['subscription']));
        this.#send(client, [result]);
      },
    };
    const type = String(message['type']);
    const further = this.commands.get(type);
    if (further !== undefined) return this.#send(client, [{ ...result, result: further(message) }]);
    const command = commands[type];
    if (command === undefined) refuse('unknown_command', 'Unknown command.');
    else command();
  }
}

async function json(request: IncomingMessage): Promise<Json> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Json;
}

/** A running house with two people, and the settings of a driver that watches them. For the contract test. */
export async function simulate() {
  const sim = await new HomeAssistantSim().listen();
  sim.setState('person.alex', 'home', { friendly_name: 'Alex' });
  sim.setState('person.sam', 'not_home', { friendly_name: 'Sam' });
  return {
    config: {
      url: sim.url,
      token: sim.token,
      entities: ['alex', 'sam'].map((person) => ({ person, entity: `person.${person}` })),
    },
    close: () => sim.close(),
  };
}
