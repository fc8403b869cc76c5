import { LaresError } from '#kernel/errors.ts';
import { retryAfterMs, shown, webRequest, type WebReply } from '#platform/http-client.ts';
import type { Period } from '../../energy/model.ts';
import type { Imported } from '../model.ts';
import { untangle } from '../rates.rules.ts';

const mostPages = 300;
const dayMs = 86_400_000;
const dayAheadMs = 2 * dayMs;

/** What a server said about the version that it sent, so that it need not send it again. */
export interface Validators {
  readonly etag?: string | undefined;
  readonly modified?: string | undefined;
}

export interface FetchRequest<T> {
  readonly url: string;
  /** Oldest instant that is wanted, epoch ms; pages that are older are not asked for. */
  readonly since: number;
  readonly now: number;
  readonly known?: Validators | undefined;
  readonly deadlineMs?: number | undefined;
  readonly parse: (text: string, name: string) => Imported<T>;
  readonly signal: AbortSignal;
}

export interface Fetched<T> {
  /** Undefined when nothing has changed since `known`. */
  readonly rates: readonly T[] | undefined;
  readonly notes: readonly string[];
  readonly validators: Validators;
}

/** The address of the first page: `{from}` and `{to}` filled in, and large pages asked of Octopus. */
export function firstPage(template: string, since: number, now: number): string {
  const minute = (at: number) => `${new Date(Math.floor(at / 60_000) * 60_000).toISOString().slice(0, 16)}Z`;
  const url = new URL(
    template
      .replaceAll(/\{from\}|%7Bfrom%7D/gi, minute(since))
      .replaceAll(/\{to\}|%7Bto%7D/gi, minute(now + dayAheadMs)),
  );
  // 100 rates a page unless asked otherwise; 1500 is the most that Octopus allows.
  if (/\/standard-unit-rates\/?$/.test(url.pathname) && !url.searchParams.has('page_size'))
    url.searchParams.set('page_size', '1500');
  return url.href;
}

/**
 * Reads all pages that are needed. Nothing is returned unless every page came, so that an interrupted list never
 * replaces a whole one. Throws UNREACHABLE, TIMEOUT, RATE_LIMITED, AUTH_REFUSED, NOT_FOUND or BAD_REPLY.
 */
export async function fetchPages<T extends Period>(request: FetchRequest<T>): Promise<Fetched<T>> {
  const { since, signal, known } = request;
  const pages: T[][] = [];
  const notes = new Set<string>();
  let validators: Validators = {};
  let url: string | undefined = firstPage(request.url, since, request.now);
  const { origin } = new URL(url);
  for (let page = 0; url !== undefined; page += 1) {
    if (page === mostPages)
      throw new LaresError(
        'BAD_REPLY',
        `${shown(url)} has more than ${mostPages} pages; ask for larger ones`,
      );
    const reply: WebReply = await webRequest({
      url,
      signal,
      deadlineMs: request.deadlineMs ?? 20_000,
      maxBytes: 8 * 2 ** 20,
      headers: page === 0 ? conditional(known) : {},
    });
    if (page === 0 && reply.status === 304) return { rates: undefined, notes: [], validators: known ?? {} };
    refuse(reply, request.now);
    if (page === 0) validators = { etag: reply.headers.etag, modified: reply.headers['last-modified'] };
    const { rates, next, newestFirst, notes: more } = request.parse(reply.text, shown(url));
    pages.push([...rates]);
    for (const note of more) notes.add(note);
    const enough = newestFirst === true && rates[0] !== undefined && rates[0].from <= since;
    url = enough || next === undefined ? undefined : sameOrigin(next, url, origin);
  }
  return { rates: untangle(pages.toReversed().flat()), notes: [...notes].slice(0, 10), validators };
}

function conditional({ etag, modified }: Validators = {}): Record<string, string> {
  return {
    ...(etag !== undefined && { 'if-none-match': etag }),
    ...(modified !== undefined && { 'if-modified-since': modified }),
  };
}

// A reply must not send us to other hosts of the home's network.
function sameOrigin(next: string, from: string, origin: string): string {
  const url = URL.parse(next, from);
  if (url?.origin === origin && url.href !== from) return url.href;
  throw new LaresError('BAD_REPLY', `${shown(from)} names a next page that is not on ${origin} or is itself`);
}

function refuse(reply: WebReply, now: number): void {
  const { status } = reply;
  if (status === 200) return;
  const said = `${shown(reply.url)} answered ${status}`;
  if (status === 429)
    throw new LaresError('RATE_LIMITED', `${said}: too many requests`, {
      retryAfterMs: retryAfterMs(reply.headers['retry-after'], now) ?? 3_600_000,
    });
  if (status === 401 || status === 403) throw new LaresError('AUTH_REFUSED', `${said}; check the address`);
  if (status === 404 || status === 410)
    throw new LaresError('NOT_FOUND', `${said}; check the product and tariff codes in the address`);
  throw new LaresError(status >= 500 ? 'UNREACHABLE' : 'BAD_REPLY', said);
}
