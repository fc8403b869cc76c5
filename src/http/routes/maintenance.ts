import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { instant } from '#platform/wire.ts';
import type { HttpPorts } from '../ports.ts';

const maintenanceBody = z.object({
  items: z.array(
    z.object({
      id: z.string(),
      area: z.enum(['presence', 'cctv']),
      cadence: z.enum(['daily', 'weekly', 'monthly', 'quarterly', 'annually']),
      title: z.string(),
      how: z.string(),
      minutes: z.number().nullable(),
      done_at: instant.nullable(),
      due_at: instant.nullable(),
      due: z.boolean(),
    }),
  ),
});
export type MaintenanceBody = z.infer<typeof maintenanceBody>;

/** `/api/maintenance`. Marking as done is left to the command line until there is a password. */
export function maintenanceRoutes(ports: Pick<HttpPorts, 'maintenance'>): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/api/maintenance',
      {
        schema: {
          tags: ['records'],
          summary: 'What wants doing every day, week, month, quarter and year, and when it was last done',
          response: { 200: maintenanceBody },
        },
      },
      async () => ({ items: [...(await ports.maintenance())] }),
    );
  };
}
