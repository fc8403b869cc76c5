import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { LaresError } from '#kernel/errors.ts';
import type { MeterConfig, PulseConfig } from './config.ts';
import { parseBulk, parsePost } from './emoncms.codec.ts';
import { readFields } from './fields.codec.ts';
import { parseLines } from './influx.codec.ts';
import type { Heard } from './meter.rules.ts';
import type { Fields, Report } from './model.ts';
import { parseOwn } from './own.codec.ts';

/** A message as any HTTP server has it. */
export interface IngressRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** Address of the sender. */
  readonly from: string;
}

export interface IngressReply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export interface IngressParts {
  readonly deliver: (meter: MeterConfig, reports: readonly Report[]) => readonly Heard['outcome'][];
  /** Warns, not more often than a person wants to read. */
  readonly complain: (text: string) => void;
  /** Ms of a clock that never jumps. */
  readonly monotonic: () => number;
}

/** Longest body, bytes. */
export const mostBody = 65_536;
const perSecond = 50;
const burst = 200;
const mostSenders = 1_000;

const json = (status: number, value: unknown): IngressReply => ({
  status,
  type: 'application/json; charset=utf-8',
  body: JSON.stringify(value),
});
const refusal = (status: number, code: string, message: string) => json(status, { code, message });
const ok: IngressReply = { status: 200, type: 'text/plain; charset=utf-8', body: 'ok' };
const noContent: IngressReply = { status: 204, type: 'text/plain', body: '' };

interface Delivery {
  readonly meter: MeterConfig;
  readonly reports: readonly Report[];
}

interface Route {
  readonly methods: readonly string[];
  readonly read: (request: IngressRequest, allowed: readonly MeterConfig[]) => readonly Delivery[];
  readonly reply: (outcomes: readonly Heard['outcome'][]) => IngressReply;
}

const own: Route = {
  methods: ['POST'],
  read: ({ body }, allowed) => {
    const messages = parseOwn(body.toString('utf8'));
    return messages.map(({ id, report }) => ({ meter: named(allowed, [id]), reports: [report] }));
  },
  reply: (outcomes) => {
    const replayed = outcomes.filter((outcome) => outcome === 'replay').length;
    return json(200, { ok: true, counted: outcomes.length - replayed, replayed });
  },
};
const post: Route = {
  methods: ['GET', 'POST'],
  read: (request, allowed) => fromFields(parsePost(form(request)), allowed),
  reply: () => ok,
};
const bulk: Route = { ...post, read: (request, allowed) => fromFields(parseBulk(form(request)), allowed) };
const influx: Route = {
  methods: ['POST'],
  read: ({ body, query }, allowed) =>
    fromFields(parseLines(body.toString('utf8'), query.get('precision')), allowed),
  reply: () => noContent,
};

const routes: Readonly<Record<string, Route>> = {
  '/api/electricity/pulse': own,
  '/input/post': post,
  '/input/post.json': post,
  '/input/bulk': bulk,
  '/input/bulk.json': bulk,
  '/emoncms/input/post': post,
  '/emoncms/input/post.json': post,
  '/emoncms/input/bulk': bulk,
  '/emoncms/input/bulk.json': bulk,
  '/write': influx,
  '/api/v2/write': influx,
};

/** Every path that messages are taken at, for servers that mount them. */
export const ingressPaths: readonly string[] = Object.keys(routes);

/**
 * Takes messages of counters by HTTP, whichever server they come from. Each needs the token of a meter; the reply never
 * says more to somebody without one than that it is wrong.
 */
export function pulseIngress(
  config: PulseConfig,
  parts: IngressParts,
): (request: IngressRequest) => IngressReply {
  const owners = tokenOwners(config.meters);
  const allowed = throttle(parts.monotonic);
  return (request) => {
    const route = Object.hasOwn(routes, request.path) ? routes[request.path] : undefined;
    if (route === undefined) return refusal(404, 'NOT_FOUND', 'there is nothing here');
    if (!route.methods.includes(request.method))
      return refusal(405, 'USAGE', `use ${route.methods.join(' or ')} here`);
    if (!allowed(request.from))
      return refusal(429, 'RATE_LIMITED', `more than ${perSecond} messages a second`);
    if (request.body.length > mostBody) return refusal(413, 'BAD_REPLY', `more than ${mostBody} bytes`);
    const meters = owners(tokenOf(request));
    if (meters.length === 0) {
      parts.complain(`pulse error: ${request.from} sent a message with a wrong token, or without one`);
      return refusal(401, 'AUTH_REFUSED', 'the token is missing or is not that of a meter');
    }
    try {
      const deliveries = grouped(route.read(request, meters));
      return route.reply(deliveries.flatMap(({ meter, reports }) => parts.deliver(meter, reports)));
    } catch (error) {
      if (!(error instanceof LaresError)) throw error;
      return refusal(400, error.code, error.message);
    }
  };
}

/** Deliveries of one meter belong together: the newest message dates the others. */
function grouped(deliveries: readonly Delivery[]): Delivery[] {
  const meters = new Set(deliveries.map(({ meter }) => meter));
  return [...meters].map((meter) => ({
    meter,
    reports: deliveries.flatMap((d) => (d.meter === meter ? d.reports : [])),
  }));
}

function named(allowed: readonly MeterConfig[], ids: readonly string[]): MeterConfig {
  const meter = ids.map((id) => allowed.find((m) => m.id === id)).find((m) => m !== undefined);
  if (meter === undefined)
    throw new LaresError(
      'BAD_REPLY',
      `the token is not that of a meter with the id ${JSON.stringify(ids[0])}`,
    );
  return meter;
}

/** A sender with a token of its own may call itself anything, as long as it is one and the same thing. */
function fromFields(messages: readonly Fields[], allowed: readonly MeterConfig[]): Delivery[] {
  const known = messages.filter(({ ids }) => ids.some((id) => allowed.some((m) => m.id === id)));
  const alone =
    known.length === 0 && allowed.length === 1 && new Set(messages.map((m) => m.ids[0])).size === 1;
  if (messages.length > 0 && known.length === 0 && !alone) named(allowed, messages[0]!.ids);
  const deliveries = (alone ? messages : known).flatMap((message): Delivery[] => {
    const meter = alone ? allowed[0]! : named(allowed, message.ids);
    const report = readFields(message, meter.fields);
    return report === undefined ? [] : [{ meter, reports: [report] }];
  });
  if (deliveries.length === 0 && messages.length > 0)
    throw new LaresError(
      'BAD_REPLY',
      `none of the fields ${[...new Set(messages.flatMap((m) => [...m.values.keys()]))].slice(0, 10).join(', ')} is one that is read; name it in fields of the meter`,
    );
  return deliveries;
}

/** Parameters of the query, and of a form in the body. */
function form({ query, headers, body }: IngressRequest): URLSearchParams {
  const all = new URLSearchParams(query);
  const type = header(headers, 'content-type') ?? '';
  if (body.length > 0 && !/json/i.test(type))
    for (const [key, value] of new URLSearchParams(body.toString('utf8'))) all.append(key, value);
  return all;
}

function header(headers: IngressRequest['headers'], name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/** Where each format puts it: Bearer (ours, emoncms), Token and Basic and `p` (Influx), `apikey` (emoncms). */
function tokenOf(request: IngressRequest): string | undefined {
  const [, scheme = '', value = ''] =
    /^(\S+)\s+(\S+)$/.exec(header(request.headers, 'authorization') ?? '') ?? [];
  if (/^(bearer|token)$/i.test(scheme)) return value;
  if (/^basic$/i.test(scheme))
    return Buffer.from(value, 'base64')
      .toString('utf8')
      .replace(/^[^:]*:/, '');
  return request.query.get('apikey') ?? request.query.get('p') ?? form(request).get('apikey') ?? undefined;
}

/** Compares digests of fixed length with every token, in constant time. */
function tokenOwners(meters: readonly MeterConfig[]): (token: string | undefined) => MeterConfig[] {
  const key = randomBytes(32);
  const digest = (text: string) => createHmac('sha256', key).update(text).digest();
  const known = meters.flatMap((meter) =>
    meter.token === undefined ? [] : [{ meter, digest: digest(meter.token) }],
  );
  return (token) => {
    const given = digest(token ?? '');
    return known.filter((entry) => timingSafeEqual(entry.digest, given)).map(({ meter }) => meter);
  };
}

/** A bucket for each sender: `burst` at once, then `perSecond`. */
function throttle(monotonic: () => number): (from: string) => boolean {
  const buckets = new Map<string, { left: number; at: number }>();
  return (from) => {
    const now = monotonic();
    const bucket = buckets.get(from) ?? { left: burst, at: now };
    const left = Math.min(burst, bucket.left + ((now - bucket.at) * perSecond) / 1_000);
    buckets.delete(from);
    buckets.set(from, { left: Math.max(0, left - 1), at: now });
    if (buckets.size > mostSenders) buckets.delete(buckets.keys().next().value!);
    return left >= 1;
  };
}
