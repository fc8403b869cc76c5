import { z } from 'zod';
import { mailAddresses } from './config.ts';

/** What a rule writes to have an alert mailed. */
export const emailAction = z
  .strictObject({
    type: z.literal('email').meta({ title: 'Type', description: 'Send the alert by mail' }),
    to: mailAddresses.optional().meta({
      title: 'To',
      description: 'Other recipients than monitoring.email_to',
      reload: 'live',
      examples: ['sam@example.org'],
    }),
  })
  .meta({ title: 'Mail', description: 'Sends the alert with its picture by mail' });

export type EmailAction = z.infer<typeof emailAction>;
