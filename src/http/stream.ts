import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/** Events that a client may have missed while it reconnected; older ones it asks `/api/events` for. */
const kept = 256;
// A client that does not read its socket is cut off here; it reconnects and gets a fresh snapshot. Of a large house one
// snapshot alone may be longer than this, so two of them may wait besides.
const mostBufferedBytes = 256 * 1024;
export const mostClients = 64;

interface Message {
  readonly seq: number;
  readonly text: string;
}

/** One frame of the event stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). JSON holds no line breaks. */
export function frame(topic: string, body: unknown, id?: string): string {
  return `${id === undefined ? '' : `id: ${id}\n`}event: ${topic}\ndata: ${JSON.stringify(body)}\n\n`;
}

/**
 * Fans messages out to browsers. Snapshots (`send`) are only for those listening now: a newcomer gets its own.
 * Events (`publish`) carry an id and are kept a while, so that a client that comes back with `Last-Event-ID`
 * misses none.
 */
export class Stream {
  readonly #clients = new Set<ServerResponse>();
  readonly #kept: Message[] = [];
  // Ids of an earlier process mean nothing to this one.
  readonly #boot = randomUUID().slice(0, 8);
  #seq = 0;
  #longest = 0;

  get clients(): number {
    return this.#clients.size;
  }

  send(topic: string, body: unknown): void {
    if (this.#clients.size > 0) this.#write(frame(topic, body));
  }

  publish(topic: string, body: unknown): void {
    this.#seq += 1;
    const text = frame(topic, body, `${this.#boot}-${this.#seq}`);
    this.#kept.push({ seq: this.#seq, text });
    if (this.#kept.length > kept) this.#kept.shift();
    this.#write(text);
  }

  /** Keeps idle connections open through whatever lies between; clients ignore comments. */
  heartbeat(): void {
    this.#write(': alive\n\n');
  }

  /** Starts a reply whose headers are written already: what was missed, then the snapshots, then all that follows. */
  join(response: ServerResponse, lastEventId: string | undefined, snapshots: readonly string[]): void {
    // Two seconds: quick after a restart, and no storm when many pages are open.
    const first = `retry: 2000\n\n${this.#missed(lastEventId)}${snapshots.join('')}`;
    this.#longest = Math.max(this.#longest, first.length);
    response.write(first);
    this.#clients.add(response);
    response.once('close', () => this.#clients.delete(response));
    response.once('error', () => this.#clients.delete(response));
  }

  close(): void {
    for (const client of this.#clients) client.end();
    this.#clients.clear();
  }

  #missed(lastEventId: string | undefined): string {
    const [boot, seq] = lastEventId?.split('-') ?? [];
    if (boot !== this.#boot) return '';
    return this.#kept
      .filter((message) => message.seq > Number(seq))
      .map((message) => message.text)
      .join('');
  }

  #write(text: string): void {
    this.#longest = Math.max(this.#longest, text.length);
    for (const client of this.#clients) {
      client.write(text);
      if (client.writableLength > mostBufferedBytes + 2 * this.#longest) {
        this.#clients.delete(client);
        client.destroy();
      }
    }
  }
}
