import { z } from 'zod';
import { webhookId } from './config.ts';

/** What a rule writes to have an alert posted. */
export const webhookAction = z
  .strictObject({
    type: z.literal('webhook').meta({ title: 'Type', description: 'Post the alert to a web address' }),
    to: webhookId.meta({
      title: 'Webhook',
      description: 'Id of an entry of monitoring.webhooks',
      reload: 'live',
      examples: ['phone'],
    }),
  })
  .meta({ title: 'Webhook', description: 'Posts the alert as JSON' });

export type WebhookAction = z.infer<typeof webhookAction>;
