import { z } from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { entityPattern } from './codec.ts';

const setting = (meta: SettingMeta): SettingMeta => meta;

/** How to get a new token; part of every message about a refused one. */
export const tokenAdvice =
  'open your profile in Home Assistant, Security, Long-lived access tokens, create one named "Presence Monitoring" ' +
  'and put it into HOMEASSISTANT_TOKEN of the env file';

/** The id of an entity, as people copy it from Home Assistant. */
export const entityId = z
  .string()
  .regex(entityPattern, 'an entity id such as person.alex or device_tracker.alex_phone');

/** The top-level section `homeassistant`: where it is, and how we may read it. */
export const homeassistantConfig = z
  .strictObject({
    url: z
      .url({ protocol: /^https?$/, error: 'an address such as http://homeassistant.local:8123' })
      .refine((url) => new URL(url).username === '' && new URL(url).password === '', {
        error: 'no user name or password in the address; the token goes into HOMEASSISTANT_TOKEN',
      })
      .default('http://homeassistant.local:8123')
      .meta(
        setting({
          title: 'Address',
          description: 'Base address of Home Assistant, as you open it in a browser',
          reload: 'live',
          examples: ['http://homeassistant.local:8123', 'https://ha.example.org'],
        }),
      ),
    token: z
      .string()
      .regex(
        /^[\x21-\x7e]{8,}$/,
        'a long-lived access token: one line of printable characters without spaces',
      )
      .meta(
        setting({
          title: 'Access token',
          description: `A long-lived access token of a user that may read the entities: ${tokenAdvice}`,
          reload: 'live',
          secret: true,
        }),
      ),
    poll_interval_seconds: z
      .number()
      .int()
      .min(10)
      .max(900)
      .default(300)
      .meta(
        setting({
          title: 'Poll interval',
          description:
            'How often every entity is read over REST, to reconcile what the WebSocket pushed and to go on when there is none',
          unit: 's',
          reload: 'live',
        }),
      ),
    verify_tls: z
      .boolean()
      .default(true)
      .meta(
        setting({
          title: 'Check the certificate',
          description: 'Set to false for an https address with a self-signed certificate in your own network',
          reload: 'live',
        }),
      ),
  })
  .meta(
    setting({
      title: 'Home Assistant',
      description: 'Where Home Assistant is and how Lares may read it',
      reload: 'live',
    }),
  );
