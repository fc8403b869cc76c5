import { LaresError } from '#kernel/errors.ts';
import type { Answer, Poll } from '../../driver.ts';
import type { EnergySlot, Values } from '../../model.ts';
import { Announcements, pollOf, readBack, switched, type DeviceOptions, type KasaDevice } from './device.ts';
import {
  emeterModule,
  errorOf,
  packRequests,
  parseRealtime,
  parseSysinfo,
  parseTime,
  sumOf,
  switchError,
  switchRequest,
  sysinfoRequest,
  timeModule,
  type IotCommand,
  type IotInfo,
  type IotKind,
  type IotSocket,
} from './iot.codec.ts';
import { record, type Json } from '../shared/json.codec.ts';
import { daySlots, finestOfMonths, monthSlots, monthsBetween } from './memory.rules.ts';
import { deviceClock, zoneOffsets, type DeviceClock } from './zones.rules.ts';

const sysinfoCommand: IotCommand = { module: 'system', command: 'get_sysinfo', parameters: {} };
const realtimeOf = (kind: IotKind): IotCommand => ({
  module: emeterModule(kind),
  command: 'get_realtime',
  parameters: {},
});

// The same few requests serve every device.
const requestsOf = (
  commands: (kind: IotKind) => readonly IotCommand[],
): Readonly<Record<IotKind, readonly string[]>> => {
  const pack = (kind: IotKind) => packRequests(commands(kind), { kind });
  return { plug: pack('plug'), strip: pack('strip'), bulb: pack('bulb'), lightstrip: pack('lightstrip') };
};
const wholeOf = requestsOf((kind) => [sysinfoCommand, realtimeOf(kind)]);
const realtimeAlone = requestsOf((kind) => [realtimeOf(kind)]);

/** A device of the older language, `{"module":{"command":{}}}`: plugs, strips, dimmers, bulbs, light strips. */
export class IotDevice implements KasaDevice {
  readonly #options: DeviceOptions;
  readonly #announcements: Announcements;
  #info: IotInfo | undefined;
  /** Sockets that answered that they cannot meter; the whole device as ''. */
  #unmetered: Set<string> | undefined;

  constructor(options: DeviceOptions) {
    this.#options = options;
    this.#announcements = new Announcements(options);
  }

  poll(signal: AbortSignal): Promise<Poll> {
    return this.#options.link.turn(async () => {
      try {
        return await this.#poll(signal);
      } catch (error) {
        // What answers next may be another device or another firmware.
        this.#info = undefined;
        this.#unmetered = undefined;
        throw error;
      }
    });
  }

  async #poll(signal: AbortSignal): Promise<Poll> {
    const known = this.#info;
    const together = known !== undefined && this.#meters(known) && known.kind !== 'strip';
    // Some devices crash on modules that they do not have, so the first question is only what it is.
    const reply = together
      ? await this.#askAll(wholeOf[known.kind], signal)
      : await this.#ask(sysinfoRequest, signal);
    const info = parseSysinfo(reply);
    if (info === undefined)
      throw new LaresError('BAD_REPLY', `${this.#options.host} does not say what it is`);
    this.#info = info;
    if (info.kind === 'strip') return await this.#pollStrip(info, signal);
    const values =
      together && info.kind === known.kind
        ? this.#realtime(reply, info, '')
        : this.#meters(info)
          ? this.#realtime(await this.#askAll(realtimeAlone[info.kind], signal), info, '')
          : {};
    return pollOf(info, this.#options.host, [
      this.#answer(info, undefined, { ...values, ...switched(info.on) }),
    ]);
  }

  async #pollStrip(info: IotInfo, signal: AbortSignal): Promise<Poll> {
    const parts: Values[] = [];
    for (const socket of info.sockets) {
      const child = { kind: info.kind, child: socket.id };
      const asks = info.metered && this.#unmetered?.has(socket.id) !== true;
      parts.push(
        asks
          ? this.#realtime(
              await this.#askAll(packRequests([realtimeOf(info.kind)], child), signal),
              info,
              socket.id,
            )
          : {},
      );
    }
    const answers = info.sockets.map((socket, i) =>
      this.#answer(info, socket, { ...parts[i], ...switched(socket.on) }),
    );
    const whole = this.#answer(info, undefined, { ...sumOf(parts), ...switched(info.on) });
    return pollOf(info, this.#options.host, [whole, ...answers]);
  }

  #meters(info: IotInfo): boolean {
    return info.metered && this.#unmetered?.has('') !== true;
  }

  #realtime(reply: Json, info: IotInfo, part: string): Values {
    const values = parseRealtime(reply, info.kind);
    if (values === undefined) (this.#unmetered ??= new Set()).add(part);
    return values ?? {};
  }

  #answer(info: IotInfo, socket: IotSocket | undefined, values: Values): Answer {
    const strip = info.kind === 'strip' && socket === undefined;
    return this.#announcements.answer(info, socket, values, () => ({
      switches: { turn: (on, signal) => this.#turn(on, info, socket, signal) },
      remembers:
        info.metered && !strip
          ? { energy: (from, to, signal) => this.#energy({ from, to }, info.kind, socket?.id, signal) }
          : undefined,
    }));
  }

  #turn(on: boolean, info: IotInfo, socket: IotSocket | undefined, signal: AbortSignal): Promise<boolean> {
    const { host, clock, link } = this.#options;
    const sockets = (socket === undefined ? info.sockets : [socket]).map((s) => s.id);
    return link.turn(async () => {
      const error = switchError(await this.#ask(switchRequest(info.kind, on, sockets), signal));
      if (error !== 0)
        throw new LaresError('BAD_REPLY', `${host} refuses to be switched (its error ${error})`);
      const read = async () => {
        const now = parseSysinfo(await this.#ask(sysinfoRequest, signal));
        return socket === undefined ? now?.on : now?.sockets.find((s) => s.id === socket.id)?.on;
      };
      return await readBack(on, read, { host, clock, signal });
    });
  }

  /** Days that the device has counted, months where it has forgotten the days. */
  #energy(
    { from, to }: { readonly from: number; readonly to: number },
    kind: IotKind,
    child: string | undefined,
    signal: AbortSignal,
  ): Promise<readonly EnergySlot[]> {
    return this.#options.link.turn(async () => {
      const now = this.#options.clock.now();
      const clock = await this.#clock(kind, now, signal);
      const module = emeterModule(kind);
      const months = monthsBetween(from, Math.min(to, now), clock);
      const days: EnergySlot[] = [];
      const coarse: EnergySlot[] = [];
      for (const year of new Set(months.map((m) => m.year))) {
        const asked = months.filter((m) => m.year === year);
        for (const month of asked)
          days.push(
            ...daySlots(
              await this.#statistics(module, 'get_daystat', month, { kind, child }, signal),
              month,
              clock,
            ),
          );
        const whole = monthSlots(
          await this.#statistics(module, 'get_monthstat', { year }, { kind, child }, signal),
          year,
          clock,
        );
        coarse.push(
          ...whole
            .filter((w) => asked.some((m) => m.month === w.month))
            .map((w) => ({ from: w.from, to: w.to, wh: w.wh })),
        );
      }
      return finestOfMonths(days, coarse, { from, to, now });
    });
  }

  async #statistics(
    module: string,
    command: string,
    parameters: object,
    part: { readonly kind: IotKind; readonly child: string | undefined },
    signal: AbortSignal,
  ): Promise<Json> {
    const reply = await this.#askAll(packRequests([{ module, command, parameters }], part), signal);
    return errorOf(reply, module, command) === 0 ? record(record(reply[module])[command]) : {};
  }

  async #clock(kind: IotKind, now: number, signal: AbortSignal): Promise<DeviceClock> {
    const module = timeModule(kind);
    const commands = ['get_time', 'get_timezone'].map((command) => ({ module, command, parameters: {} }));
    const reply = record((await this.#askAll(packRequests(commands, { kind }), signal))[module]);
    const zone = record(reply['get_timezone']);
    const offsets =
      zoneOffsets(zone['index']) ?? zoneOffsets(zone['zone_str']) ?? zoneOffsets(zone['tz_str']);
    const local = parseTime(record(reply['get_time']));
    if (local === undefined && offsets === undefined)
      throw new LaresError(
        'BAD_REPLY',
        `${this.#options.host} does not tell its time, so its days cannot be placed`,
      );
    return deviceClock(local ?? now + offsets!(now), offsets, now);
  }

  #ask(request: string, signal: AbortSignal): Promise<Json> {
    return this.#options.link.ask(request, signal);
  }

  async #askAll(requests: readonly string[], signal: AbortSignal): Promise<Json> {
    const [first, ...rest] = requests;
    let reply = await this.#ask(first ?? sysinfoRequest, signal);
    for (const request of rest) reply = { ...reply, ...(await this.#ask(request, signal)) };
    return reply;
  }
}
