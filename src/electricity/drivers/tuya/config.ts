import { z } from 'zod';
import { networkSettings, pollSettings, targetSettings } from '../../driver.ts';
import { quantities, type Quantity } from '../../model.ts';
import { hostSetting, noneTwice } from '../shared/host.rules.ts';
import { tuyaPort, versions } from './model.ts';

const quantityNames = Object.keys(quantities) as [Quantity, ...Quantity[]];
const dataPoint = z.int().min(1).max(65_535);
const port = z.int().min(0).max(65_535);
const idText = z
  .string()
  .regex(/^[\w-]{6,64}$/, 'expected the id of a device, for example bf0123456789abcdefghij');

const device = z
  .strictObject({
    id: idText.meta({
      title: 'Device id',
      description: 'As `lares tuya wizard`, the phone app or the broadcast of the device says it',
      reload: 'live',
    }),
    ...targetSettings,
    key: z.string().length(16).optional().meta({
      title: 'Local key',
      description:
        '16 characters; a sub-device uses the one of its gateway. Pairing a device again changes it',
      secret: true,
      reload: 'live',
    }),
    host: hostSetting.optional().meta({
      title: 'Address',
      description: 'IP address or host name; found by its id unless set',
      reload: 'live',
      examples: ['192.0.2.31'],
    }),
    port: port
      .default(tuyaPort)
      .meta({ title: 'Port', description: 'TCP port of the device', reload: 'live' }),
    mac: z
      .string()
      .regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i, 'expected a MAC address such as 02:00:00:00:00:01')
      .optional()
      .meta({
        title: 'MAC address',
        description: 'Helps to follow the device to a new address',
        reload: 'live',
        examples: ['02:00:00:00:00:01'],
      }),
    version: z.enum(versions).optional().meta({
      title: 'Protocol version',
      description: 'Found out unless set',
      reload: 'live',
    }),
    product_id: z.string().min(1).max(64).optional().meta({
      title: 'Product id',
      description: 'Tells which data point means what; found by discovery unless set',
      reload: 'live',
    }),
    gateway: idText.optional().meta({
      title: 'Gateway',
      description: 'Id of the gateway that this device is behind',
      reload: 'live',
    }),
    node_id: z.string().min(1).max(64).optional().meta({
      title: 'Node id',
      description: 'What its gateway calls the device (cid)',
      reload: 'live',
    }),
    dps: z
      .array(
        z
          .strictObject({
            quantity: z.enum(quantityNames).meta({ title: 'Quantity', description: 'What it measures' }),
            dp: dataPoint.meta({ title: 'Data point', description: 'Its number' }),
            scale: z.number().positive().default(1).meta({
              title: 'Divided by',
              description:
                'The raw number divided by this is in our unit: 10 for tenths of a watt, 0.1 for kWh/100',
            }),
          })
          .meta({ title: 'Data point', description: 'What one data point means' }),
      )
      .default([])
      .meta({
        title: 'Data points',
        description: 'What the data points mean; known or recognised for most devices unless set',
        reload: 'live',
      }),
    switch_dp: dataPoint.optional().meta({
      title: 'Switch',
      description: 'The data point that switches the load; 1 for plugs, 16 for breakers unless set',
      reload: 'live',
    }),
    refresh: z.boolean().default(true).meta({
      title: 'Refresh before reading',
      description: 'Asks the device to measure before each poll; many say old power otherwise',
      reload: 'live',
    }),
  })
  .meta({ title: 'Tuya device', description: 'One device, or one sub-device behind a gateway' });

export const config = z
  .strictObject({
    ...pollSettings,
    ...networkSettings,
    devices: z
      .array(device)
      .superRefine(
        // Sub-devices are reached through the address of their gateway.
        noneTwice({
          host: ({ host, port: at, gateway }) =>
            host === undefined || gateway !== undefined ? undefined : `${host} ${at}`,
        }),
      )
      .default([])
      .meta({
        title: 'Devices',
        description: '`lares tuya wizard` and `lares tuya import devices.json` fill this in',
        reload: 'live',
      }),
    discovery: z
      .strictObject({
        bind: z.ipv4().default('0.0.0.0').meta({
          title: 'Listening address',
          description: 'Where broadcasts of devices are received',
          reload: 'live',
        }),
        ports: z.array(port).min(1).max(4).default([6666, 6667]).meta({
          title: 'Broadcast ports',
          description: 'UDP ports on which devices announce themselves',
          reload: 'live',
        }),
        solicit_port: port.default(7000).meta({
          title: 'Solicitation port',
          description: 'UDP port on which newer devices are asked to announce themselves',
          reload: 'live',
        }),
        listen_seconds: z.number().min(0.1).max(60).default(6).meta({
          title: 'Listening time',
          description: 'How long a search listens; devices announce themselves about every 5 s',
          unit: 's',
          reload: 'live',
        }),
        sweep: z.boolean().default(false).meta({
          title: 'Sweep',
          description:
            'Also asks every single address of the networks, where broadcasts do not pass; for devices with a key and without an address only',
          reload: 'live',
        }),
      })
      .prefault({})
      .meta({ title: 'Discovery', description: 'How devices are searched' }),
    cloud_quota: z.int().min(1).max(10_000_000).default(26_000).meta({
      title: 'Cloud calls a month',
      description: 'What the Tuya cloud project allows; only the wizard calls it',
      reload: 'live',
    }),
  })
  .superRefine((settings, context) => {
    settings.devices.forEach((entry, index) => {
      const complain = (key: string, message: string) =>
        context.addIssue({ code: 'custom', path: ['devices', index, key], message });
      if ((entry.gateway === undefined) !== (entry.node_id === undefined))
        complain('node_id', 'gateway and node_id belong together');
      if (entry.gateway !== undefined && !settings.devices.some((d) => d.id === entry.gateway))
        complain('gateway', 'expected the id of a device of this list');
      if (settings.devices.findIndex((d) => d.id === entry.id) !== index) complain('id', 'is listed twice');
    });
  })
  .meta({
    title: 'Tuya',
    description: 'Plugs, breakers and meters of the Tuya ecosystem, on the local network',
  });

export type TuyaConfig = z.infer<typeof config>;
export type TuyaDeviceConfig = TuyaConfig['devices'][number];

/** A setting that validates; for the docs, forms and the contract test. */
export const example = {
  devices: [
    {
      id: 'bf0123456789abcdefghij',
      name: 'Kettle',
      key: 'k3y-of-16-chars!',
      host: '192.0.2.31',
      version: '3.3',
    },
  ],
};
