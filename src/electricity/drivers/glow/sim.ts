import { connect, type MqttClient } from 'mqtt';
import type { BrokerAddress } from '#platform/mqtt/client.ts';

export interface GlowSimOptions {
  readonly broker: BrokerAddress;
  readonly now?: () => number;
  /** W drawn at an instant, epoch ms; negative is fed back. */
  readonly power?: (at: number) => number;
  /** W of gas burnt at an instant. */
  readonly gas?: (at: number) => number;
  readonly mac?: string;
  readonly prefix?: string;
  /** `cloud` speaks as Hildebrand's broker does, under `SMART/HILD/<id>`. */
  readonly format?: 'local' | 'cloud';
  readonly id?: string;
  readonly everyMs?: number;
  /** The meters' own counters at the start, kWh. */
  readonly importKwh?: number;
  readonly gasKwh?: number;
}

/**
 * `stale` repeats the last measurement, as a display does that has lost its meter; `error` writes the values that mean
 * an error; `nulls` leaves fields empty; `retain` marks messages as to be kept. The broker stands between it and the
 * driver, so `split` is a payload that ends early and `merge` every message twice.
 */
export type GlowFault =
  | 'drop'
  | 'hang'
  | 'garbage'
  | 'split'
  | 'merge'
  | 'reset'
  | 'slow'
  | 'stale'
  | 'error'
  | 'nulls'
  | 'retain';

const stepMs = 1_000;
const slowMs = 500;
// One cubic metre of gas, kWh.
const gasKwhPerM3 = 11.2;
const hexOf = (value: number, digits: number): string =>
  (value < 0 ? value + 16 ** digits : value).toString(16).toUpperCase().padStart(digits, '0');

/** A Glow display beside an electricity and a gas meter, publishing to a broker. */
export class GlowSim {
  readonly #options: GlowSimOptions;
  readonly #now: () => number;
  readonly #faults = new Map<GlowFault, number>();
  #client: MqttClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #toldAt: number;
  #simulatedTo: number;
  #days = { day: 0, gasDay: 0, started: 0 };
  #kwh = { import: 0, export: 0, gas: 0 };

  constructor(options: GlowSimOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#toldAt = this.#now();
    this.#simulatedTo = this.#now();
    this.#kwh = { import: options.importKwh ?? 15_254, export: 0, gas: options.gasKwh ?? 2_282 };
  }

  /** What the meters show, kWh. */
  get kwh(): { readonly import: number; readonly export: number; readonly gas: number } {
    this.#run();
    return this.#kwh;
  }

  /** Connects, and publishes every `everyMs` of real time; 0 leaves that to `step`. */
  listen(): Promise<this> {
    const { url, username, password } = this.#options.broker;
    const client = connect(url, {
      reconnectPeriod: 500,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
    this.#client = client;
    client.on('error', () => {});
    const everyMs = this.#options.everyMs ?? 10_000;
    if (everyMs > 0) this.#timer = setInterval(() => void this.step().catch(() => {}), everyMs);
    return new Promise((resolve) => client.once('connect', () => resolve(this)));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#client?.endAsync(true);
  }

  /** Something goes wrong for `ms` of its clock. */
  fault(name: GlowFault, ms: number): void {
    this.#faults.set(name, this.#now() + ms);
    if (name === 'reset') this.#client?.stream.destroy();
  }

  /** Publishes what the meters show now. */
  async step(): Promise<void> {
    this.#run();
    if (this.#has('drop') || this.#has('hang')) return;
    if (this.#has('slow')) await new Promise((resolve) => setTimeout(resolve, slowMs));
    if (!this.#has('stale')) this.#toldAt = this.#now();
    const messages = this.#options.format === 'cloud' ? this.#cloud() : this.#local();
    const rounds = this.#has('merge') ? 2 : 1;
    for (let round = 0; round < rounds; round += 1)
      for (const [topic, value] of Object.entries(messages)) await this.#publish(topic, value);
  }

  #has(fault: GlowFault): boolean {
    return (this.#faults.get(fault) ?? Number.NEGATIVE_INFINITY) > this.#now();
  }

  async #publish(topic: string, value: unknown): Promise<void> {
    const text = JSON.stringify(value);
    const payload = this.#has('garbage')
      ? '{"electricitymeter":{'
      : this.#has('split')
        ? text.slice(0, 40)
        : text;
    await this.#client?.publishAsync(topic, payload, { qos: 1, retain: this.#has('retain') });
  }

  #run(): void {
    const to = this.#now();
    while (this.#simulatedTo < to) {
      const at = this.#simulatedTo;
      const span = Math.min(stepMs, to - at);
      const day = Math.floor(at / 86_400_000);
      if (day !== this.#days.started) this.#days = { day: 0, gasDay: 0, started: day };
      const kwh = ((this.#options.power?.(at) ?? 500) * span) / 3.6e9;
      const gas = (Math.max(0, this.#options.gas?.(at) ?? 0) * span) / 3.6e9;
      if (kwh >= 0) this.#kwh.import += kwh;
      else this.#kwh.export -= kwh;
      this.#kwh.gas += gas;
      this.#days.day += Math.max(0, kwh);
      this.#days.gasDay += gas;
      this.#simulatedTo += span;
    }
  }

  #watts(): number {
    return Math.round(this.#options.power?.(this.#now()) ?? 500);
  }

  #local(): Record<string, unknown> {
    const { prefix = 'glow', mac = '0123456789AB' } = this.#options;
    const error = this.#has('error');
    const field = (value: number): number | null =>
      this.#has('nulls') ? null : error ? 0 : Math.round(value * 1_000) / 1_000;
    const timestamp = new Date(this.#toldAt).toISOString().replace(/\.\d{3}/, '');
    const price = (unitrate: number, standingcharge: number) => ({
      unitrate: error ? 0 : unitrate,
      standingcharge: error ? 0 : standingcharge,
    });
    const { day, gasDay } = this.#days;
    return {
      [`${prefix}/${mac}/STATE`]: {
        software: 'v1.8.13',
        timestamp,
        hardware: 'GLOW-IHD-01-1v4-SMETS2',
        ethmac: mac,
        smetsversion: 'SMETS2',
        han: { rssi: -71, status: 'joined', lqi: 140 },
      },
      [`${prefix}/${mac}/SENSOR/electricitymeter`]: {
        electricitymeter: {
          timestamp,
          energy: {
            export: { cumulative: field(this.#kwh.export), units: 'kWh' },
            import: {
              cumulative: field(this.#kwh.import),
              day: field(day),
              week: field(day),
              month: field(day),
              units: 'kWh',
              mpan: '1200012345678',
              supplier: 'Example Energy',
              price: price(0.2703, 0.5351),
            },
          },
          power: {
            value: error ? -8_388.608 : this.#has('nulls') ? null : this.#watts() / 1_000,
            units: 'kW',
          },
        },
      },
      [`${prefix}/${mac}/SENSOR/gasmeter`]: {
        gasmeter: {
          timestamp,
          energy: {
            import: {
              cumulative: field(this.#kwh.gas),
              day: field(gasDay),
              week: field(gasDay),
              month: field(gasDay),
              units: 'kWh',
              cumulativevol: field(this.#kwh.gas / gasKwhPerM3),
              cumulativevolunits: 'm3',
              dayvol: field(gasDay / gasKwhPerM3),
              mprn: '1234567890',
              supplier: '---',
              price: price(0.0612, 0.2747),
            },
          },
        },
      },
    };
  }

  #cloud(): Record<string, unknown> {
    const { id = '0123456789ABCDEF' } = this.#options;
    const wh = (kwh: number, digits: number) =>
      hexOf(this.#has('error') ? 0 : Math.round(kwh * 1_000), digits);
    const demand = this.#has('error') ? -0x80_0000 : this.#watts();
    const format = { '01': '00000001', '02': '000003E8', '03': '2B' };
    const { day, gasDay } = this.#days;
    const seconds = Math.floor(this.#toldAt / 1_000);
    return {
      [`SMART/HILD/${id}`]: {
        elecMtr: {
          '0702': {
            '00': { '00': wh(this.#kwh.import, 12), '01': wh(this.#kwh.export, 12), '14': '02' },
            '03': { ...format, '00': '00' },
            '04': {
              '00': hexOf(demand, 6).padStart(8, '0'),
              '01': wh(day, 6),
              '30': wh(day, 6),
              '40': wh(day, 6),
            },
          },
          '0708': { '01': { '01': 'EXAMPLE ENERGY' } },
        },
        gasMtr: {
          '0702': {
            '00': { '00': wh(this.#kwh.gas / gasKwhPerM3, 12), '14': '02' },
            '03': { ...format, '00': '01', '12': '00' },
            '0C': { '01': wh(gasDay, 6), '30': wh(gasDay, 6), '40': wh(gasDay, 6) },
          },
        },
        ts: new Date(seconds * 1_000).toISOString().slice(0, 19).replace('T', ' '),
        time: hexOf(seconds, 8),
        gmtime: seconds,
        hversion: 'GLOW-IHD-01-1v4-SMETS2',
        pan: { status: 'joined' },
        gid: id,
      },
    };
  }
}
