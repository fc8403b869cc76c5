import type { Socket } from 'node:net';
import { fastifySwagger } from '@fastify/swagger';
import Fastify, { type FastifyInstance } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import { LaresError, reason } from '#kernel/errors.ts';
import { cctvRoutes, liveRoutes } from '#cctv/index.ts';
import { guardRoutes } from '#guard/index.ts';
import { electricityRoutes, pulseRoutes } from '#electricity/index.ts';
import { presenceRoutes } from '#presence/index.ts';
import { guardHook, refusal, requireLoopback, requireToken, statusOf } from './guard.ts';
import type { HttpOptions, HttpPorts } from './ports.ts';
import { demoRoutes } from './routes/demo.ts';
import { healthRoutes } from './routes/health.ts';
import { maintenanceRoutes } from './routes/maintenance.ts';
import { pageRoutes } from './routes/page.ts';
import { recordRoutes } from './routes/records.ts';
import { streamRoutes } from './routes/stream.ts';

// Node's own limits let 400 half-sent requests live for more than 12 s; with these all are gone in 5 s (measured).
const limits = { headersTimeout: 3_000, connectionsCheckingInterval: 500, maxHeaderSize: 8_192 };
const requestTimeoutMs = 5_000;
const mostConnections = 256;
const gracefulMs = 1_500;
const heartbeatMs = 15_000;

/** The server with all its routes, not listening yet. Ports are touched only by requests and by listening. */
export async function createApp(
  ports: HttpPorts,
  options: Pick<HttpOptions, 'heartbeatMs'> = {},
): Promise<FastifyInstance> {
  const app = Fastify({
    http: limits,
    requestTimeout: requestTimeoutMs,
    bodyLimit: 64 * 1024,
    forceCloseConnections: 'idle',
    clientErrorHandler: refuseMalformed,
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.addHook('onRequest', guardHook());
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      code: 'NOT_FOUND',
      message: `there is nothing at ${request.method} ${path(request.url)}; see /docs`,
    }),
  );
  app.setErrorHandler((error, request, reply) => {
    if (hasZodFastifySchemaValidationErrors(error))
      return reply.code(400).send({ code: 'USAGE', message: validationMessage(error.validation) });
    const status = error instanceof LaresError ? statusOf(error) : clientStatus(error);
    if (status >= 500) ports.log.error(`http error: ${request.method} ${path(request.url)}`, { error });
    if (error instanceof LaresError)
      return reply.code(status).send({ code: error.code, message: error.message });
    if (status < 500) return reply.code(status).send({ code: 'USAGE', message: reason(error) });
    // What went wrong inside is for the log, not for whoever asked.
    return reply.code(500).send({ code: 'INTERNAL', message: 'a mistake in Lares; the log has the details' });
  });
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Lares API',
        description: 'Who is home, what the house draws, and how it knows.',
        version: '1',
      },
    },
    transform: jsonSchemaTransform,
  });
  await app.register(healthRoutes(ports));
  await app.register(presenceRoutes(ports.presence, () => ports.now()));
  await app.register(
    electricityRoutes(ports.electricity, {
      now: () => ports.now(),
      mayAct: (request) => requireToken(request, ports.token),
    }),
  );
  const mayAct = (request: Parameters<typeof requireToken>[0]) => requireToken(request, ports.token);
  await app.register(cctvRoutes(ports.cctv, { mayAct }));
  await app.register(liveRoutes({ ...ports.live, refusal }));
  await app.register(guardRoutes(ports.guard, { mayAct }));
  await app.register(pulseRoutes((request) => ports.electricity.ingest(request)));
  await app.register(recordRoutes(ports));
  await app.register(maintenanceRoutes(ports));
  if (ports.demo !== undefined) await app.register(demoRoutes(ports.demo, ports.token));
  await app.register(streamRoutes(ports, options.heartbeatMs ?? heartbeatMs));
  await app.register(pageRoutes(app));
  return app;
}

export interface RunningServer {
  /** `http://127.0.0.1:8000` */
  readonly url: string;
  /** Ends within two seconds, live streams included. */
  close(): Promise<void>;
}

/**
 * Starts answering.
 * @throws LaresError CONFIG_INVALID when the host is not loopback or the port is taken, PERMISSION_MISSING when the
 * system refuses the port.
 */
export async function serve(ports: HttpPorts, options: HttpOptions): Promise<RunningServer> {
  requireLoopback(options.host);
  const app = await createApp(ports, options);
  app.server.maxConnections = mostConnections;
  let url: string;
  try {
    url = await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    throw listenError(error, options);
  }
  return {
    url,
    close: async () => {
      const hard = setTimeout(() => app.server.closeAllConnections(), gracefulMs);
      await app.close();
      clearTimeout(hard);
    },
  };
}

/** The OpenAPI document of all routes, as committed under `docs/reference/`. */
export async function openApi(): Promise<object> {
  const untouched = new Proxy(
    {},
    {
      // A real house has no demo.
      get: (_, port) => (port === 'demo' ? undefined : untouched),
    },
  ) as HttpPorts;
  const app = await createApp(untouched);
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}

function listenError(error: unknown, { host, port }: HttpOptions): LaresError {
  const code = (error as NodeJS.ErrnoException).code;
  const where = `${host}:${port}`;
  if (code === 'EADDRINUSE')
    return new LaresError(
      'CONFIG_INVALID',
      `another program answers on ${where} already; stop it (ss -ltnp 'sport = :${port}' names it) or set http.port`,
      { cause: error },
    );
  if (code === 'EACCES')
    return new LaresError('PERMISSION_MISSING', `the system refuses ${where}; use a port above 1023`, {
      cause: error,
    });
  return new LaresError('CONFIG_INVALID', `cannot answer on ${where}: ${reason(error)}`, { cause: error });
}

const path = (url: string) => url.split('?', 1)[0]!.slice(0, 200);

function clientStatus(error: unknown): number {
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  return status >= 400 && status < 500 ? status : 500;
}

function validationMessage(
  problems: readonly { instancePath: string; message?: string | undefined }[],
): string {
  return problems
    .map(
      (p) =>
        `${p.instancePath.replace(/^\//, '').replaceAll('/', '.') || 'request'}: ${p.message ?? 'invalid'}`,
    )
    .join('; ');
}

/** Bytes that are no HTTP, and requests that take too long to arrive. */
function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [status, message] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'the request took too long to arrive']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the request headers are too large']
        : ['400 Bad Request', 'this is not a valid HTTP request'];
  const body = JSON.stringify({ code: 'USAGE', message });
  socket.write(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  // Merely ending it would leave it to a hostile client to hold its half open for ever.
  socket.destroySoon();
}
