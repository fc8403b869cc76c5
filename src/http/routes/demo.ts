import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { requireToken } from '../guard.ts';
import type { DemoPort } from '../ports.ts';

const faultyBody = z.object({
  paths: z.array(z.string()),
  what: z.string(),
  faults: z.array(z.string()),
});
export const demoFaultsBody = z.object({ devices: z.array(faultyBody) });
export type DemoFaultsBody = z.infer<typeof demoFaultsBody>;

export const demoFaultBody = z.object({ paths: z.array(z.string()), fault: z.string(), seconds: z.number() });
export type DemoFaultBody = z.infer<typeof demoFaultBody>;

const name = z.string().min(1).max(128);

/** `/api/demo/...`: only in the demo house, and in no API reference. */
export function demoRoutes(demo: DemoPort, token: string): FastifyPluginAsyncZod {
  return async (app) => {
    app.get('/api/demo/faults', { schema: { hide: true, response: { 200: demoFaultsBody } } }, async () => ({
      devices: demo
        .faulty()
        .map(({ paths, what, faults }) => ({ paths: [...paths], what, faults: [...faults] })),
    }));
    app.post(
      '/api/demo/fault',
      {
        schema: {
          hide: true,
          body: z.strictObject({ device: name, fault: name, seconds: z.number().min(0).max(86_400) }),
          response: { 200: demoFaultBody },
        },
      },
      async (request) => {
        requireToken(request, token);
        const { device, fault, seconds } = request.body;
        const { paths } = demo.fault(device, fault, seconds * 1_000);
        return { paths: [...paths], fault, seconds };
      },
    );
  };
}
