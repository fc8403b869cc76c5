import { z } from 'zod';
import { pollSettings, targetSettings } from '../../driver.ts';
import { hostSetting, noneTwice } from '../shared/host.rules.ts';
import { templateProblem } from './templates.ts';

const phaseCircuit = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(64)
      .meta({
        title: 'Name',
        description: 'What this phase supplies',
        reload: 'live',
        examples: ['Kitchen'],
      }),
    invert: z.boolean().default(false).meta({
      title: 'Turned round',
      description: 'True when the current transformer of this phase sits the wrong way round',
      reload: 'live',
    }),
  })
  .meta({ title: 'Phase', description: 'One phase of a three-phase meter as a circuit of its own' });

const template = z
  .string()
  .min(1)
  .superRefine((name, context) => {
    const message = templateProblem(name);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

const unitSettings = z
  .strictObject({
    ...targetSettings,
    name: targetSettings.name.meta({
      title: 'Name',
      description:
        'What the meter measures; with split it may be left out, then only the phases are circuits',
      reload: 'live',
      examples: ['Heat pump'],
    }),
    unit: z.number().int().min(0).max(255).default(1).meta({
      title: 'Unit id',
      description: 'The Modbus address that is set on the meter; 1 unless somebody changed it',
      reload: 'live',
    }),
    template: template.meta({
      title: 'Template',
      description:
        'The kind of meter: the name of a template that Lares brings along, or the path of a YAML file',
      reload: 'live',
      examples: ['sdm120', 'sdm630', 'config/my-meter.yaml'],
    }),
    split: z
      .strictObject({ l1: phaseCircuit.optional(), l2: phaseCircuit.optional(), l3: phaseCircuit.optional() })
      .optional()
      .meta({
        title: 'Split',
        description: 'Phases of a three-phase meter that are circuits of their own',
        reload: 'live',
      }),
    invert: z.boolean().default(false).meta({
      title: 'Turned round',
      description:
        'True when the meter counts as fed in what is drawn, because it is wired the wrong way round',
      reload: 'live',
    }),
  })
  .superRefine((unit, context) => {
    const phases = Object.values(unit.split ?? {}).filter((p) => p !== undefined);
    if (unit.name !== undefined || phases.length > 0) return;
    context.addIssue({
      code: 'custom',
      path: ['name'],
      message: 'give the circuit a name, or its phases under split',
    });
  })
  .meta({ title: 'Meter', description: 'One meter on the bus' });

const serialSettings = z
  .strictObject({
    path: z
      .string()
      .min(1)
      .meta({
        title: 'Device file',
        description: 'The serial port of the RS485 adapter; the names under /dev/serial/by-id stay the same',
        reload: 'live',
        examples: ['/dev/ttyUSB0'],
      }),
    baud: z.number().int().min(300).max(921_600).default(9600).meta({
      title: 'Baud rate',
      description: 'As set on the meters; the SDM120 leaves the factory with 2400',
      unit: 'Bd',
      reload: 'live',
    }),
    parity: z.enum(['none', 'even', 'odd']).default('none').meta({
      title: 'Parity',
      description: 'As set on the meters',
      reload: 'live',
    }),
    stop_bits: z
      .union([z.literal(1), z.literal(2)])
      .default(1)
      .meta({ title: 'Stop bits', description: 'As set on the meters', reload: 'live' }),
  })
  .meta({
    title: 'Serial port',
    description: 'An RS485 adapter of this computer (needs the package serialport)',
  });

const busSettings = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta({
        title: 'Name',
        description: 'Keeps the history of its meters together when the address of the bus changes',
        reload: 'live',
        examples: ['Distribution board'],
      }),
    host: hostSetting.optional().meta({
      title: 'Host',
      description: 'Address of the meter or of the gateway that leads to the bus',
      reload: 'live',
      examples: ['192.0.2.7'],
    }),
    port: z.number().int().min(1).max(65_535).default(502).meta({
      title: 'Port',
      description: 'TCP port of the gateway',
      reload: 'live',
    }),
    framing: z.enum(['auto', 'tcp', 'rtu-over-tcp']).default('auto').meta({
      title: 'Framing',
      description:
        'Modbus TCP, or serial frames inside a TCP connection; auto tries both and keeps what is answered',
      reload: 'live',
    }),
    serial: serialSettings.optional(),
    reply_timeout_seconds: z.number().min(0.05).max(10).default(1).meta({
      title: 'Reply time limit',
      description: 'How long one meter may take for one reply',
      unit: 's',
      reload: 'live',
    }),
    units: z.array(unitSettings).max(247).default([]).meta({
      title: 'Meters',
      description: 'The meters on this bus; lares electricity discover --source modbus finds their unit ids',
      reload: 'live',
    }),
  })
  .superRefine((bus, context) => {
    if ((bus.host === undefined) === (bus.serial === undefined))
      context.addIssue({ code: 'custom', path: ['host'], message: 'give either host or serial' });
    const seen = new Set<number>();
    for (const [index, { unit }] of bus.units.entries()) {
      if (seen.has(unit))
        context.addIssue({
          code: 'custom',
          path: ['units', index, 'unit'],
          message: `two meters have unit id ${unit}; every meter on a bus needs its own`,
        });
      seen.add(unit);
    }
  })
  .meta({ title: 'Bus', description: 'One connection to one or more meters' });

export type SerialSettings = z.infer<typeof serialSettings>;
export type UnitSettings = z.infer<typeof unitSettings>;
export type BusSettings = z.infer<typeof busSettings>;

export const config = z
  .strictObject({
    ...pollSettings,
    buses: z
      .array(busSettings)
      .superRefine(
        noneTwice({
          name: (bus) => bus.name,
          host: ({ host, port }) => (host === undefined ? undefined : `${host} ${port}`),
          serial: (bus) => bus.serial?.path,
        }),
      )
      .default([])
      .meta({
        title: 'Buses',
        description: 'Meters and gateways that speak Modbus',
        reload: 'live',
      }),
  })
  .meta({
    title: 'DIN-rail circuits over Modbus',
    description: 'Meters in the distribution board, over Modbus TCP, RTU over TCP or a serial port',
  });

export type ModbusConfig = z.infer<typeof config>;

export const example = {
  poll_interval_seconds: 10,
  buses: [
    {
      name: 'Distribution board',
      host: '192.0.2.7',
      units: [
        { name: 'Heat pump', unit: 1, template: 'sdm630' },
        { name: 'Freezer', unit: 2, template: 'sdm120' },
        {
          unit: 3,
          template: 'sdm630',
          split: { l1: { name: 'Kitchen' }, l2: { name: 'Garage', invert: true } },
        },
      ],
    },
    {
      serial: { path: '/dev/ttyUSB0', baud: 2400 },
      units: [{ name: 'Solar', template: 'sdm230', invert: true, poll_interval_seconds: 5 }],
    },
  ],
};

/** How people and logs call the bus: `192.0.2.7:502`, `/dev/ttyUSB0`. */
export function addressOf(bus: BusSettings): string {
  return bus.serial?.path ?? `${bus.host}:${bus.port}`;
}

/** What stays the same for the life of the bus, as far as the settings allow. */
export function stationOf(bus: BusSettings): string {
  return bus.name ?? addressOf(bus);
}
