import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export interface CloudSimDevice {
  readonly id: string;
  readonly name: string;
  readonly local_key: string;
  readonly product_id?: string;
  readonly product_name?: string;
  readonly category?: string;
  readonly mac?: string;
  readonly sub?: boolean;
  readonly node_id?: string;
}

const tokenLifeMs = 7_200_000;
const clockSkewMs = 300_000;

/** The Tuya cloud on loopback: tokens, signatures, pages of devices, factory data, and refusals on demand. */
export class TuyaCloudSim {
  readonly accessId = 'simulated-access-id';
  readonly secret = 'simulated-access-secret';
  devices: readonly CloudSimDevice[];
  /** Answers every call with this code. */
  refuse: { code: number; msg: string } | undefined;
  pageSize = 20;
  readonly paths: string[] = [];
  readonly #now: () => number;
  readonly #tokens = new Map<string, number>();
  readonly #nonces = new Set<string>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => this.#answer(request, response));

  constructor(devices: readonly CloudSimDevice[] = [], now: () => number = Date.now) {
    this.devices = devices;
    this.#now = now;
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

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  /** Makes every token invalid, as after two hours. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://cloud');
    this.paths.push(url.pathname);
    const outcome = this.refuse ?? this.#checked(request) ?? this.#result(url);
    const body = 'code' in outcome ? { ...outcome, success: false } : { ...outcome, success: true };
    // The status is 200 whatever happens.
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ ...body, t: this.#now(), tid: 'simulated' }));
  }

  /** What is wrong with the request; undefined when it is signed as documented. */
  #checked(request: IncomingMessage): { code: number; msg: string } | undefined {
    const header = (name: string) => String(request.headers[name] ?? '');
    const target = request.url ?? '';
    const isToken = target.startsWith('/v1.0/token');
    if (header('client_id') !== this.accessId) return { code: 1005, msg: 'clientId is invalid' };
    const t = header('t');
    if (!/^\d{13}$/.test(t) || Math.abs(Number(t) - this.#now()) > clockSkewMs)
      return { code: 1013, msg: 'request time is invalid' };
    const token = header('access_token');
    if (!isToken && (this.#tokens.get(token) ?? 0) <= this.#now())
      return { code: 1010, msg: 'token invalid' };
    const nonce = header('nonce');
    if (nonce !== '' && this.#nonces.has(nonce)) return { code: 1004, msg: 'sign invalid' };
    this.#nonces.add(nonce);
    // The parameters must be signed in alphabetical order, in whatever order they are sent.
    const [path, query = ''] = target.split('?');
    const ordered = query.split('&').toSorted().join('&');
    const hash = createHash('sha256').update('').digest('hex');
    const text = `${request.method}\n${hash}\n\n${path}?${ordered}`;
    const wanted = createHmac('sha256', this.secret)
      .update(`${this.accessId}${isToken ? '' : token}${t}${nonce}${text}`)
      .digest('hex')
      .toUpperCase();
    const given = Buffer.from(header('sign'));
    const right =
      header('sign_method') === 'HMAC-SHA256' &&
      given.length === wanted.length &&
      timingSafeEqual(given, Buffer.from(wanted));
    return right ? undefined : { code: 1004, msg: 'sign invalid' };
  }

  #result({ pathname, searchParams }: URL): { code: number; msg: string } | { result: unknown } {
    if (pathname === '/v1.0/token') {
      const token = `simulated-token-${this.#tokens.size + 1}-${this.#now()}`;
      this.#tokens.set(token, this.#now() + tokenLifeMs);
      return {
        result: { access_token: token, expire_time: 7200, refresh_token: 'unused', uid: 'simulated' },
      };
    }
    if (pathname === '/v1.0/iot-01/associated-users/devices') {
      const size = Math.min(this.pageSize, Number(searchParams.get('size') ?? 20));
      const from = Number(searchParams.get('last_row_key') ?? 0);
      const page = this.devices.slice(from, from + size).map((device) => ({ ...device, mac: undefined }));
      const to = from + page.length;
      const has_more = to < this.devices.length;
      return { result: { devices: page, has_more, last_row_key: String(to), total: this.devices.length } };
    }
    if (pathname === '/v2.0/devices/factory-infos') {
      const ids = (searchParams.get('device_ids') ?? '').split(',');
      const known = this.devices.filter(({ id, mac }) => ids.includes(id) && mac !== undefined);
      return { result: known.map(({ id, mac }) => ({ id, mac, sn: 'simulated', uuid: id })) };
    }
    return { code: 1108, msg: 'uri path invalid' };
  }
}
