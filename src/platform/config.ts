import * as z from 'zod';
import { levels } from './log.ts';

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone }).format(0);
    return true;
  } catch {
    return false;
  }
}

const timeZone = z.string().refine(isTimeZone, { error: 'expected a time zone like Europe/London' });

/** The top-level section `home`. */
export const homeConfig = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .default('Home')
      .meta({ title: 'Name', description: 'What Home Assistant calls this home (MQTT)', reload: 'restart' }),
    time_zone: timeZone.optional().meta({
      title: 'Time zone',
      description: 'IANA name; the time zone of the machine unless given',
      reload: 'restart',
      examples: ['Europe/London'],
    }),
  })
  .prefault({})
  .meta({ title: 'Home', description: 'The home itself' });

/** The top-level section `log`. */
export const logConfig = z
  .strictObject({
    level: z
      .enum(levels)
      .default('info')
      .meta({ title: 'Level', description: 'Lines below this level are not written', reload: 'live' }),
    format: z.enum(['text', 'json']).default('text').meta({
      title: 'Format',
      description: 'text: time|LEVEL|component|CODE|message; json: one object a line',
      reload: 'live',
    }),
    files: z.boolean().default(true).meta({
      title: 'Files',
      description:
        'Besides standard output, app.log, errors.log and alerts.log in the folder logs of the data directory: a file a day, compressed after 30 days, removed after 90',
      reload: 'restart',
    }),
  })
  .prefault({})
  .meta({ title: 'Log', description: 'What is written, and where' });
