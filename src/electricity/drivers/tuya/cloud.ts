import { createHash, createHmac, randomUUID } from 'node:crypto';
import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { webRequest } from '#platform/http-client.ts';
import type { StateStore } from '#store/model.ts';
import { label, parseObject } from '../shared/json.codec.ts';
import { readDevicePage, readFactoryInfos, type KnownDevice } from './cloud.codec.ts';
import { quotaText, usedIn, viewQuota, type QuotaUse, type QuotaView } from './quota.rules.ts';

/** Where the data centres of Tuya are; the one that the account of the app lives in must be chosen. */
export const regions = {
  eu: 'https://openapi.tuyaeu.com',
  'eu-w': 'https://openapi-weaz.tuyaeu.com',
  us: 'https://openapi.tuyaus.com',
  'us-e': 'https://openapi-ueaz.tuyaus.com',
  cn: 'https://openapi.tuyacn.com',
  in: 'https://openapi.tuyain.com',
  sg: 'https://openapi-sg.iotbing.com',
} as const;
export type Region = keyof typeof regions;

export const quotaKey = 'electricity.tuya.cloud-quota';
const pageSize = 50;
const mostPages = 40;
const macsAtOnce = 50;

export interface CloudOptions {
  readonly url: string;
  readonly accessId: string;
  readonly secret: string;
  readonly state: StateStore;
  readonly clock: Clock;
  /** Calls a month. */
  readonly quota: number;
}

// Tuya answers every request with status 200 and a code of its own.
const refusals: Readonly<Record<number, string>> = {
  1004: 'the access secret is wrong, or it belongs to another access id',
  1005: 'the access id is unknown in this region',
  1013: 'the clock of this machine is wrong; set it and try again',
  1106: 'the project may not see these devices: link your app account to it, and choose the region of that account',
  1114: 'the project accepts only certain IP addresses; allow this one or switch the list off',
  28841002: 'the trial of the service IoT Core has ended; extend it in the project under Service API',
  28841101: 'the project does not subscribe to the service IoT Core',
  28841105: 'the project does not subscribe to the service IoT Core',
  28841106: 'the project does not subscribe to this service',
};
const tokenGone = new Set([1010, 1011, 1012]);
const quotaSpent = 28841004;

/**
 * The devices of a Tuya cloud project, for the wizard only. Every call is booked before it is made, because a refused one
 * counts too. Throws RATE_LIMITED when the month's calls are spent, AUTH_REFUSED with the cure, UNREACHABLE, BAD_REPLY.
 */
export class TuyaCloud {
  readonly #options: CloudOptions;
  #token = '';

  constructor(options: CloudOptions) {
    this.#options = options;
  }

  /** Everything that the linked app accounts own. */
  async devices(signal: AbortSignal): Promise<KnownDevice[]> {
    const devices: KnownDevice[] = [];
    let after = '';
    for (let page = 0; page < mostPages; page += 1) {
      const query: [string, string][] = [
        ...(after === '' ? [] : [['last_row_key', after] satisfies [string, string]]),
        ['size', String(pageSize)],
      ];
      const reply = readDevicePage(await this.#get('/v1.0/iot-01/associated-users/devices', query, signal));
      devices.push(...reply.devices);
      if (!reply.more || reply.after === '' || reply.after === after) break;
      after = reply.after;
    }
    return devices;
  }

  /** MAC addresses by device id, of those that have one. */
  async macs(ids: readonly string[], signal: AbortSignal): Promise<Map<string, string>> {
    const macs = new Map<string, string>();
    for (let at = 0; at < ids.length; at += macsAtOnce) {
      const some = ids.slice(at, at + macsAtOnce).join(',');
      const reply = await this.#get('/v2.0/devices/factory-infos', [['device_ids', some]], signal);
      for (const [id, mac] of readFactoryInfos(reply)) macs.set(id, mac);
    }
    return macs;
  }

  async quota(): Promise<QuotaView> {
    const { state, quota, clock } = this.#options;
    return viewQuota(await state.get<QuotaUse>(quotaKey), quota, clock.now());
  }

  async #get(path: string, query: readonly [string, string][], signal: AbortSignal): Promise<unknown> {
    if (this.#token === '') await this.#signIn(signal);
    const reply = await this.#call(path, query, signal);
    if (!tokenGone.has(reply.code)) return resultOf(reply);
    await this.#signIn(signal);
    return resultOf(await this.#call(path, query, signal));
  }

  async #signIn(signal: AbortSignal): Promise<void> {
    this.#token = '';
    const result = resultOf(await this.#call('/v1.0/token', [['grant_type', '1']], signal));
    const token = (result as { access_token?: unknown } | undefined)?.access_token;
    if (typeof token !== 'string' || token.length > 512)
      throw new LaresError('BAD_REPLY', 'the Tuya cloud gave no access token');
    this.#token = token;
  }

  async #call(path: string, query: readonly [string, string][], signal: AbortSignal): Promise<CloudReply> {
    await this.#book();
    const { url, accessId, secret, clock } = this.#options;
    const target = `${path}?${query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
    const t = String(clock.now());
    const nonce = randomUUID();
    const sign = signature({ accessId, secret, token: this.#token, t, nonce, method: 'GET', target });
    const reply = await webRequest({
      url: `${url}${target}`,
      signal,
      headers: {
        client_id: accessId,
        sign,
        t,
        nonce,
        sign_method: 'HMAC-SHA256',
        ...(this.#token !== '' && { access_token: this.#token }),
      },
    });
    return readReply(reply.text);
  }

  async #book(): Promise<void> {
    const { state, quota, clock } = this.#options;
    const kept = await state.get<QuotaUse>(quotaKey);
    const view = viewQuota(kept, quota, clock.now());
    if (view.left === 0)
      throw new LaresError('RATE_LIMITED', `${quotaText(view)}; nothing was asked`, {
        retryAfterMs: view.renewsAt - clock.now(),
      });
    const { month, used } = usedIn(kept, clock.now());
    await state.set(quotaKey, { month, used: used + 1 } satisfies QuotaUse);
  }
}

interface CloudReply {
  readonly success: boolean;
  readonly code: number;
  readonly message: string;
  readonly result: unknown;
}

function readReply(text: string): CloudReply {
  const { success, code, msg, result } = parseObject(text, 'the Tuya cloud');
  const message = label(msg, 120) ?? '';
  return { success: success === true, code: Number(code ?? 0), message, result };
}

function resultOf({ success, code, message, result }: CloudReply): unknown {
  if (success) return result;
  const said = `the Tuya cloud refused (${code}: ${message})`;
  if (code === quotaSpent)
    throw new LaresError('RATE_LIMITED', `${said}; the calls of its project are spent for this month`);
  const cure = refusals[code];
  if (cure !== undefined) throw new LaresError('AUTH_REFUSED', `${said}: ${cure}`);
  throw new LaresError('BAD_REPLY', said);
}

export interface Signing {
  readonly accessId: string;
  readonly secret: string;
  /** Empty while asking for one. */
  readonly token: string;
  /** Epoch ms as text. */
  readonly t: string;
  readonly nonce: string;
  readonly method: 'GET';
  /** Path and query; the parameters in alphabetical order, as the signature wants them. */
  readonly target: string;
  /** `name:value` lines of headers that are signed too. */
  readonly headers?: string;
}

/** Signature of a request: https://developer.tuya.com/en/docs/iot/new-singnature */
export function signature(request: Signing): string {
  const { accessId, secret, token, t, nonce, method, target, headers = '' } = request;
  const body = createHash('sha256').update('').digest('hex');
  const text = [method, body, headers, target].join('\n');
  return createHmac('sha256', secret)
    .update(accessId + token + t + nonce + text)
    .digest('hex')
    .toUpperCase();
}
