import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { instant } from '#platform/wire.ts';
import type { HttpPorts } from '../ports.ts';

const maintenanceBody = z.object({
  items: z.array(
    z.object({
      id: z.string(),
      cadence: z.enum(['weekly', 'monthly', 'quarterly']),
      title: z.string(),
      how: z.string(),
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
          summary: 'What wants doing every week, month and quarter, and when it was last done',
          response: { 200: maintenanceBody },
        },
      },
      async () => ({ items: [...(await ports.maintenance())] }),
    );
  };
}
