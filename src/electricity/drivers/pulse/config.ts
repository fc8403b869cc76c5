import { z } from 'zod';
import { brokerSettings } from '#platform/mqtt/config.ts';

const name = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^/+#\0]+$/, 'no /, + or #');
const port = z.int().min(0).max(65_535);

const fields = z
  .strictObject({
    total: name.optional().meta({
      title: 'Count',
      description: 'Field that holds the count of pulses',
      reload: 'live',
    }),
    power: name.optional().meta({
      title: 'Power',
      description: 'Field that holds the power in W',
      reload: 'live',
    }),
    energy: name.optional().meta({
      title: 'Energy',
      description: 'Field that holds an energy counter in Wh',
      reload: 'live',
    }),
    energy_kwh: name.optional().meta({
      title: 'Energy in kWh',
      description: 'Field that holds an energy counter in kWh',
      reload: 'live',
    }),
  })
  .prefault({})
  .meta({
    title: 'Fields',
    description:
      'What the sender calls its values in emoncms and Influx messages, where it is none of the usual names',
    reload: 'live',
  });

const esphome = z
  .strictObject({
    prefix: z
      .string()
      .min(1)
      .max(128)
      .meta({
        title: 'Topic prefix',
        description: 'mqtt.topic_prefix of the ESPHome device, its name unless set there',
        reload: 'live',
        examples: ['house-meter'],
      }),
    power: name.optional().meta({
      title: 'Power sensor',
      description: 'Object id of the pulse_meter sensor',
      reload: 'live',
      examples: ['house_power'],
    }),
    power_unit: z.enum(['pulses/min', 'W', 'kW']).default('pulses/min').meta({
      title: 'Unit of the power sensor',
      description: 'pulses/min unless filters of the sensor convert it',
      reload: 'live',
    }),
    total: name.optional().meta({
      title: 'Total sensor',
      description: 'Object id of its total sensor',
      reload: 'live',
      examples: ['house_pulses'],
    }),
    total_unit: z.enum(['pulses', 'Wh', 'kWh']).default('pulses').meta({
      title: 'Unit of the total sensor',
      description: 'pulses unless filters of the sensor convert it',
      reload: 'live',
    }),
  })
  .meta({ title: 'ESPHome', description: 'A pulse_meter of ESPHome over MQTT', reload: 'live' });

const tasmota = z
  .strictObject({
    topic: z
      .string()
      .min(1)
      .max(128)
      .meta({
        title: 'Topic',
        description: 'Topic of the Tasmota device; tele/<topic>/SENSOR is read',
        reload: 'live',
        examples: ['house_meter'],
      }),
    counter: z.int().min(1).max(8).default(1).meta({
      title: 'Counter',
      description: 'Which of its counters',
      reload: 'live',
    }),
    counter_type: z.enum(['count', 'seconds']).default('count').meta({
      title: 'Type',
      description: 'count for CounterType 0, seconds for CounterType 1 (seconds between pulses)',
      reload: 'live',
    }),
  })
  .meta({ title: 'Tasmota', description: 'A counter of Tasmota over MQTT', reload: 'live' });

const meter = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(64)
    .meta({
      title: 'Name',
      description: 'What to call the meter; `meter` is the one of the whole house',
      reload: 'live',
      examples: ['meter'],
    }),
  id: name.meta({
    title: 'Id',
    description: 'What the firmware calls itself: id, node or tag of its messages, last part of its topic',
    reload: 'live',
    examples: ['house-meter'],
  }),
  token: z.string().min(16).max(256).optional().meta({
    title: 'Token',
    description: 'What the firmware shows with each HTTP message; without it only MQTT is accepted',
    reload: 'live',
    secret: true,
  }),
  imp_per_kwh: z
    .number()
    .min(10)
    .max(100_000)
    .optional()
    .meta({
      title: 'Pulses a kWh',
      description: 'As printed on the meter (imp/kWh). What the message says unless set, else 1000',
      reload: 'live',
      examples: [1000],
    }),
  wraps_at: z
    .int()
    .min(256)
    .max(2 ** 53 - 1)
    .default(2 ** 32)
    .meta({
      title: 'Counter size',
      description: 'The count of the device starts again at 0 after this many pulses',
      reload: 'live',
    }),
  medium: z.enum(['electricity', 'gas']).default('electricity').meta({
    title: 'Medium',
    description: 'What the meter counts',
    reload: 'live',
  }),
  fields,
  esphome: esphome.optional(),
  tasmota: tasmota.optional(),
});

const unique = (key: 'name' | 'id') => (meters: readonly { name: string; id: string }[]) =>
  new Set(meters.map((m) => m[key])).size === meters.length;

/** Settings of the pulse driver: counters that send what they counted. */
export const config = z
  .strictObject({
    meters: z
      .array(meter)
      .min(1)
      .refine(unique('name'), { error: 'two meters have the same name' })
      .refine(unique('id'), { error: 'two meters have the same id' })
      .meta({ title: 'Meters', description: 'The counters that may send', reload: 'live' }),
    http: z
      .strictObject({
        host: z
          .union([z.ipv4(), z.ipv6()])
          .default('127.0.0.1')
          .meta({
            title: 'Address',
            description:
              'Address to listen on; 0.0.0.0 for the whole network: only tokens of meters are let in',
            reload: 'live',
            examples: ['0.0.0.0'],
          }),
        port: port.default(5_000).meta({ title: 'Port', description: 'TCP port', reload: 'live' }),
      })
      .optional()
      .meta({
        title: 'HTTP listener',
        description: 'A small server that takes messages of meters and nothing else; off until set',
        reload: 'live',
      }),
    mqtt: z.strictObject({ broker: brokerSettings.optional() }).optional().meta({
      title: 'MQTT',
      description: 'Reads lares/pulse/<id> of every meter from the broker of the house; off until set',
      reload: 'live',
    }),
  })
  .meta({
    title: 'Pulse meters',
    description: 'Meters whose light or contact gives pulses, counted by an ESP32 or the like',
  });

export type PulseConfig = z.infer<typeof config>;
export type MeterConfig = PulseConfig['meters'][number];

export const example = {
  meters: [
    {
      name: 'meter',
      id: 'house-meter',
      token: 'at-least-sixteen-characters',
      imp_per_kwh: 1000,
      esphome: { prefix: 'esp-meter', power: 'house_power', total: 'house_total' },
    },
  ],
  http: { host: '0.0.0.0', port: 5000 },
};
