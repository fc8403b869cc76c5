import { reason } from '#kernel/errors.ts';
import { mqttConfig, type MqttConfig } from '#metrics/sinks/mqtt/config.ts';
import type { RunningBroker, startBroker } from '#platform/mqtt/broker.ts';
import type { Health } from '#platform/health.ts';
import type { Logger } from '#platform/log.ts';
import type { HouseConfig } from './config.ts';

export interface Mqtt {
  /** Where sources listen: the embedded broker where there is one, else the one of the settings. */
  readonly sources: Pick<MqttConfig, 'url' | 'username' | 'password' | 'ca_file'> | undefined;
  /** Where the house is published: the broker of the settings where there is one, else the embedded one. */
  readonly sink: MqttConfig | undefined;
  close(): Promise<void>;
}

/** Starts the embedded broker if the settings want one. One that cannot start is told and does not stop the house. */
export async function openMqtt(
  config: Pick<HouseConfig, 'broker' | 'mqtt'>,
  {
    log,
    health,
    signal,
    start,
  }: {
    log: Logger;
    health: Health;
    signal: AbortSignal;
    /** Another way to start the embedded broker than the usual one. */
    start?: typeof startBroker | undefined;
  },
): Promise<Mqtt> {
  const none = { sources: config.mqtt, sink: config.mqtt, close: async () => {} };
  if (config.broker === undefined) return none;
  let broker: RunningBroker;
  try {
    // Loaded only where it is used.
    const run = start ?? (await import('#platform/mqtt/broker.ts')).startBroker;
    broker = await run(config.broker, { log: log.child('broker'), signal });
  } catch (error) {
    log.error(`broker error: ${reason(error)}; it waits until its settings change and Lares is restarted`, {
      error,
    });
    health.set('broker', 'parked', reason(error));
    return none;
  }
  log.hide(broker.password);
  health.set('broker', 'ok', `listens at ${config.broker.host}:${broker.port}`);
  const { url, username, password } = broker;
  return {
    sources: { url, username, password },
    sink: config.mqtt ?? mqttConfig.parse({ url, username, password }),
    close: () => broker.close(),
  };
}
