import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { backoff } from '#platform/supervisor.ts';
import { listen, type BrokerAddress, type ListenOptions, type OnMessage } from './client.ts';

export interface AgainOptions extends ListenOptions {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly random: () => number;
  readonly onTrouble: (error: LaresError) => void;
}

// A refused password stays refused; some brokers ban who insists.
const refusedWaitMs = 300_000;

/** `listen`, again and again with back-off: for a driver with a second line that must go on while this one is down. */
export async function listenAgain(
  broker: BrokerAddress,
  topics: readonly string[],
  onMessage: OnMessage,
  options: AgainOptions,
): Promise<void> {
  const { signal, clock, random, onTrouble } = options;
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      await listen(broker, topics, onMessage, {
        ...options,
        onConnected: (session) => {
          attempt = 0;
          options.onConnected?.(session);
        },
      });
    } catch (error) {
      if (!(error instanceof LaresError)) throw error;
      onTrouble(error);
      await clock.sleep(error.code === 'AUTH_REFUSED' ? refusedWaitMs : backoff(attempt, random()), signal);
    }
  }
}
