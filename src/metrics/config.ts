import { z } from 'zod';

/** How often the house is measured. */
export const metricsConfig = z.strictObject({
  interval_seconds: z.number().int().min(1).max(300).default(5).meta({
    title: 'Tick',
    description: 'Every reading is taken, kept and sent at multiples of this interval of the wall clock',
    unit: 's',
    reload: 'restart',
  }),
});

/** Where Carbon listens. Without this section nothing is sent to Graphite. */
export const graphiteConfig = z.strictObject({
  host: z
    .string()
    .min(1)
    .max(253)
    .meta({
      title: 'Carbon host',
      description: 'Name or address of the machine that runs Carbon',
      reload: 'restart',
      examples: ['192.0.2.123', 'graphite.lan'],
    }),
  port: z.number().int().min(1).max(65_535).default(2003).meta({
    title: 'Carbon port',
    description: 'Port of the plaintext line receiver',
    reload: 'restart',
  }),
  render_url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      title: 'Graphite web address',
      description:
        'Base address of graphite-web. With it, points that Carbon confirmed but did not keep are found every 10 minutes and sent again',
      reload: 'restart',
      examples: ['http://192.0.2.123:8080'],
    }),
  replay_minutes: z.number().min(0).max(1440).default(10).meta({
    title: 'Replay after a restart',
    description:
      'How far back confirmed points are sent again when Carbon was away or restarted, because its memory is lost then',
    unit: 'min',
    reload: 'restart',
  }),
  pace_points_per_second: z.number().int().min(10).max(100_000).default(2000).meta({
    title: 'Replay pace',
    description:
      'Upper limit for sending what was missed. Carbon writes about once a second and drops points silently when its cache fills meanwhile',
    unit: 'points/s',
    reload: 'restart',
  }),
  spool_max_points: z.number().int().min(1000).default(10_000_000).meta({
    title: 'Backlog limit',
    description: 'Above this many unsent points the oldest are given up. They stay in the database',
    unit: 'points',
    reload: 'restart',
  }),
  timeout_seconds: z.number().min(0.1).max(60).default(5).meta({
    title: 'Time limit',
    description: 'How long one batch may take from connecting to confirmation',
    unit: 's',
    reload: 'restart',
  }),
});
export type GraphiteConfig = z.infer<typeof graphiteConfig>;
