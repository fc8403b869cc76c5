import { request as plain, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as secure } from 'node:https';
import type { LookupFunction } from 'node:net';
import { LaresError, reason } from '#kernel/errors.ts';

const mib = 2 ** 20;
const mostRedirects = 3;

export interface WebRequest {
  readonly url: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Milliseconds for everything: name, connection, redirects and the last byte of the body. Default 10 000. */
  readonly deadlineMs?: number;
  /** A longer body is cut off and refused. Default 1 MiB. */
  readonly maxBytes?: number;
  /** Resolves as soon as the status is known; the body is let go, within the same bounds. */
  readonly statusOnly?: boolean;
  /** False accepts any certificate: for devices with a self-signed one. Default true. */
  readonly verifyTls?: boolean;
  /** Looks host names up instead of the system; what it refuses is never connected to. */
  readonly lookup?: LookupFunction;
  readonly signal?: AbortSignal;
}

export interface WebReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Where the reply came from, after redirects. */
  readonly url: string;
}

/**
 * One bounded HTTP exchange: a slow, endless or wandering peer costs at most `deadlineMs` and `maxBytes`.
 * Follows redirects of GET on the same host only, so that credentials never travel to another one.
 * Any status is a reply. Throws UNREACHABLE, TIMEOUT or BAD_REPLY; the text names the URL, never a header.
 */
export async function webRequest(options: WebRequest): Promise<WebReply> {
  const deadline = AbortSignal.timeout(options.deadlineMs ?? 10_000);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  let url = new URL(options.url);
  try {
    for (let hop = 0; hop <= mostRedirects; hop += 1) {
      const reply = await exchange(url, options, signal);
      const next = redirection(reply, url, options);
      if (next === undefined) return reply;
      url = next;
    }
  } catch (error) {
    if (error instanceof LaresError) throw error;
    if (deadline.aborted)
      throw new LaresError(
        'TIMEOUT',
        `timeout: ${shown(url)} did not finish within ${(options.deadlineMs ?? 10_000) / 1000} s`,
        {
          cause: error,
        },
      );
    throw new LaresError('UNREACHABLE', `${shown(url)}: ${explained(error)}`, { cause: error });
  }
  throw new LaresError('BAD_REPLY', `${shown(url)} redirects in circles`);
}

/** Milliseconds of a Retry-After header (seconds or a date); undefined when there is none that can be read. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header.trim())) return Math.min(Number(header), 86_400) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.min(Math.max(0, date - now), 86_400_000);
}

/** The address without credentials, query and fragment, which may carry secrets. */
export function shown(url: URL | string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

function redirection(reply: WebReply, from: URL, options: WebRequest): URL | undefined {
  const target = reply.headers.location;
  if (![301, 302, 303, 307, 308].includes(reply.status) || target === undefined) return undefined;
  if (options.method === 'POST') return undefined;
  const to = URL.parse(target, from.href);
  if (to === null || !/^https?:$/.test(to.protocol))
    throw new LaresError('BAD_REPLY', `${shown(from)} redirects to something that is no web address`);
  const downgrade = from.protocol === 'https:' && to.protocol === 'http:';
  if (to.hostname !== from.hostname || downgrade)
    throw new LaresError(
      'BAD_REPLY',
      `${shown(from)} redirects to ${shown(to)}; write that address into the settings if it is the right one`,
    );
  return to;
}

function exchange(url: URL, options: WebRequest, signal: AbortSignal): Promise<WebReply> {
  const max = options.maxBytes ?? mib;
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? secure : plain;
    const request = send(
      url,
      {
        method: options.method ?? 'GET',
        headers: { connection: 'close', ...options.headers },
        agent: false,
        signal,
        ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
        ...(url.protocol === 'https:' ? { rejectUnauthorized: options.verifyTls ?? true } : {}),
      },
      (response: IncomingMessage) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        const { statusCode: status = 0, headers } = response;
        if (options.statusOnly === true) resolve({ status, headers, text: '', url: url.href });
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes <= max) return void chunks.push(chunk);
          reject(
            new LaresError('BAD_REPLY', `${shown(url)} sent more than ${max} bytes; the rest was refused`),
          );
          request.destroy();
        });
        response.on('error', reject);
        response.on('close', () => reject(new Error('the connection ended before the reply did')));
        response.on('end', () =>
          resolve({ status, headers, text: Buffer.concat(chunks).toString('utf8'), url: url.href }),
        );
      },
    );
    request.on('error', reject);
    request.end(options.body);
  });
}

const causes: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (ECONNREFUSED); is the service running, and is the port right?',
  ENOTFOUND: 'the host name is unknown (ENOTFOUND); check the spelling or write the IP address',
  EAI_AGAIN: 'the host name cannot be looked up at the moment (EAI_AGAIN)',
  EHOSTUNREACH: 'no way to the host (EHOSTUNREACH)',
  ECONNRESET: 'the connection was cut (ECONNRESET)',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed; set verify_tls: false to accept it',
  SELF_SIGNED_CERT_IN_CHAIN:
    'the certificate is signed by an unknown authority; set verify_tls: false to accept it',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the certificate is signed by an unknown authority; set verify_tls: false to accept it',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'the certificate is for another host name; set verify_tls: false to accept it',
};

/** The sentence for a failed connection, with what to do about it where that is known. */
export function explained(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return (code === undefined ? undefined : causes[code]) ?? reason(error);
}
