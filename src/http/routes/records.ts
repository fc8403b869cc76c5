import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { LaresError } from '#kernel/errors.ts';
import { isSeries } from '#kernel/reading.ts';
import { errorBody, eventBody, instantQuery, iso, parseInstant, toEventBody } from '#platform/wire.ts';
import { span } from '#presence/index.ts';
import { chartBody, seriesBody } from '../contract.ts';
import type { HttpPorts } from '../ports.ts';

const kinds = z
  .string()
  .max(200)
  .regex(/^[a-z0-9_.*,-]+$/, 'expected kinds like presence.* or presence.arrived,device.discovered')
  .meta({ description: 'Kinds of events, comma-separated, each exact or ending in *' });

/** `/api/events` and `/api/readings`: what the house remembers. */
export function recordRoutes(ports: Pick<HttpPorts, 'events' | 'readings' | 'now'>): FastifyPluginAsyncZod {
  const errors = { 400: errorBody, 404: errorBody };
  return async (app) => {
    app.get(
      '/api/events',
      {
        schema: {
          tags: ['records'],
          summary: 'The journal, newest first',
          querystring: z.object({
            kinds: kinds.optional(),
            subject: z.string().max(200).optional(),
            from: instantQuery.optional(),
            to: instantQuery.optional(),
            limit: z.coerce.number().int().min(1).max(1000).default(100),
          }),
          response: { 200: z.object({ events: z.array(eventBody) }), ...errors },
        },
      },
      async ({ query }) => {
        const events = await ports.events.list({
          limit: query.limit,
          order: 'desc',
          ...(query.kinds !== undefined && { kinds: query.kinds.split(',').filter((kind) => kind !== '') }),
          ...(query.subject !== undefined && { subject: query.subject }),
          ...(query.from !== undefined && { from: parseInstant(query.from)! }),
          ...(query.to !== undefined && { to: parseInstant(query.to)! }),
        });
        return { events: events.map(toEventBody) };
      },
    );
    app.get(
      '/api/readings/series',
      { schema: { tags: ['records'], summary: 'Names of all series', response: { 200: seriesBody } } },
      async () => ({ series: await ports.readings.series() }),
    );
    app.get(
      '/api/readings/chart',
      {
        schema: {
          tags: ['records'],
          summary: 'One series as at most `points` buckets; the last 24 hours unless told',
          querystring: z.object({
            series: z.string().max(512),
            from: instantQuery.optional(),
            to: instantQuery.optional(),
            points: z.coerce.number().int().min(1).max(5000).default(480),
          }),
          response: { 200: chartBody, ...errors },
        },
      },
      async ({ query }) => {
        const { series, points } = query;
        if (!isSeries(series))
          throw new LaresError(
            'USAGE',
            `${JSON.stringify(series)} is not a series; try home.presence.count_home`,
          );
        const { from, to } = span(query, ports.now());
        const chart = await ports.readings.chart(series, from, to, points);
        return {
          series,
          from: iso(from),
          to: iso(to),
          points: chart.map((p) => ({ at: iso(p.at), mean: p.mean, min: p.min, max: p.max })),
        };
      },
    );
  };
}
