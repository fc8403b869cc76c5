import { defineDriver, type Driver } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { listenAgain } from '#platform/mqtt/again.ts';
import { listen, type BrokerAddress, type Delivery } from '#platform/mqtt/client.ts';
import type { BrokerSettings, DriverParts, ElectricityContext } from '../../driver.ts';
import type { Device, ElectricitySignal } from '../../model.ts';
import { label } from '../shared/json.codec.ts';
import {
  parseCloud,
  parseMessage,
  parseLocal,
  parseState,
  type DisplayState,
  type MeterMessage,
} from './codec.ts';
import { config, example, type GlowConfig } from './config.ts';
import { judge } from './rules.ts';

export { config, example };

/** Electricity and gas meters as a Glow display tells of them, on the broker of the house or through the cloud. */
export function makeGlowDriver(parts: DriverParts): Driver<'glow', GlowConfig, ElectricitySignal> {
  return defineDriver({
    kind: 'glow',
    title: 'Glow smart meter display',
    config,
    example,
    traits: { cadence: 'push', needs: ['network'] },
    run,
  });

  async function run(settings: GlowConfig, context: ElectricityContext): Promise<void> {
    const lines = [
      ...(settings.local ? [localLine(settings, parts, context)] : []),
      ...(settings.cloud === undefined ? [] : [cloudLine(settings.cloud, context)]),
    ];
    const [only] = lines;
    if (only === undefined)
      throw new LaresError('CONFIG_INVALID', 'glow reads nothing: set local to true or set up cloud');
    const { signal, clock, random, emit } = context;
    const connected = ({ name }: Line) => ({
      signal,
      onConnected: () => context.alive(`connected to ${name}`),
    });
    if (lines.length === 1) return listen(only.broker, only.topics, only.take, connected(only));
    // Each goes on while the other is down.
    await Promise.all(
      lines.map((line) =>
        listenAgain(line.broker, line.topics, line.take, {
          ...connected(line),
          clock,
          random,
          onTrouble: (error) => emit({ kind: 'trouble', id: undefined, address: line.broker.url, error }),
        }),
      ),
    );
  }
}

/** A broker, what is read from it, and what is done with it. */
interface Line {
  readonly name: string;
  readonly broker: BrokerAddress;
  readonly topics: readonly string[];
  readonly take: (topic: string, payload: Buffer, delivery: Delivery) => void;
}

function localLine(settings: GlowConfig, parts: DriverParts, context: ElectricityContext): Line {
  const broker: BrokerSettings | undefined = settings.broker ?? parts.broker;
  if (broker === undefined)
    throw new LaresError('CONFIG_INVALID', 'glow needs a broker: set up the section mqtt, or glow.broker');
  const displays = new Map<string, Display>();
  const { prefix } = settings;
  return {
    name: 'the broker',
    broker,
    topics: ['STATE', 'SENSOR/electricitymeter', 'SENSOR/gasmeter'].map((leaf) => `${prefix}/+/${leaf}`),
    take: (topic, payload, { retain }) => {
      const [mac = '', leaf] = topic.slice(prefix.length + 1).split('/');
      const id = mac
        .toLowerCase()
        .replaceAll(/[^0-9a-z]/g, '')
        .slice(0, 32);
      if (id === '' || (displays.size >= mostDisplays && !displays.has(id))) return;
      const display = displays.get(id) ?? new Display(id, `${prefix}/${label(mac, 32) ?? id}`, context);
      displays.set(id, display);
      display.hear(() => {
        const value = parseMessage(payload.toString('utf8'));
        if (leaf === 'STATE') display.state(parseState(value));
        else display.meter(parseLocal(value), retain);
      });
    },
  };
}

function cloudLine(
  { url, username, password, device_id, ca_file }: NonNullable<GlowConfig['cloud']>,
  context: ElectricityContext,
): Line {
  const topic = `SMART/HILD/${device_id}`;
  const display = new Display(device_id.toLowerCase(), topic, context);
  return {
    name: 'the cloud of Hildebrand',
    broker: { url, username, password, ca_file },
    topics: [topic],
    take: (_topic, payload, { retain }) =>
      display.hear(() => {
        for (const message of parseCloud(parseMessage(payload.toString('utf8'))))
          display.meter(message, retain);
      }),
  };
}

const mostDisplays = 16;

/** One display: what was announced, and when each of its meters was last told of. */
class Display {
  readonly #id: string;
  readonly #address: string;
  readonly #context: ElectricityContext;
  readonly #told = new Map<string, { device: string; at: number | undefined }>();
  readonly #troubled = new Set<string>();
  #state: DisplayState = {};

  constructor(id: string, address: string, context: ElectricityContext) {
    this.#id = id;
    this.#address = address;
    this.#context = context;
  }

  /** Bytes from outside end a message, never the driver. */
  hear(read: () => void): void {
    try {
      read();
      this.#troubled.delete('garbage');
    } catch (error) {
      if (!(error instanceof LaresError)) throw error;
      this.#trouble('garbage', undefined, error);
    }
  }

  state(state: DisplayState): void {
    this.#state = state;
    for (const [medium] of this.#told) this.#announce(medium as MeterMessage['medium'], undefined);
    if (state.link === undefined || state.link === 'joined') this.#troubled.delete('link');
    else
      this.#trouble(
        'link',
        undefined,
        new LaresError(
          'UNREACHABLE',
          `the display does not hear the meter (${state.link}); bring it nearer to the meter`,
        ),
      );
  }

  meter(message: MeterMessage, retained: boolean): void {
    const { clock, emit, alive } = this.#context;
    const { medium, values, supplier } = message;
    const now = clock.now();
    const known = this.#told.get(medium);
    const { age, at } = judge(message, retained, known?.at, now);
    // What a broker keeps of a display that is gone must not become a device, let alone the meter of the house.
    if (age === 'old' && retained && known === undefined) return alive(`${medium} of the past`);
    this.#announce(medium, supplier);
    const told = this.#told.get(medium)!;
    if (age === 'old' && !retained)
      this.#trouble(
        medium,
        this.#meterId(medium),
        new LaresError(
          'BAD_REPLY',
          `the display tells of ${new Date(at).toISOString()}: it does not hear the ${medium} meter, or its clock is wrong`,
        ),
      );
    if (age !== 'old') this.#troubled.delete(medium);
    alive(`${medium} ${age === 'old' ? 'of the past' : 'heard'}`);
    if (age !== 'new' || Object.keys(values).length === 0) return;
    this.#told.set(medium, { ...told, at });
    emit({ kind: 'measured', id: this.#meterId(medium), at, values });
  }

  #meterId(medium: string): string {
    return `glow:${this.#id}/${medium}`;
  }

  /** Tells of the device when something about it is new. */
  #announce(medium: MeterMessage['medium'], supplier: string | undefined): void {
    const told = this.#told.get(medium);
    const known = told === undefined ? undefined : (JSON.parse(told.device) as Device);
    const notes = supplier === undefined ? known?.notes : [`supplied by ${supplier}`];
    const device: Device = {
      id: this.#meterId(medium),
      source: 'glow',
      name: medium,
      medium,
      address: this.#address,
      ...(this.#state.model === undefined ? {} : { model: this.#state.model }),
      ...(this.#state.firmware === undefined ? {} : { firmware: this.#state.firmware }),
      ...(this.#state.mac === undefined ? {} : { mac: this.#state.mac }),
      ...(notes === undefined ? {} : { notes }),
    };
    const text = JSON.stringify(device);
    if (told?.device === text) return;
    this.#told.set(medium, { device: text, at: told?.at });
    this.#context.emit({ kind: 'device', device });
  }

  /** Once until it is over; a display repeats itself every ten seconds. */
  #trouble(what: string, id: string | undefined, error: LaresError): void {
    if (this.#troubled.has(what)) return;
    this.#troubled.add(what);
    this.#context.emit({ kind: 'trouble', id, address: this.#address, error });
  }
}
