import { defineDriver, type Driver } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { listen, type Delivery, type MqttSession } from '#platform/mqtt/client.ts';
import type { DriverParts, ElectricityContext } from '../../driver.ts';
import type { ElectricitySignal } from '../../model.ts';
import {
  parseDiscovery,
  parseMessage,
  readRelays,
  readSensor,
  relayOf,
  relayState,
  type Identity,
} from './codec.ts';
import { mqttConfig, mqttExample, type TasmotaConfig } from './config.ts';
import { Thing } from './thing.ts';
import { filters, hear, type Heard } from './topics.rules.ts';

// A broker may carry anything under `tele/`; a house has a few dozen devices.
const mostThings = 1_000;
// Asked more often, what it said holds no shorter: over radio a question is lost now and then.
const shortestEveryMs = 60_000;

export { mqttConfig as config, mqttExample as example };

/** Tasmota devices over the broker of the house: what they send unasked, and their replies to being asked. */
export function makeTasmotaDriver(
  parts: Pick<DriverParts, 'broker'>,
): Driver<'tasmota', TasmotaConfig, ElectricitySignal> {
  return defineDriver({
    kind: 'tasmota',
    title: 'Tasmota over MQTT',
    config: mqttConfig,
    example: mqttExample,
    traits: { cadence: 'push', needs: ['network'] },
    run: async (settings, context) => {
      if (parts.broker === undefined)
        throw new LaresError(
          'CONFIG_INVALID',
          'Tasmota needs an MQTT broker, and the house has none; set one up',
        );
      const house = new TasmotaHouse(settings, context);
      const topics = [...settings.full_topics.flatMap(filters), `${settings.discovery_topic}/+/config`];
      const listening = listen(parts.broker, topics, (...message) => house.hear(...message), {
        signal: context.signal,
        onConnected: (session) => house.connected(session),
      });
      await Promise.all([house.askAround(), listening.finally(() => house.disconnected())]);
    },
  });
}

class TasmotaHouse {
  readonly #settings: TasmotaConfig;
  readonly #context: ElectricityContext;
  readonly #things = new Map<string, Thing>();
  readonly #identities = new Map<string, Identity>();
  readonly #over = new AbortController();
  #session: MqttSession | undefined;

  constructor(settings: TasmotaConfig, context: ElectricityContext) {
    this.#settings = settings;
    this.#context = context;
  }

  connected(session: MqttSession): void {
    this.#session = session;
    this.#context.alive('connected to the broker');
    for (const thing of this.#things.values()) this.#quietly(thing.refresh());
  }

  disconnected(): void {
    this.#session = undefined;
    this.#over.abort();
  }

  /** Asks every device for its readings, one after the other over the interval. */
  async askAround(): Promise<void> {
    const { clock } = this.#context;
    const over = AbortSignal.any([this.#over.signal, this.#context.signal]);
    const everyMs = this.#settings.poll_interval_seconds * 1000;
    while (!over.aborted) {
      const asked = [...this.#things.values()].filter((thing) => thing.known && thing.online);
      for (const thing of asked) {
        this.#quietly(thing.ask());
        await clock.sleep(everyMs / asked.length, over);
        if (over.aborted) return;
      }
      if (asked.length === 0) await clock.sleep(everyMs, over);
    }
  }

  hear(topic: string, payload: Buffer, { retain }: Delivery): void {
    const text = payload.toString('utf8');
    if (topic.startsWith(`${this.#settings.discovery_topic}/`)) return this.#introduced(text);
    const heard = hear(this.#settings.full_topics, topic);
    if (heard === undefined || !understood(heard)) return;
    const known = this.#things.get(heard.topic);
    const thing = known ?? this.#meet(heard);
    if (thing === undefined) return;
    this.#context.alive();
    if (heard.word === 'LWT') return this.#lastWill(thing, text);
    // What the broker kept may be of any age, and the time in it names no zone: it is asked for anew instead.
    if (retain) return;
    const relay = heard.prefix === 'stat' ? relayOf(heard.word) : undefined;
    const on = relay === undefined ? undefined : relayState(text);
    if (relay !== undefined && on !== undefined) return this.#switched(thing, new Map([[relay, on]]), false);
    const message = parseMessage(text);
    if (message === undefined)
      return thing.trouble(
        new LaresError(
          'BAD_REPLY',
          `${heard.topic} sent a ${heard.word} that is not JSON; look at its console`,
        ),
      );
    if (heard.word === 'SENSOR' || heard.word === 'STATUS8' || heard.word === 'STATUS10')
      thing.measured(readSensor(message));
    else this.#switched(thing, readRelays(message), heard.word === 'STATE' || heard.word === 'STATUS11');
  }

  #switched(thing: Thing, relays: ReadonlyMap<string, boolean>, complete: boolean): void {
    if (thing.switched(relays, complete)) this.#quietly(thing.askAfterSwitch());
  }

  #lastWill(thing: Thing, text: string): void {
    if (text === 'Offline') return thing.gone();
    if (text !== 'Online') return;
    thing.online = true;
    if (thing.known) this.#quietly(thing.refresh());
  }

  #introduced(text: string): void {
    const found = parseDiscovery(parseMessage(text));
    if (found === undefined || this.#identities.size >= mostThings) return;
    this.#identities.set(found.topic, found.identity);
    this.#things.get(found.topic)?.introduce(found.identity);
  }

  #meet({ topic, command }: Heard): Thing | undefined {
    if (this.#things.size >= mostThings) return undefined;
    const name = this.#settings.devices.find((d) => d.topic === topic)?.name;
    const send = async (to: string, payload: string): Promise<void> => {
      if (this.#session === undefined)
        throw new LaresError(
          'UNREACHABLE',
          `${topic} cannot be reached: there is no connection to the broker`,
        );
      await this.#session.publish(to, payload);
    };
    const everyMs = Math.max(shortestEveryMs, this.#settings.poll_interval_seconds * 1000);
    const thing = new Thing({ topic, command, name, everyMs, context: this.#context, send });
    this.#things.set(topic, thing);
    const identity = this.#identities.get(topic);
    if (identity !== undefined) thing.introduce(identity);
    this.#quietly(thing.refresh());
    return thing;
  }

  /** A question that could not be sent is asked again with the next connection. */
  #quietly(work: Promise<void>): void {
    work.catch((error: unknown) => this.#context.log.debug('tasmota: a question was not sent', { error }));
  }
}

const words = new Set(['LWT', 'SENSOR', 'STATE', 'RESULT', 'STATUS8', 'STATUS10', 'STATUS11']);
const understood = ({ word, prefix }: Heard): boolean =>
  words.has(word) || (prefix === 'stat' && relayOf(word) !== undefined);
