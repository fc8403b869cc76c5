import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { toCctvBody } from '#cctv/index.ts';
import { toElectricityBody } from '#electricity/index.ts';
import { errorBody, toEventBody } from '#platform/wire.ts';
import { toPresenceBody } from '#presence/index.ts';
import type { HttpPorts } from '../ports.ts';
import { frame, mostClients, Stream } from '../stream.ts';
import { toDetailedHealth } from './health.ts';

// Health has no bell of its own; one comparison a second is cheaper than it is late.
const healthWatchMs = 1_000;
// Between transitions probabilities drift; a page need not show that faster than the house ticks.
const presenceWatchMs = 5_000;
// Power is measured every five seconds at best.
const powerWatchMs = 5_000;
// Objects move with every frame; boxes over a live picture may follow a little later.
const camerasWatchMs = 500;

/** `/api/stream`: snapshots of presence, electricity, cameras and health as they change, and every journal event. */
export function streamRoutes(ports: HttpPorts, heartbeatMs: number): FastifyPluginAsyncZod {
  return async (app) => {
    const stream = new Stream();
    const life = new DisposableStack();
    // What all have been told already; a newcomer has a snapshot of its own, from which things may go back.
    let told = '';
    let shown = '';
    app.addHook('onListen', async () => {
      life.defer(ports.presence.onChange((view) => stream.send('presence', toPresenceBody(view))));
      const sendPower = () => stream.send('electricity', toElectricityBody(ports.electricity.view()));
      life.defer(ports.electricity.onChange(sendPower));
      life.defer(ports.events.onEvent((event) => stream.publish('event', toEventBody(event))));
      const beat = setInterval(() => stream.heartbeat(), heartbeatMs).unref();
      life.defer(() => clearInterval(beat));
      const watch = setInterval(() => {
        if (stream.clients === 0) return;
        const health = toDetailedHealth(ports);
        const now = JSON.stringify([health.status, health.components, health.sinks.map((s) => s.connected)]);
        if (now !== told) stream.send('health', health);
        told = now;
      }, healthWatchMs).unref();
      life.defer(() => clearInterval(watch));
      const drift = setInterval(() => {
        if (stream.clients > 0) stream.send('presence', toPresenceBody(ports.presence.view()));
      }, presenceWatchMs).unref();
      life.defer(() => clearInterval(drift));
      const power = setInterval(() => {
        if (stream.clients > 0) sendPower();
      }, powerWatchMs).unref();
      life.defer(() => clearInterval(power));
      const cameras = setInterval(() => {
        if (stream.clients === 0) return;
        const body = toCctvBody(ports.cctv.view());
        const { at: _at, ...rest } = body;
        const now = JSON.stringify(rest);
        if (now !== shown) stream.send('cctv', body);
        shown = now;
      }, camerasWatchMs).unref();
      life.defer(() => clearInterval(cameras));
    });
    // An open stream would hold up the closing of the server for ever.
    app.addHook('preClose', async () => {
      life.dispose();
      stream.close();
    });
    app.get(
      '/api/stream',
      {
        exposeHeadRoute: false,
        schema: {
          tags: ['live'],
          summary:
            'Server-sent events: presence, electricity, cameras and health as they change, and every journal event',
          headers: z.object({ 'last-event-id': z.string().max(60).optional() }),
          response: {
            200: {
              description:
                'Events `presence`, `electricity`, `cctv`, `health` and `event`; the data of each is JSON',
              content: { 'text/event-stream': { schema: z.string() } },
            },
            503: errorBody,
          },
        },
      },
      (request, reply) => {
        if (stream.clients >= mostClients) {
          reply.code(503).header('retry-after', '10');
          return { code: 'RATE_LIMITED', message: `${mostClients} pages listen already; close some` };
        }
        reply.header('content-type', 'text/event-stream; charset=utf-8');
        const headers = reply.getHeaders();
        reply.hijack();
        reply.raw.writeHead(200, headers as Record<string, string>);
        told = '';
        shown = '';
        stream.join(reply.raw, request.headers['last-event-id'], [
          frame('presence', toPresenceBody(ports.presence.view())),
          frame('electricity', toElectricityBody(ports.electricity.view())),
          frame('cctv', toCctvBody(ports.cctv.view())),
          frame('health', toDetailedHealth(ports)),
        ]);
        return undefined;
      },
    );
  };
}
