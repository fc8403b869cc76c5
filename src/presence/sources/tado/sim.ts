import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { StateStore } from '#store/model.ts';
import { accountKey, clientId, type TadoAccount, type TadoCloud } from './model.ts';

export interface TadoSimOptions {
  readonly now?: () => number;
  /** API requests a day. */
  readonly quota?: number;
  readonly home?: number;
}

interface SimPhone {
  readonly name: string;
  readonly atHome?: boolean;
  readonly stale?: boolean;
}

const dayMs = 86_400_000;
const accessLifeS = 600;

/**
 * The Tado cloud on loopback: device-code login, refresh tokens that are good for one use, `me` and `mobileDevices`
 * with a daily quota and its headers; and refusals on demand.
 */
export class TadoSim {
  readonly requests: { readonly path: string; readonly status: number; readonly at: number }[] = [];
  phones: readonly SimPhone[] = [];
  /** Answers every API request with this status. */
  apiFault: number | undefined;
  /** Answers every request of the login server with this status. */
  loginFault: number | undefined;
  /** `me` as some accounts say it. */
  meAs: 'homes' | 'homeIds' | 'homeId' = 'homes';
  readonly home: number;
  #confirmed: 'pending' | 'yes' | 'no' = 'pending';
  #used = 0;
  #dayStarted: number;
  #serial = 0;
  #refresh: string | undefined;
  #access = new Map<string, number>();
  #codes = new Map<string, number>();
  readonly #now: () => number;
  readonly #quota: number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  constructor(options: TadoSimOptions = {}) {
    this.#now = options.now ?? Date.now;
    this.#quota = options.quota ?? 100;
    this.home = options.home ?? 4711;
    this.#dayStarted = this.#now();
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  listen(port = 0): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', () => resolve(this));
    });
  }

  get cloud(): TadoCloud {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return { loginUrl: url, apiUrl: url };
  }

  /** API requests of this day that count. */
  get used(): number {
    return this.#used;
  }

  /** What the person in the browser does with the code. */
  confirm(answer: 'yes' | 'no' = 'yes'): void {
    this.#confirmed = answer;
  }

  /** Makes every access token invalid, as a password change does. */
  withdrawAccess(): void {
    this.#access.clear();
  }

  /** An account that is logged in, as `lares tado login` leaves it. */
  account(): TadoAccount {
    const tokens = this.#issue();
    return {
      refreshToken: tokens.refresh_token,
      accessToken: tokens.access_token,
      accessExpiresAt: this.#now() + accessLifeS * 1000,
      homes: [],
      loggedInAt: this.#now(),
      nextPollAt: 0,
    };
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #issue() {
    this.#serial += 1;
    this.#refresh = `simulated-refresh-${this.#serial}`;
    const access = `simulated-access-${this.#serial}`;
    this.#access.set(access, this.#now() + accessLifeS * 1000);
    return {
      access_token: access,
      refresh_token: this.#refresh,
      expires_in: accessLifeS,
      token_type: 'Bearer',
      scope: 'offline_access',
    };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const path = request.url ?? '';
    const [status, value] = path.startsWith('/api/v2/')
      ? this.#api(path, request.headers.authorization)
      : this.#login(path, new URLSearchParams(body));
    this.requests.push({ path, status, at: this.#now() });
    const left = Math.max(0, this.#quota - this.#used);
    const reset = Math.ceil((this.#dayStarted + dayMs - this.#now()) / 1000);
    response.writeHead(status, {
      'content-type': 'application/json',
      'ratelimit-policy': `"perday";q=${this.#quota};w=86400`,
      // The real one mostly says when the day ends only once it refuses.
      ratelimit: status === 429 ? `"perday";r=0;t=${reset}` : `"perday";r=${left}`,
    });
    // The body of a 429 may be empty.
    response.end(status === 429 ? '' : JSON.stringify(value));
  }

  #api(path: string, authorization: string | undefined): [number, unknown] {
    if (this.apiFault !== undefined) return [this.apiFault, { errors: [{ code: 'simulated' }] }];
    if (this.#now() - this.#dayStarted >= dayMs) {
      this.#dayStarted = this.#now();
      this.#used = 0;
    }
    if (this.#used >= this.#quota) return [429, ''];
    this.#used += 1;
    const expires = this.#access.get(authorization?.replace('Bearer ', '') ?? '') ?? 0;
    if (expires <= this.#now()) return [401, { errors: [{ code: 'unauthorized' }] }];
    if (path === '/api/v2/me') {
      const home = { homes: [{ id: this.home, name: 'Home' }], homeIds: [this.home], homeId: this.home };
      return [200, { name: 'Alex', [this.meAs]: home[this.meAs] }];
    }
    if (path !== `/api/v2/homes/${this.home}/mobileDevices`)
      return [403, { errors: [{ code: 'accessDenied' }] }];
    return [
      200,
      this.phones.map(({ name, atHome, stale = false }, index) => ({
        name,
        id: 100 + index,
        settings: { geoTrackingEnabled: atHome !== undefined },
        ...(atHome === undefined
          ? {}
          : {
              location: {
                stale,
                atHome,
                bearingFromHome: { degrees: 0, radians: 0 },
                relativeDistanceFromHomeFence: atHome ? 0 : 1,
              },
            }),
      })),
    ];
  }

  #login(path: string, form: URLSearchParams): [number, unknown] {
    if (this.loginFault !== undefined) return [this.loginFault, { error: 'simulated' }];
    if (form.get('client_id') !== clientId) return [401, { error: 'invalid_client' }];
    if (path === '/oauth2/device_authorize') {
      const code = `simulated-device-${this.#codes.size + 1}`;
      this.#codes.set(code, this.#now() + 300_000);
      const uri = `${this.cloud.loginUrl}/oauth2/device`;
      return [
        200,
        {
          device_code: code,
          user_code: 'AB12CD',
          verification_uri: uri,
          verification_uri_complete: `${uri}?user_code=AB12CD`,
          expires_in: 300,
          interval: 5,
        },
      ];
    }
    if (path !== '/oauth2/token') return [404, { error: 'not_found' }];
    return form.get('grant_type') === 'refresh_token'
      ? this.#refreshGrant(form)
      : form.get('grant_type') === 'password'
        ? [410, { error: 'gone' }]
        : this.#deviceGrant(form);
  }

  #refreshGrant(form: URLSearchParams): [number, unknown] {
    if (this.#refresh === undefined || form.get('refresh_token') !== this.#refresh)
      return [400, { error: 'invalid_grant' }];
    return [200, this.#issue()];
  }

  #deviceGrant(form: URLSearchParams): [number, unknown] {
    const expires = this.#codes.get(form.get('device_code') ?? '') ?? 0;
    if (expires <= this.#now()) return [400, { error: 'expired_token' }];
    if (this.#confirmed === 'pending') return [400, { error: 'authorization_pending' }];
    return this.#confirmed === 'no' ? [400, { error: 'access_denied' }] : [200, this.#issue()];
  }
}

/** A running cloud with two phones, a logged-in account, and the settings that watch them. For the contract test. */
export async function simulate(state: StateStore) {
  const sim = await new TadoSim().listen();
  sim.phones = [{ name: 'Alex phone', atHome: true }, { name: 'Sam phone' }];
  await state.set(accountKey, sim.account());
  return {
    config: { devices: [{ person: 'alex', device: 'alex phone' }] },
    cloud: sim.cloud,
    close: () => sim.close(),
  };
}
