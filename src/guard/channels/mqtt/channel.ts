import { z } from 'zod';
import { LaresError, reason } from '#kernel/errors.ts';
import { alertBody } from '../alert.render.ts';
import { defineChannel } from '../contract.ts';

const action = z
  .strictObject({
    type: z.literal('mqtt').meta({ title: 'Type', description: 'Publish the alert over MQTT' }),
  })
  .meta({ title: 'MQTT', description: 'Publishes the alert at the broker of the house' });

const noBroker = 'there is no broker to publish at; set mqtt.url, or take the action mqtt out of the rule';

// A level of a topic may hold anything but these; a camera is named by its owner.
const level = (text: string) => text.replaceAll(/[+#/\p{Cc}]/gu, '_');

/** Publishes alerts as JSON under `<prefix>/alerts/<camera>`, QoS 1, not retained: an alert is news, not a state. */
export const mqtt = defineChannel({
  kind: 'mqtt',
  title: 'MQTT',
  action,
  example: { type: 'mqtt' },
  staleAfterMs: 86_400_000,
  deadlineMs: 15_000,
  reads: ['mqtt'],
  concurrency: 4,
  lane: () => 'mqtt',
  lacks: (_action, settings) => (settings.mqtt === undefined ? noBroker : undefined),
  open: (_settings, { publisher }) => ({
    async deliver(alert, _action, signal) {
      if (publisher === undefined) throw new LaresError('CONFIG_INVALID', noBroker);
      const topic = `${publisher.prefix}/alerts/${level(alert.camera)}`;
      await publisher.publish(topic, JSON.stringify(alertBody(alert)), signal);
    },
    async check(signal) {
      if (publisher === undefined) return { state: 'off', detail: noBroker };
      try {
        await publisher.reach(signal);
        return { state: 'ok', detail: `publishes under ${publisher.prefix}/alerts` };
      } catch (error) {
        return { state: 'down', detail: reason(error) };
      }
    },
    close: async () => {},
  }),
});
