import { GlowSim } from '#electricity/drivers/glow/sim.ts';
import { KasaSim, simLogin, type KasaSimOptions } from '#electricity/drivers/kasa/sim.ts';
import { ModbusSim, type ModbusSimOptions } from '#electricity/drivers/modbus/sim.ts';
import { PulseSim, type PulseSimOptions } from '#electricity/drivers/pulse/sim.ts';
import { ShellySim, type ShellySimOptions } from '#electricity/drivers/shelly/sim.ts';
import { TasmotaSim, type TasmotaSimOptions } from '#electricity/drivers/tasmota/sim.ts';
import { TuyaSim, type TuyaSimOptions } from '#electricity/drivers/tuya/sim.ts';
import { normaliseNode } from '#kernel/reading.ts';
import { freePort } from './process.ts';

/** How a simulated device signs in to the broker of the house. */
export const deviceLogin = { username: 'device', password: 'simulated-device' };
export const meterToken = 'a-token-that-nobody-may-read';

// Questions that come this close together belong to one poll.
const pollMs = 150;

/** What stands behind a simulated meter: a constant load that notes when somebody looks at it. */
export class Load {
  /** W. */
  readonly watts: number;
  /** When it was looked at, once a poll; `performance.now()`. */
  readonly looks: number[] = [];
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(watts: number) {
    this.watts = watts;
  }

  readonly power = (): number => {
    const now = performance.now();
    if (now - this.#lastAt > pollMs) this.looks.push(now);
    this.#lastAt = now;
    return this.watts;
  };

  /** Polls between two instants of `performance.now()`. */
  polls(from: number, to: number): number {
    return this.looks.filter((at) => at >= from && at < to).length;
  }
}

/** One simulated device of the house: where its series are, what it draws, and the simulator. */
export interface Appliance<Sim> {
  readonly name: string;
  /** `kasa.kettle` */
  readonly path: string;
  readonly load: Load;
  readonly sim: Sim;
}

type Entry = Record<string, unknown>;

export interface AppliancesOptions {
  /** Second byte of the loopback addresses of Kasa devices: tests that run at the same time must differ. */
  readonly net: number;
  readonly pollSeconds: number;
  readonly timeoutSeconds?: number;
}

/**
 * Simulated devices of every kind on loopback, and the section `electricity` that watches them. A Kasa device has an
 * address of its own in 127.`net`.0.0/24, because their ports are the same throughout the house.
 */
export class Appliances implements AsyncDisposable {
  readonly all: Appliance<unknown>[] = [];
  readonly #options: AppliancesOptions;
  readonly #life = new AsyncDisposableStack();
  readonly #devices: Record<'kasa' | 'tuya' | 'shelly', Entry[]> = { kasa: [], tuya: [], shelly: [] };
  readonly #buses: Entry[] = [];
  readonly #meters: Entry[] = [];
  #number = 0;
  #ports = { local: 0, http: 0, discovery: [] as number[], pulse: 0 };

  constructor(options: AppliancesOptions) {
    this.#options = options;
  }

  get #timeoutSeconds(): number {
    return this.#options.timeoutSeconds ?? 2;
  }

  async start(): Promise<this> {
    const [local, http, discovery, pulse] = await Promise.all([
      freePort(),
      freePort(),
      freePort(),
      freePort(),
    ]);
    this.#ports = { local, http, discovery: [discovery], pulse };
    return this;
  }

  /** The section `electricity`. Sources over MQTT are in it always. */
  settings(change: object = {}): object {
    const { pollSeconds, net } = this.#options;
    const often = { poll_interval_seconds: pollSeconds, timeout_seconds: this.#timeoutSeconds };
    const { local, http, discovery, pulse } = this.#ports;
    return {
      kasa: {
        ...often,
        ...simLogin,
        discovery_interval_seconds: 10,
        // All addresses of the house, and a few that nobody has.
        networks: [`127.${net}.0.0/${this.#number < 50 ? 26 : 22}`],
        ports: { local, http, discovery },
        devices: this.#devices.kasa,
      },
      tuya: { ...often, devices: this.#devices.tuya },
      shelly: { ...often, devices: this.#devices.shelly },
      modbus: { ...often, buses: this.#buses },
      pulse: { meters: this.#meters, http: { port: pulse }, mqtt: {} },
      glow: {},
      tasmota: { poll_interval_seconds: Math.max(1, pollSeconds) },
      ...change,
    };
  }

  /** Of a Kasa device that is not there yet. */
  kasaAddress(): string {
    this.#number += 1;
    return `127.${this.#options.net}.${this.#number >> 8}.${this.#number & 255}`;
  }

  /** A Kasa or Tapo device. `announced` false: the settings do not name it, a search finds it. */
  async kasa(
    name: string,
    watts: number,
    options: Partial<KasaSimOptions> & { announced?: boolean } = {},
  ): Promise<Appliance<KasaSim>> {
    const { announced = true, ...more } = options;
    const host = more.host ?? this.kasaAddress();
    const { local, http, discovery } = this.#ports;
    const load = new Load(watts);
    const sim = new KasaSim({
      model: 'KP115',
      host,
      ports: { local, http, discovery },
      mac: `02:00:00:61:${this.#hex().replace(/^../, '$&:')}`,
      name,
      power: load.power,
      ...more,
    });
    this.#life.defer(() => sim.close());
    await sim.listen();
    if (announced) this.#devices.kasa.push({ host, name });
    return this.#add('kasa', name, load, sim);
  }

  async tuya(
    name: string,
    watts: number,
    options: Partial<TuyaSimOptions> = {},
  ): Promise<Appliance<TuyaSim>> {
    this.#number += 1;
    const id = `bf0123456789abcdef${this.#hex()}`;
    const key = 'a-key-of-tuya-16';
    const load = new Load(watts);
    const sim = new TuyaSim({ id, key, version: '3.3', power: load.power, ...options });
    this.#life.defer(() => sim.close());
    await sim.listen();
    this.#devices.tuya.push({ id, key, name, host: sim.host, port: sim.port });
    return this.#add('tuya', name, load, sim);
  }

  async shelly(name: string, watts: number, options: ShellySimOptions = {}): Promise<Appliance<ShellySim>> {
    this.#number += 1;
    const load = new Load(watts);
    const sim = new ShellySim({ mac: `02000062${this.#hex()}`, power: load.power, ...options });
    this.#life.defer(() => sim.close());
    await sim.listen();
    this.#devices.shelly.push({ host: sim.host, name });
    return this.#add('shelly', name, load, sim);
  }

  /** Single-phase meters on one bus; the first stands for the bus. */
  async bus(
    names: readonly string[],
    watts: number,
    options: Partial<ModbusSimOptions> = {},
  ): Promise<Appliance<ModbusSim>> {
    const loads = names.map(() => new Load(watts));
    const meters = loads.map((load, i) => ({ unit: i + 1, template: 'sdm120', power: load.power }));
    const sim = new ModbusSim({ meters, ...options });
    this.#life.defer(() => sim.close());
    await sim.listen();
    const units = names.map((name, i) => ({ unit: i + 1, name, template: 'sdm120' }));
    const replyTimeout = Math.max(0.5, this.#timeoutSeconds / 4);
    this.#buses.push({ host: '127.0.0.1', port: sim.port, units, reply_timeout_seconds: replyTimeout });
    const [first] = names.map((name, i) => this.#add('circuit', name, loads[i]!, sim));
    return first!;
  }

  /** Pulse counters post to the house; they begin when the house is there. */
  pulse(name: string, watts: number, options: PulseSimOptions = {}): Appliance<PulseSim> {
    const id = normaliseNode(name);
    this.#meters.push({ name, id, token: meterToken });
    const load = new Load(watts);
    const sim = new PulseSim({
      id,
      token: meterToken,
      url: `http://127.0.0.1:${this.#ports.pulse}/api/electricity/pulse`,
      power: load.power,
      ...options,
    });
    this.#life.defer(() => sim.close());
    return this.#add('meter', name, load, sim);
  }

  /** Displays and Tasmotas need a broker that is there already. */
  async glow(broker: { url: string }, watts: number, everyMs: number): Promise<Appliance<GlowSim>> {
    const load = new Load(watts);
    const sim = new GlowSim({ broker: { ...broker, ...deviceLogin }, power: load.power, everyMs });
    this.#life.defer(() => sim.close());
    await sim.listen();
    return this.#add('glow', 'electricity', load, sim);
  }

  async tasmota(
    broker: { url: string },
    name: string,
    watts: number,
    options: TasmotaSimOptions = {},
  ): Promise<Appliance<TasmotaSim>> {
    this.#number += 1;
    const load = new Load(watts);
    const sim = new TasmotaSim({
      mac: `02000063${this.#hex()}`,
      name,
      power: load.power,
      telePeriodMs: 60_000,
      ...options,
    });
    this.#life.defer(() => sim.close());
    await sim.connect({ ...broker, ...deviceLogin });
    return this.#add('tasmota', name, load, sim);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life.disposeAsync();
  }

  #hex(): string {
    return this.#number.toString(16).padStart(4, '0');
  }

  #add<Sim>(source: string, name: string, load: Load, sim: Sim): Appliance<Sim> {
    // The meter of the whole house needs no name.
    const path = source === name ? source : `${source}.${normaliseNode(name)}`;
    const one = { name, path, load, sim };
    this.all.push(one);
    return one;
  }
}
