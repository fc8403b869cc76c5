import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { startOfDate, instantsOf, localDate, dayMs } from './wall.rules.ts';

const halfHour = 1_800_000;
const zone = 'Europe/London';

export interface OctopusSimOptions {
  readonly now?: () => number;
  /** Pence per kWh, VAT included, of the half-hour that begins at an instant; undefined leaves the half-hour out. */
  readonly price?: (at: number) => number | undefined;
  /** Grams of CO2 per kWh of the half-hour that begins at an instant. */
  readonly carbon?: (at: number) => number;
  /** First instant with a price, epoch ms. */
  readonly since?: number;
}

export type OctopusFault =
  | 'drop'
  | 'hang'
  | 'garbage'
  | 'split'
  | 'reset'
  | 'slow'
  | 'error'
  | 'limited'
  | 'gone';

/** Pence per kWh that fall below zero on windy nights and rise in the evening, the same for everybody. */
export function agilePrice(at: number): number {
  const hour = (at / 3_600_000) % 24;
  const day = Math.floor(at / dayMs);
  const wind = ((day * 7919) % 17) - 8;
  const shape = hour >= 16 && hour < 19 ? 14 : hour < 5 ? -9 : 0;
  return Math.round((18 + shape - wind * 1.7 + Math.sin(at / halfHour)) * 10_000) / 10_000;
}

/** Grams per kWh that follow the sun and the evening peak. */
export function gridCarbon(at: number): number {
  const hour = (at / 3_600_000) % 24;
  return Math.round(160 + 60 * Math.sin(((hour - 9) / 12) * Math.PI));
}

/**
 * The price API of Octopus and the one of the British carbon intensity on loopback: pages newest first, local days of
 * 46, 48 and 50 half-hours of which tomorrow's appear at 16:00, entity tags, and faults on demand.
 */
export class OctopusSim {
  readonly requests: { readonly path: string; readonly status: number }[] = [];
  readonly #options: OctopusSimOptions;
  readonly #faults = new Map<OctopusFault, number>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((request, response) => this.#receive(request, response));

  constructor(options: OctopusSimOptions = {}) {
    this.#options = options;
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  listen(port = 0, host = '127.0.0.1'): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve(this));
    });
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  get origin(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${address}:${port}`;
  }

  get ratesUrl(): string {
    return `${this.origin}/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C/standard-unit-rates/`;
  }

  /** With the placeholders that the fetcher fills in. */
  get carbonUrl(): string {
    return `${this.origin}/intensity/{from}/{to}`;
  }

  /** Misbehaves for `ms` of the simulator's clock; 0 ends it. */
  fault(name: OctopusFault, ms: number): void {
    this.#faults.set(name, this.#now() + ms);
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #is(name: OctopusFault): boolean {
    return (this.#faults.get(name) ?? -Infinity) > this.#now();
  }

  /** End of what is published: 23:00 local of tomorrow once it is past 16:00, as Agile days run from 23:00 to 23:00. */
  #publishedUntil(): number {
    const now = this.#now();
    const hourOf = (date: string, hour: number) => instantsOf(Date.parse(`${date}T${hour}:00:00Z`), zone)[0]!;
    const today = localDate(now, zone);
    const day = now >= hourOf(today, 16) ? localDate(startOfDate(today, zone) + 1.5 * dayMs, zone) : today;
    return hourOf(day, 23);
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.origin);
    if (this.#is('drop')) return void request.socket.destroy();
    if (this.#is('reset')) return void request.socket.resetAndDestroy();
    if (this.#is('hang')) return;
    const [status, body, headers] = this.#answer(url, request);
    this.requests.push({ path: url.pathname + url.search, status });
    const text = this.#is('garbage') ? '<html>\u0000down' : body;
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    if (!this.#is('split') && !this.#is('slow')) return void response.end(text);
    this.#trickle(response, Buffer.from(text), this.#is('slow') ? 50 : 0);
  }

  /** Many small segments; a pause after each when slow. */
  #trickle(response: ServerResponse, bytes: Buffer, pauseMs: number): void {
    const size = Math.max(7, Math.ceil(bytes.length / 200));
    const next = (at: number) => {
      if (response.destroyed) return;
      if (at >= bytes.length) return void response.end();
      response.write(bytes.subarray(at, at + size));
      setTimeout(next, pauseMs, at + size).unref();
    };
    next(0);
  }

  #answer(
    url: URL,
    request: IncomingMessage,
  ): [status: number, body: string, headers?: Record<string, string>] {
    if (this.#is('error')) return [500, '{"detail":"simulated"}'];
    if (this.#is('limited')) return [429, '{"detail":"simulated"}', { 'retry-after': '120' }];
    if (this.#is('gone')) return [404, '{"detail":"Not found."}'];
    const [, from, to] = /^\/intensity\/([^/]+)\/([^/]+)$/.exec(url.pathname) ?? [];
    if (from !== undefined && to !== undefined) return this.#intensity(Date.parse(from), Date.parse(to));
    if (!url.pathname.endsWith('/standard-unit-rates/')) return [404, '{"detail":"Not found."}'];
    const etag = `"${this.#publishedUntil()}"`;
    if (request.headers['if-none-match'] === etag) return [304, '', { etag }];
    return [200, this.#rates(url), { etag }];
  }

  #rates(url: URL): string {
    const number = (key: string, fallback: number) => Number(url.searchParams.get(key) ?? fallback);
    const size = Math.min(number('page_size', 100), 1500);
    const page = number('page', 1);
    const since = this.#options.since ?? startOfDate(localDate(this.#now() - 30 * dayMs, zone), zone);
    const until = this.#publishedUntil();
    const results: object[] = [];
    let count = 0;
    const iso = (at: number) => new Date(at).toISOString().replace('.000', '');
    for (let at = until - halfHour; at >= since; at -= halfHour) {
      const price = (this.#options.price ?? agilePrice)(at);
      if (price === undefined) continue;
      count += 1;
      if (count > (page - 1) * size && count <= page * size)
        results.push({
          value_exc_vat: Math.round((price / 1.05) * 10_000) / 10_000,
          value_inc_vat: price,
          valid_from: iso(at),
          valid_to: iso(at + halfHour),
          payment_method: null,
        });
    }
    const other = (n: number) => {
      const there = new URL(url);
      there.searchParams.set('page', String(n));
      return there.href;
    };
    return JSON.stringify({
      count,
      next: page * size < count ? other(page + 1) : null,
      previous: page > 1 ? other(page - 1) : null,
      results,
    });
  }

  /** What is past was measured; at most two days ahead are forecast. */
  #intensity(from: number, to: number): [number, string] {
    // The real one refuses more than 14 days.
    if (!(to > from) || to - from > 14 * dayMs) return [400, '{"error":{"code":"400 Bad Request"}}'];
    const data: object[] = [];
    const iso = (at: number) => `${new Date(at).toISOString().slice(0, 16)}Z`;
    for (let at = Math.floor(from / halfHour) * halfHour; at < to; at += halfHour) {
      const grams = (this.#options.carbon ?? gridCarbon)(at);
      const actual = at + halfHour <= this.#now() ? grams + 3 : null;
      data.push({
        from: iso(at),
        to: iso(at + halfHour),
        intensity: { forecast: grams, actual, index: 'moderate' },
      });
    }
    return [200, JSON.stringify({ data })];
  }
}
