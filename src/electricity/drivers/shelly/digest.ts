import { createHash, randomBytes } from 'node:crypto';

/** What a server wants to be proved, from a `WWW-Authenticate: Digest` header (RFC 7616). */
export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: 'SHA-256' | 'MD5';
  readonly qop: boolean;
}

/** Undefined for a header that is no digest challenge that we can answer. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > 2000 || !/^\s*digest\s/i.test(header)) return undefined;
  const part = (key: string) => {
    const match = new RegExp(`(?:^|[\\s,])${key}\\s*=\\s*(?:"([^"]*)"|([^\\s,"]+))`, 'i').exec(header);
    return match?.[1] ?? match?.[2];
  };
  const [realm, nonce] = [part('realm'), part('nonce')];
  const algorithm = (part('algorithm') ?? 'MD5').toUpperCase();
  if (realm === undefined || nonce === undefined) return undefined;
  if (algorithm !== 'SHA-256' && algorithm !== 'MD5') return undefined;
  return { realm, nonce, algorithm, qop: /(?:^|[\s,])auth(?:$|[\s,])/.test(part('qop') ?? '') };
}

export interface Proof {
  readonly method: string;
  readonly uri: string;
  readonly username: string;
  readonly password: string;
  /** How often this nonce was used, from 1. */
  readonly count: number;
  readonly cnonce?: string;
}

/** The `Authorization` header that answers a challenge (RFC 7616 §3.4). */
export function authorization(challenge: Challenge, proof: Proof): string {
  const { realm, nonce, algorithm, qop } = challenge;
  const { method, uri, username, password } = proof;
  const hash = (...parts: string[]) =>
    createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
      .update(parts.join(':'))
      .digest('hex');
  const cnonce = proof.cnonce ?? randomBytes(8).toString('hex');
  const nc = proof.count.toString(16).padStart(8, '0');
  const [ha1, ha2] = [hash(username, realm, password), hash(method, uri)];
  const response = qop ? hash(ha1, nonce, nc, cnonce, 'auth', ha2) : hash(ha1, nonce, ha2);
  const quoted = { username, realm, nonce, uri, response, ...(qop && { cnonce }) };
  return `Digest ${[
    ...Object.entries(quoted).map(([key, value]) => `${key}="${value.replaceAll(/["\\\r\n]/g, '')}"`),
    `algorithm=${algorithm}`,
    ...(qop ? ['qop=auth', `nc=${nc}`] : []),
  ].join(', ')}`;
}
