import { z } from 'zod';
import { instant } from '#platform/wire.ts';

/** The shapes of every reply. `web` reads only types from here. */
export { errorBody, eventBody } from '#platform/wire.ts';
export { deviceBody, historyBody, personDetailBody, presenceBody, suggestionBody } from '#presence/index.ts';

export const statusWord = z.enum(['ok', 'degraded', 'down']);

export const healthBody = z.object({
  status: statusWord,
  version: z.string(),
  uptime_seconds: z.number().int(),
  /** Names of the components that a person should look at. */
  attention: z.array(z.string()),
});

export const componentBody = z.object({
  name: z.string(),
  state: z.enum(['off', 'starting', 'ok', 'degraded', 'down', 'parked']),
  detail: z.string(),
  since: instant,
  last_ok: instant.nullable(),
});

export const detailedHealthBody = z.object({
  status: statusWord,
  at: instant,
  version: z.string(),
  node: z.string(),
  started_at: instant,
  uptime_seconds: z.number().int(),
  components: z.array(componentBody),
  scanners: z.array(
    z.object({
      network: z.string(),
      method: z.string(),
      why: z.string(),
      last_at: instant.nullable(),
      last_took_ms: z.number().nullable(),
      last_found: z.number().nullable(),
    }),
  ),
  sinks: z.array(
    z.object({
      name: z.string(),
      target: z.string(),
      connected: z.boolean(),
      sent_total: z.number(),
      failures_total: z.number(),
      dropped_total: z.number(),
      backlog: z.number(),
      oldest_at: instant.nullable(),
      last_receipt_at: instant.nullable(),
    }),
  ),
  store: z.object({ kind: z.string(), size_bytes: z.number().nullable(), recovered: z.string().nullable() }),
  tick: z.object({
    interval_seconds: z.number(),
    count: z.number(),
    missed: z.number(),
    jitter_p50_ms: z.number(),
    jitter_p99_ms: z.number(),
    jitter_max_ms: z.number(),
    last_at: instant.nullable(),
  }),
  memory: z.object({ rss_bytes: z.number(), heap_used_bytes: z.number() }),
});
export type DetailedHealthBody = z.infer<typeof detailedHealthBody>;

export const chartBody = z.object({
  series: z.string(),
  from: instant,
  to: instant,
  points: z.array(z.object({ at: instant, mean: z.number(), min: z.number(), max: z.number() })),
});

export const seriesBody = z.object({ series: z.array(z.string()) });
