import * as z from 'zod';

/** The top-level section `store`. The database itself is chosen by DATABASE_URL. */
export const storeConfig = z
  .strictObject({
    raw_days: z.number().min(1).max(3_660).default(7).meta({
      title: 'Raw readings',
      description: 'Every reading as it was taken; also how long Graphite may be away without a loss',
      unit: 'days',
      reload: 'restart',
    }),
    minute_days: z.number().min(1).max(36_600).default(90).meta({
      title: 'Minute means',
      description: 'Mean, minimum and maximum of every minute',
      unit: 'days',
      reload: 'restart',
    }),
    hour_days: z.number().min(1).max(36_600).default(1_826).meta({
      title: 'Hour means',
      description: 'Mean, minimum and maximum of every hour',
      unit: 'days',
      reload: 'restart',
    }),
  })
  .prefault({})
  .meta({ title: 'Store', description: 'How long readings are kept, and how finely' });
