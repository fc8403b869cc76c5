import { z } from 'zod';
import type { SettingMeta } from './model.ts';

const meta = (m: SettingMeta) => m;
const person = z.strictObject({
  person: z
    .string()
    .regex(/^[a-z0-9_]+$/, 'expected lower-case letters, digits and _')
    .meta(meta({ title: 'Person', description: 'The short name', reload: 'live', examples: ['alex'] })),
  name: z
    .string()
    .optional()
    .meta(meta({ title: 'Name', description: 'What pages show', reload: 'live', examples: ['Alex'] })),
  wifi_macs: z
    .array(
      z.string().transform((text, ctx) => {
        if (/^([0-9a-f]{2}[:-]?){6}$/i.test(text)) return text.toLowerCase();
        ctx.addIssue(`expected a MAC address like AA:BB:CC:DD:EE:FF, found ${JSON.stringify(text)}`);
        return z.NEVER;
      }),
    )
    .default([])
    .meta(
      meta({
        title: 'Wi-Fi addresses',
        description: 'MAC addresses of their phones',
        reload: 'live',
        examples: [['AA:BB:CC:DD:EE:FF']],
      }),
    ),
  offline_grace_seconds: z
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .meta(
      meta({
        title: 'Own grace',
        description: 'Overrides the grace of the house',
        unit: 's',
        reload: 'live',
      }),
    ),
});

/** A small tree with one of everything that areas use; the engine knows no area itself. */
export const fixtureSchema = z.strictObject({
  home: z
    .strictObject({
      name: z
        .string()
        .min(1)
        .max(40)
        .default('Home')
        .meta(meta({ title: 'Name', description: 'What the house is called', reload: 'live' })),
    })
    .prefault({})
    .meta({ title: 'Home', description: 'The house itself' }),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error'])
        .default('info')
        .meta(meta({ title: 'Level', description: 'Least important line to print', reload: 'live' })),
      json: z
        .boolean()
        .default(false)
        .meta(meta({ title: 'JSON', description: 'One JSON object a line', reload: 'restart' })),
    })
    .prefault({})
    .meta({ title: 'Log', description: 'What is printed' }),
  graphite: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .meta(
          meta({
            title: 'Host',
            description: 'Where Carbon runs',
            reload: 'restart',
            examples: ['192.0.2.123'],
          }),
        ),
      port: z
        .int()
        .min(1)
        .max(65_535)
        .default(2003)
        .meta(meta({ title: 'Port', description: 'Plaintext port', reload: 'restart' })),
    })
    .optional()
    .meta({ title: 'Graphite', description: 'Without it nothing is sent' }),
  homeassistant: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }).meta(
        meta({
          title: 'Address',
          description: 'Base address',
          reload: 'live',
          examples: ['http://homeassistant.local:8123'],
        }),
      ),
      token: z
        .string()
        .min(8)
        .meta(meta({ title: 'Token', description: 'Long-lived access token', reload: 'live', secret: true })),
      poll_interval_seconds: z
        .int()
        .min(10)
        .max(900)
        .default(300)
        .meta(
          meta({
            title: 'Poll interval',
            description: 'How often everything is read',
            unit: 's',
            reload: 'live',
          }),
        ),
    })
    .optional()
    .meta({ title: 'Home Assistant', description: 'Where it is' }),
  wifi: z
    .strictObject({
      networks: z
        .array(z.cidrv4())
        .default([])
        .meta(
          meta({
            title: 'Networks',
            description: 'What is swept',
            reload: 'live',
            examples: [['192.0.2.0/24']],
          }),
        ),
      scan_interval_seconds: z
        .number()
        .min(1)
        .max(3600)
        .default(30)
        .meta(
          meta({ title: 'Scan interval', description: 'Time between sweeps', unit: 's', reload: 'live' }),
        ),
    })
    .prefault({})
    .meta({ title: 'Wi-Fi', description: 'The LAN' }),
  presence: z
    .strictObject({
      people: z
        .array(person)
        .default([])
        .superRefine((people, ctx) => {
          for (const [i, p] of people.entries())
            if (people.findIndex((q) => q.person === p.person) < i)
              ctx.addIssue({
                code: 'custom',
                path: [i, 'person'],
                message: `${JSON.stringify(p.person)} is listed twice`,
              });
        })
        .meta(meta({ title: 'People', description: 'Everybody', reload: 'live' })),
      tado: z
        .strictObject({
          enabled: z
            .boolean()
            .default(false)
            .meta(meta({ title: 'Use Tado', description: 'Ask Tado too', reload: 'live' })),
        })
        .prefault({})
        .meta({ title: 'Tado', description: 'Phones by satellite' }),
      offline_grace_seconds: z
        .int()
        .min(0)
        .default(300)
        .meta(meta({ title: 'Grace', description: 'Silence before away', unit: 's', reload: 'live' })),
    })
    .prefault({})
    .meta({ title: 'Presence', description: 'Who is home' }),
  cameras: z
    .record(
      z.string().regex(/^[a-z_]+$/),
      z.discriminatedUnion('kind', [
        z.strictObject({
          kind: z.literal('rtsp'),
          url: z.string().meta(meta({ title: 'URL', description: 'Stream', secret: true })),
        }),
        z.strictObject({ kind: z.literal('file'), path: z.string() }),
      ]),
    )
    .default({})
    .meta({ title: 'Cameras', description: 'By name' }),
  alert: z
    .union([
      z.literal('off'),
      z.strictObject({ email: z.email().meta(meta({ title: 'E-mail', description: 'To whom' })) }),
    ])
    .default('off')
    .meta({ title: 'Alerts', description: 'Who is told' }),
});
