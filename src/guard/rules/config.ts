import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { actionSchema } from '../channels/registry.ts';
import { conditions, hours, name } from './conditions.config.ts';
import { templateProblems } from './template.rules.ts';

const meta = (m: Omit<SettingMeta, 'reload'>) => ({ ...m, reload: 'live' as const });

const identity = z
  .strictObject({
    is: z.enum(['known', 'unknown']).meta(
      meta({
        title: 'Known or not',
        description:
          'known: a face or number plate that is enrolled. unknown: one that is not, or none recognised within 3 s',
      }),
    ),
    kind: z
      .enum(['face', 'plate'])
      .optional()
      .meta(meta({ title: 'Kind', description: 'Only faces or only number plates; both unless set' })),
    names: z
      .array(name)
      .min(1)
      .optional()
      .meta(
        meta({
          title: 'Names',
          description: 'Only these people or plates, with `is: known`',
          examples: [['alex']],
        }),
      ),
  })
  .meta(
    meta({ title: 'Identity', description: 'What recognition says; needs `cctv` recognition switched on' }),
  );

const presence = z
  .strictObject({
    residents_home: z
      .enum(['log', 'alert'])
      .optional()
      .meta(
        meta({
          title: 'When residents are home',
          description:
            'log: write it down with its reason and tell nobody. alert: tell. Unless set: log for people while the house is in mode home, alert for everything else, at night, and where `home_mode` of the rule names home',
        }),
      ),
    unknown_phone: z
      .enum(['raise', 'ignore'])
      .default('raise')
      .meta(
        meta({
          title: 'When an unknown phone is there',
          description: 'raise: one step more severe while a phone that belongs to nobody known is on the LAN',
        }),
      ),
    arrivals: z
      .enum(['explain', 'ignore'])
      .default('explain')
      .meta(
        meta({
          title: 'When a resident has just arrived',
          description:
            'explain: somebody seen within guard.arrival_grace_seconds of an arrival is taken for the one who arrived, and nobody is told',
        }),
      ),
  })
  .prefault({})
  .meta(meta({ title: 'Presence', description: 'What it means for this rule who is home' }));

const template = z
  .string()
  .min(1)
  .max(300)
  .superRefine((text, ctx) => {
    for (const message of templateProblems(text)) ctx.addIssue({ code: 'custom', message });
  });

/** One rule: when people are told of what a camera sees, and how. */
export const alertRule = z
  .strictObject({
    id: z
      .string()
      .regex(/^[a-z0-9_-]{1,64}$/, 'expected lower-case letters, digits, _ and -, like front_door')
      .meta(
        meta({ title: 'Id', description: 'Short name in logs and tables', examples: ['person_at_gate'] }),
      ),
    name: z
      .string()
      .min(1)
      .max(100)
      .optional()
      .meta(meta({ title: 'Name', description: 'How messages call the rule; the id unless set' })),
    enabled: z
      .boolean()
      .default(true)
      .meta(meta({ title: 'Enabled', description: 'A rule that is off costs nothing' })),
    cameras: z
      .array(name)
      .min(1)
      .optional()
      .meta(meta({ title: 'Cameras', description: 'Ids of cameras; all unless set', examples: [['front']] })),
    classes: z
      .array(name)
      .min(1)
      .max(100)
      .default(['person'])
      .meta(
        meta({
          title: 'Classes',
          description: 'What it is about, by the class names of the model',
          examples: [['person', 'dog']],
        }),
      ),
    confidence_threshold: z
      .number()
      .min(0)
      .max(1)
      .default(0.6)
      .meta(
        meta({
          title: 'Confidence',
          description:
            'Least score of the object, the median of its last sights. On the scale of all models 0.5 is where the detector begins to believe; an alert asks for a little more, because it disturbs people',
          examples: [0.6],
        }),
      ),
    zones: z
      .array(name)
      .min(1)
      .optional()
      .meta(
        meta({
          title: 'Zones',
          description: 'The foot of the object is in any of these zones; everywhere unless set',
          examples: [['driveway']],
        }),
      ),
    conditions,
    identity: identity.optional(),
    schedule: z
      .array(hours)
      .min(1)
      .max(50)
      .optional()
      .meta(
        meta({
          title: 'Schedule',
          description: 'Hours in which the rule is in force; always unless set',
          examples: [[{ from: '22:00', to: '06:00' }]],
        }),
      ),
    home_mode: z
      .array(z.enum(['home', 'away', 'night']))
      .min(1)
      .optional()
      .meta(
        meta({
          title: 'Home mode',
          description:
            'Modes of the house in which it alerts; all unless set. away also holds while nobody can tell who is home. See guard.mode',
          examples: [['away', 'night']],
        }),
      ),
    presence,
    cooldown: z
      .number()
      .min(0)
      .max(86_400)
      .default(30)
      .meta(
        meta({
          title: 'Cooldown',
          description:
            'After an alert, further objects of the same class at the same camera and zone are written down but not told for this long. The same object alerts once anyway, unless it goes away and comes back',
          unit: 's',
        }),
      ),
    severity: z
      .enum(['info', 'warning', 'critical'])
      .default('warning')
      .meta(meta({ title: 'Severity', description: 'How urgent it is; channels may act on it' })),
    message: template.optional().meta(
      meta({
        title: 'Message',
        description:
          'Words with placeholders: {object}, {count}, {distance}, {reference}, {movement}, {zone}, {camera}, {time}, {speed}, {identity}, {arrives_in}. A part between commas whose placeholder is not known is left out. A sentence of its own unless set',
        examples: ['{object}, {distance} from {reference}, {movement}'],
      }),
    ),
    actions: z
      .array(actionSchema)
      .max(20)
      .optional()
      .meta(
        meta({
          title: 'Actions',
          description:
            'How people are told. Unless set: every channel that is set up (all speakers, e-mail, MQTT); an empty list only writes it down',
          examples: [[{ type: 'speak' }]],
        }),
      ),
  })
  .meta(meta({ title: 'Alert rule', description: 'When people are told of what a camera sees, and how' }));

export type AlertRule = z.infer<typeof alertRule>;

/** The top-level key `alert_rules`. */
export const alertRulesConfig = z
  .array(alertRule)
  .max(200)
  .default([])
  .superRefine((rules, ctx) => {
    const first = new Map<string, number>();
    for (const [index, { id }] of rules.entries()) {
      const earlier = first.get(id);
      if (earlier === undefined) first.set(id, index);
      else
        ctx.addIssue({
          code: 'custom',
          path: [index, 'id'],
          message: `${JSON.stringify(id)} is already rule ${earlier + 1}; every rule has an id of its own`,
        });
    }
  })
  .meta(meta({ title: 'Alert rules', description: 'When people are told of what the cameras see, and how' }));
