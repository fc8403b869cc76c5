import { LaresError } from '#kernel/errors.ts';
import { publishOnce, reachOnce, type BrokerAddress } from '#platform/mqtt/client.ts';
import type { Publisher } from '../contract.ts';

/** Publishes at a broker, each alert on a connection of its own: alerts are rare, and no line can go stale unseen. */
export const publisherAt = (broker: BrokerAddress, prefix: string): Publisher => ({
  prefix,
  async publish(topic, payload, signal) {
    await publishOnce(broker, topic, payload, { signal });
    // An aborted connection ends without a word, and nobody knows whether the broker has it.
    if (signal.aborted) throw new LaresError('TIMEOUT', 'the MQTT broker did not confirm the alert in time');
  },
  async reach(signal) {
    await reachOnce(broker, signal);
    if (signal.aborted) throw new LaresError('TIMEOUT', 'the MQTT broker did not answer in time');
  },
});
