import { z } from 'zod';
import { networkSettings, pollSettings, targetSettings } from '../../driver.ts';
import { hostSetting, noneTwice } from '../shared/host.rules.ts';
import { macDigits } from './iot.codec.ts';

const loginSettings = {
  username: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .meta({
      title: 'E-mail of the TP-Link account',
      description:
        'Needed by Tapo devices and by newer firmware of Kasa devices; nothing is ever sent to TP-Link',
      reload: 'restart',
      examples: ['alex@example.com'],
    }),
  password: z.string().min(1).max(256).optional().meta({
    title: 'Password of the TP-Link account',
    description: 'Proved to the devices of the own network only',
    reload: 'restart',
    secret: true,
  }),
};

const port = z.int().min(1).max(65_535);

const device = z
  .strictObject({
    host: hostSetting.optional().meta({
      title: 'Address',
      description: 'IP address or host name; without it the device is looked for in the networks by its id',
      reload: 'live',
      examples: ['192.0.2.7'],
    }),
    id: z
      .string()
      .refine((id) => macDigits(id) !== undefined, {
        message: 'expected a MAC address like 02:00:00:00:00:01',
      })
      .optional()
      .meta({
        title: 'Id',
        description:
          'Its MAC address, as `lares electricity discover` prints it; follows it to a new address',
        reload: 'live',
        examples: ['02:00:00:00:00:01'],
      }),
    ...targetSettings,
    ...loginSettings,
  })
  .refine((d) => d.host !== undefined || d.id !== undefined, {
    message: 'set host, or id to have it looked for',
  })
  .meta({ title: 'Kasa or Tapo device', description: 'A plug, strip, switch or bulb' });

export const config = z
  .strictObject({
    ...pollSettings,
    ...networkSettings,
    ...loginSettings,
    devices: z
      .array(device)
      .superRefine(noneTwice({ host: (d) => d.host, id: (d) => macDigits(d.id) }))
      .default([])
      .meta({
        title: 'Devices',
        description: 'Devices with an address or a name of their own; others are found in the networks',
        reload: 'live',
      }),
    ports: z
      .strictObject({
        local: port.default(9_999).meta({
          title: 'Local port',
          description: 'Where devices with older firmware listen, TCP and UDP',
          reload: 'restart',
        }),
        http: port.default(80).meta({
          title: 'Encrypted port',
          description: 'Where devices with newer firmware listen',
          reload: 'restart',
        }),
        discovery: z.array(port).default([20_002, 20_004]).meta({
          title: 'Discovery ports',
          description: 'Where devices with newer firmware answer who they are, UDP',
          reload: 'restart',
        }),
      })
      .prefault({})
      .meta({ title: 'Ports', description: 'For devices behind a port forwarding, and for simulated ones' }),
  })
  .meta({
    title: 'Kasa and Tapo',
    description: 'Plugs, strips, switches and bulbs of TP-Link, asked in the own network',
  });

export type KasaConfig = z.infer<typeof config>;

export const example = {
  networks: ['192.0.2.0/24'],
  username: 'alex@example.com',
  devices: [{ host: '192.0.2.7', name: 'Kettle' }],
};

export type KasaDeviceConfig = KasaConfig['devices'][number];
