import { createHash } from 'node:crypto';

/** HTTP authentication as RTSP and HTTP cameras ask for it: Digest (RFC 7616, RFC 2617) and Basic (RFC 7617). */

export interface Challenge {
  /** Lower case: `digest`, `basic`. */
  readonly scheme: string;
  readonly params: ReadonlyMap<string, string>;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

interface DigestInput extends Credentials {
  readonly method: string;
  readonly uri: string;
  readonly realm: string;
  readonly nonce: string;
  /** `MD5`, `MD5-sess`, `SHA-256`, `SHA-256-sess`; absent means MD5. */
  readonly algorithm?: string | undefined;
  /** Only with `qop=auth`. */
  readonly qop?: { readonly nc: string; readonly cnonce: string };
}

const mostParams = 32;
const longestHeader = 4_000;
const hashes: Readonly<Record<string, string>> = { md5: 'md5', 'sha-256': 'sha256' };

/** The hash that an algorithm name stands for; undefined for one that is not known here. */
function hashOf(algorithm: string): string | undefined {
  const name = algorithm.toLowerCase().replace(/-sess$/, '');
  return Object.hasOwn(hashes, name) ? hashes[name] : undefined;
}

/** One value of `WWW-Authenticate`; undefined when it cannot be read. Never throws. */
export function parseChallenge(text: string): Challenge | undefined {
  const match = /^\s*([A-Za-z][\w-]{0,30})(?:\s+(.{0,4000}))?$/s.exec(text);
  if (match === null) return undefined;
  return { scheme: (match[1] ?? '').toLowerCase(), params: parseParams(match[2] ?? '') };
}

/** All of a header that HTTP clients join by commas: what one lacks must not be taken from the next. Never throws. */
export function parseChallenges(header: string): Challenge[] {
  const text = header.slice(0, longestHeader);
  const parts: string[] = [];
  let start = 0;
  for (const { 0: found, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|,\s*(?=(?:digest|basic)\s)/gi)) {
    if (found.startsWith('"')) continue;
    parts.push(text.slice(start, index));
    start = index + found.length;
  }
  return [...parts, text.slice(start)].flatMap((part) => parseChallenge(part) ?? []);
}

/** `key=value, key="value"` of a challenge or of an `Authorization`; keys in lower case, the first of a name counts. */
export function parseParams(text: string): Map<string, string> {
  const params = new Map<string, string>();
  for (const [, key = '', quoted, bare] of text.matchAll(
    /([\w-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  )) {
    if (params.size >= mostParams) break;
    const name = key.toLowerCase();
    if (!params.has(name)) params.set(name, quoted?.replace(/\\(.)/gs, '$1') ?? bare ?? '');
  }
  return params;
}

/** The `response` of a Digest (RFC 7616 3.4.1, RFC 2617 3.2.2.1 without qop). Undefined for an unknown algorithm. */
export function digestResponse(input: DigestInput): string | undefined {
  const algorithm = input.algorithm ?? 'MD5';
  const hash = hashOf(algorithm);
  if (hash === undefined) return undefined;
  const h = (text: string) => createHash(hash).update(text).digest('hex');
  const base = h(`${input.username}:${input.realm}:${input.password}`);
  const session = /-sess$/i.test(algorithm);
  const a1 = session ? h(`${base}:${input.nonce}:${input.qop?.cnonce ?? ''}`) : base;
  const a2 = h(`${input.method}:${input.uri}`);
  return input.qop === undefined
    ? h(`${a1}:${input.nonce}:${a2}`)
    : h(`${a1}:${input.nonce}:${input.qop.nc}:${input.qop.cnonce}:auth:${a2}`);
}

/**
 * The `Authorization` that answers the strongest challenge that is understood: SHA-256, then MD5, then Basic.
 * `cnonce` is random text of the caller. Undefined when none is understood.
 */
export function authorization(
  challenges: readonly Challenge[],
  request: { readonly method: string; readonly uri: string },
  credentials: Credentials,
  cnonce: string,
): string | undefined {
  const digests = challenges
    .filter(({ scheme }) => scheme === 'digest')
    .toSorted((a, b) => Number(isSha(b)) - Number(isSha(a)));
  for (const { params } of digests) {
    const realm = params.get('realm') ?? '';
    const nonce = params.get('nonce') ?? '';
    const algorithm = params.get('algorithm');
    const offered = (params.get('qop') ?? '').split(',').map((word) => word.trim().toLowerCase());
    const qop = offered.includes('auth') ? { nc: '00000001', cnonce } : undefined;
    const response = digestResponse({
      ...credentials,
      ...request,
      realm,
      nonce,
      algorithm,
      ...(qop !== undefined && { qop }),
    });
    if (response === undefined) continue;
    const opaque = params.get('opaque');
    return `Digest ${[
      `username=${quoted(credentials.username)}`,
      `realm=${quoted(realm)}`,
      `nonce=${quoted(nonce)}`,
      `uri=${quoted(request.uri)}`,
      `response="${response}"`,
      ...(algorithm === undefined ? [] : [`algorithm=${algorithm.replace(/[^\w-]/g, '')}`]),
      ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
      ...(qop === undefined ? [] : ['qop=auth', `nc=${qop.nc}`, `cnonce="${qop.cnonce}"`]),
    ].join(', ')}`;
  }
  if (!challenges.some(({ scheme }) => scheme === 'basic')) return undefined;
  const pair = `${credentials.username}:${credentials.password}`;
  return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`;
}

function isSha({ params }: Challenge): boolean {
  return /^sha-256/i.test(params.get('algorithm') ?? '');
}

function quoted(text: string): string {
  // A line break would start a header of its own.
  return `"${text.replace(/[\r\n]/g, '').replace(/["\\]/g, '\\$&')}"`;
}

/** User name and password of a URL; undefined when it has none. */
export function loginOf(url: URL): Credentials | undefined {
  if (url.username === '') return undefined;
  return { username: unescaped(url.username), password: unescaped(url.password) };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone % is meant as it stands.
    return text;
  }
}
