import { z } from 'zod';
import { networkSettings, pollSettings, targetSettings } from '../../driver.ts';
import { hostAndPortSetting, noneTwice } from '../shared/host.rules.ts';
import { macOf } from '../shared/json.codec.ts';

const password = z.string().min(1).max(128).optional();

export const config = z
  .strictObject({
    ...pollSettings,
    ...networkSettings,
    port: z.int().min(1).max(65_535).default(80).meta({
      title: 'Port',
      description: 'HTTP port of the devices where their host does not name one',
      reload: 'live',
    }),
    username: z.string().min(1).max(64).default('admin').meta({
      title: 'User name',
      description: 'For devices that want a sign-in; always admin from the second generation on',
      reload: 'live',
    }),
    password: password.meta({
      title: 'Password',
      description: 'The password that protects the web pages of the devices',
      secret: true,
      reload: 'live',
    }),
    devices: z
      .array(
        z
          .strictObject({
            host: hostAndPortSetting.meta({
              title: 'Host',
              description: 'IP address or name, with a port where that is not 80',
              reload: 'live',
              examples: ['192.0.2.20', '192.0.2.20:8080'],
            }),
            mac: z
              .string()
              .refine((text) => macOf(text) !== undefined, {
                message: 'expected a MAC like 02:00:00:00:00:01',
              })
              .optional()
              .meta({
                title: 'MAC',
                description: 'Lets the device be followed to another address before it was reached once',
                reload: 'live',
              }),
            password: password.meta({
              title: 'Password',
              description: 'Of this device, where it differs from the others',
              secret: true,
              reload: 'live',
            }),
            ...targetSettings,
          })
          .meta({ title: 'Shelly', description: 'A Shelly at a known address' }),
      )
      .superRefine(noneTwice({ host: (d) => d.host, mac: (d) => macOf(d.mac) }))
      .default([])
      .meta({
        title: 'Devices',
        description:
          'Shellys that are not found by searching the networks, or that need settings of their own',
        reload: 'live',
      }),
  })
  .meta({ title: 'Shelly', description: 'Shelly plugs, relays and meters of every generation over HTTP' });

export type ShellyConfig = z.infer<typeof config>;

export const example = {
  networks: ['192.0.2.0/24'],
  devices: [{ host: '192.0.2.20', name: 'Heat pump', poll_interval_seconds: 5 }],
};
