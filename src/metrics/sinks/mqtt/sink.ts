import { readFileSync } from 'node:fs';
import { connect, type MqttClient } from 'mqtt';
import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Health } from '#platform/health.ts';
import { explained } from '#platform/http-client.ts';
import { backoff } from '#platform/supervisor.ts';
import type { MqttConfig } from './config.ts';
import { availabilityTopic, birthTopic, type Message, type MqttFeed, type Naming } from './feed.ts';

export interface MqttIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly health: Pick<Health, 'set'>;
  readonly feeds: readonly MqttFeed[];
  readonly homeName: string;
  readonly random?: () => number;
}

export interface MqttStats {
  readonly connected: boolean;
  /** Messages handed to the broker since the start. */
  readonly published: number;
}

const connectMs = 10_000;
const goodbyeMs = 1_000;
// Counts and power change without anything happening; one look a tick is enough.
const refreshMs = 5_000;
// A refused password stays refused; some brokers ban who insists.
const refusedWaitMs = 300_000;
const refusals = new Set([4, 5, 134, 135]);

/**
 * Publishes the house to an MQTT broker, with Home Assistant discovery. Every message is retained and sent again
 * after each connection, so nothing is queued while the broker is away and nothing old is ever sent after something new.
 */
export class MqttSink {
  readonly #config: MqttConfig;
  readonly #io: MqttIo;
  readonly #naming: Naming;
  /** What the broker has: topic to payload. Empty while there is no connection. */
  readonly #sent = new Map<string, string>();
  #client: MqttClient | undefined;
  #published = 0;
  #trouble = '';

  constructor(config: MqttConfig, io: MqttIo) {
    this.#config = config;
    this.#io = io;
    this.#naming = { ...config, homeName: io.homeName };
  }

  get stats(): MqttStats {
    return { connected: this.#client !== undefined, published: this.#published };
  }

  /** Runs until the signal aborts; says `offline` before it goes. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, health, log, random = Math.random } = this.#io;
    health.set('mqtt', 'starting', `connecting to ${this.#config.url}`);
    const unsubscribe = this.#io.feeds.map((feed) => feed.onChange(() => this.#publish()));
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const failure = await this.#session(signal, () => (attempt = 0));
      if (signal.aborted) break;
      const text = reason(failure);
      health.set('mqtt', 'down', text);
      if (text !== this.#trouble) log.warn(`mqtt error: ${text}`, { error: failure });
      this.#trouble = text;
      const refused = failure instanceof LaresError && failure.code === 'AUTH_REFUSED';
      await clock.sleep(refused ? refusedWaitMs : backoff(attempt, random()), signal);
    }
    for (const off of unsubscribe) off();
    health.set('mqtt', 'off', 'stopped');
  }

  /** One connection from first to last byte. Resolves with the reason why it ended. */
  async #session(signal: AbortSignal, onConnected: () => void): Promise<unknown> {
    const { clock } = this.#io;
    const over = new AbortController();
    let failure: unknown = new LaresError(
      'UNREACHABLE',
      `the broker ${this.#config.url} closed the connection`,
    );
    let client: MqttClient;
    try {
      client = this.#connect();
    } catch (error) {
      return error;
    }
    client.on('error', (error) => (failure = this.#explain(error)));
    client.on('close', () => over.abort());
    client.on('message', (topic, payload, packet) => this.#hear(topic, payload.toString(), packet.retain));
    client.on('connect', () => {
      onConnected();
      void this.#welcome(client);
    });
    const session = AbortSignal.any([signal, over.signal]);
    while (!session.aborted) {
      await clock.sleep(refreshMs, session);
      this.#publish();
    }
    await this.#leave(client, signal.aborted && !over.signal.aborted);
    return failure;
  }

  #connect(): MqttClient {
    const { url, username, password, verify_tls, ca_file } = this.#config;
    return connect(url, {
      // The loop above reconnects; what was not sent is not wanted any more.
      reconnectPeriod: 0,
      queueQoSZero: false,
      connectTimeout: connectMs,
      keepalive: 30,
      clean: true,
      rejectUnauthorized: verify_tls,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      ...(ca_file === undefined ? {} : { ca: readFileSync(ca_file) }),
      will: { topic: availabilityTopic(this.#naming), payload: Buffer.from('offline'), qos: 1, retain: true },
    });
  }

  async #welcome(client: MqttClient): Promise<void> {
    const { health, log } = this.#io;
    this.#client = client;
    this.#sent.clear();
    health.set('mqtt', 'ok', `connected to ${this.#config.url}`);
    log.info(`mqtt connected to ${this.#config.url}`);
    this.#trouble = '';
    this.#publish();
    const { feeds } = this.#io;
    const known = feeds.flatMap((feed) => feed.knownTopics(this.#naming));
    const commands = feeds.flatMap((feed) => this.#commandsOf(feed)?.topics(this.#naming) ?? []);
    const topics = [birthTopic(this.#naming), ...known, ...commands];
    try {
      await client.subscribeAsync(topics);
    } catch (error) {
      if (this.#client !== client) return;
      log.warn(
        `mqtt error: the broker does not let us read ${topics.join(', ')} (${reason(error)}); what leaves the settings stays in Home Assistant, and nothing can be switched from there`,
      );
    }
  }

  #hear(topic: string, payload: string, retained: boolean): void {
    if (topic === birthTopic(this.#naming)) {
      // Our own connection has just published everything; only a fresh start of Home Assistant needs it again.
      if (payload !== 'online' || retained) return;
      this.#sent.clear();
      this.#publish();
      return;
    }
    for (const feed of this.#io.feeds) {
      // A command that the broker kept is an old one: nobody asks for it now.
      if (!retained && this.#commandsOf(feed)?.hear(this.#naming, topic, payload) === true) return;
      const subject = feed.subjectOf(this.#naming, topic);
      if (subject === undefined || payload === '' || feed.has(subject)) continue;
      for (const message of feed.removal(this.#naming, subject)) this.#send(message);
    }
  }

  /** Nothing acts without sign-in: a broker that lets anybody in gives no commands. */
  #commandsOf(feed: MqttFeed): MqttFeed['commands'] {
    return this.#config.username === undefined ? undefined : feed.commands;
  }

  /** Sends what differs from what the broker has. Does nothing while there is no connection. */
  #publish(): void {
    if (this.#client === undefined) return;
    const wanted = [
      ...this.#io.feeds.flatMap((feed) => feed.messages(this.#naming)),
      { topic: availabilityTopic(this.#naming), payload: 'online' },
    ];
    for (const feed of this.#io.feeds) {
      const left = [...this.#sent.keys()].map((topic) => feed.subjectOf(this.#naming, topic));
      for (const subject of new Set(left))
        if (subject !== undefined && !feed.has(subject))
          for (const message of feed.removal(this.#naming, subject)) this.#send(message);
    }
    for (const message of wanted) if (this.#sent.get(message.topic) !== message.payload) this.#send(message);
  }

  #send({ topic, payload }: Message): void {
    if (this.#client === undefined) return;
    if (payload === '') this.#sent.delete(topic);
    else this.#sent.set(topic, payload);
    this.#published += 1;
    this.#client.publish(topic, payload, { qos: 0, retain: true }, (error) => {
      if (error) this.#io.log.debug(`mqtt error: ${topic}: ${reason(error)}`);
    });
  }

  /** A farewell suppresses the will, so `offline` is said first; a dead connection is only cut. */
  async #leave(client: MqttClient, politely: boolean): Promise<void> {
    const connected = this.#client !== undefined;
    this.#client = undefined;
    this.#sent.clear();
    if (politely && connected) {
      const said = client
        .publishAsync(availabilityTopic(this.#naming), 'offline', { qos: 1, retain: true })
        .then(() => client.endAsync())
        .catch(() => undefined);
      await Promise.race([said, new Promise((resolve) => setTimeout(resolve, goodbyeMs).unref())]);
    }
    client.on('error', () => {});
    client.end(true);
  }

  #explain(error: Error): LaresError {
    const code = (error as { code?: number | string }).code;
    if (typeof code === 'number' && refusals.has(code))
      return new LaresError(
        'AUTH_REFUSED',
        `the broker ${this.#config.url} refused the user name or password; check mqtt.username and MQTT_PASSWORD`,
      );
    return new LaresError('UNREACHABLE', `the broker ${this.#config.url}: ${explained(error)}`, {
      cause: error,
    });
  }
}
