import { z } from 'zod';
import type { SettingMeta } from '#config/model.ts';

const setting = (meta: SettingMeta): SettingMeta => meta;
const topic = z
  .string()
  .regex(/^[a-zA-Z0-9_-]+(\/[a-zA-Z0-9_-]+)*$/, 'letters, digits, _ and -, with / between');

/** The top-level section `mqtt`: the broker that is told who is home. */
export const mqttConfig = z
  .strictObject({
    url: z
      .url({
        protocol: /^mqtts?$/,
        error: 'an address such as mqtt://192.0.2.10 or mqtts://broker.example.org:8883',
      })
      .refine((url) => new URL(url).username === '' && new URL(url).password === '', {
        error: 'no user name or password in the address; use username and password (MQTT_PASSWORD)',
      })
      .meta(
        setting({
          title: 'Broker',
          description: 'Address of the MQTT broker that Home Assistant listens to',
          reload: 'restart',
          examples: ['mqtt://192.0.2.10:1883', 'mqtts://broker.example.org:8883'],
        }),
      ),
    username: z
      .string()
      .min(1)
      .optional()
      .meta(
        setting({
          title: 'User name',
          description: 'Leave out for a broker without users',
          reload: 'restart',
        }),
      ),
    password: z
      .string()
      .min(1)
      .optional()
      .meta(
        setting({
          title: 'Password',
          description: 'Of that user; better in MQTT_PASSWORD',
          reload: 'restart',
          secret: true,
        }),
      ),
    verify_tls: z
      .boolean()
      .default(true)
      .meta(
        setting({
          title: 'Check the certificate',
          description: 'Set to false for mqtts with a self-signed certificate; ca_file is the better way',
          reload: 'restart',
        }),
      ),
    ca_file: z
      .string()
      .min(1)
      .optional()
      .meta(
        setting({
          title: 'Authority of the certificate',
          description: 'PEM file of the authority that signed the certificate of the broker',
          reload: 'restart',
          examples: ['/etc/ssl/home-ca.pem'],
        }),
      ),
    topic: topic.default('lares').meta(
      setting({
        title: 'Topic',
        description: 'Start of every state topic. Two houses on one broker need two',
        reload: 'restart',
      }),
    ),
    discovery_prefix: topic.default('homeassistant').meta(
      setting({
        title: 'Discovery prefix',
        description: 'As set in the MQTT integration of Home Assistant',
        reload: 'restart',
      }),
    ),
  })
  .meta({ title: 'MQTT', description: 'Tells Home Assistant through an MQTT broker who is home' });

export type MqttConfig = z.infer<typeof mqttConfig>;
