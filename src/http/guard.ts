import type { FastifyReply, FastifyRequest } from 'fastify';
import { LaresError, type Code } from '#kernel/errors.ts';
import { sameSecret, tokenFile } from '#platform/token.ts';

const isLoopback = (host: string) => /^(127(\.\d{1,3}){3}|::1|localhost)$/.test(host);

/**
 * Until people can sign in, only programs of this machine may ask.
 * @throws LaresError CONFIG_INVALID for every host that others could reach.
 */
export function requireLoopback(host: string): void {
  if (isLoopback(host)) return;
  throw new LaresError(
    'CONFIG_INVALID',
    `http.host is ${JSON.stringify(host)}, but Lares answers on loopback only until it knows sign-in: ` +
      'use 127.0.0.1, and reach it from elsewhere by `ssh -L 8000:127.0.0.1:8000 …`',
  );
}

/** The host name of a Host header, lower case, without its port; undefined when it is malformed. */
export function hostName(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/** Why a request is refused before any route sees it; undefined when it is welcome. */
export function refusal(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): string | undefined {
  // A page of another site can point its own name at 127.0.0.1 (DNS rebinding); its Host header gives it away.
  const host = typeof headers.host === 'string' ? hostName(headers.host) : undefined;
  if (host === undefined || !isLoopback(host))
    return `the Host header ${JSON.stringify(headers.host ?? '')} is not a name of this server; ask for http://localhost`;
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined)
    return 'this request came through a proxy; Lares must not be published before it knows sign-in';
  const site = headers['sec-fetch-site'];
  if ((site === 'cross-site' || site === 'same-site') && headers['sec-fetch-mode'] !== 'navigate')
    return 'a page of another site asked; only pages of this server may';
  return undefined;
}

// Nothing from elsewhere, no inline script, no inline style: a hostile device name has nothing to run in.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  // Live pictures come in pieces that the page puts together.
  "media-src 'self' blob:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': policy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
};

/** Status of each code that a route may throw; everything else is a mistake of ours, 500. */
const statuses: Partial<Record<Code, number>> = {
  USAGE: 400,
  AUTH_REFUSED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  RATE_LIMITED: 429,
  UNREACHABLE: 502,
  TIMEOUT: 504,
  STORE_UNAVAILABLE: 503,
};

export function statusOf(error: unknown): number {
  return error instanceof LaresError ? (statuses[error.code] ?? 500) : 500;
}

/**
 * Who asks for something to be done. Until people can sign in that is whoever can read the token file of the data
 * directory, which only the user of the service and root can.
 * @throws LaresError AUTH_REFUSED without the right token.
 */
export function requireToken(
  request: { readonly headers: Readonly<Record<string, unknown>> },
  token: string,
): void {
  const header = request.headers['authorization'];
  const [scheme, given = ''] = typeof header === 'string' ? header.split(' ') : [];
  if (scheme?.toLowerCase() === 'bearer' && sameSecret(given, token)) return;
  throw new LaresError(
    'AUTH_REFUSED',
    `what acts needs the header "Authorization: Bearer …" with the content of the file ${tokenFile} in the data directory`,
  );
}

/** Refuses strangers and puts the security headers on every reply. */
export function guardHook() {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    reply.headers(securityHeaders);
    const why = refusal(request.headers);
    if (why === undefined) return undefined;
    // 421: the request was meant for another server (RFC 9110, 15.5.20).
    return reply.code(421).send({ code: 'PERMISSION_MISSING', message: why });
  };
}
