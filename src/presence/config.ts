import * as z from 'zod';
import { normaliseNode } from '#kernel/reading.ts';
import type { SettingMeta } from '#config/model.ts';
import { normaliseMac } from '#devices/mac.ts';

const meta = (m: SettingMeta) => m;

/** Nodes under `home.presence.` that are not people. */
export const reservedNames = ['wifi', 'count_home', 'anyone_home', 'guests', 'service'] as const;

const personName = z
  .string()
  .min(1)
  .superRefine((name, ctx) => {
    const node = normaliseNode(name, '');
    if (node !== name)
      ctx.addIssue(
        `expected lower-case letters, digits and _ because it becomes part of a metric name, found ${JSON.stringify(name)}${node === '' ? '' : ` (write ${node})`}`,
      );
    if ((reservedNames as readonly string[]).includes(node) || node.startsWith('test_'))
      ctx.addIssue(`${JSON.stringify(name)} is reserved for a metric of its own; choose another name`);
  });

const mac = z.string().transform((text, ctx) => {
  const parsed = normaliseMac(text);
  if (parsed !== undefined) return parsed;
  ctx.addIssue(`expected a MAC address like AA:BB:CC:DD:EE:FF, found ${JSON.stringify(text)}`);
  return z.NEVER;
});

const entity = (domains: string) =>
  z
    .string()
    .regex(
      new RegExp(`^(${domains})\\.[a-z0-9_]+$`),
      `expected an entity like ${domains.split('|')[0]}.alex`,
    );

const personSchema = z.strictObject({
  person: personName.meta(
    meta({
      title: 'Person',
      description: 'The short name in metrics, logs and addresses: lower-case letters, digits and _',
      reload: 'live',
      examples: ['alex'],
    }),
  ),
  name: z
    .string()
    .min(1)
    .optional()
    .meta(
      meta({
        title: 'Display name',
        description: 'How pages and messages call them',
        reload: 'live',
        examples: ['Alex'],
      }),
    ),
  homeassistant_entity: entity('person|device_tracker')
    .optional()
    .meta(
      meta({
        title: 'Home Assistant person',
        description: 'Their person entity; leave out when Home Assistant does not know them',
        reload: 'live',
        examples: ['person.alex'],
      }),
    ),
  homeassistant_device_trackers: z
    .array(entity('device_tracker'))
    .default([])
    .meta(
      meta({
        title: 'Home Assistant device trackers',
        description: 'Trackers of their devices; home if any of them says home',
        reload: 'live',
        examples: [['device_tracker.alex_phone']],
      }),
    ),
  wifi_macs: z
    .array(mac)
    .default([])
    .meta(
      meta({
        title: 'Wi-Fi addresses',
        description: 'MAC addresses of the phones and watches they carry, in any notation',
        reload: 'live',
        examples: [['AA:BB:CC:DD:EE:FF']],
      }),
    ),
  wifi_hostnames: z
    .array(z.string().min(3))
    .default([])
    .meta(
      meta({
        title: 'Host names',
        description:
          'Host names of their devices: a part of the name, or a pattern with * and ?. A pattern that two people share is ignored',
        reload: 'live',
        examples: [['alex-phone']],
      }),
    ),
  tado_device: z
    .string()
    .min(1)
    .optional()
    .meta(
      meta({
        title: 'Tado device',
        description: 'Name of their phone in the Tado app',
        reload: 'live',
        examples: ['Alex phone'],
      }),
    ),
  offline_grace_seconds: z
    .int()
    .min(0)
    .max(86_400)
    .optional()
    .meta(
      meta({
        title: 'Own grace period',
        description: 'Overrides presence.offline_grace_seconds for them',
        unit: 's',
        reload: 'live',
      }),
    ),
});

/** The first index at which each value occurs again, with the index of its first use. */
function repeats<T>(values: readonly T[]): [index: number, first: number, value: T][] {
  const first = new Map<T, number>();
  return values.flatMap((value, index): [number, number, T][] => {
    const at = first.get(value);
    if (at === undefined) first.set(value, index);
    return at === undefined ? [] : [[index, at, value]];
  });
}

const people = z
  .array(personSchema)
  .default([])
  .superRefine((list, ctx) => {
    for (const [index, first, name] of repeats(list.map((p) => p.person)))
      ctx.addIssue({
        code: 'custom',
        path: [index, 'person'],
        message: `${JSON.stringify(name)} is already person ${first + 1}; each person is listed once`,
      });
    const owners = new Map<string, number>();
    for (const [index, { wifi_macs }] of list.entries())
      for (const [k, address] of wifi_macs.entries()) {
        const owner = owners.get(address);
        owners.set(address, owner ?? index);
        if (owner !== undefined)
          ctx.addIssue({
            code: 'custom',
            path: [index, 'wifi_macs', k],
            message: `${address} already belongs to ${list[owner]?.person}; one device is carried by one person`,
          });
      }
  });

export const presenceConfig = z
  .strictObject({
    people: people.meta(
      meta({ title: 'People', description: 'Everybody whose presence is tracked', reload: 'live' }),
    ),
    policy: z
      .enum(['learned', 'fixed'])
      .default('learned')
      .meta(
        meta({
          title: 'Departure policy',
          description:
            'learned: weigh every source and the habits of each phone, so that a sleeping phone does not send its owner away. fixed: away as soon as nothing saw them for the grace period',
          reload: 'live',
        }),
      ),
    offline_grace_seconds: z
      .int()
      .min(0)
      .max(86_400)
      .default(300)
      .meta(
        meta({
          title: 'Grace period',
          description:
            'Nobody is away before their devices were silent this long, unless there is exit evidence',
          unit: 's',
          reload: 'live',
        }),
      ),
    exit_grace_seconds: z
      .int()
      .min(0)
      .max(3_600)
      .default(180)
      .meta(
        meta({
          title: 'Grace period after an exit',
          description: 'The shorter silence that is enough when an exit was seen',
          unit: 's',
          reload: 'live',
        }),
      ),
    longest_silence_seconds: z
      .int()
      .min(60)
      .max(86_400)
      .default(2_700)
      .meta(
        meta({
          title: 'Longest silence',
          description: 'After this silence they are away, unless another source says that they are home',
          unit: 's',
          reload: 'live',
        }),
      ),
    exits_watched: z
      .boolean()
      .default(false)
      .meta(
        meta({
          title: 'Exits are watched',
          description:
            'Cameras or door sensors see every way out, so that no exit seen is evidence of being home',
          reload: 'live',
        }),
      ),
    randomised_macs: z
      .strictObject({
        suggest_above: z
          .number()
          .min(0)
          .max(1)
          .default(0.5)
          .meta(
            meta({
              title: 'Suggest above',
              description: 'Confidence from which a changed address is suggested',
              reload: 'live',
            }),
          ),
        relink_above: z
          .number()
          .min(0)
          .max(1)
          .default(1)
          .meta(
            meta({
              title: 'Relink by itself above',
              description:
                'Confidence from which a changed address is used without asking; 1 means always ask',
              reload: 'live',
            }),
          ),
      })
      .prefault({})
      .meta(
        meta({
          title: 'Randomised addresses',
          description: 'What to do when a phone changes its MAC address',
          reload: 'live',
        }),
      ),
    metrics: z
      .strictObject({
        prefix: z
          .string()
          .regex(
            /^[a-z0-9_]+(\.[a-z0-9_]+)*$/,
            'expected lower-case letters, digits and _ with dots between, like home.presence',
          )
          .default('home.presence')
          .meta(meta({ title: 'Prefix', description: 'Start of every presence metric', reload: 'live' })),
        extras: z
          .array(z.enum(['guests', 'probability', 'freshness']))
          .default([])
          .meta(
            meta({
              title: 'Extra metrics',
              description: 'Metrics beyond the 4 a person + 3',
              reload: 'live',
              examples: [['guests']],
            }),
          ),
      })
      .prefault({})
      .meta(meta({ title: 'Metrics', description: 'What is sent besides the standard metrics' })),
    tado: z
      .strictObject({
        enabled: z
          .boolean()
          .default(false)
          .meta(
            meta({
              title: 'Use Tado',
              description: 'Poll the phones of the Tado account; first run `lares tado login`',
              reload: 'live',
            }),
          ),
        poll_interval_seconds: z
          .int()
          .min(900)
          .default(900)
          .meta(
            meta({
              title: 'Poll interval',
              description: 'The free quota is 100 requests a day; 900 s uses 96',
              unit: 's',
              reload: 'live',
            }),
          ),
      })
      .prefault({})
      .meta(meta({ title: 'Tado', description: 'Home or away from the Tado app' })),
  })
  .prefault({})
  .meta(meta({ title: 'Presence', description: 'Who is home' }));

export type PresenceConfig = z.infer<typeof presenceConfig>;
