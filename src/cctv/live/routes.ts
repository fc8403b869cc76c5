import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { WebSocketServer, type WebSocket } from 'ws';
import { z } from 'zod';
import { LaresError, type Code } from '#kernel/errors.ts';
import { binary, errorBody } from '#platform/wire.ts';
import type { LiveHub, LivePort, Viewer } from './hub.ts';
import { foreignOrigin } from './origin.rules.ts';

const mostViewers = 64;
const mostFps = 5;
const heartbeatMs = 15_000;
const longestStallMs = 20_000;
/** A page says nothing but that it is there. */
const mostMessageBytes = 1_024;
const livePath = /^\/api\/cctv\/cameras\/([^/?]{1,100})\/live(?:\?|$)/;

export interface LiveRouteOptions {
  readonly port: Pick<LivePort, 'has'>;
  readonly hub: LiveHub;
  /** Why a request is refused before anything else, as for all reads (an upgrade passes no hook of the server). */
  readonly refusal: (headers: IncomingMessage['headers']) => string | undefined;
}

const params = z.object({ id: z.string().min(1).max(100) });
const width = z.coerce.number().int().min(64).max(3_840).optional();

/** The live view: a WebSocket of fragments, MJPEG where that cannot be shown, and single pictures. */
export function liveRoutes(options: LiveRouteOptions): FastifyPluginAsyncZod {
  const { port, hub } = options;
  const known = (id: string) => {
    if (!port.has(id))
      throw new LaresError('NOT_FOUND', `there is no camera ${JSON.stringify(id)} that is switched on`);
  };
  return async (app) => {
    const sockets = new WebSocketServer({
      noServer: true,
      maxPayload: mostMessageBytes,
      perMessageDeflate: false,
    });
    const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      const [status, why] = refused(
        request,
        options,
        sockets.clients.size,
        app.server.listenerCount('upgrade'),
      );
      if (status === undefined) return;
      // The server has taken its own listener off: a client that resets its connection now would end the house.
      socket.on('error', () => socket.destroy());
      if (status > 0) return refuse(socket, status, why);
      sockets.handleUpgrade(request, socket, head, (client) => serve(client, cameraOf(request)!, hub));
    };
    app.server.on('upgrade', upgrade);
    const heartbeat = setInterval(() => beat(sockets), heartbeatMs).unref();
    const pictures = new Set<ServerResponse>();
    app.addHook('preClose', async () => {
      clearInterval(heartbeat);
      app.server.off('upgrade', upgrade);
      for (const client of sockets.clients) client.terminate();
      for (const response of pictures) response.destroy();
      sockets.close();
    });

    app.get(
      '/api/cctv/cameras/:id/picture.jpg',
      {
        schema: {
          tags: ['cctv'],
          summary: 'A picture of now, JPEG',
          params,
          querystring: z.object({ width }),
          response: {
            200: binary('The picture', 'image/jpeg'),
            404: errorBody,
            502: errorBody,
            504: errorBody,
          },
        },
      },
      async (request, reply) => {
        known(request.params.id);
        const picture = await hub.picture(request.params.id, request.query.width);
        // The schema speaks of errors only: bytes need none.
        return reply.type('image/jpeg').send(Buffer.from(picture) as never);
      },
    );

    app.get(
      '/api/cctv/cameras/:id/mjpeg',
      {
        schema: {
          tags: ['cctv'],
          summary: `Pictures of now for ever, at most ${mostFps} a second (multipart JPEG)`,
          params,
          querystring: z.object({ width, fps: z.coerce.number().min(0.1).max(mostFps).default(2) }),
          response: {
            200: binary('JPEG after JPEG', 'multipart/x-mixed-replace'),
            404: errorBody,
            503: errorBody,
          },
        },
      },
      async (request, reply) => {
        known(request.params.id);
        if (pictures.size >= mostViewers) {
          reply.code(503).header('retry-after', '10');
          return { code: 'RATE_LIMITED', message: `${mostViewers} pages watch already; close some` };
        }
        reply.header('content-type', `multipart/x-mixed-replace; boundary=${boundary}`);
        const headers = reply.getHeaders();
        reply.hijack();
        reply.raw.writeHead(200, headers as Record<string, string>);
        pictures.add(reply.raw);
        const { fps, width: wide } = request.query;
        void stream(reply.raw, 1000 / fps, () => hub.picture(request.params.id, wide)).finally(() =>
          pictures.delete(reply.raw),
        );
        return undefined as never;
      },
    );
  };
}

function cameraOf(request: IncomingMessage): string | undefined {
  const found = livePath.exec(request.url ?? '')?.[1];
  try {
    return found === undefined ? undefined : decodeURIComponent(found);
  } catch {
    return undefined;
  }
}

/** The status to refuse with; 0 to go on; undefined when the request is somebody else's. */
function refused(
  request: IncomingMessage,
  { port, refusal }: LiveRouteOptions,
  viewers: number,
  listeners: number,
): [number | undefined, string] {
  const camera = cameraOf(request);
  // With nobody else to answer it, it would stay open for ever.
  if (camera === undefined) return [listeners > 1 ? undefined : 404, 'there is no socket here'];
  const why = refusal(request.headers) ?? foreignOrigin(request.headers);
  if (why !== undefined) return [421, why];
  if (!port.has(camera)) return [404, 'there is no such camera that is switched on'];
  if (viewers >= mostViewers) return [503, `${mostViewers} pages watch already; close some`];
  return [0, ''];
}

const codes: Readonly<Record<number, Code>> = {
  404: 'NOT_FOUND',
  421: 'PERMISSION_MISSING',
  503: 'RATE_LIMITED',
};

function refuse(socket: Duplex, status: number, message: string): void {
  const body = JSON.stringify({ code: codes[status], message });
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const alive = new WeakSet<WebSocket>();

/** One that did not answer the last question is gone, though its connection stands. */
function beat(sockets: WebSocketServer): void {
  for (const client of sockets.clients) {
    if (!alive.has(client)) client.terminate();
    alive.delete(client);
    client.ping();
  }
}

function serve(client: WebSocket, camera: string, hub: LiveHub): void {
  const say = (message: object) => client.send(JSON.stringify(message));
  const viewer: Viewer = {
    get waiting() {
      return client.bufferedAmount;
    },
    stream: (mime) => say({ type: 'stream', mime }),
    state: (state, detail) => say({ type: 'state', state, detail }),
    send: (message) => client.send(message),
    // 1013: try again later.
    drop: (why) => client.close(1013, why),
  };
  alive.add(client);
  client.on('pong', () => alive.add(client));
  client.on('error', () => client.terminate());
  const leave = hub.join(camera, viewer);
  client.on('close', leave);
}

const boundary = 'lares-picture';

/** Pictures until the reader goes, or none could be had for a while. A slow reader gets fewer. */
async function stream(
  response: ServerResponse,
  everyMs: number,
  picture: () => Promise<Uint8Array>,
): Promise<void> {
  let failures = 0;
  while (!response.destroyed && failures < 5) {
    const began = performance.now();
    try {
      const bytes = await picture();
      failures = 0;
      response.write(`--${boundary}\r\nContent-Type: image/jpeg\r\nContent-Length: ${bytes.length}\r\n\r\n`);
      response.write(bytes);
      if (!response.write('\r\n')) await drained(response);
    } catch {
      failures += 1;
    }
    const rest = everyMs * (failures > 0 ? 4 : 1) - (performance.now() - began);
    await new Promise((resolve) => setTimeout(resolve, Math.max(10, rest)));
  }
  response.end();
}

/** One that takes nothing for a while is let go. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    // It went while a picture was made: nothing follows.
    if (response.destroyed) return resolve();
    const timer = setTimeout(() => response.destroy(), longestStallMs);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}
