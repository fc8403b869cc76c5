import { Agent, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { LaresError } from '#kernel/errors.ts';
import { explained } from '#platform/http-client.ts';

// GetStatus of the largest Shelly is below 10 kB; a page of its history below 60 kB.
const usualBytes = 512 * 1024;

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface HttpAsk {
  readonly method: 'GET' | 'POST';
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A longer reply is refused. */
  readonly mostBytes?: number;
}

const idleMs = 90_000;
// Two connections, so that a switch command never waits for a poll that hangs.
const keeping = () => new Agent({ keepAlive: true, maxSockets: 2, maxFreeSockets: 1, timeout: idleMs });

/** An HTTP line to one host that stays open between polls: a new connection costs a small device more than the answer. */
export class HttpLine {
  readonly #host: string;
  readonly #port: number;
  #agent = keeping();

  /** `host` may carry a port: `192.0.2.7`, `192.0.2.7:8080`. */
  constructor(host: string, port: number) {
    const [, name = host, given] = /^(.*?)(?::(\d{1,5}))?$/.exec(host) ?? [];
    // Only addresses with a port of their own, or in a URL, need the brackets of IPv6.
    this.#host = name.replace(/^\[(.*)\]$/, '$1');
    this.#port = given === undefined ? port : Number(given);
  }

  /**
   * One exchange; any status is a reply. Asked again once when a connection that lay idle turns out to be closed.
   * Throws UNREACHABLE, TIMEOUT (the signal aborted) or BAD_REPLY.
   */
  async ask(ask: HttpAsk, signal: AbortSignal): Promise<HttpReply> {
    const agent = this.#agent;
    const first = await this.#exchange(ask, signal);
    const reply = first === 'stale' && agent === this.#agent ? await this.#exchange(ask, signal) : first;
    if (reply === 'stale') throw new LaresError('UNREACHABLE', `${this.#host}: the connection was closed`);
    return reply;
  }

  /** Ends what is under way. The next question opens a new connection. */
  close(): void {
    const agent = this.#agent;
    this.#agent = keeping();
    agent.destroy();
  }

  #exchange(ask: HttpAsk, signal: AbortSignal): Promise<HttpReply | 'stale'> {
    return new Promise((resolve, reject) => {
      const { body, mostBytes = usualBytes } = ask;
      let answered = false;
      const sent = request(
        {
          host: this.#host,
          port: this.#port,
          method: ask.method,
          path: ask.path,
          agent: this.#agent,
          signal,
          headers: {
            ...ask.headers,
            ...(body !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(body),
            }),
          },
        },
        (response: IncomingMessage) => {
          answered = true;
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes <= mostBytes) return void chunks.push(chunk);
            reject(new LaresError('BAD_REPLY', `${this.#host} sent more than ${mostBytes} bytes`));
            sent.destroy();
          });
          response.on('error', (error) => reject(this.#failed(error, signal)));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text: Buffer.concat(chunks).toString('utf8'),
            }),
          );
        },
      );
      sent.on('error', (error) => {
        const code = (error as NodeJS.ErrnoException).code;
        const closed = code === 'ECONNRESET' || code === 'EPIPE';
        if (closed && sent.reusedSocket && !answered && !signal.aborted) resolve('stale');
        else reject(this.#failed(error, signal));
      });
      sent.end(body);
    });
  }

  #failed(error: Error, signal: AbortSignal): LaresError {
    if (error instanceof LaresError) return error;
    const cause = { cause: error };
    if (signal.aborted) return new LaresError('TIMEOUT', `${this.#host} did not answer in time`, cause);
    if ((error as NodeJS.ErrnoException).code?.startsWith('HPE_') === true)
      return new LaresError('BAD_REPLY', `${this.#host} does not speak HTTP`, cause);
    return new LaresError('UNREACHABLE', `${this.#host}: ${explained(error)}`, cause);
  }
}
