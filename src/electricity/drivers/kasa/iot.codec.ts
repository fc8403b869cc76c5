import type { Values } from '../../model.ts';
import { finite, label, list, macOf, record, type Json } from '../shared/json.codec.ts';

/** What kind of thing answers; it decides how it is metered and switched. */
export type IotKind = 'plug' | 'strip' | 'bulb' | 'lightstrip';

export interface IotSocket {
  /** As the device wants it in `context.child_ids`. */
  readonly id: string;
  /** Last node of its device id: `00`. */
  readonly node: string;
  readonly name: string | undefined;
  readonly on: boolean | undefined;
}

/** What `system.get_sysinfo` says. */
export interface IotInfo {
  readonly kind: IotKind;
  readonly deviceId: string | undefined;
  readonly mac: string | undefined;
  readonly name: string | undefined;
  readonly model: string | undefined;
  readonly firmware: string | undefined;
  readonly metered: boolean;
  readonly on: boolean | undefined;
  readonly sockets: readonly IotSocket[];
}

const mostSockets = 64;

/** Twelve hex digits, lower case, of a MAC in any notation; undefined for none and for a masked or empty one. */
export function macDigits(value: unknown): string | undefined {
  return macOf(value)?.replaceAll(':', '');
}

export const macText = (digits: string): string => digits.replaceAll(/(..)(?=.)/g, '$1:');

/** An identifier of a device that may become part of an id of ours. */
export function idText(value: unknown): string | undefined {
  const text = label(value, 64)?.toLowerCase();
  return text !== undefined && /^[a-z0-9_-]+$/.test(text) && !/^0+$/.test(text) ? text : undefined;
}

const flag = (value: unknown): boolean | undefined => (value === 0 || value === 1 ? value === 1 : undefined);

/** Undefined when the reply has no sysinfo. Kinds are read off what it can do, because model names come and go. */
export function parseSysinfo(reply: Json): IotInfo | undefined {
  const outer = record(record(reply['system'])['get_sysinfo']);
  // Some cameras and hubs wrap it once more.
  const info = 'system' in outer ? record(outer['system']) : outer;
  if (info['err_code'] !== undefined && info['err_code'] !== 0) return undefined;
  const type = label(info['type']) ?? label(info['mic_type']) ?? '';
  const light = record(info['light_state']);
  const bulb = 'light_state' in info || /BULB/i.test(type);
  const children = list(info['children']).slice(0, mostSockets);
  if (!bulb && type === '' && info['relay_state'] === undefined && children.length === 0) return undefined;
  const kind: IotKind = bulb
    ? finite(info['length']) !== undefined || 'lighting_effect_state' in info
      ? 'lightstrip'
      : 'bulb'
    : children.length > 0
      ? 'strip'
      : 'plug';
  const rawId = label(info['deviceId'], 64);
  const sockets =
    kind === 'strip' ? children.map((child, index) => parseSocket(record(child), index, rawId)) : [];
  const relay = bulb ? flag(light['on_off']) : flag(info['relay_state']);
  return {
    kind,
    deviceId: idText(rawId),
    mac: macDigits(info['mac']) ?? macDigits(info['mic_mac']) ?? macDigits(info['ethernet_mac']),
    name: label(info['alias']),
    model: label(info['model']),
    firmware: label(info['sw_ver']),
    metered: bulb || (label(info['feature'])?.split(':').includes('ENE') ?? false),
    on: sockets.length > 0 ? sockets.some((s) => s.on === true) : relay,
    sockets,
  };
}

function parseSocket(child: Json, index: number, deviceId: string | undefined): IotSocket {
  const said = label(child['id'], 64) ?? String(index).padStart(2, '0');
  // Over UDP, and with some firmware always, only the last one or two characters come.
  const id = said.length <= 2 && deviceId !== undefined ? deviceId + said.padStart(2, '0') : said;
  const tail = deviceId !== undefined && id.startsWith(deviceId) ? id.slice(deviceId.length) : id;
  return {
    id,
    node: /^[A-Za-z0-9_-]{1,48}$/.test(tail) ? tail.toLowerCase() : String(index).padStart(2, '0'),
    name: label(child['alias']),
    on: flag(child['state']),
  };
}

const emeterOf: Readonly<Record<IotKind, string>> = {
  plug: 'emeter',
  strip: 'emeter',
  bulb: 'smartlife.iot.common.emeter',
  lightstrip: 'smartlife.iot.common.emeter',
};
const timeOf: Readonly<Record<IotKind, string>> = {
  plug: 'time',
  strip: 'time',
  bulb: 'smartlife.iot.common.timesetting',
  lightstrip: 'smartlife.iot.common.timesetting',
};
/** Largest reply that the memory of a device holds, bytes. */
const replyLimit: Readonly<Record<IotKind, number>> = {
  plug: 16_384,
  strip: 16_384,
  bulb: 4_096,
  lightstrip: 4_096,
};
/** Expected size of a reply, bytes. */
const replySize = {
  get_sysinfo: 1_536,
  child: 192,
  get_realtime: 256,
  statistics: 2_048,
  other: 256,
} as const;

/** One command of one module. */
export interface IotCommand {
  readonly module: string;
  readonly command: string;
  readonly parameters: object;
}

/** The module that meters a kind of device. */
export function emeterModule(kind: IotKind): string {
  return emeterOf[kind];
}

export function timeModule(kind: IotKind): string {
  return timeOf[kind];
}

/** Expected bytes of the reply to a command, for a device with this many sockets. */
function sizeOf({ command }: IotCommand, sockets: number): number {
  if (command === 'get_sysinfo') return replySize.get_sysinfo + sockets * replySize.child;
  if (command === 'get_daystat' || command === 'get_monthstat') return replySize.statistics;
  return command === 'get_realtime' ? replySize.get_realtime : replySize.other;
}

/**
 * Packs commands into as few requests as the reply buffer of the device allows: a reply that would not fit is cut or
 * makes the device restart. `child` addresses one socket of a strip.
 */
export function packRequests(
  commands: readonly IotCommand[],
  {
    kind,
    sockets = 0,
    child,
  }: { readonly kind: IotKind; readonly sockets?: number; readonly child?: string | undefined },
): string[] {
  const requests: { size: number; modules: Record<string, Record<string, object>> }[] = [];
  for (const command of commands) {
    const size = sizeOf(command, sockets);
    const last = requests.at(-1);
    const fits =
      last !== undefined &&
      last.size + size <= replyLimit[kind] &&
      last.modules[command.module]?.[command.command] === undefined;
    const target = fits ? last : { size: 0, modules: {} };
    if (!fits) requests.push(target);
    target.size += size;
    (target.modules[command.module] ??= {})[command.command] = command.parameters;
  }
  const context = child === undefined ? {} : { context: { child_ids: [child] } };
  return requests.map(({ modules }) => JSON.stringify({ ...context, ...modules }));
}

export const sysinfoRequest = '{"system":{"get_sysinfo":{}}}';

/** Error code of a module or a command in a reply; 0 for none, undefined when it is not there at all. */
export function errorOf(reply: Json, module: string, command: string): number | undefined {
  const outer = record(reply[module]);
  const whole = finite(outer['err_code']);
  if (whole !== undefined && whole !== 0) return whole;
  if (!(command in outer)) return undefined;
  return finite(record(outer[command])['err_code']) ?? 0;
}

/** In mW or W, whichever is there, and so for the others. 1e-6 keeps what a float of the firmware means. */
function either(meter: Json, milli: string, base: string, scale = 1_000): number | undefined {
  const small = finite(meter[milli]);
  if (small !== undefined) return small / scale;
  return finite(meter[base]);
}

/**
 * Readings of `get_realtime` in every variant: `power_mw` or `power`, `voltage_mv` or `voltage`, `current_ma` or
 * `current`, `total_wh` or `total` (kWh). Bulbs that measure no voltage say 0 V and 0 mA: both are absent then.
 * Undefined when the device cannot meter after all ("module not support", "member not support").
 */
export function parseRealtime(reply: Json, kind: IotKind): Values | undefined {
  const module = emeterOf[kind];
  if (errorOf(reply, module, 'get_realtime') !== 0) return undefined;
  const meter = record(record(reply[module])['get_realtime']);
  const power = either(meter, 'power_mw', 'power');
  const voltage = either(meter, 'voltage_mv', 'voltage');
  const current = either(meter, 'current_ma', 'current');
  const unmeasured = voltage === 0;
  const kwh = finite(meter['total']);
  const total = finite(meter['total_wh']) ?? (kwh === undefined ? undefined : Math.round(kwh * 1e6) / 1e3);
  return {
    ...(power !== undefined && { power_watts: power }),
    ...(voltage !== undefined && !unmeasured && { voltage_volts: voltage }),
    ...(current !== undefined && !unmeasured && { current_amps: current }),
    ...(total !== undefined && total >= 0 && { energy_wh: total }),
  };
}

/** What a strip draws as a whole: sums, and the mean of the voltages. A sum over sockets of which one is silent would lie. */
export function sumOf(parts: readonly Values[]): Values {
  const all = (key: 'power_watts' | 'voltage_volts' | 'current_amps' | 'energy_wh') => {
    const numbers = parts.map((part) => part[key]).filter((n) => n !== undefined);
    return numbers.length === parts.length && numbers.length > 0
      ? numbers.reduce((a, b) => a + b, 0)
      : undefined;
  };
  const rounded = (n: number) => Math.round(n * 1e3) / 1e3;
  const [power, voltage, current, energy] = [
    all('power_watts'),
    all('voltage_volts'),
    all('current_amps'),
    all('energy_wh'),
  ];
  return {
    ...(power !== undefined && { power_watts: rounded(power) }),
    ...(voltage !== undefined && { voltage_volts: rounded(voltage / parts.length) }),
    ...(current !== undefined && { current_amps: rounded(current) }),
    ...(energy !== undefined && { energy_wh: rounded(energy) }),
  };
}

/** Switches the device, or some sockets of a strip. */
export function switchRequest(kind: IotKind, on: boolean, sockets: readonly string[]): string {
  const state = on ? 1 : 0;
  const context = sockets.length === 0 ? {} : { context: { child_ids: sockets } };
  const command = {
    plug: { system: { set_relay_state: { state } } },
    strip: { system: { set_relay_state: { state } } },
    bulb: {
      'smartlife.iot.smartbulb.lightingservice': {
        transition_light_state: { on_off: state, ignore_default: 0 },
      },
    },
    lightstrip: { 'smartlife.iot.lightStrip': { set_light_state: { on_off: state } } },
  }[kind];
  return JSON.stringify({ ...context, ...command });
}

/** First error code in a reply to `switchRequest`, whatever its module; 0 when all is well. */
export function switchError(reply: Json): number {
  for (const module of Object.values(reply)) {
    const branch = record(module);
    const codes = [
      finite(branch['err_code']),
      ...Object.values(branch).map((c) => finite(record(c)['err_code'])),
    ];
    const bad = codes.find((code) => code !== undefined && code !== 0);
    if (bad !== undefined) return bad;
  }
  return 0;
}

/** Local time that a device shows, as if it were UTC, from `get_time`; undefined when it says none. */
export function parseTime(reply: Json): number | undefined {
  const parts = ['year', 'month', 'mday', 'hour', 'min', 'sec'].map((key) => finite(reply[key]));
  const [year, month, day, hour, minute, second] = parts;
  if (year === undefined || month === undefined || day === undefined || year < 2010 || year > 2200)
    return undefined;
  const at = Date.UTC(year, month - 1, day, hour ?? 0, minute ?? 0, second ?? 0);
  return Number.isNaN(at) ? undefined : at;
}
