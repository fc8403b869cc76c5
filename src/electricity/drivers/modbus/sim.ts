import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { crcHolds, mostRegisters, rtuFrame, tcpFrame, type Framing, type ReadFunction } from './codec.ts';
import { countOn, type Counted, type PowerAt } from '../shared/sim-meter.ts';
import { cell, memoryOf, readBody, shownValues } from './sim.rules.ts';
import type { Template } from './template.model.ts';
import { loadTemplate } from './templates.ts';

export interface SimMeter {
  readonly unit: number;
  /** Name of a shipped template or path of a file. */
  readonly template: string;
  readonly power: PowerAt;
  /** What its counters show at the start, Wh. */
  readonly energyWh?: number;
  readonly exportWh?: number;
  /** Refuses requests for more registers with exception 3. */
  readonly longestRequest?: number;
  /** Does not even answer requests for more registers. */
  readonly deafAbove?: number;
  /** Refuses requests that touch a register it does not have with exception 2; else such registers read 0. */
  readonly strict?: boolean;
  /** Quantities of the template that this one lacks. */
  readonly without?: readonly string[];
}

export interface ModbusSimOptions {
  readonly meters: readonly SimMeter[];
  readonly framing?: Framing;
  /** Epoch ms. */
  readonly now?: () => number;
  /** Answers for units that are not there with exception 11, as many gateways do; else there is silence. */
  readonly gateway?: boolean;
  /** How long the fault `late` holds a reply back, ms. */
  readonly lateMs?: number;
}

/**
 * `drop` closes every connection at once, `hang` never answers, `garbage` sends noise, `split` single bytes, `merge` holds
 * every second reply back and sends it with the next one, `reset` breaks off in mid-frame, `slow` takes a quarter of a
 * second, `late` answers when nobody waits any more; `crc`, `transaction`, `unit`, `short` and `oversized` make one
 * field of the reply wrong; `exception`, `busy` and `gateway` refuse with 4, 6 and 11.
 */
export type ModbusFault =
  | 'drop'
  | 'hang'
  | 'garbage'
  | 'split'
  | 'merge'
  | 'reset'
  | 'slow'
  | 'late'
  | 'crc'
  | 'transaction'
  | 'unit'
  | 'short'
  | 'oversized'
  | 'exception'
  | 'busy'
  | 'gateway';

interface Question {
  readonly transaction: number;
  readonly unit: number;
  readonly fn: number;
  readonly start: number;
  readonly count: number;
}

interface Line {
  readonly stream: Duplex;
  readonly framing: Framing;
  heldBack: Buffer | undefined;
}

const slowMs = 250;
const refusals: Partial<Record<ModbusFault, number>> = { exception: 4, busy: 6, gateway: 11 };

/** A simulated meter with its counters. */
class Meter {
  readonly settings: SimMeter;
  readonly template: Template;
  #counted: Counted;
  #memory: ReadonlyMap<number, number> = new Map();
  #shownAt = Number.NaN;

  constructor(settings: SimMeter, now: number) {
    this.settings = settings;
    const whole = loadTemplate(settings.template);
    const lacks = new Set(settings.without);
    this.template = { ...whole, registers: whole.registers.filter((r) => !lacks.has(r.quantity)) };
    this.#counted = { at: now, energyWh: settings.energyWh ?? 0, exportWh: settings.exportWh ?? 0 };
  }

  /** The words of a request, or the code of the exception. */
  read(question: Question, now: number): number[] | number {
    const { fn, start, count } = question;
    const { longestRequest = mostRegisters, strict = false } = this.settings;
    if (!this.template.registers.some((r) => r.fn === fn)) return 1;
    if (count < 1 || count > Math.min(longestRequest, mostRegisters)) return 3;
    const memory = this.#show(now);
    const words = Array.from({ length: count }, (_, i) => memory.get(cell(fn as ReadFunction, start + i)));
    const known = words.filter((w) => w !== undefined).length;
    return known === 0 || (strict && known < count) ? 2 : words.map((w) => w ?? 0);
  }

  #show(now: number): ReadonlyMap<number, number> {
    if (now === this.#shownAt) return this.#memory;
    this.#counted = countOn(this.#counted, now, this.settings.power);
    this.#memory = memoryOf(this.template, shownValues(this.settings.power(now), this.#counted));
    this.#shownAt = now;
    return this.#memory;
  }
}

/** A bus of simulated meters behind a TCP port, in either framing, or on any stream such as a serial port. */
export class ModbusSim {
  /** Everything that was asked of it, oldest first. */
  readonly requests: Question[] = [];
  /** Connections taken so far. */
  connections = 0;
  /** Units that do not answer, as if they had no power. */
  readonly dead = new Set<number>();
  readonly #framing: Framing;
  readonly #now: () => number;
  readonly #lateMs: number;
  readonly #gateway: boolean;
  readonly #meters: ReadonlyMap<number, Meter>;
  readonly #open = new Set<Duplex>();
  readonly #server = createServer((socket) => this.#accept(socket));
  #fault: { readonly name: ModbusFault; readonly until: number } | undefined;
  #closed = new AbortController();

  constructor({ meters, framing = 'tcp', now = Date.now, gateway = false, lateMs = 1500 }: ModbusSimOptions) {
    this.#framing = framing;
    this.#now = now;
    this.#lateMs = lateMs;
    this.#gateway = gateway;
    this.#meters = new Map(meters.map((m) => [m.unit, new Meter(m, now())]));
  }

  listen(port = 0, host = '127.0.0.1'): Promise<this> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve(this));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Misbehaves for so many ms of real time, or until `fault(undefined)`. */
  fault(name: ModbusFault | undefined, ms: number = Number.POSITIVE_INFINITY): void {
    this.#fault = name === undefined ? undefined : { name, until: performance.now() + ms };
    if (name === 'drop') this.disconnect();
  }

  /** Cuts every connection, as a gateway does that restarts. */
  disconnect(): void {
    for (const stream of this.#open) stream.destroy();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.disconnect();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Answers on this stream too: a serial port, a pipe. */
  serve(stream: Duplex, framing: Framing = this.#framing): void {
    const line: Line = { stream, framing, heldBack: undefined };
    let buffer = Buffer.alloc(0);
    this.#open.add(stream);
    stream.on('close', () => this.#open.delete(stream));
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      for (;;) {
        const taken = framing === 'tcp' ? takeTcp(buffer) : takeRtu(buffer);
        if (taken === undefined) return;
        buffer = buffer.subarray(taken.length);
        if (taken.question !== undefined)
          void this.#answer(line, taken.question).catch(() => stream.destroy());
      }
    });
  }

  #accept(socket: Socket): void {
    this.connections += 1;
    socket.setNoDelay(true);
    if (this.#faultNow() === 'drop') return void socket.destroy();
    this.serve(socket);
  }

  #faultNow(): ModbusFault | undefined {
    const { name, until } = this.#fault ?? { name: undefined, until: 0 };
    return performance.now() < until ? name : undefined;
  }

  async #answer(line: Line, question: Question): Promise<void> {
    this.requests.push(question);
    if (this.requests.length > 10_000) this.requests.splice(0, 5_000);
    const meter = this.#meters.get(question.unit);
    const fault = this.#faultNow();
    const deafAbove = meter?.settings.deafAbove ?? Number.POSITIVE_INFINITY;
    const silent = meter === undefined || this.dead.has(question.unit) || question.count > deafAbove;
    if (fault === 'hang' || (silent && !this.#gateway)) return;
    const answer = silent ? 11 : (refusals[fault ?? 'hang'] ?? meter.read(question, this.#now()));
    const body =
      typeof answer === 'number'
        ? Buffer.from([question.unit, question.fn | 0x80, answer])
        : readBody(question.unit, question.fn, answer);
    await this.#send(line, question.transaction, body, fault);
  }

  async #send(line: Line, transaction: number, body: Buffer, fault: ModbusFault | undefined): Promise<void> {
    const { stream, framing } = line;
    const signal = this.#closed.signal;
    const frame = (id: number, b: Buffer) => (framing === 'tcp' ? tcpFrame(id, b) : rtuFrame(b));
    const whole = frame(transaction, body);
    const write = (bytes: Buffer) => {
      if (!stream.destroyed) stream.write(bytes);
    };
    const changed = (change: (bytes: Buffer) => unknown) => {
      const copy = Buffer.from(whole);
      change(copy);
      write(copy);
    };
    const ways: Partial<Record<ModbusFault, () => unknown>> = {
      garbage: () => write(randomBytes(40)),
      split: async () => {
        for (const byte of whole) {
          write(Buffer.from([byte]));
          await turn();
        }
      },
      merge: () => {
        if (line.heldBack === undefined) line.heldBack = whole;
        else {
          write(Buffer.concat([line.heldBack, whole]));
          line.heldBack = undefined;
        }
      },
      reset: () => {
        write(whole.subarray(0, Math.ceil(whole.length / 2)));
        // The half must have left before the reset overtakes it.
        setImmediate(() =>
          'resetAndDestroy' in stream ? (stream as Socket).resetAndDestroy() : stream.destroy(),
        );
      },
      slow: () => sleep(slowMs, undefined, { signal }).then(() => write(whole)),
      late: () => sleep(this.#lateMs, undefined, { signal }).then(() => write(whole)),
      crc: () => changed((b) => (b[b.length - 1] = (b.at(-1) ?? 0) ^ 0xff)),
      transaction: () => write(frame((transaction + 1000) & 0xffff, body)),
      unit: () =>
        write(frame(transaction, Buffer.concat([Buffer.from([(body[0] ?? 0) + 1]), body.subarray(1)]))),
      short: () =>
        write(
          frame(
            transaction,
            Buffer.concat([Buffer.from([body[0] ?? 0, body[1] ?? 0, 2]), body.subarray(3, 5)]),
          ),
        ),
      oversized: () => changed((b) => (framing === 'tcp' ? b.writeUInt16BE(0xffff, 4) : (b[2] = 0xff))),
    };
    const way = fault === undefined ? undefined : ways[fault];
    await (way === undefined ? write(whole) : way());
  }
}

interface Taken {
  readonly question: Question | undefined;
  readonly length: number;
}

function takeTcp(bytes: Buffer): Taken | undefined {
  if (bytes.length < 6) return undefined;
  // A client that speaks RTU here is met with silence, as real devices do.
  if (bytes.readUInt16BE(2) !== 0) return { question: undefined, length: bytes.length };
  const length = 6 + bytes.readUInt16BE(4);
  if (bytes.length < length) return undefined;
  const body = bytes.subarray(6, length);
  return { question: questionOf(bytes.readUInt16BE(0), body), length };
}

function takeRtu(bytes: Buffer): Taken | undefined {
  if (bytes.length < 8) return undefined;
  const sound = crcHolds(bytes.subarray(0, 8));
  return sound
    ? { question: questionOf(0, bytes.subarray(0, 6)), length: 8 }
    : { question: undefined, length: bytes.length };
}

function questionOf(transaction: number, body: Buffer): Question | undefined {
  if (body.length < 6) return undefined;
  const [unit, fn] = [body.readUInt8(0), body.readUInt8(1)];
  return { transaction, unit, fn, start: body.readUInt16BE(2), count: body.readUInt16BE(4) };
}
