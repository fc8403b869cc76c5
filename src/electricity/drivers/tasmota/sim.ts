import type { MqttClient } from 'mqtt';
import type { Clock } from '#kernel/driver.ts';
import { systemClock } from '#platform/clock.ts';
import { Faults } from '../shared/sim-faults.ts';
import { httpFaults, SimHttp, type SimReply, type SimRequest } from '../shared/sim-http.ts';
import { SimMeter, type PowerAt } from '../shared/sim-meter.ts';

/**
 * What the device or its line does wrong, on its web server as there described and over MQTT alike: `drop` cuts the
 * connection until healed, `hang` answers no command, `garbage` and `bad-json` send half a JSON. `nan`: numbers that
 * are none.
 */
export const tasmotaFaults = [...httpFaults, 'nan'] as const;
export type TasmotaFault = (typeof tasmotaFaults)[number];

export interface TasmotaSimOptions {
  readonly topic?: string;
  readonly mac?: string;
  readonly name?: string;
  readonly friendly?: readonly string[];
  readonly model?: string;
  readonly clock?: Clock;
  /** Watts; one function per channel. */
  readonly power?: PowerAt | readonly PowerAt[];
  /** How many relays; one unless said. */
  readonly relays?: number;
  /** Each channel has its own voltage, as on a three-phase meter. */
  readonly phases?: boolean;
  /** Each channel has its own counter (SetOption129). */
  readonly splitTotals?: boolean;
  readonly fullTopic?: string;
  readonly telePeriodMs?: number;
  /** Web password. */
  readonly password?: string;
}

interface Broker {
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

const kwh = (wh: number) => Math.round(wh) / 1000;

/** A Tasmota: an MQTT client with telemetry, commands and last will, and a web server that takes the same commands. */
export class TasmotaSim {
  volts = 231;
  /** The `ENERGY` object instead of the right one; for what no firmware should send. */
  energyOverride: unknown;
  readonly topic: string;
  readonly mac: string;
  readonly #options: TasmotaSimOptions;
  readonly #clock: Clock;
  readonly #meters: SimMeter[];
  readonly #relays: boolean[];
  readonly #faults = new Faults<TasmotaFault>();
  readonly #http = new SimHttp((request) => this.#web(request), false);
  #mqtt: MqttClient | undefined;
  #broker: Broker | undefined;
  #listening = false;
  #stop = new AbortController();

  constructor(options: TasmotaSimOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.mac = options.mac ?? '02000000000A';
    this.topic = options.topic ?? `tasmota_${this.mac.slice(-6)}`;
    const power = typeof options.power === 'function' ? [options.power] : (options.power ?? [() => 0]);
    this.#meters = power.map((at) => new SimMeter(at, this.#clock.now()));
    this.#relays = Array.from({ length: options.relays ?? 1 }, () => true);
  }

  /** The web server. */
  async listen(port = 0, host = '127.0.0.1'): Promise<this> {
    await this.#http.listen(port, host);
    this.#listening = true;
    return this;
  }

  /** `127.0.0.1:4711` of the web server. */
  get host(): string {
    return this.#http.host;
  }

  /** The MQTT side: introduces itself, then sends telemetry every period and answers commands. */
  async connect(broker: Broker): Promise<this> {
    const { connectAsync } = await import('mqtt');
    this.#broker = broker;
    const { username, password } = broker;
    const lwt = this.#to('tele', 'LWT');
    this.#stop = new AbortController();
    const client = await connectAsync(broker.url, {
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      clientId: `DVES_${this.mac.slice(-6)}`,
      reconnectPeriod: 200,
      will: { topic: lwt, payload: Buffer.from('Offline'), retain: true, qos: 1 },
    });
    this.#mqtt = client;
    client.on('error', () => {});
    client.on('message', (topic, payload) => this.#commanded(topic, payload.toString()));
    client.on('connect', () => void this.#introduce());
    await client.subscribeAsync(this.#to('cmnd', '#'));
    await this.#introduce();
    void this.#report(this.#stop.signal);
    return this;
  }

  /** Ends the connection as a power cut does: the broker sends the last will. */
  cut(): void {
    this.#stop.abort();
    const client = this.#mqtt;
    this.#mqtt = undefined;
    client?.stream.destroy();
    client?.end(true);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#broker = undefined;
    this.#faults.clear();
    await this.#mqtt?.endAsync().catch(() => {});
    this.#mqtt = undefined;
    if (this.#listening) await this.#http.close();
    this.#listening = false;
  }

  /** Does this wrong for `ms`; for ever without. */
  fault(name: TasmotaFault, ms?: number): void {
    this.#faults.begin(name, ms, () => this.heal(name));
    if (name !== 'nan') this.#http.fault(name);
    if (name === 'drop') this.cut();
  }

  heal(name: TasmotaFault): void {
    const was = this.#faults.end(name);
    if (name !== 'nan') this.#http.heal(name);
    if (was && name === 'drop' && this.#broker !== undefined) void this.connect(this.#broker).catch(() => {});
  }

  isOn(relay = 0): boolean {
    return this.#relays[relay] === true;
  }

  /** Somebody presses the button. */
  press(relay = 0): Promise<void> {
    return this.#switch(relay, !this.isOn(relay));
  }

  /** Sends its telemetry now. */
  async tell(retain = false): Promise<void> {
    await this.#send('tele', 'STATE', this.#state(), retain);
    await this.#send('tele', 'SENSOR', this.#sensors(), retain);
  }

  /** What channel `index` has truly counted, Wh. */
  counted(index = 0): number {
    this.#watts();
    return this.#meters[index]?.wh ?? 0;
  }

  async #report(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.tell();
      await this.#clock.sleep(this.#options.telePeriodMs ?? 300_000, signal);
    }
  }

  async #introduce(): Promise<void> {
    const { name = 'Tasmota', friendly = [name], model = 'Simulated plug' } = this.#options;
    const introduction = {
      ip: '192.0.2.30',
      dn: name,
      fn: [...friendly, null],
      hn: this.topic,
      mac: this.mac,
      md: model,
      ofln: 'Offline',
      onln: 'Online',
      sw: '14.4.1',
      t: this.topic,
      ft: this.#options.fullTopic ?? '%prefix%/%topic%/',
      tp: ['cmnd', 'stat', 'tele'],
      rl: this.#relays.map(() => 1),
      ver: 1,
    };
    await this.#publish(`tasmota/discovery/${this.mac}/config`, JSON.stringify(introduction), true);
    await this.#publish(
      `tasmota/discovery/${this.mac}/sensors`,
      JSON.stringify({ sn: this.#sensors(), ver: 1 }),
      true,
    );
    await this.#publish(this.#to('tele', 'LWT'), 'Online', true);
  }

  #to(prefix: string, word: string): string {
    const pattern = this.#options.fullTopic ?? '%prefix%/%topic%/';
    const base = pattern.replace('%prefix%', prefix).replace('%topic%', this.topic).replace('%id%', this.mac);
    return `${base.replace(/\/$/, '')}/${word}`;
  }

  #send(prefix: string, word: string, message: object, retain = false): Promise<void> {
    const text = JSON.stringify(message);
    const broken = this.#faults.has('garbage') || this.#faults.has('bad-json');
    const half = broken ? text.slice(0, text.length / 2) : text;
    // The firmware writes what is no number as it is, which is not JSON.
    const shown = this.#faults.has('nan') ? half.replaceAll('"@nan"', 'nan') : half;
    return this.#publish(this.#to(prefix, word), shown, retain);
  }

  async #publish(topic: string, payload: string, retain: boolean): Promise<void> {
    await this.#mqtt?.publishAsync(topic, payload, { retain }).catch(() => {});
  }

  #watts(): number[] {
    const gang = this.#relays.length === this.#meters.length;
    return this.#meters.map((meter, i) =>
      meter.advance(
        this.#clock.now(),
        gang ? this.#relays[i] === true : this.#relays.length === 0 || this.#relays.includes(true),
      ),
    );
  }

  /** Local time without a zone, as the firmware writes it; the zone is nobody's business but its own. */
  get #time(): string {
    return new Date(this.#clock.now()).toISOString().slice(0, 19);
  }

  #sensors() {
    const watts = this.#watts();
    const one = <T>(values: T[]): T | T[] => (values.length === 1 ? (values[0] as T) : values);
    const bad = this.#faults.has('nan');
    const round = (value: number) => Math.round(value);
    const amps = watts.map((w) => Math.round((Math.abs(w) / this.volts) * 1000) / 1000);
    const wh = this.#meters.map((meter) => meter.wh);
    const energy = {
      TotalStartTime: '2026-01-01T00:00:00',
      Total: this.#options.splitTotals === true ? wh.map(kwh) : kwh(wh.reduce((a, b) => a + b, 0)),
      Yesterday: 0,
      Today: kwh(wh.reduce((a, b) => a + b, 0)),
      Power: bad ? '@nan' : one(watts.map(round)),
      ApparentPower: one(watts.map((w) => round(Math.abs(w)))),
      ReactivePower: one(watts.map(() => 0)),
      Factor: one(watts.map(() => 1)),
      Voltage: bad ? 'NaN' : this.#options.phases === true ? watts.map(() => this.volts) : this.volts,
      Current: one(amps),
    };
    return { Time: this.#time, ENERGY: this.energyOverride ?? energy };
  }

  #key(relay: number): string {
    return this.#relays.length === 1 ? 'POWER' : `POWER${relay + 1}`;
  }

  #powers(): Record<string, string> {
    return Object.fromEntries(this.#relays.map((on, i) => [this.#key(i), on ? 'ON' : 'OFF']));
  }

  #state() {
    return { Time: this.#time, Uptime: '0T01:00:00', ...this.#powers(), Wifi: { RSSI: 70 } };
  }

  #status() {
    const { name = 'Tasmota', friendly = [name], model = 'Simulated plug' } = this.#options;
    return {
      Status: { DeviceName: name, FriendlyName: friendly, Topic: this.topic },
      StatusFWR: { Version: '14.4.1(release-tasmota)', Hardware: model },
      StatusNET: { Hostname: this.topic, Mac: this.mac.match(/../g)?.join(':') },
      StatusSNS: this.#sensors(),
      StatusSTS: this.#state(),
    };
  }

  async #switch(relay: number, on: boolean): Promise<void> {
    this.#watts();
    this.#relays[relay] = on;
    const text = on ? 'ON' : 'OFF';
    await this.#send('stat', 'RESULT', { [this.#key(relay)]: text });
    await this.#publish(this.#to('stat', this.#key(relay)), text, false);
  }

  #commanded(topic: string, payload: string): void {
    const word = topic.split('/').at(-1) ?? '';
    if (this.#faults.has('hang')) return;
    const status = this.#status();
    if (word === 'STATUS' && payload === '8')
      void this.#send('stat', 'STATUS8', { StatusSNS: status.StatusSNS });
    if (word === 'STATUS' && payload === '11')
      void this.#send('stat', 'STATUS11', { StatusSTS: status.StatusSTS });
    const relay = this.#relayOf(word);
    if (relay !== undefined) void this.#switch(relay, wanted(payload, this.isOn(relay)));
  }

  #relayOf(word: string): number | undefined {
    const digits = /^power(\d{0,2})$/i.exec(word)?.[1];
    const index = digits === undefined ? -1 : Number(digits === '' ? 1 : digits) - 1;
    return this.#relays[index] === undefined ? undefined : index;
  }

  #web({ path, query }: SimRequest): SimReply {
    if (path !== '/cm') return { status: 404, body: 'Not Found' };
    const { password } = this.#options;
    const refused = this.#http.has('unauthorized');
    if (
      refused ||
      (password !== undefined && (query.get('user') !== 'admin' || query.get('password') !== password))
    )
      return { status: 401, body: { WARNING: 'Need user=<username>&password=<password>' } };
    const [word = '', argument = ''] = (query.get('cmnd') ?? '').split(' ');
    const relay = this.#relayOf(word);
    if (/^status$/i.test(word) && argument === '0') return { status: 200, body: this.#status() };
    if (/^status$/i.test(word) && argument === '8')
      return { status: 200, body: { StatusSNS: this.#sensors() } };
    if (relay === undefined) return { status: 200, body: { Command: 'Unknown' } };
    void this.#switch(relay, wanted(argument, this.isOn(relay)));
    return { status: 200, body: { [this.#key(relay)]: this.isOn(relay) ? 'ON' : 'OFF' } };
  }
}

const wanted = (argument: string, now: boolean): boolean =>
  ({ ON: true, '1': true, OFF: false, '0': false, TOGGLE: !now })[argument.toUpperCase()] ?? now;
