import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { timeOfDay } from './rules/conditions.config.ts';

const meta = (m: Omit<SettingMeta, 'reload'>) => ({ ...m, reload: 'live' as const });

/** The top-level section `guard`: what the house holds of itself while it judges what the cameras see. */
export const guardConfig = z
  .strictObject({
    mode: z
      .enum(['auto', 'home', 'away', 'night'])
      .default('auto')
      .meta(
        meta({
          title: 'Mode of the house',
          description:
            'auto: away while nobody is home, night in the hours of guard.night, otherwise home. Any other word holds for good; a mode set by hand at run time comes before both',
        }),
      ),
    night: z
      .strictObject({
        from: timeOfDay('From', 'Local time at which the night begins').default('23:00'),
        to: timeOfDay('To', 'Local time at which it ends').default('06:30'),
      })
      .prefault({})
      .meta(meta({ title: 'Night', description: 'Hours of the mode night' })),
    arrival_grace_seconds: z
      .int()
      .min(0)
      .max(3_600)
      .default(120)
      .meta(
        meta({
          title: 'Grace after an arrival',
          description: 'How long a resident who arrived explains a person before a camera',
          unit: 's',
        }),
      ),
    unknown_phone_seconds: z
      .int()
      .min(0)
      .max(604_800)
      .default(3_600)
      .meta(
        meta({
          title: 'Unknown phones',
          description:
            'How long after its first sight a phone that belongs to nobody known makes alerts more severe; later it is a thing of the house',
          unit: 's',
        }),
      ),
  })
  .prefault({})
  .meta(meta({ title: 'Guard', description: 'Mode of the house and what it makes of who is home' }));

export type GuardConfig = z.infer<typeof guardConfig>;
