import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LaresError, reason } from '#kernel/errors.ts';
import { mostBody, type IngressReply, type IngressRequest } from './ingress.ts';

const mostConnections = 200;

export interface IngressServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves one handler and nothing else; what it throws is told to `broke` and answered with 500.
 * Throws UNREACHABLE when the port is taken, PERMISSION_MISSING, CONFIG_INVALID.
 */
export async function serve(
  { host, port }: { host: string; port: number },
  ingest: (request: IngressRequest) => IngressReply,
  broke: (error: unknown) => void,
): Promise<IngressServer> {
  const server = createServer(
    {
      requestTimeout: 10_000,
      headersTimeout: 5_000,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: 30_000,
    },
    (request, response) => {
      answer(request, response, ingest).catch((error: unknown) => {
        broke(error);
        // A reply that has begun cannot be taken back.
        if (response.headersSent) return void response.destroy();
        response.writeHead(500, { 'content-type': 'application/json; charset=utf-8', connection: 'close' });
        response.end(
          JSON.stringify({ code: 'INTERNAL', message: 'this message could not be taken; see the log' }),
        );
      });
    },
  );
  server.maxConnections = mostConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(host, port, error)));
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  ingest: (request: IngressRequest) => IngressReply,
): Promise<void> {
  const body = await read(request);
  if (body === undefined) return;
  const url = URL.parse(request.url ?? '/', 'http://meter');
  const reply =
    url === null
      ? { status: 400, type: 'text/plain', body: 'the address cannot be read' }
      : ingest({
          method: request.method ?? 'GET',
          path: url.pathname,
          query: url.searchParams,
          headers: request.headers,
          body,
          from: request.socket.remoteAddress ?? 'somebody',
        });
  response.writeHead(reply.status, {
    ...(reply.body === '' ? {} : { 'content-type': reply.type }),
    // The rest of a body that is too long is never read.
    ...(body.length > mostBody ? { connection: 'close' } : {}),
  });
  response.end(reply.body);
}

/** The body, or its first part where it is longer than anybody may send; undefined when the sender went away. */
function read(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const done = () => resolve(Buffer.concat(chunks));
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= mostBody) return;
      request.pause();
      done();
    });
    request.on('end', done);
    request.on('error', () => resolve(undefined));
    request.on('close', () => resolve(undefined));
  });
}

const codes = {
  EADDRINUSE: 'UNREACHABLE',
  EACCES: 'PERMISSION_MISSING',
  EADDRNOTAVAIL: 'CONFIG_INVALID',
} as const;

function cannotListen(host: string, port: number, error: NodeJS.ErrnoException): LaresError {
  const code = codes[error.code as keyof typeof codes] ?? 'UNREACHABLE';
  return new LaresError(
    code,
    `pulse meters cannot be received on ${host}:${port}; choose another port or address in pulse.http: ${reason(error)}`,
    { cause: error },
  );
}
