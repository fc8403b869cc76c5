import { createSocket, type Socket } from 'node:dgram';
import { xorDecode, xorEncode, xorFrame } from './codec.ts';
import { discoveryPacket, isSound } from './discovery-packet.ts';
import type { KasaPorts, Login } from './model.ts';
import { branch, parseQuestion, type SimBrain } from './sim-brain.ts';
import { FixtureBrain } from './sim-fixture.ts';
import {
  AesSessions,
  cutHttp,
  httpReply,
  KlapSessions,
  sealDiscoveryInfo,
  type HttpQuestion,
  type SessionSim,
} from './sim-http.ts';
import { IotBrain } from './sim-iot.ts';
import { Faults } from '../shared/sim-faults.ts';
import { SimMeter } from './sim-meter.ts';
import { simModels, type SimModel, type SimModelName, type SimWay } from './sim-models.ts';
import { SmartBrain } from './sim-smart.ts';
import { SimWire, wireFaults, type Cut } from './sim-wire.ts';
import { zoneOffsets } from './zones.rules.ts';

/** Everything that can be made to go wrong. */
export const kasaFaults = [
  ...wireFaults,
  'forbidden',
  'bad-tag',
  'nan',
  'zero-volts',
  'no-batch',
  'stuck',
  'locked',
] as const;
export type KasaFault = (typeof kasaFaults)[number];

export interface KasaSimOptions {
  readonly model: SimModelName;
  /** How it lets itself be asked; as the real model does unless set. */
  readonly way?: SimWay | undefined;
  /** A loopback address; 127.0.0.1 unless set. */
  readonly host?: string;
  /** Any free port (0) unless set; without `discovery` it answers no encrypted discovery. */
  readonly ports?: Partial<KasaPorts>;
  readonly login?: Login;
  readonly mac?: string;
  readonly name?: string;
  /** Watts of the appliance behind a socket (0, 1, …) at an instant. */
  readonly power?: (at: number, socket: number) => number;
  readonly now?: () => number;
  readonly volts?: number;
  /** Index in the firmware's table for the older family, name for the newer one. */
  readonly zone?: number | string;
  /** Since when it has been counting, epoch ms; now unless set. */
  readonly since?: number;
  /** Seconds of a session. */
  readonly sessionSeconds?: number;
}

export interface KasaFixtureOptions extends Pick<
  KasaSimOptions,
  'way' | 'host' | 'ports' | 'login' | 'sessionSeconds'
> {
  /** A recorded dictionary of replies. */
  readonly fixture: unknown;
}

export const simLogin: Login = { username: 'alex@example.com', password: 'simulated' };

const cutXor: Cut<string> = (bytes) => {
  if (bytes.length < 4 || bytes.length < 4 + bytes.readUInt32BE(0)) return undefined;
  const end = 4 + bytes.readUInt32BE(0);
  return { question: xorDecode(bytes.subarray(4, end)).toString('utf8'), bytes: end };
};

/** A Kasa or Tapo device on loopback: its language, its ciphers, its discovery, its memory, and what can go wrong with it. */
export class KasaSim {
  readonly brain: SimBrain;
  readonly way: SimWay;
  /** The login that it takes; set another one to make it flip. Sessions end by `expire`. */
  login: Login;
  /** Milliseconds that its clock is ahead. */
  skewMs = 0;
  readonly meters: readonly SimMeter[];
  /** The newest questions that it was asked over TCP, in plain text. */
  readonly asked: string[] = [];
  #host: string;
  readonly #ports: Partial<KasaPorts>;
  readonly #faults = new Faults<KasaFault>();
  readonly #sessions: SessionSim | undefined;
  readonly #wire: SimWire<string> | SimWire<HttpQuestion>;
  #udp: Socket[] = [];

  constructor(options: KasaSimOptions | KasaFixtureOptions) {
    this.#host = options.host ?? '127.0.0.1';
    this.#ports = options.ports ?? {};
    this.login = options.login ?? simLogin;
    const fixture = 'fixture' in options;
    this.meters = fixture ? [] : this.#makeMeters(options);
    this.brain = fixture ? new FixtureBrain(options.fixture) : this.#makeBrain(options);
    const usual = fixture ? (this.brain.family === 'iot' ? 'xor' : 'klap2') : simModels[options.model].way;
    this.way = options.way ?? usual;
    const has = (fault: KasaFault) => this.#faults.has(fault);
    const answer = (question: string) => this.#answer(question, 'tcp');
    const sessions = {
      login: () => this.login,
      answer,
      has,
      sessionSeconds: options.sessionSeconds ?? 86_400,
    };
    if (this.way === 'xor') {
      this.#wire = new SimWire<string>({
        cut: cutXor,
        answer: (q) => xorFrame(answer(q)),
        oversized: Buffer.from('7fffffff00', 'hex'),
        has,
      });
      return;
    }
    const sim =
      this.way === 'aes'
        ? new AesSessions(sessions)
        : new KlapSessions(this.way === 'klap1' ? 1 : 2, sessions);
    this.#sessions = sim;
    const oversized = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n', 'latin1');
    this.#wire = new SimWire<HttpQuestion>({
      cut: cutHttp,
      answer: (q) => (q.path === '/' ? httpReply(200, 'simulated') : sim.reply(q)),
      oversized,
      has,
    });
  }

  get host(): string {
    return this.#host;
  }

  /** TCP port, and UDP port of the older discovery. */
  get port(): number {
    return this.#wire.port;
  }

  /** Sessions made since the start. */
  get handshakes(): number {
    return this.#sessions?.handshakes ?? 0;
  }

  get connections(): number {
    return this.#wire.connections;
  }

  async listen(): Promise<this> {
    const port = (this.way === 'xor' ? this.#ports.local : this.#ports.http) ?? 0;
    for (let tries = 1; ; tries += 1) {
      await this.#wire.listen(port, this.#host);
      if (this.way !== 'xor') break;
      try {
        await this.#hear(this.port, (packet) => this.#localReply(packet));
        break;
      } catch (error) {
        // A port that is free for TCP may be taken for UDP; any other will do.
        await this.close();
        if (port !== 0 || tries === 10) throw error;
      }
    }
    for (const port of this.#ports.discovery ?? [])
      await this.#hear(port, (packet) => this.#discoveryReply(packet));
    return this;
  }

  async close(): Promise<void> {
    this.heal();
    for (const socket of this.#udp.splice(0)) socket.close();
    await this.#wire.close();
  }

  /** Goes wrong in this way for `ms`; for good unless given. */
  fault(name: KasaFault, ms?: number): void {
    this.#faults.begin(name, ms);
    if (name === 'drop') this.#wire.cut();
    // Only connections of before go silent; those made afterwards work.
    if (name === 'half-open') {
      this.#wire.forget();
      this.heal('half-open');
    }
  }

  /** All faults, or one, are over. */
  heal(name?: KasaFault): void {
    if (name === undefined) this.#faults.clear();
    else this.#faults.end(name);
  }

  /** Ends all sessions, as devices do now and then. */
  expire(): void {
    this.#sessions?.expire();
  }

  /** A power cut: connections, sessions and the counter since power-up are gone. */
  reboot(): void {
    for (const meter of this.meters) meter.advance(this.#now());
    this.brain.reboot();
    this.expire();
    this.#wire.cut();
  }

  /** Another address from the DHCP server; the ports stay. */
  async moveTo(host: string): Promise<void> {
    await this.close();
    this.#host = host;
    this.expire();
    await this.listen();
  }

  #now: () => number = Date.now;

  #makeMeters(options: KasaSimOptions): SimMeter[] {
    this.#now = options.now ?? Date.now;
    const traits: SimModel = simModels[options.model];
    const offsetAt = zoneOffsets(options.zone ?? 'Europe/London') ?? (() => 0);
    const since = options.since ?? this.#now();
    const power = options.power ?? (() => 10);
    return Array.from(
      { length: Math.max(1, traits.sockets) },
      (_, i) => new SimMeter({ power: (at) => power(at, i), since, offsetAt, skewMs: () => this.skewMs }),
    );
  }

  #makeBrain(options: KasaSimOptions): SimBrain {
    const { model, mac = '02:00:00:00:00:01', name = model, volts = 230, zone } = options;
    const traits: SimModel = simModels[model];
    const has = (fault: KasaFault) => this.#faults.has(fault);
    const common = { model, traits, mac, name, volts, now: this.#now, meters: this.meters, has };
    if (traits.family === 'iot')
      return new IotBrain({ ...common, zoneIndex: typeof zone === 'number' ? zone : 39 });
    return new SmartBrain({
      ...common,
      zone: typeof zone === 'string' ? zone : 'Europe/London',
      skewMs: () => this.skewMs,
    });
  }

  #answer(question: string, over: 'tcp' | 'udp'): string {
    if (over === 'tcp' && this.asked.push(question) > 100) this.asked.shift();
    const text = this.brain.answer(question, over);
    // What firmware prints when it divides by nothing.
    return this.#faults.has('nan')
      ? text.replaceAll(/("(?:power|power_mw|current_power)":)[\d.]+/g, '$1nan')
      : text;
  }

  async #hear(port: number, reply: (packet: Buffer) => Buffer | undefined): Promise<void> {
    const socket = createSocket('udp4');
    this.#udp.push(socket);
    socket.on('message', (packet, from) => {
      if (this.#faults.has('drop') || this.#faults.has('hang')) return;
      const answer = reply(packet);
      if (answer !== undefined) socket.send(answer, from.port, from.address);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, this.#host, () => resolve());
    });
  }

  #localReply(packet: Buffer): Buffer | undefined {
    const question = xorDecode(packet).toString('utf8');
    return question.startsWith('{')
      ? xorEncode(Buffer.from(this.#answer(question, 'udp'), 'utf8'))
      : undefined;
  }

  #discoveryReply(packet: Buffer): Buffer | undefined {
    if (!isSound(packet) || packet[0] !== 2) return undefined;
    const pem = branch(parseQuestion(packet.toString('utf8', 16))['params'])['rsa_key'];
    const scheme = { xor: 'XOR', klap1: 'KLAP', klap2: 'KLAP', aes: 'AES' }[this.way];
    const level = this.way === 'klap2' ? { lv: 2 } : {};
    const info = typeof pem === 'string' ? sealDiscoveryInfo(pem, { connect_type: 'wireless' }) : undefined;
    const result = {
      device_id: Buffer.from(this.brain.mac).toString('hex').padEnd(32, '0').slice(0, 32),
      owner: '0'.repeat(32),
      device_type: this.brain.type,
      device_model: `${this.brain.model}(UK)`,
      ip: this.#host,
      mac: this.brain.mac.replaceAll(':', '-').toUpperCase(),
      factory_default: false,
      obd_src: 'tplink',
      mgt_encrypt_schm: {
        is_support_https: false,
        encrypt_type: scheme,
        http_port: this.way === 'xor' ? 80 : this.port,
        ...level,
      },
      ...(info !== undefined && { encrypt_info: info }),
    };
    const payload = Buffer.from(JSON.stringify({ result, error_code: 0 }), 'utf8');
    const serial = packet.readUInt32BE(8);
    return discoveryPacket({ operation: 2, flags: 0, serial, payload });
  }
}
