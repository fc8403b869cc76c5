import { LaresError } from '#kernel/errors.ts';
import type { DeviceCode, Phone, Quota, Tokens } from './model.ts';

type Json = Readonly<Record<string, unknown>>;
const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const wrong = (what: string) => new LaresError('BAD_REPLY', `Tado sent ${what}`);

/** JSON of a reply body. Throws BAD_REPLY. */
export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw wrong('something that is not JSON');
  }
}

/** The reply of `POST /oauth2/token`. Throws BAD_REPLY when a token is missing. */
export function parseTokens(value: unknown, now: number): Tokens {
  if (!isRecord(value) || !isText(value['access_token']) || !isText(value['refresh_token']))
    throw wrong('no tokens');
  const lifeS = isCount(value['expires_in']) ? value['expires_in'] : 600;
  return {
    accessToken: value['access_token'],
    refreshToken: value['refresh_token'],
    expiresAt: now + lifeS * 1000,
  };
}

/** The reply of `POST /oauth2/device_authorize`. Throws BAD_REPLY. */
export function parseDeviceCode(value: unknown, now: number): DeviceCode {
  const url = isRecord(value) ? (value['verification_uri_complete'] ?? value['verification_uri']) : undefined;
  if (!isRecord(value) || !isText(value['device_code']) || !isText(value['user_code']) || !isText(url))
    throw wrong('no device code');
  return {
    deviceCode: value['device_code'],
    userCode: value['user_code'],
    url,
    expiresAt: now + (isCount(value['expires_in']) ? value['expires_in'] : 300) * 1000,
    everyMs: (isCount(value['interval']) ? value['interval'] : 5) * 1000,
  };
}

/** The `error` of an OAuth refusal: `authorization_pending`, `invalid_grant`; empty when there is none. */
export function oauthError(body: string): string {
  try {
    const value: unknown = JSON.parse(body);
    return isRecord(value) && isText(value['error']) ? value['error'] : '';
  } catch {
    return '';
  }
}

/** Home ids of `GET /api/v2/me`, which says them as `homes`, `homeIds` or `homeId`. Throws BAD_REPLY when there is none. */
export function parseHomes(value: unknown): number[] {
  const me = isRecord(value) ? value : {};
  const listed = Array.isArray(me['homes'])
    ? me['homes'].map((home: unknown) => (isRecord(home) ? home['id'] : undefined))
    : Array.isArray(me['homeIds'])
      ? me['homeIds']
      : [me['homeId']];
  const homes = listed.filter(isCount);
  if (homes.length === 0) throw wrong('an account without a home');
  return [...new Set(homes)];
}

/** `GET /api/v2/homes/{id}/mobileDevices`. Throws BAD_REPLY when it is no list; entries without a name are skipped. */
export function parsePhones(value: unknown): Phone[] {
  if (!Array.isArray(value)) throw wrong('no list of mobile devices');
  return value.filter(isRecord).flatMap((phone): Phone[] => {
    const { id, name, location } = phone;
    if (!isText(name)) return [];
    const place = isRecord(location) && typeof location['atHome'] === 'boolean' ? location : undefined;
    return [
      {
        id: String(id),
        name,
        location: place && { atHome: place['atHome'] === true, stale: place['stale'] === true },
      },
    ];
  });
}

const parameter = (header: string | undefined, key: string): number | undefined => {
  const found = new RegExp(`(?:^|;)\\s*${key}=(\\d+)`).exec(header ?? '')?.[1];
  return found === undefined ? undefined : Number(found);
};
const milliseconds = (seconds: number | undefined) => (seconds === undefined ? undefined : seconds * 1000);

/** `RateLimit-Policy: "perday";q=20000;w=86400` and `RateLimit: "perday";r=15211;t=43200`. */
export function parseQuota(policy: string | undefined, limit: string | undefined): Quota {
  return {
    limit: parameter(policy, 'q'),
    windowMs: milliseconds(parameter(policy, 'w')),
    remaining: parameter(limit, 'r'),
    resetMs: milliseconds(parameter(limit, 't')),
  };
}
