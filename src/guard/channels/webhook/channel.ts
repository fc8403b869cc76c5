import { defineChannel } from '../contract.ts';
import { webhookAction } from './action.ts';
import { openWebhooks } from './post.ts';

/** Posts alerts as JSON to addresses of the settings. */
export const webhook = defineChannel({
  kind: 'webhook',
  title: 'Webhook',
  action: webhookAction,
  example: { type: 'webhook', to: 'phone' },
  staleAfterMs: 86_400_000,
  deadlineMs: 75_000,
  patienceMs: ({ to }, { monitoring }) =>
    monitoring.webhooks.some((hook) => hook.id === to && hook.snapshot !== 'none') ? 5_000 : 0,
  reads: ['monitoring'],
  concurrency: 4,
  lane: ({ to }) => to,
  lacks: ({ to }, { monitoring }) =>
    monitoring.webhooks.some((hook) => hook.id === to)
      ? undefined
      : `there is no webhook ${to}; ${
          monitoring.webhooks.length === 0
            ? 'monitoring.webhooks is empty'
            : `monitoring.webhooks has ${monitoring.webhooks.map((h) => h.id).join(', ')}`
        }`,
  open: ({ monitoring }, io) => openWebhooks(monitoring.webhooks, io),
});
