import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';

const meta = (m: Omit<SettingMeta, 'reload'>) => ({ ...m, reload: 'live' as const });

/** How numbers are compared, by each way of writing it. */
export const operators = {
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
  less_than: '<',
  less_than_or_equal: '<=',
  greater_than: '>',
  greater_than_or_equal: '>=',
  within: '<=',
  beyond: '>',
} as const;

type Word = keyof typeof operators;
export type Operator = (typeof operators)[Word];

const operator = z
  .enum(Object.keys(operators) as [Word, ...Word[]])
  .transform((word): Operator => operators[word])
  .meta(
    meta({
      title: 'Operator',
      description: 'How it is compared with the value; `within` is <= and `beyond` is >',
      examples: ['<', 'within'],
    }),
  );

/** A name that the settings or a calibration gave to something. */
export const name = z.string().min(1).max(64);

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

/** A local time of day as settings write it. */
export const timeOfDay = (title: string, description: string) =>
  z
    .string()
    .regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'expected a time of day like 22:30')
    .meta(meta({ title, description, examples: ['22:30'] }));

/** Hours of the day in which a rule is in force. */
export const hours = z
  .strictObject({
    days: z
      .array(z.enum(weekdays))
      .min(1)
      .optional()
      .meta(
        meta({
          title: 'Days',
          description: 'Days on which the hours begin; every day unless set',
          examples: [['sat', 'sun']],
        }),
      ),
    from: timeOfDay('From', 'Local time at which the rule comes into force'),
    to: timeOfDay(
      'To',
      'Local time at which it ends; earlier than `from` means the next morning, equal to it means a whole day',
    ),
  })
  .meta(meta({ title: 'Hours', description: 'A part of the day in the local time of the home' }));

export type Hours = z.infer<typeof hours>;

const pictureDirections = ['left', 'right', 'up', 'down'] as const;

const distance = z
  .strictObject({
    reference: name.meta(
      meta({
        title: 'Reference',
        description: 'A named point, line or area on the ground, from the calibration of the camera',
        examples: ['gate'],
      }),
    ),
    operator,
    value: z
      .number()
      .min(0)
      .max(1000)
      .meta(meta({ title: 'Distance', description: 'Distance over the ground', unit: 'm', examples: [5] })),
  })
  .meta(
    meta({
      title: 'Distance to a reference',
      description:
        'Where the object stands, in metres. A place is known only to within some decimetres: the rule also holds when it may hold, by one standard deviation and at most half of the value',
    }),
  );

const crossing = z
  .strictObject({
    from: name.meta(meta({ title: 'From', description: 'Zone in which it was before' })),
    to: name.meta(meta({ title: 'To', description: 'Zone in which it is now' })),
  })
  .meta(meta({ title: 'Crossing', description: 'The object came from one zone into another' }));

const speed = z
  .strictObject({
    operator,
    value: z
      .number()
      .min(0)
      .max(500)
      .meta(meta({ title: 'Speed', description: 'Speed over the ground, in `unit`' })),
    unit: z
      .enum(['m/s', 'km/h'])
      .default('m/s')
      .meta(meta({ title: 'Unit', description: 'Unit of the value' })),
  })
  .meta(meta({ title: 'Speed', description: 'How fast the object moves' }));

const count = z
  .strictObject({
    operator,
    value: z
      .int()
      .min(0)
      .max(1000)
      .meta(meta({ title: 'Number', description: 'Number of objects', examples: [3] })),
  })
  .meta(
    meta({
      title: 'Count',
      description:
        'How many objects of the classes are there at the same time, in the zones of the rule or else in the picture of the camera',
    }),
  );

/** What must hold at the same time. */
export const conditions = z
  .strictObject({
    distance_to_reference: distance.optional(),
    approaching: name.optional().meta(
      meta({
        title: 'Approaching',
        description: 'The object comes closer to this reference, by at least 0.2 m/s',
        examples: ['gate'],
      }),
    ),
    leaving: name.optional().meta(
      meta({
        title: 'Leaving',
        description: 'The object goes away from this reference, by at least 0.2 m/s',
      }),
    ),
    direction: z
      .enum(pictureDirections, {
        error:
          'expected one of left, right, up, down (in the picture); to say towards or away from a place, write approaching: or leaving: and its name',
      })
      .optional()
      .meta(meta({ title: 'Direction', description: 'Where it moves in the picture' })),
    crossing: crossing.optional(),
    dwell_seconds: z
      .number()
      .min(0)
      .max(86_400)
      .optional()
      .meta(
        meta({
          title: 'Dwell time',
          description:
            'How long the object is in a zone of the rule, or at the distance, or else in the picture, before the rule holds (loitering)',
          unit: 's',
          examples: [20],
        }),
      ),
    speed: speed.optional(),
    count: count.optional(),
    stationary: z
      .boolean()
      .optional()
      .meta(
        meta({
          title: 'Stationary',
          description:
            'true: only what stands still, for example a parked car; false: only what moves. Things that always stood there never alert',
        }),
      ),
  })
  .prefault({})
  .meta(meta({ title: 'Conditions', description: 'What must hold at the same time' }));

export type Conditions = z.infer<typeof conditions>;
