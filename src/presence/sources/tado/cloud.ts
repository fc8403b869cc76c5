import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { retryAfterMs, shown, webRequest, type WebReply } from '#platform/http-client.ts';
import type { StateStore } from '#store/model.ts';
import {
  oauthError,
  parseDeviceCode,
  parseHomes,
  parseJson,
  parsePhones,
  parseQuota,
  parseTokens,
} from './codec.ts';
import {
  accountKey,
  clientId,
  type DeviceCode,
  type Phone,
  type Quota,
  type TadoAccount,
  type TadoCloud,
} from './model.ts';

const loginAdvice = 'run `lares tado login`';
// Somebody who has just logged in should not wait long for it to be noticed.
const loginNoticedMs = 60_000;
// An access token lives ten minutes; one that ends during the request is refused.
const spareMs = 30_000;

export interface CloudParts {
  readonly cloud: TadoCloud;
  readonly clock: Clock;
  readonly state: StateStore;
}

export const needsLogin = (why: string): LaresError =>
  new LaresError('AUTH_REFUSED', `${why}: ${loginAdvice}`, { retryAfterMs: loginNoticedMs });

/** `POST` of a form to the login server. Any status is a reply. */
export function postForm(
  cloud: TadoCloud,
  path: string,
  form: Readonly<Record<string, string>>,
): Promise<WebReply> {
  return webRequest({
    url: `${cloud.loginUrl}${path}`,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams({ client_id: clientId, ...form }).toString(),
  });
}

/** Asks for a code that a person types into the browser. */
export async function askDeviceCode({ cloud, clock }: CloudParts): Promise<DeviceCode> {
  const reply = await postForm(cloud, '/oauth2/device_authorize', { scope: 'offline_access' });
  if (reply.status !== 200) throw refusal(reply, clock.now());
  return parseDeviceCode(parseJson(reply.text), clock.now());
}

/** The Tado account of this house: tokens that are renewed and kept, and the two questions we ask with them. */
export class TadoClient {
  readonly #parts: CloudParts;
  #quota: Quota = parseQuota(undefined, undefined);

  constructor(parts: CloudParts) {
    this.#parts = parts;
  }

  /** What the last reply said about the quota. */
  get quota(): Quota {
    return this.#quota;
  }

  /** The stored account. Throws AUTH_REFUSED when nobody has logged in. */
  async account(): Promise<TadoAccount> {
    const account = await this.#parts.state.get<TadoAccount>(accountKey);
    if (account !== undefined) return account;
    throw needsLogin(
      'nobody has logged in to Tado (TADO_USERNAME and TADO_PASSWORD no longer work since 2025-03-21)',
    );
  }

  /** Changes parts of the stored account in one atomic write. */
  async keep(change: Partial<TadoAccount>): Promise<TadoAccount> {
    const account = { ...(await this.account()), ...change };
    await this.#parts.state.set(accountKey, account);
    return account;
  }

  /** The homes of the account; asked once, then remembered. */
  async homes(signal?: AbortSignal): Promise<readonly number[]> {
    const { homes } = await this.account();
    if (homes.length > 0) return homes;
    const found = parseHomes(await this.#get('/api/v2/me', signal));
    await this.keep({ homes: found });
    return found;
  }

  /** The phones of one home: one request of the quota. */
  async phones(home: number, signal?: AbortSignal): Promise<Phone[]> {
    return parsePhones(await this.#get(`/api/v2/homes/${home}/mobileDevices`, signal));
  }

  async #get(path: string, signal?: AbortSignal): Promise<unknown> {
    const { clock } = this.#parts;
    const account = await this.account();
    const fresh = account.accessExpiresAt - spareMs > clock.now();
    let reply = await this.#ask(path, fresh ? account.accessToken : await this.#renew(signal), signal);
    // A token may be withdrawn before its time; one more refusal is meant.
    if (reply.status === 401) reply = await this.#ask(path, await this.#renew(signal), signal);
    if (reply.status !== 200) throw refusal(reply, clock.now());
    return parseJson(reply.text);
  }

  async #ask(path: string, token: string, signal?: AbortSignal): Promise<WebReply> {
    const reply = await webRequest({
      url: `${this.#parts.cloud.apiUrl}${path}`,
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      ...(signal === undefined ? {} : { signal }),
    });
    this.#quota = quotaOf(reply);
    return reply;
  }

  /**
   * Trades the refresh token for new tokens and keeps them before anybody uses them. The old one is dead as soon
   * as the server has answered, so a stop does not cut this exchange short: it is given a moment to be written down.
   */
  async #renew(signal?: AbortSignal): Promise<string> {
    const renewed = this.#exchange();
    if (signal === undefined) return renewed;
    renewed.catch(() => {});
    return Promise.race([renewed, afterAbort(signal, 800)]);
  }

  async #exchange(): Promise<string> {
    const { cloud, clock } = this.#parts;
    const { refreshToken } = await this.account();
    const reply = await postForm(cloud, '/oauth2/token', {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    if (reply.status === 400 || reply.status === 401)
      throw needsLogin(`Tado no longer accepts the stored login (${oauthError(reply.text) || reply.status})`);
    if (reply.status !== 200) throw refusal(reply, clock.now());
    const { accessToken, expiresAt, refreshToken: next } = parseTokens(parseJson(reply.text), clock.now());
    await this.keep({ accessToken, refreshToken: next, accessExpiresAt: expiresAt });
    return accessToken;
  }
}

function afterAbort(signal: AbortSignal, ms: number): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = () => setTimeout(() => reject(new LaresError('UNREACHABLE', 'stopped')), ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

const header = (reply: WebReply, name: string): string | undefined => {
  const value = reply.headers[name];
  return Array.isArray(value) ? value[0] : value;
};
const quotaOf = (reply: WebReply) =>
  parseQuota(header(reply, 'ratelimit-policy'), header(reply, 'ratelimit'));

const sentences: Readonly<Record<number, (where: string) => LaresError>> = {
  401: (where) => needsLogin(`Tado refused the token (401 from ${where})`),
  403: (where) =>
    new LaresError(
      'AUTH_REFUSED',
      `Tado does not let this account read the home (403 from ${where}): log in with \`lares tado login\` as a member of the home`,
    ),
  404: (where) =>
    new LaresError('NOT_FOUND', `Tado does not know this home (404 from ${where}): ${loginAdvice} again`),
  410: (where) =>
    new LaresError(
      'GONE',
      `Tado no longer offers this (410 from ${where}): logins by password ended on 2025-03-21; ${loginAdvice}, or set presence.tado.enabled: false`,
    ),
};

/** The error for any reply that is not a success. */
export function refusal(reply: WebReply, now: number): LaresError {
  const where = shown(reply.url);
  const sentence = sentences[reply.status];
  if (sentence !== undefined) return sentence(where);
  const wait = quotaOf(reply).resetMs ?? retryAfterMs(reply.headers['retry-after'], now);
  if (reply.status === 429)
    return new LaresError('RATE_LIMITED', `the Tado quota is used up (429 from ${where})`, {
      retryAfterMs: wait ?? 3_600_000,
    });
  return new LaresError('UNREACHABLE', `Tado failed (${reply.status} from ${where})`, {
    retryAfterMs: wait ?? 60_000,
  });
}
