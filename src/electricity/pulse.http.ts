import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { errorBody } from '#platform/wire.ts';
import type { IngressReply, IngressRequest } from './drivers/pulse/ingress.ts';

const mostBytes = 65_536;
const path = '/api/electricity/pulse';

/**
 * What a pulse meter sends, for senders on this machine; those of the network have a listener of their own
 * (`electricity.pulse.http`). The token of the meter is the sign-in, so no other is asked for.
 */
export function pulseRoutes(ingest: (request: IngressRequest) => IngressReply): FastifyPluginAsyncZod {
  return async (app) => {
    // The receiver reads the bytes itself, so that both listeners understand the same.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: mostBytes }, (_request, body, done) =>
      done(null, body),
    );
    app.post(
      path,
      {
        schema: {
          tags: ['electricity'],
          summary: 'Counts of a pulse meter, with its token; a message that is sent again counts once',
          consumes: ['application/json'],
          response: {
            200: z.object({ ok: z.boolean(), counted: z.number().int(), replayed: z.number().int() }),
            400: errorBody,
            401: errorBody,
            429: errorBody,
            503: errorBody,
          },
        },
      },
      (request, reply) => {
        const answer = ingest({
          method: request.method,
          path,
          query: new URLSearchParams(request.url.split('?')[1] ?? ''),
          headers: request.headers,
          body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
          from: request.ip,
        });
        reply.code(answer.status as 200);
        return JSON.parse(answer.body) as { ok: boolean; counted: number; replayed: number };
      },
    );
  };
}
