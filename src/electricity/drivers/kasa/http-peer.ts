import { LaresError } from '#kernel/errors.ts';
import { Peer } from './peer.ts';

const mostHeadBytes = 8_192;
const mostBodyBytes = 262_144;

export interface HttpReply {
  readonly status: number;
  readonly body: Buffer;
  /** The value of the cookie TP_SESSIONID. */
  readonly session: string | undefined;
  /** Seconds of the cookie TIMEOUT. */
  readonly timeout: number | undefined;
  readonly closing: boolean;
}

interface Head {
  readonly status: number;
  readonly start: number;
  /** Undefined: until the connection ends. */
  readonly length: number | 'chunked' | undefined;
  readonly session: string | undefined;
  readonly timeout: number | undefined;
  readonly closing: boolean;
}

/**
 * HTTP/1.1 as far as plugs speak it, over one kept connection: POST with a body, a status, a few headers, and a body by
 * length, in chunks, or up to the end. Everything is bounded. node:http does the same at four times the cost.
 */
export class HttpPeer extends Peer<HttpReply> {
  #held: Buffer | undefined;

  async post(path: string, body: Buffer | string, options: PostOptions): Promise<HttpReply> {
    const { cookie, json = false, signal } = options;
    const length = Buffer.byteLength(body);
    const head =
      `POST ${path} HTTP/1.1\r\nHost: ${this.shown}\r\n` +
      (json ? 'Content-Type: application/json\r\n' : '') +
      (cookie === undefined ? '' : `Cookie: TP_SESSIONID=${cookie}\r\n`) +
      `Content-Length: ${length}\r\n\r\n`;
    const message = Buffer.allocUnsafe(head.length + length);
    message.write(head, 0, 'latin1');
    if (typeof body === 'string') message.write(body, head.length, 'utf8');
    else body.copy(message, head.length);
    return await this.exchange(message, signal);
  }

  protected override take(segment: Buffer): HttpReply | undefined {
    const bytes = this.#held === undefined ? segment : Buffer.concat([this.#held, segment]);
    const reply = this.#parse(bytes, false);
    // Lent memory: what is needed later must be copied.
    if (reply === undefined) this.#held = bytes === segment ? Buffer.from(bytes) : bytes;
    return reply;
  }

  protected override finish(): HttpReply | undefined {
    const held = this.#held;
    this.#held = undefined;
    return held === undefined ? undefined : this.#parse(held, true);
  }

  protected override clear(): boolean {
    const pending = this.#held !== undefined;
    this.#held = undefined;
    return pending;
  }

  protected override keeps(reply: HttpReply): boolean {
    return !reply.closing;
  }

  #parse(bytes: Buffer, ended: boolean): HttpReply | undefined {
    const head = this.#head(bytes);
    if (head === undefined) return undefined;
    const { status, start, length, session, timeout, closing } = head;
    const reply = (body: Buffer, next: number) => {
      const rest = bytes.subarray(next);
      // More than was asked for: `clear` will say so and end the connection.
      this.#held = rest.length === 0 ? undefined : rest;
      return { status, body: Buffer.from(body), session, timeout, closing };
    };
    if (length === 'chunked') {
      const chunks = this.#chunks(bytes, start);
      return chunks === undefined ? undefined : reply(chunks.body, chunks.next);
    }
    if (length === undefined) {
      if (bytes.length - start > mostBodyBytes) throw this.#bad('a longer body than any device sends');
      return ended ? reply(bytes.subarray(start), bytes.length) : undefined;
    }
    return bytes.length < start + length
      ? undefined
      : reply(bytes.subarray(start, start + length), start + length);
  }

  #head(bytes: Buffer): Head | undefined {
    const end = bytes.indexOf('\r\n\r\n');
    if (end > mostHeadBytes || (end < 0 && bytes.length > mostHeadBytes)) throw this.#bad('endless headers');
    if (end < 0) {
      // Judged at once, so that a peer of another kind does not hold us until the time is up.
      if (!'HTTP/1.'.startsWith(bytes.toString('latin1', 0, 7))) throw this.#bad('something that is no HTTP');
      return undefined;
    }
    const text = bytes.toString('latin1', 0, end + 2);
    const status = /^HTTP\/1\.([01]) (\d{3})[ \r]/.exec(text);
    if (status === null) throw this.#bad('something that is no HTTP');
    const chunked = /\r\ntransfer-encoding:[^\r]*chunked/i.test(text);
    const declared = /\r\ncontent-length:\s*(\d{1,9})\s*\r/i.exec(text)?.[1];
    const length = chunked ? 'chunked' : declared === undefined ? undefined : Number(declared);
    if (typeof length === 'number' && length > mostBodyBytes)
      throw this.#bad('a longer body than any device sends');
    const seconds = /[;\s:]TIMEOUT=(\d{1,9})/i.exec(text)?.[1];
    return {
      status: Number(status[2]),
      start: end + 4,
      length,
      session: /[;\s:]TP_SESSIONID=([\w+/=.-]{1,256})/i.exec(text)?.[1],
      timeout: seconds === undefined ? undefined : Number(seconds),
      closing: status[1] === '0' || length === undefined || /\r\nconnection:\s*close/i.test(text),
    };
  }

  #chunks(bytes: Buffer, from: number): { body: Buffer; next: number } | undefined {
    const parts: Buffer[] = [];
    let [at, total] = [from, 0];
    for (;;) {
      const end = bytes.indexOf('\r\n', at);
      if (end < 0) return undefined;
      const size = /^([0-9a-f]{1,6})(;.{0,64})?$/i.exec(
        bytes.toString('latin1', at, Math.min(end, at + 80)),
      )?.[1];
      if (size === undefined) throw this.#bad('a chunk without a size');
      const length = Number.parseInt(size, 16);
      const start = end + 2;
      total += length;
      if (total > mostBodyBytes) throw this.#bad('a longer body than any device sends');
      if (bytes.length < start + length + 2) return undefined;
      if (bytes.toString('latin1', start + length, start + length + 2) !== '\r\n')
        throw this.#bad('a chunk of another size');
      at = start + length + 2;
      if (length === 0) return { body: Buffer.concat(parts), next: at };
      parts.push(bytes.subarray(start, start + length));
    }
  }

  #bad(what: string): LaresError {
    return new LaresError('BAD_REPLY', `${this.shown} sent ${what}`);
  }
}

export interface PostOptions {
  readonly signal: AbortSignal;
  /** Value of TP_SESSIONID. */
  readonly cookie?: string | undefined;
  readonly json?: boolean;
}
