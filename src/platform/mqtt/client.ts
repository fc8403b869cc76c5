import { readFileSync } from 'node:fs';
import type { IClientOptions, MqttClient } from 'mqtt';
import { LaresError } from '#kernel/errors.ts';
import { explained } from '#platform/http-client.ts';

/** Where an MQTT broker is and how to sign in. */
export interface BrokerAddress {
  /** `mqtt://192.0.2.5:1883`, `mqtts://…` for TLS. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM file of a private certificate authority. */
  readonly ca_file?: string | undefined;
}

export interface Delivery {
  /** The broker kept this from before we subscribed: it may be of any age. */
  readonly retain: boolean;
  readonly qos: 0 | 1 | 2;
  /** The broker sent it before and did not hear that we have it. */
  readonly dup: boolean;
}

export type OnMessage = (topic: string, payload: Buffer, delivery: Delivery) => void;

/** One connection, for as long as it lasts. */
export interface MqttSession {
  /** At QoS 1 resolves once the broker has it. Throws UNREACHABLE. */
  publish(
    topic: string,
    payload: string | Buffer,
    options?: { retain?: boolean; qos?: 0 | 1 },
  ): Promise<void>;
}

export interface ListenOptions {
  readonly signal: AbortSignal;
  /**
   * The broker keeps what is published at QoS 1 while we are away, under this name; it must be ours alone.
   * Without it nothing is kept.
   */
  readonly clientId?: string;
  /** Runs once all topics are granted; publishing is possible from here on. */
  readonly onConnected?: (session: MqttSession) => void;
  /** A longer payload is not handed on. Default 64 KiB. */
  readonly maxBytes?: number;
  /** What the broker publishes for us when the connection breaks. */
  readonly will?: { readonly topic: string; readonly payload: string };
  /** A silent line is given up after one and a half of this. Default 30. */
  readonly keepaliveSeconds?: number;
}

const connectMs = 10_000;
const goodbyeMs = 1_000;
const sessionSeconds = 86_400;
const refusals = new Set([4, 5, 134, 135]);

/**
 * Subscribes to `topics` at QoS 1 and hands every message on until the signal aborts. One connection: when it cannot
 * be made or breaks this throws, and the supervisor starts it again. `onMessage` is called in order; what it throws
 * ends the connection. The library costs 18 MiB, so it is loaded here, by those who use it.
 * @throws LaresError UNREACHABLE, or AUTH_REFUSED where the broker refuses the user, the password or a topic.
 */
export async function listen(
  broker: BrokerAddress,
  topics: readonly string[],
  onMessage: OnMessage,
  options: ListenOptions,
): Promise<void> {
  const { signal, maxBytes = 65_536 } = options;
  const { connect } = await import('mqtt');
  // Loading it takes a while, and an abort meanwhile would never be heard of again.
  if (signal.aborted) return;
  const place = shownBroker(broker.url);
  let failure: Error | undefined;
  let client: MqttClient;
  try {
    client = connect(broker.url, clientOptions(broker, options));
  } catch (error) {
    throw new LaresError('UNREACHABLE', `the broker ${place}: ${explained(error)}`, { cause: error });
  }
  const over = Promise.withResolvers<void>();
  const end = (error: Error) => {
    failure ??= error;
    over.resolve();
  };
  const abort = () => over.resolve();
  signal.addEventListener('abort', abort, { once: true });
  client.on('error', (error) => end(refusal(error, place)));
  client.on('close', () =>
    end(new LaresError('UNREACHABLE', `the broker ${place} closed the connection, or did not answer`)),
  );
  client.on('message', (topic, payload, packet) => {
    if (payload.length > maxBytes) return;
    try {
      onMessage(topic, payload, { retain: packet.retain, qos: packet.qos, dup: packet.dup });
    } catch (error) {
      end(error as Error);
    }
  });
  client.on('connect', () => {
    subscribe(client, topics, place)
      .then(() => options.onConnected?.(session(client, place)))
      .catch(end);
  });
  await over.promise;
  signal.removeEventListener('abort', abort);
  await leave(client, failure === undefined);
  if (failure !== undefined && !signal.aborted) throw failure;
}

/**
 * Publishes one message at QoS 1 on a connection of its own.
 * @throws LaresError UNREACHABLE or AUTH_REFUSED.
 */
export async function publishOnce(
  broker: BrokerAddress,
  topic: string,
  payload: string | Buffer,
  options: { retain?: boolean; signal?: AbortSignal } = {},
): Promise<void> {
  const done = new AbortController();
  const signals = options.signal === undefined ? [done.signal] : [done.signal, options.signal];
  let failure: Error | undefined;
  await listen(broker, [], () => {}, {
    signal: AbortSignal.any(signals),
    onConnected: (session) => {
      session
        .publish(topic, payload, { qos: 1, retain: options.retain ?? false })
        .catch((error: Error) => (failure = error))
        .finally(() => done.abort());
    },
  });
  if (failure !== undefined) throw failure;
}

/**
 * Signs in and says goodbye.
 * @throws LaresError UNREACHABLE or AUTH_REFUSED.
 */
export async function reachOnce(broker: BrokerAddress, signal: AbortSignal): Promise<void> {
  const done = new AbortController();
  await listen(broker, [], () => {}, {
    signal: AbortSignal.any([done.signal, signal]),
    onConnected: () => done.abort(),
  });
}

/** The address without credentials. */
function shownBroker(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? 'with an address that is none' : `${parsed.protocol}//${parsed.host}`;
}

function clientOptions(broker: BrokerAddress, options: ListenOptions): IClientOptions {
  const { username, password, ca_file } = broker;
  return {
    // Whoever called us starts again; a reconnect in here would hide the trouble from health.
    reconnectPeriod: 0,
    connectTimeout: connectMs,
    keepalive: options.keepaliveSeconds ?? 30,
    resubscribe: false,
    queueQoSZero: false,
    ...(options.clientId === undefined
      ? { clean: true }
      : {
          clean: false,
          clientId: options.clientId,
          properties: { sessionExpiryInterval: sessionSeconds },
        }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(ca_file === undefined ? {} : { ca: readFileSync(ca_file) }),
    ...(options.will === undefined
      ? {}
      : {
          will: {
            topic: options.will.topic,
            payload: Buffer.from(options.will.payload),
            qos: 1 as const,
            retain: true,
          },
        }),
  };
}

async function subscribe(client: MqttClient, topics: readonly string[], place: string): Promise<void> {
  if (topics.length === 0) return;
  const refused = new LaresError(
    'AUTH_REFUSED',
    `the broker ${place} does not let this user read ${topics.join(', ')}; allow it there`,
  );
  try {
    const granted = await client.subscribeAsync([...topics], { qos: 1 });
    if (granted.some((grant) => grant.qos >= 0x80)) throw refused;
  } catch (error) {
    if (error === refused || 'packet' in (error as object)) throw refused;
    throw new LaresError('UNREACHABLE', `the broker ${place}: ${explained(error)}`, { cause: error });
  }
}

function session(client: MqttClient, place: string): MqttSession {
  return {
    async publish(topic, payload, { retain = false, qos = 1 } = {}) {
      try {
        await client.publishAsync(topic, payload, { retain, qos });
      } catch (error) {
        throw new LaresError('UNREACHABLE', `the broker ${place}: ${explained(error)}`, { cause: error });
      }
    },
  };
}

function refusal(error: Error, place: string): LaresError {
  const code = (error as { code?: number | string }).code;
  return typeof code === 'number' && refusals.has(code)
    ? new LaresError('AUTH_REFUSED', `the broker ${place} refused the user name or password; check both`)
    : new LaresError('UNREACHABLE', `the broker ${place}: ${explained(error)}`, { cause: error });
}

/** Says goodbye where the line works; a dead one is only cut. */
async function leave(client: MqttClient, politely: boolean): Promise<void> {
  client.removeAllListeners('message');
  client.removeAllListeners('connect');
  client.on('error', () => {});
  if (politely && client.connected)
    await Promise.race([
      client.endAsync().catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, goodbyeMs).unref()),
    ]);
  client.end(true);
}
