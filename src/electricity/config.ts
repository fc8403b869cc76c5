import { z } from 'zod';
import { searchableNetwork } from './driver.ts';
import { drivers, type DriverKind } from './drivers/index.ts';
import { noneTwice } from './drivers/shared/host.rules.ts';
import { defaultPrefix } from './metrics.ts';
import { tariffConfig } from './money/config.ts';

type Sections = { [Kind in DriverKind]: z.ZodOptional<(typeof drivers)[Kind]['config']> };

/** One optional section for each source. */
const sections = Object.fromEntries(
  Object.entries(drivers).map(([kind, { title, config }]) => [
    kind,
    // Adding or removing a section takes effect at once, like everything in it.
    config.optional().meta({ title, ...config.meta(), reload: 'live' }),
  ]),
) as unknown as Sections;

const searchable = Object.entries(drivers).flatMap(([kind, { discover, config }]) =>
  discover !== undefined && 'networks' in config.shape ? [kind as DriverKind] : [],
);

const deviceSettings = z
  .strictObject({
    device: z
      .string()
      .min(1)
      .max(128)
      .meta({
        title: 'Device',
        description: 'Which one: its id, the name that it gives itself, or its MAC address',
        reload: 'live',
        examples: ['Plug 3', '02:00:00:00:00:01'],
      }),
    name: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta({
        title: 'Name',
        description: 'What to call it; also the name of its series',
        reload: 'live',
        examples: ['Living room lamp'],
      }),
    circuit: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta({
        title: 'Circuit',
        description: 'It measures this circuit of the distribution board: its series are under circuit.NAME',
        reload: 'live',
        examples: ['kitchen'],
      }),
    whole_house: z.boolean().default(false).meta({
      title: 'Measures the whole house',
      description: 'True for a clamp at the supply: it is never counted as a load among others',
      reload: 'live',
    }),
    control: z.boolean().default(true).meta({
      title: 'May be switched',
      description: 'With false Lares never switches it: for a freezer, a server, medical equipment',
      reload: 'live',
    }),
    on_at_most_minutes: z
      .number()
      .min(1)
      .max(100_000)
      .optional()
      .meta({
        title: 'On at most',
        description:
          'Longer than this it has been left on: for an iron, a hob. Learned from its habits unless set',
        unit: 'min',
        reload: 'live',
        examples: [45],
      }),
    ignore: z.boolean().default(false).meta({
      title: 'Ignore',
      description: 'With true it is neither shown nor recorded',
      reload: 'live',
    }),
  })
  .meta({ title: 'Device', description: 'What the house should know about one device' });
export type DeviceSettings = z.infer<typeof deviceSettings>;

/** The top-level section `electricity`. */
export const electricityConfig = z
  .strictObject({
    prefix: z
      .string()
      .regex(/^[a-z0-9_]+(\.[a-z0-9_]+)*$/, 'lower-case letters, digits and _, with dots between')
      .default(defaultPrefix)
      .meta({ title: 'Metric prefix', description: 'Start of every electricity series', reload: 'restart' }),
    networks: z
      .array(searchableNetwork)
      .default([])
      .meta({
        title: 'Networks',
        description: 'Networks that are searched for plugs and meters. Nothing is ever searched unasked',
        reload: 'live',
        examples: [['192.0.2.0/24']],
      }),
    search: z
      .array(z.enum(searchable))
      .default(searchable)
      .meta({
        title: 'Search for',
        description:
          'Sources whose devices are searched in the networks above, also without a section of their own',
        reload: 'live',
        examples: [['kasa']],
      }),
    main_meter: z
      .string()
      .min(1)
      .max(128)
      .optional()
      .meta({
        title: 'Main meter',
        description:
          'Name or id of the device that measures the whole house; the pulse meter or smart meter unless set, and without one everything that measures. circuits: the measured circuits are the whole board, and plugs behind them are not counted again',
        reload: 'live',
        examples: ['Shelly Pro 3EM', 'circuits'],
      }),
    max_power_kw: z.number().min(1).max(1000).default(50).meta({
      title: 'Highest power',
      description:
        'No device of the house draws more; counters that jump as if one did are held back until they confirm it',
      unit: 'kW',
      reload: 'live',
    }),
    retention_years: z.number().min(1).max(100).default(10).meta({
      title: 'Retention of energy',
      description: 'How long quarter-hour energy is kept',
      unit: 'years',
      reload: 'live',
    }),
    devices: z
      .array(deviceSettings)
      .superRefine(noneTwice({ device: (d) => d.device.trim() }))
      .default([])
      .meta({ title: 'Devices', description: 'Names, circuits and what may be switched', reload: 'live' }),
    tariff: tariffConfig.optional(),
    ...sections,
  })
  .meta({ title: 'Electricity', description: 'Plugs, meters and circuits' });
export type ElectricityConfig = z.infer<typeof electricityConfig>;
