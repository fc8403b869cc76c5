import { z } from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { emailProblems, emailSettings } from './email/config.ts';
import { webhooksConfig } from './webhook/config.ts';

export { speakersConfig, type SpeakersConfig } from './speak/config.ts';

/** The top-level section `monitoring`: where alerts go besides the speakers. */
export const monitoringConfig = z
  .strictObject({ ...emailSettings, webhooks: webhooksConfig })
  .superRefine((settings, ctx) => {
    for (const { key, message } of emailProblems(settings))
      ctx.addIssue({ code: 'custom', path: [key], message });
  })
  .prefault({})
  .meta({
    title: 'Monitoring',
    description: 'Mail and webhooks for alerts',
    reload: 'live',
  } satisfies SettingMeta);

export type MonitoringConfig = z.infer<typeof monitoringConfig>;
