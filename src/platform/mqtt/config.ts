import { z } from 'zod';
import { isFilter } from './topics.rules.ts';

const filters = z.array(z.string().refine(isFilter, { error: 'expected a topic filter like lares/pulse/#' }));

/** The section of the embedded MQTT broker. It is off until the section exists, and the section needs a user. */
export const brokerConfig = z
  .strictObject({
    host: z
      .union([z.ipv4(), z.ipv6()])
      .default('127.0.0.1')
      .meta({
        title: 'Address',
        description: 'Address to listen on; 0.0.0.0 lets every machine of the network sign in',
        reload: 'restart',
        examples: ['127.0.0.1', '0.0.0.0'],
      }),
    port: z
      .int()
      .min(0)
      .max(65_535)
      .default(1883)
      .meta({ title: 'Port', description: 'TCP port; 0 takes any free one', reload: 'restart' }),
    users: z
      .array(
        z.strictObject({
          name: z
            .string()
            .min(1)
            .max(64)
            .meta({ title: 'User name', description: 'What the device signs in as', reload: 'restart' }),
          password: z.string().min(8).max(256).meta({
            title: 'Password',
            description: 'At least 8 characters',
            reload: 'restart',
            secret: true,
          }),
          publish: filters.default(['#']).meta({
            title: 'May publish',
            description: 'Topic filters that this user may publish under; everything unless set',
            reload: 'restart',
            examples: [['lares/pulse/#']],
          }),
          subscribe: filters.default(['#']).meta({
            title: 'May subscribe',
            description: 'Topic filters that this user may read; everything unless set',
            reload: 'restart',
            examples: [['homeassistant/#']],
          }),
        }),
      )
      .min(1, { error: 'the broker needs at least one user; nobody signs in without a name and a password' })
      .refine((users) => new Set(users.map((u) => u.name)).size === users.length, {
        error: 'two users have the same name',
      })
      .meta({ title: 'Users', description: 'Who may sign in', reload: 'restart' }),
  })
  .meta({
    title: 'Embedded MQTT broker',
    description: 'For homes without a broker of their own. Off until this section exists',
  });

export type BrokerConfig = z.infer<typeof brokerConfig>;

/** The address of a broker. What may be shown in a log holds no password. */
export const brokerUrl = z
  .url({ protocol: /^mqtts?$/, error: 'an address such as mqtt://192.0.2.10:1883' })
  .refine((url) => new URL(url).username === '' && new URL(url).password === '', {
    error: 'no user name or password in the address; use username and password',
  });

/** A broker of a driver's own, where it is not the one of the house. */
export const brokerSettings = z
  .strictObject({
    url: brokerUrl.meta({
      title: 'Broker',
      description: 'Address of the MQTT broker; mqtts:// for TLS',
      reload: 'live',
      examples: ['mqtt://192.0.2.10:1883'],
    }),
    username: z.string().min(1).optional().meta({
      title: 'User name',
      description: 'Leave out for a broker without users',
      reload: 'live',
    }),
    password: z.string().min(1).optional().meta({
      title: 'Password',
      description: 'Of that user',
      reload: 'live',
      secret: true,
    }),
    ca_file: z
      .string()
      .min(1)
      .optional()
      .meta({
        title: 'Authority of the certificate',
        description: 'PEM file of a private authority that signed the certificate of the broker',
        reload: 'live',
        examples: ['/etc/ssl/home-ca.pem'],
      }),
  })
  .meta({ title: 'Broker', description: 'Another MQTT broker than the one of the house', reload: 'live' });
