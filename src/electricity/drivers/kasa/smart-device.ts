import { LaresError } from '#kernel/errors.ts';
import type { Answer, Poll } from '../../driver.ts';
import type { EnergySlot, Values } from '../../model.ts';
import { Announcements, pollOf, readBack, switched, type DeviceOptions, type KasaDevice } from './device.ts';
import { sumOf } from './iot.codec.ts';
import { finite, list, record } from '../shared/json.codec.ts';
import {
  dailyQuestions,
  energyDataSlots,
  finestOfHours,
  hourlyQuestions,
  type EnergyDataQuestion,
} from './memory.rules.ts';
import {
  batchOf,
  mostInBatch,
  parseBatch,
  parseChild,
  parseComponents,
  parseInfo,
  parseMeter,
  parseSmart,
  smartErrors,
  smartRequest,
  toChild,
  type SmartAnswer,
  type SmartCall,
  type SmartInfo,
} from './smart.codec.ts';
import { deviceClock, zoneOffsets, type DeviceClock } from './zones.rules.ts';

const mostChildren = 64;
// Beyond a quarter of a year only days are asked for: hours would take a question for every eight days.
const longestHourlyMs = 92 * 86_400_000;
const meterMethods = ['get_energy_usage', 'get_emeter_data', 'get_current_power'] as const;
type MeterMethod = (typeof meterMethods)[number];

/** A device of the newer language, `{"method":…}`: Tapo, and Kasa since 2023. */
export class SmartDevice implements KasaDevice {
  readonly #options: DeviceOptions;
  readonly #announcements: Announcements;
  #components: ReadonlySet<string> | 'unknown' | undefined;
  /** Methods that the device turned out not to have. */
  readonly #lacks = new Set<string>();
  /** Whether batches turned out not to work. */
  #single = false;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.#announcements = new Announcements(options);
  }

  poll(signal: AbortSignal): Promise<Poll> {
    return this.#options.link.turn(async () => {
      try {
        return await this.#poll(signal);
      } catch (error) {
        this.#components = undefined;
        this.#lacks.clear();
        throw error;
      }
    });
  }

  async #poll(signal: AbortSignal): Promise<Poll> {
    const first = this.#components === undefined;
    const calls = first ? ['get_device_info', 'component_nego'] : ['get_device_info', ...this.#meterCalls()];
    const found = await this.#call(calls.map(toCall), signal);
    const said = found.get('get_device_info');
    if (said?.code !== 0)
      throw new LaresError(
        'BAD_REPLY',
        `${this.#options.host} does not say what it is (error ${said?.code ?? 'none'})`,
      );
    const info = parseInfo(said.result);
    if (first) this.#components = parseComponents(found.get('component_nego')?.result ?? {}) ?? 'unknown';
    if (this.#has('child_device') && this.#components !== 'unknown')
      return await this.#pollStrip(info, signal);
    const missing = first ? this.#meterCalls() : [];
    const meter = missing.length === 0 ? found : await this.#call(missing.map(toCall), signal);
    return pollOf(info, this.#options.host, [
      this.#answer(info, undefined, { ...this.#values(meter), ...switched(info.on) }),
    ]);
  }

  async #pollStrip(info: SmartInfo, signal: AbortSignal): Promise<Poll> {
    const sockets = await this.#children(signal);
    const parts: Values[] = [];
    for (const socket of sockets) {
      const calls = this.#meterCalls();
      parts.push(
        calls.length === 0 ? {} : this.#values(await this.#call(calls.map(toCall), signal, socket.rawId)),
      );
    }
    const on =
      info.on ?? (sockets.some((s) => s.on !== undefined) ? sockets.some((s) => s.on === true) : undefined);
    const answers = sockets.map((socket, i) =>
      this.#answer(info, socket, { ...parts[i], ...switched(socket.on) }),
    );
    return pollOf(info, this.#options.host, [
      this.#answer(info, undefined, { ...sumOf(parts), ...switched(on) }),
      ...answers,
    ]);
  }

  /** The list comes in pages. */
  async #children(signal: AbortSignal): Promise<SmartInfo[]> {
    const found: SmartInfo[] = [];
    for (;;) {
      const answer = (
        await this.#call([{ method: 'get_child_device_list', params: { start_index: found.length } }], signal)
      ).get('get_child_device_list');
      if (answer?.code !== 0)
        throw new LaresError(
          'BAD_REPLY',
          `${this.#options.host} does not list its sockets (error ${answer?.code ?? 'none'})`,
        );
      const page = list(answer.result['child_device_list']).map((item) => parseInfo(record(item)));
      const named = page.filter((socket) => socket.rawId !== undefined);
      found.push(...named);
      const sum = Math.min(finite(answer.result['sum']) ?? found.length, mostChildren);
      if (named.length === 0 || found.length >= sum) return found.slice(0, mostChildren);
    }
  }

  #has(component: string): boolean {
    return this.#components === 'unknown' || (this.#components?.has(component) ?? false);
  }

  #meterCalls(): readonly MeterMethod[] {
    return this.#has('energy_monitoring') ? meterMethods.filter((method) => !this.#lacks.has(method)) : [];
  }

  #values(found: ReadonlyMap<string, SmartAnswer>): Values {
    const result = (method: MeterMethod) => {
      const answer = found.get(method);
      if (answer !== undefined && smartErrors.unknown.has(answer.code)) this.#lacks.add(method);
      return answer?.code === 0 ? answer.result : undefined;
    };
    const [usage, emeter, power] = meterMethods.map(result);
    // The coarse one is asked for only until a finer one has spoken.
    const fine = finite(emeter?.['power_mw']) ?? finite(usage?.['current_power']);
    if (fine !== undefined) this.#lacks.add('get_current_power');
    return parseMeter({ usage, emeter, power });
  }

  #answer(info: SmartInfo, socket: SmartInfo | undefined, values: Values): Answer {
    const strip = this.#components !== 'unknown' && this.#has('child_device') && socket === undefined;
    const child = socket?.rawId;
    const outlet = socket === undefined ? undefined : { ...socket, node: nodeOf(info, socket) };
    return this.#announcements.answer(info, outlet, values, () => ({
      // A strip as a whole cannot be switched; its sockets can.
      switches: strip ? undefined : { turn: (on, signal) => this.#turn(on, child, signal) },
      remembers:
        this.#has('energy_monitoring') && !strip
          ? { energy: (from, to, signal) => this.#energy(from, to, child, signal) }
          : undefined,
    }));
  }

  #turn(on: boolean, child: string | undefined, signal: AbortSignal): Promise<boolean> {
    const { host, clock, link } = this.#options;
    return link.turn(async () => {
      const set = await this.#one({ method: 'set_device_info', params: { device_on: on } }, signal, child);
      if (set.code !== 0)
        throw new LaresError('BAD_REPLY', `${host} refuses to be switched (its error ${set.code})`);
      const read = async () => {
        const answer = await this.#one({ method: 'get_device_info' }, signal, child);
        return answer.code === 0 ? parseInfo(answer.result).on : undefined;
      };
      return await readBack(on, read, { host, clock, signal });
    });
  }

  /** Hours that the device has counted, days where it has forgotten the hours. */
  #energy(
    from: number,
    until: number,
    child: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly EnergySlot[]> {
    return this.#options.link.turn(async () => {
      const now = this.#options.clock.now();
      const to = Math.min(until, now);
      if (to <= from) return [];
      const clock = await this.#clock(now, signal);
      const ask = async (question: EnergyDataQuestion) => {
        const answer = await this.#one({ method: 'get_energy_data', params: question }, signal, child);
        return answer.code === 0 ? energyDataSlots(answer.result, question, clock) : [];
      };
      const hours: EnergySlot[] = [];
      let complete = to - from <= longestHourlyMs;
      for (const question of complete ? hourlyQuestions(from, to, clock) : []) {
        const slots = await ask(question);
        if (slots.every((s) => s.wh === 0)) complete = false;
        hours.push(...slots);
      }
      const days: EnergySlot[] = [];
      if (!complete)
        for (const question of dailyQuestions(from, to, clock)) days.push(...(await ask(question)));
      return finestOfHours(hours, days, { from, to, now });
    });
  }

  async #clock(now: number, signal: AbortSignal): Promise<DeviceClock> {
    const { code, result } = await this.#one({ method: 'get_device_time' }, signal, undefined);
    const timestamp = finite(result['timestamp']);
    if (code !== 0 || timestamp === undefined)
      throw new LaresError(
        'BAD_REPLY',
        `${this.#options.host} does not tell its time, so its hours cannot be placed`,
      );
    const minutes = finite(result['time_diff']) ?? 0;
    const offsets = zoneOffsets(result['region']) ?? (() => minutes * 60_000);
    return deviceClock(timestamp * 1000 + offsets(timestamp * 1000), offsets, now);
  }

  async #one(call: SmartCall, signal: AbortSignal, child: string | undefined): Promise<SmartAnswer> {
    const answer = await this.#send(call, signal, child);
    if (answer === undefined)
      throw new LaresError('BAD_REPLY', `${this.#options.host} does not speak the language of Tapo`);
    return answer;
  }

  /** Answers by method. Batches of at most five, and one by one with a device that refuses batches. */
  async #call(
    calls: readonly SmartCall[],
    signal: AbortSignal,
    child?: string,
  ): Promise<ReadonlyMap<string, SmartAnswer>> {
    const found = new Map<string, SmartAnswer>();
    for (let at = 0; at < calls.length; at += mostInBatch) {
      const batch = calls.slice(at, at + mostInBatch);
      const answers =
        this.#single || batch.length === 1 ? undefined : await this.#batch(batch, signal, child);
      if (answers !== undefined) for (const [method, answer] of answers) found.set(method, answer);
      else for (const call of batch) found.set(call.method, await this.#one(call, signal, child));
    }
    return found;
  }

  /** Undefined when the device cannot do batches. */
  async #batch(
    calls: readonly SmartCall[],
    signal: AbortSignal,
    child: string | undefined,
  ): Promise<ReadonlyMap<string, SmartAnswer> | undefined> {
    let answer: SmartAnswer | undefined;
    try {
      answer = await this.#send(batchOf(calls), signal, child);
    } catch (error) {
      // Some firmware cuts long replies, which then are no JSON; shorter ones may pass.
      if (!(error instanceof LaresError) || error.code !== 'BAD_REPLY') throw error;
    }
    const answers = answer?.code === 0 ? parseBatch(calls, answer) : undefined;
    if (answers !== undefined && answers.size > 0) return answers;
    if (answer !== undefined && answer.code !== 0 && !smartErrors.batch.has(answer.code))
      throw new LaresError('BAD_REPLY', `${this.#options.host} answered with error ${answer.code}`);
    this.#single = true;
    return undefined;
  }

  async #send(
    call: SmartCall,
    signal: AbortSignal,
    child: string | undefined,
  ): Promise<SmartAnswer | undefined> {
    const request = smartRequest(
      child === undefined ? call : toChild(child, call),
      this.#options.clock.now(),
    );
    const answer = parseSmart(await this.#options.link.ask(request, signal));
    return child === undefined || answer === undefined ? answer : parseChild(answer);
  }
}

const toCall = (method: string): SmartCall => ({ method });

/** The last node of the id of a socket: what its id adds to the strip's, else its position. */
function nodeOf(strip: SmartInfo, socket: SmartInfo): string {
  const [whole, own] = [strip.rawId ?? '', socket.rawId ?? ''];
  const tail = whole !== '' && own.startsWith(whole) ? own.slice(whole.length) : '';
  if (/^[A-Za-z0-9_-]{1,48}$/.test(tail)) return tail.toLowerCase();
  return socket.position === undefined ? own.toLowerCase() : String(socket.position).padStart(2, '0');
}
