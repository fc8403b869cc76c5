import { z } from 'zod';
import { brokerSettings, brokerUrl } from '#platform/mqtt/config.ts';

/** Where Hildebrand's broker is. */
const cloudUrl = 'mqtts://glowmqtt.energyhive.com:8883';

export const config = z
  .strictObject({
    prefix: z
      .string()
      .regex(/^[^+#\0]{1,128}$/, 'no + or #')
      .default('glow')
      .meta({
        title: 'Topic prefix',
        description: 'First part of the topics, as set in the display under local MQTT',
        reload: 'live',
      }),
    broker: brokerSettings.optional(),
    local: z.boolean().default(true).meta({
      title: 'Local messages',
      description: 'Reads what displays publish on a broker of the house; false for the cloud alone',
      reload: 'live',
    }),
    cloud: z
      .strictObject({
        url: brokerUrl.default(cloudUrl).meta({
          title: 'Broker of the cloud',
          description: 'Address of the broker of Hildebrand',
          reload: 'live',
        }),
        username: z.string().min(1).meta({
          title: 'User name',
          description: 'Of the Bright or Glow account',
          reload: 'live',
        }),
        password: z
          .string()
          .min(1)
          .meta({ title: 'Password', description: 'Of that account', reload: 'live', secret: true }),
        device_id: z
          .string()
          .regex(/^[0-9A-Za-z-]{4,64}$/, 'expected an id such as 0123456789ABCDEF')
          .meta({
            title: 'Id of the display',
            description: 'As Hildebrand names it; the last part of the topic',
            reload: 'live',
          }),
        ca_file: brokerSettings.shape.ca_file,
      })
      .optional()
      .meta({ title: 'Cloud', description: 'Reads the cloud of Hildebrand; off until set', reload: 'live' }),
  })
  .meta({ title: 'Glow', description: 'Smart meters of Great Britain through a Glow display (Hildebrand)' });

export type GlowConfig = z.infer<typeof config>;

export const example = {
  prefix: 'glow',
  broker: { url: 'mqtt://192.0.2.10:1883', username: 'lares', password: 'example-password' },
};
