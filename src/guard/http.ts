import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { errorBody, instant, isoOrNull } from '#platform/wire.ts';
import type { AlertChannelStats } from '#platform/stats.ts';
import type { ModeView } from './mode.rules.ts';
import type { HomeMode } from './model.ts';
import type { AlertRule } from './rules/config.ts';

/** What the routes need of the guard. All instants are epoch ms. */
export interface GuardPort {
  mode(): Pick<ModeView, 'mode' | 'why'> & { readonly until: number | undefined };
  /** `undefined` leaves it to the house; `ms` is how long it holds. */
  setMode(mode: HomeMode | undefined, ms: number | undefined, actor: string): Promise<void>;
  rules(): readonly AlertRule[];
  channels(): readonly AlertChannelStats[];
}

export interface GuardRouteOptions {
  /** Throws AUTH_REFUSED unless the request may make things happen. */
  readonly mayAct: (request: { readonly headers: Readonly<Record<string, unknown>> }) => void;
}

const modeBody = z.object({
  mode: z.enum(['home', 'away', 'night']),
  why: z.string(),
  until: instant.nullable(),
});
export type ModeBody = z.infer<typeof modeBody>;

const guardBody = modeBody.extend({
  rules: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      classes: z.array(z.string()),
      cameras: z.array(z.string()).nullable(),
      severity: z.string(),
    }),
  ),
  channels: z.array(
    z.object({
      channel: z.string(),
      waiting: z.number(),
      delivered: z.number(),
      failures: z.number(),
      given_up: z.number(),
      failed: z.number(),
      seconds_p50: z.number().nullable(),
      seconds_p95: z.number().nullable(),
    }),
  ),
});
export type GuardBody = z.infer<typeof guardBody>;

/** The routes under `/api/guard`. */
export function guardRoutes(port: GuardPort, { mayAct }: GuardRouteOptions): FastifyPluginAsyncZod {
  const tags = ['guard'];
  const modeNow = (): ModeBody => {
    const { mode, why, until } = port.mode();
    return { mode, why, until: isoOrNull(until) };
  };
  return async (app) => {
    app.get(
      '/api/guard',
      {
        schema: {
          tags,
          summary: 'The mode of the house and why, its alert rules, and how telling people goes',
          response: { 200: guardBody },
        },
      },
      (): GuardBody => ({
        ...modeNow(),
        rules: port.rules().map((r) => ({
          id: r.id,
          name: r.name ?? r.id,
          classes: [...r.classes],
          cameras: r.cameras === undefined ? null : [...r.cameras],
          severity: r.severity,
        })),
        channels: port.channels().map((c) => ({
          channel: c.channel,
          waiting: c.waiting,
          delivered: c.delivered,
          failures: c.failures,
          given_up: c.givenUp,
          failed: c.failed,
          seconds_p50: c.secondsP50 ?? null,
          seconds_p95: c.secondsP95 ?? null,
        })),
      }),
    );
    app.post(
      '/api/guard/mode',
      {
        schema: {
          tags,
          summary: 'Sets the mode of the house by hand, for some minutes or until it is taken back with auto',
          body: z.strictObject({
            mode: z.enum(['home', 'away', 'night', 'auto']),
            minutes: z.number().positive().max(44_640).optional(),
          }),
          response: { 200: modeBody, 400: errorBody, 401: errorBody },
        },
      },
      async (request) => {
        mayAct(request);
        const { mode, minutes } = request.body;
        const ms = minutes === undefined ? undefined : minutes * 60_000;
        await port.setMode(mode === 'auto' ? undefined : mode, ms, 'user:http');
        return modeNow();
      },
    );
  };
}
