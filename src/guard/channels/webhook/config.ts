import { z } from 'zod';
import type { SettingMeta } from '#config/model.ts';

const meta = (m: SettingMeta): SettingMeta => m;

/** The id of a webhook, as rules write it. */
export const webhookId = z
  .string()
  .max(64)
  .regex(/^[a-z0-9][a-z0-9_-]*$/, 'expected lower-case letters, digits, _ and -, like phone');

const webhook = z.strictObject({
  id: webhookId.meta(
    meta({ title: 'Id', description: 'What rules call it', reload: 'live', examples: ['phone'] }),
  ),
  // The address of most services is itself a key.
  url: z
    .url({ protocol: /^https?$/, error: 'expected an address like https://example.org/hook' })
    .max(2_000)
    .refine((url) => URL.parse(url)?.username === '' && URL.parse(url)?.password === '', {
      error: 'no user name or password in the address; use bearer_token or hmac_secret',
    })
    .meta(
      meta({
        title: 'Address',
        description: 'Where alerts are posted as JSON; treated as a secret, because it often holds a key',
        reload: 'live',
        secret: true,
        examples: ['https://example.org/hooks/alerts'],
      }),
    ),
  bearer_token: z
    .string()
    .regex(/^[\x21-\x7e]{1,2000}$/, 'expected printable characters without spaces')
    .optional()
    .meta(
      meta({
        title: 'Bearer token',
        description: 'Sent as Authorization header',
        reload: 'live',
        secret: true,
      }),
    ),
  hmac_secret: z
    .string()
    .min(16, { error: 'at least 16 characters' })
    .max(1_000)
    .optional()
    .meta(
      meta({
        title: 'Signing secret',
        description: 'Signs each request: X-Lares-Signature is the HMAC-SHA256 of instant and body',
        reload: 'live',
        secret: true,
      }),
    ),
  snapshot: z
    .enum(['none', 'base64', 'multipart'])
    .default('none')
    .meta(
      meta({
        title: 'Picture',
        description: 'Whether the picture travels along: within the JSON, or as a file beside it',
        reload: 'live',
      }),
    ),
  timeout_seconds: z
    .number()
    .min(1)
    .max(60)
    .default(10)
    .meta(meta({ title: 'Time limit', description: 'For the whole request', unit: 's', reload: 'live' })),
  verify_tls: z
    .boolean()
    .default(true)
    .meta(
      meta({
        title: 'Check the certificate',
        description: 'Set to false for https with a self-signed one',
        reload: 'live',
      }),
    ),
});

/** The settings of webhooks, a part of `monitoring`. */
export const webhooksConfig = z
  .array(webhook)
  .max(32)
  .refine((hooks) => new Set(hooks.map((h) => h.id)).size === hooks.length, {
    error: 'two webhooks have the same id',
  })
  .default([])
  .meta(meta({ title: 'Webhooks', description: 'Addresses that alerts are posted to', reload: 'live' }));

export type Webhook = z.infer<typeof webhook>;
