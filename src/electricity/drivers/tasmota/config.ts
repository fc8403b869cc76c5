import { z } from 'zod';
import { networkSettings, pollSettings, targetSettings } from '../../driver.ts';
import { hostAndPortSetting, noneTwice } from '../shared/host.rules.ts';
import { isPattern } from './topics.rules.ts';

/** Section `tasmota`. */
export const mqttConfig = z
  .strictObject({
    full_topics: z
      .array(z.string().refine(isPattern, { error: 'expected a pattern like %prefix%/%topic%/' }))
      .min(1)
      .max(8)
      .default(['%prefix%/%topic%/'])
      .meta({
        title: 'Topic patterns',
        description: 'FullTopic of the devices; several where they differ',
        reload: 'restart',
        examples: [['%prefix%/%topic%/', 'house/%topic%/%prefix%/']],
      }),
    discovery_topic: z.string().min(1).max(100).default('tasmota/discovery').meta({
      title: 'Discovery topic',
      description: 'Where devices introduce themselves with name, model and MAC',
      reload: 'restart',
    }),
    poll_interval_seconds: z.number().min(1).max(3600).default(30).meta({
      title: 'Poll interval',
      description: 'How often each known device is asked for its readings, besides what it sends unasked',
      unit: 's',
      reload: 'restart',
    }),
    devices: z
      .array(
        z
          .strictObject({
            topic: z
              .string()
              .min(1)
              .max(64)
              .meta({
                title: 'Topic',
                description: 'The topic of the device',
                reload: 'restart',
                examples: ['tasmota_0A1B2C'],
              }),
            name: z
              .string()
              .min(1)
              .max(64)
              .meta({ title: 'Name', description: 'What to call it', reload: 'restart' }),
          })
          .meta({ title: 'Tasmota device', description: 'A name for a device' }),
      )
      .superRefine(noneTwice({ topic: (d) => d.topic }))
      .default([])
      .meta({ title: 'Devices', description: 'Names for devices; all of them are read', reload: 'restart' }),
  })
  .meta({
    title: 'Tasmota over MQTT',
    description: 'Every Tasmota that speaks to the MQTT broker of the house',
  });

export type TasmotaConfig = z.infer<typeof mqttConfig>;
export const mqttExample = { devices: [{ topic: 'tasmota_0A1B2C', name: 'Freezer' }] };

const password = z.string().min(1).max(128).optional();

/** Section `tasmota_http`. */
export const httpConfig = z
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
      description: 'For devices with a web password; admin unless the firmware was built otherwise',
      reload: 'live',
    }),
    password: password.meta({
      title: 'Web password',
      description: 'The web password of the devices',
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
              examples: ['192.0.2.30'],
            }),
            password: password.meta({
              title: 'Web password',
              description: 'Of this device, where it differs from the others',
              secret: true,
              reload: 'live',
            }),
            ...targetSettings,
          })
          .meta({ title: 'Tasmota device', description: 'A Tasmota at a known address' }),
      )
      .superRefine(noneTwice({ host: (d) => d.host }))
      .default([])
      .meta({
        title: 'Devices',
        description:
          'Devices that are not found by searching the networks, or that need settings of their own',
        reload: 'live',
      }),
  })
  .meta({
    title: 'Tasmota over HTTP',
    description:
      'Tasmota devices without MQTT, asked through their web server. Use one way for a device, not both',
  });

export type TasmotaHttpConfig = z.infer<typeof httpConfig>;

export const httpExample = { devices: [{ host: '192.0.2.30', name: 'Washing machine' }] };
