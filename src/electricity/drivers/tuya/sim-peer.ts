import type { Socket } from 'node:net';
import { readBody } from './message.codec.ts';
import { commands, hasSession, type DataValue, type Message, type Version } from './model.ts';
import type { SimDevice, SimDeviceOptions } from './sim-device.ts';
import { FrameStream } from './stream.codec.ts';
import { newNonce, Wire } from './wire.ts';

/** What can go wrong, from the network up to the protocol. */
export const tuyaFaults = [
  /** Every connection is closed at once. */
  'drop',
  /** Connections are accepted and nothing is ever said. */
  'hang',
  /** Noise instead of replies. */
  'garbage',
  /** Noise in front of every reply. */
  'prefix',
  /** A few bytes in each segment. */
  'split',
  /** Every reply together with a push in one segment. */
  'merge',
  /** The connection is reset in the middle of a frame. */
  'reset',
  /** Replies come after 400 ms. */
  'slow',
  /** A wrong CRC, HMAC or tag. */
  'check',
  /** Replies carry a sequence number that nobody sent. */
  'sequence',
  /** A frame that claims to be of 2 GB. */
  'oversized',
  /** Only heartbeats are answered: the phone app is being served. */
  'busy',
] as const;
export type TuyaFault = (typeof tuyaFaults)[number];

export interface TuyaSimOptions extends SimDeviceOptions {
  readonly id: string;
  /** 16 characters. */
  readonly key: string;
  readonly version: Version;
  readonly productId?: string;
  /** Refuses plain queries with `data unvalid`. */
  readonly device22?: boolean;
  /** Says the power of the last refresh, as many real ones do. */
  readonly stale?: boolean;
  /** Says nothing to a refresh. */
  readonly ignoresRefresh?: boolean;
  /** Ends the connection when it is asked to refresh. */
  readonly hangsUpOnRefresh?: boolean;
  /** Acknowledges commands but never pushes its state. */
  readonly pushes?: boolean;
  /** How a second client is treated while one is connected; `serve` lets any number in. */
  readonly secondClient?: 'refuse' | 'ignore' | 'serve';
  /** Sub-devices by node id: this is a gateway then. */
  readonly subs?: Readonly<Record<string, SimDevice>>;
}

/** The device that a client talks to. */
export interface SimHost {
  readonly options: TuyaSimOptions;
  readonly device: SimDevice;
  readonly away: ReadonlySet<string>;
  readonly heard: number[];
  has(fault: TuyaFault): boolean;
  /** What it says now. */
  state(): Map<number, DataValue>;
  /** Measures, and says what it measured. */
  refresh(): Map<number, DataValue>;
}

/** One client. */
export class Peer {
  readonly socket: Socket;
  readonly #sim: SimHost;
  readonly #wire: Wire;
  readonly #stream = new FrameStream();
  // Devices of 3.5 count their own frames, whoever asked.
  #counter = 100;
  #nonces: { client: Buffer; device: Buffer } | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(sim: SimHost, socket: Socket) {
    const { version, key } = sim.options;
    this.#sim = sim;
    this.socket = socket;
    this.#wire = new Wire(version, Buffer.from(key, 'latin1'), 'device');
    socket.on('data', (chunk) => this.#receive(chunk));
  }

  pushState(points: ReadonlyMap<number, DataValue>, cid?: string): void {
    const retcode = this.#sim.options.version === '3.5' ? 0 : undefined;
    this.#say(commands.status, this.#stateBody(points, cid, true), retcode, this.#pushSequence());
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#stream.push(chunk)) {
        const message = this.#wire.decode(frame);
        this.#sim.heard.push(message.command);
        if (this.#sim.heard.length > 200) this.#sim.heard.shift();
        const silent =
          this.#sim.has('hang') || (this.#sim.has('busy') && message.command !== commands.heartbeat);
        if (!silent) this.#answer(message);
      }
    } catch {
      // A real device drops whoever does not know its key.
      this.socket.destroy();
    }
  }

  #answer(message: Message): void {
    const handler = handlers[message.command];
    if (handler !== undefined) this[handler](message);
  }

  /** @internal */
  start({ sequence, body }: Message): void {
    const client = Buffer.from(body.subarray(0, 16));
    const device = newNonce();
    this.#nonces = { client, device };
    const answer = Buffer.concat([device, this.#wire.proof(client)]);
    this.#say(commands.sessionAnswer, answer, 0, sequence);
  }

  /** @internal */
  finish({ body }: Message): void {
    if (this.#nonces === undefined || !this.#wire.proves(this.#nonces.device, body.subarray(0, 32)))
      return void this.socket.destroy();
    this.#wire.agree(this.#nonces.client, this.#nonces.device);
  }

  /** @internal */
  beat({ sequence }: Message): void {
    this.#say(commands.heartbeat, empty, 0, sequence);
  }

  /** @internal */
  query({ sequence, command, body }: Message): void {
    const { cid, text } = readBody(body);
    if (text !== undefined) return this.#say(command, Buffer.from('json obj data unvalid'), 1, sequence);
    if (cid === undefined && this.#sim.options.device22 === true)
      return this.#say(command, Buffer.from('json obj data unvalid'), 1, sequence);
    const points = this.#points(cid);
    if (points !== undefined) this.#say(command, this.#stateBody(points, cid, false), 0, sequence);
  }

  /** @internal */
  refresh({ sequence }: Message): void {
    if (this.#sim.options.hangsUpOnRefresh === true) return void this.socket.destroy();
    const before = this.#sim.state();
    const points = this.#sim.refresh();
    if (this.#sim.options.ignoresRefresh === true) return;
    this.#say(commands.refresh, empty, 0, sequence);
    const changed = new Map([...points].filter(([dp, value]) => before.get(dp) !== value));
    if (changed.size > 0 && this.#sim.options.pushes !== false) this.pushState(changed);
  }

  /** @internal */
  control({ sequence, command, body }: Message): void {
    const value = JSON.parse(body.toString('utf8')) as {
      dps?: object;
      cid?: string;
      data?: { dps?: object; cid?: string };
    };
    const dps = Object.entries(value.data?.dps ?? value.dps ?? {});
    const cid = value.data?.cid ?? value.cid;
    this.#say(command, empty, 0, sequence);
    const points = this.#points(cid);
    if (points === undefined) return;
    if (dps.every(([, v]) => v === null)) {
      const named = dps.map(([dp]) => Number(dp)).filter((dp) => points.has(dp));
      return this.pushState(new Map(named.map((dp) => [dp, points.get(dp)!])), cid);
    }
    const device = cid === undefined ? this.#sim.device : this.#sim.options.subs?.[cid];
    const wanted = dps.find(([dp]) => Number(dp) === device?.switchDp)?.[1] as unknown;
    if (device === undefined || typeof wanted !== 'boolean' || wanted === device.on) return;
    device.switch(wanted);
    if (this.#sim.options.pushes !== false) this.pushState(new Map([[device.switchDp!, wanted]]), cid);
  }

  #points(cid: string | undefined): ReadonlyMap<number, DataValue> | undefined {
    if (cid === undefined) return this.#sim.options.subs === undefined ? this.#sim.state() : new Map();
    return this.#sim.away.has(cid) ? undefined : this.#sim.options.subs?.[cid]?.measure();
  }

  #stateBody(points: ReadonlyMap<number, DataValue>, cid: string | undefined, push: boolean): Buffer {
    const { version, id } = this.#sim.options;
    const dps = Object.fromEntries(points);
    const who = cid === undefined ? {} : { cid };
    const t = Math.floor(Date.now() / 1000);
    if (!hasSession(version)) return json({ devId: id, ...who, dps, ...(push && { t }) });
    return json(push ? { protocol: 4, t, data: { ...who, dps } } : { ...who, dps });
  }

  #pushSequence(): number {
    return this.#sim.options.version === '3.5' ? ++this.#counter : 0;
  }

  /** `retcode` undefined is a push: those carry none before 3.5. */
  #say(command: number, clear: Buffer, retcode: number | undefined, asked: number): void {
    const { version } = this.#sim.options;
    const own = version === '3.5' ? ++this.#counter : asked;
    const sequence = this.#sim.has('sequence') ? 0x7fffff00 + ++this.#counter : own;
    const frame = this.#wire.encode(command, clear, { sequence, ...(retcode !== undefined && { retcode }) });
    const session = command === commands.sessionAnswer;
    this.#sending = this.#sending.then(() => this.#write(frame, session));
  }

  async #write(frame: Buffer, session: boolean): Promise<void> {
    const { socket } = this;
    const sim = this.#sim;
    if (socket.destroyed) return;
    if (sim.has('slow')) await pause(400);
    if (sim.has('garbage')) return void socket.write(Buffer.alloc(frame.length, 0x5a));
    if (sim.has('prefix')) socket.write(Buffer.from('00000000aa5500', 'hex'));
    if (sim.has('oversized')) {
      const head = Buffer.from(frame.subarray(0, 18));
      head.writeUInt32BE(0x7fffffff, sim.options.version === '3.5' ? 14 : 12);
      return void socket.write(head);
    }
    if (sim.has('check')) frame[frame.length - 6]! ^= 0x40;
    if (sim.has('reset')) {
      socket.write(frame.subarray(0, frame.length >> 1));
      await pause(5);
      return void socket.resetAndDestroy();
    }
    if (sim.has('merge') && !session) {
      const body = this.#stateBody(sim.state(), undefined, true);
      const push = this.#wire.encode(commands.status, body, { sequence: this.#pushSequence() });
      return void socket.write(Buffer.concat([push, frame, push]));
    }
    if (!sim.has('split')) return void socket.write(frame);
    for (let at = 0; at < frame.length; at += 7) {
      socket.write(frame.subarray(at, at + 7));
      await pause(1);
    }
  }
}

const handlers: Readonly<Record<number, 'start' | 'finish' | 'beat' | 'query' | 'refresh' | 'control'>> = {
  [commands.sessionStart]: 'start',
  [commands.sessionFinish]: 'finish',
  [commands.heartbeat]: 'beat',
  [commands.query]: 'query',
  [commands.queryNew]: 'query',
  [commands.refresh]: 'refresh',
  [commands.control]: 'control',
  [commands.controlNew]: 'control',
};

const empty = Buffer.alloc(0);
const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
