import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { publishOnce, type BrokerAddress } from '#platform/mqtt/client.ts';

export interface PulseSimOptions {
  readonly now?: () => number;
  /** W drawn by the house at an instant, epoch ms. */
  readonly power?: (at: number) => number;
  readonly impPerKwh?: number;
  readonly id?: string;
  readonly token?: string;
  /** Where it posts: `http://127.0.0.1:5000/api/electricity/pulse`. */
  readonly url?: string;
  /** Publishes `lares/pulse/<id>` there as well. */
  readonly broker?: BrokerAddress;
  readonly everyMs?: number;
  /** Keeps its count in flash over a restart; else it begins again at 0. */
  readonly saves?: boolean;
  /** The count starts again at 0 after this many pulses. */
  readonly wrapsAt?: number;
  readonly firstCount?: number;
  /** Ms by which the instant of a pulse is off: from -1 to 1 times this. */
  readonly jitterMs?: number;
  readonly random?: () => number;
}

/** Own faults: `offline` keeps messages for later, `duplicate` posts each twice, `skew` sets its clock an hour ahead. */
export type PulseFault =
  | 'drop'
  | 'hang'
  | 'garbage'
  | 'split'
  | 'merge'
  | 'reset'
  | 'slow'
  | 'offline'
  | 'duplicate'
  | 'skew';

interface SimMessage {
  readonly id: string;
  readonly total_pulses: number;
  readonly uptime_ms: number;
  readonly sequence: number;
  readonly boot: string;
  readonly since_boot: number;
  readonly imp_per_kwh: number;
  readonly pulses: readonly number[];
  readonly at: number;
}

const mostKept = 720;
const mostPulses = 200;
// Short against the shortest pulse spacing, long against the arithmetic.
const stepMs = 100;
const slowMs = 20;

/** An ESP32 at the light of a meter: counts pulses of what the house draws, and posts them as our firmware does. */
export class PulseSim {
  /** Status of each reply, and `0` where there was none. */
  readonly replies: number[] = [];
  readonly #now: () => number;
  readonly #power: (at: number) => number;
  readonly #options: PulseSimOptions;
  readonly #imp: number;
  readonly #faults = new Map<PulseFault, number>();
  readonly #sockets = new Set<Socket>();
  #kept: SimMessage[] = [];
  #pulses: number[] = [];
  #count: number;
  #sinceBoot = 0;
  #sequence = 0;
  #boots = 1;
  #bootedAt: number;
  #simulatedTo: number;
  /** Wh since the last pulse. */
  #rest = 0;
  #timer: NodeJS.Timeout | undefined;
  #wh = 0;

  constructor(options: PulseSimOptions = {}) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#power = options.power ?? (() => 500);
    this.#imp = options.impPerKwh ?? 1_000;
    this.#count = options.firstCount ?? 0;
    this.#bootedAt = this.#now();
    this.#simulatedTo = this.#bootedAt;
  }

  /** Wh that the house has drawn in whole pulses: what the meter itself would show. */
  get wh(): number {
    this.#run();
    return this.#wh;
  }

  /** Posts every `everyMs` of real time until closed. */
  listen(): Promise<this> {
    this.#timer = setInterval(() => void this.step().catch(() => {}), this.#options.everyMs ?? 5_000);
    return Promise.resolve(this);
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
    return Promise.resolve();
  }

  /** Something goes wrong for `ms` of its clock. */
  fault(name: PulseFault, ms: number): void {
    this.#faults.set(name, this.#now() + ms);
  }

  /** The power of the device goes and comes back. */
  reboot(): void {
    this.#run();
    this.#boots += 1;
    this.#bootedAt = this.#now();
    this.#sinceBoot = 0;
    this.#sequence = 0;
    this.#pulses = [];
    this.#kept = [];
    if (this.#options.saves !== true) this.#count = 0;
  }

  /** Counts up to now and sends what it has. */
  async step(): Promise<void> {
    this.#run();
    const message = this.#message();
    this.#pulses = [];
    if (this.#has('drop')) return;
    this.#kept.push(message);
    this.#kept = this.#kept.slice(-mostKept);
    if (this.#has('offline')) return;
    const sent = this.#kept;
    this.#kept = [];
    if (!(await this.#send(sent))) this.#kept = [...sent, ...this.#kept];
  }

  /** The newest message once more, as a retry after a reply that was lost. */
  async repeat(message: string): Promise<void> {
    await this.#post(message);
  }

  /** The next message, without sending it. */
  message(): string {
    this.#run();
    return JSON.stringify(this.#message());
  }

  #has(fault: PulseFault): boolean {
    return (this.#faults.get(fault) ?? Number.NEGATIVE_INFINITY) > this.#now();
  }

  #message(): SimMessage {
    this.#sequence += 1;
    return {
      id: this.#options.id ?? 'house-meter',
      total_pulses: this.#count,
      uptime_ms: this.#now() - this.#bootedAt,
      sequence: this.#sequence,
      boot: `boot-${this.#boots}`,
      since_boot: this.#sinceBoot,
      imp_per_kwh: this.#imp,
      pulses: this.#pulses.slice(-mostPulses),
      at: this.#now() + (this.#has('skew') ? 3_600_000 : 0),
    };
  }

  #run(): void {
    const to = this.#now();
    const each = 1_000 / this.#imp;
    // Sums of tenths fall short of their whole by the last bit.
    const enough = each * (1 - 1e-9);
    const { jitterMs = 0, random = Math.random, wrapsAt = 2 ** 32 } = this.#options;
    while (this.#simulatedTo < to) {
      const span = Math.min(stepMs, to - this.#simulatedTo);
      const wh = (Math.max(0, this.#power(this.#simulatedTo)) * span) / 3_600_000;
      const before = this.#rest;
      this.#rest += wh;
      for (let n = 1; this.#rest >= enough; n += 1) {
        this.#rest -= each;
        const at = this.#simulatedTo + (span * (n * each - before)) / wh - this.#bootedAt;
        const seen = Math.max(this.#pulses.at(-1) ?? 0, Math.round(at + jitterMs * (random() * 2 - 1)));
        this.#pulses.push(Math.min(seen, to - this.#bootedAt));
        this.#count = (this.#count + 1) % wrapsAt;
        this.#sinceBoot += 1;
        this.#wh += each;
      }
      this.#simulatedTo += span;
    }
    this.#pulses = this.#pulses.slice(-mostPulses);
  }

  async #send(messages: readonly SimMessage[]): Promise<boolean> {
    const body = JSON.stringify(messages.length === 1 ? messages[0] : messages);
    const { broker, id = 'house-meter', url } = this.#options;
    if (broker !== undefined)
      await publishOnce(broker, `lares/pulse/${id}`, this.#has('garbage') ? '{nonsense' : body);
    if (url === undefined) return true;
    const status = await this.#post(body);
    if (this.#has('duplicate')) await this.#post(body);
    // A refusal will be the same again; only what got no answer is kept.
    return status !== 0 && status < 500 && status !== 429;
  }

  async #post(body: string): Promise<number> {
    const bad = (['hang', 'split', 'merge', 'reset', 'slow'] as const).find((fault) => this.#has(fault));
    const text = this.#has('garbage') ? '{nonsense' : body;
    const status = bad === undefined ? await this.#plain(text) : await this.#raw(text, bad);
    this.replies.push(status);
    return status;
  }

  #plain(body: string): Promise<number> {
    return new Promise((resolve) => {
      const post = request(
        this.#options.url!,
        { method: 'POST', agent: false, headers: this.#headers(body) },
        (reply) => {
          reply.resume().on('close', () => resolve(reply.statusCode ?? 0));
        },
      );
      post.on('socket', (socket) => this.#track(socket));
      post.on('error', () => resolve(0));
      post.end(body);
    });
  }

  #headers(body: string): Record<string, string> {
    return {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      authorization: `Bearer ${this.#options.token ?? ''}`,
    };
  }

  /** The same request over a bare socket, badly. */
  #raw(body: string, fault: 'hang' | 'split' | 'merge' | 'reset' | 'slow'): Promise<number> {
    const url = new URL(this.#options.url!);
    const head = Object.entries(this.#headers(body)).map(([name, value]) => `${name}: ${value}\r\n`);
    const once = `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\n${head.join('')}\r\n${body}`;
    const bytes = Buffer.from(fault === 'merge' ? once + once : once);
    return new Promise((resolve) => {
      const socket = connect(Number(url.port), url.hostname);
      this.#track(socket);
      let reply = '';
      socket.on('data', (chunk) => {
        reply += String(chunk);
        const statuses = [...reply.matchAll(/HTTP\/1\.1 (\d{3})/g)];
        if (statuses.length < (fault === 'merge' ? 2 : 1)) return;
        socket.destroy();
        resolve(Number(statuses.at(-1)![1]));
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(0));
      socket.on('connect', () => void write(socket, bytes, fault));
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

async function write(
  socket: Socket,
  bytes: Buffer,
  fault: 'hang' | 'split' | 'merge' | 'reset' | 'slow',
): Promise<void> {
  socket.setNoDelay(true);
  if (fault === 'merge') return void socket.write(bytes);
  if (fault === 'hang') return void socket.write(bytes.subarray(0, 20));
  if (fault === 'reset') {
    socket.write(bytes.subarray(0, bytes.length / 2), () => socket.resetAndDestroy());
    return;
  }
  const step = fault === 'split' ? 7 : 64;
  for (let i = 0; i < bytes.length && !socket.destroyed; i += step) {
    socket.write(bytes.subarray(i, i + step));
    await new Promise((resolve) => setTimeout(resolve, fault === 'slow' ? slowMs : 0));
  }
}
