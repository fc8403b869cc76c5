import { LaresError } from '#kernel/errors.ts';
import type { MeterConfig, PulseConfig } from './config.ts';
import type { Report } from './model.ts';
import { usualImpPerKwh } from './model.ts';
import { parseJson, parseOwn } from './own.codec.ts';

/** What a message on one topic means for one meter. */
export interface TopicRoute {
  readonly meter: MeterConfig;
  /** Reports, or whether the device is there. Throws BAD_REPLY. */
  readonly read: (payload: string) => readonly Report[] | { readonly online: boolean };
  /** What the broker kept may be of any age: it is read only where it is a state of the line. */
  readonly retained: boolean;
}

// Tasmota's time between pulses stops here.
const longestSeconds = 4_200;

/** Every topic that is listened to, without wildcards. */
export function topicRoutes(config: PulseConfig): Map<string, TopicRoute> {
  const routes = new Map<string, TopicRoute>();
  for (const meter of config.meters) {
    const add = (topic: string, read: TopicRoute['read'], retained = false) =>
      routes.set(topic, { meter, read, retained });
    if (config.mqtt !== undefined) add(`lares/pulse/${meter.id}`, (text) => own(text, meter));
    if (meter.esphome !== undefined) {
      const { prefix, power, total, power_unit, total_unit } = meter.esphome;
      if (power !== undefined)
        add(`${prefix}/sensor/${power}/state`, (text) => esphomePower(text, power_unit, meter));
      if (total !== undefined)
        add(`${prefix}/sensor/${total}/state`, (text) => esphomeTotal(text, total_unit));
      add(`${prefix}/status`, (text) => ({ online: text === 'online' }), true);
    }
    if (meter.tasmota !== undefined) {
      add(`tele/${meter.tasmota.topic}/SENSOR`, (text) => tasmota(text, meter));
      add(`tele/${meter.tasmota.topic}/LWT`, (text) => ({ online: text === 'Online' }), true);
    }
  }
  return routes;
}

function own(text: string, meter: MeterConfig): Report[] {
  const messages = parseOwn(text);
  if (messages.some(({ id }) => id !== meter.id))
    throw new LaresError(
      'BAD_REPLY',
      `the id of the message is not that of its topic, ${JSON.stringify(meter.id)}`,
    );
  return messages.map(({ report }) => report);
}

const wattsFrom = {
  // W = pulses/min × 60 000 / (imp/kWh)
  'pulses/min': (value: number, imp: number) => (value * 60_000) / imp,
  W: (value: number) => value,
  kW: (value: number) => value * 1_000,
} as const;

/** A pulse_meter speaks at each pulse, and says 0 after a long silence; `nan` before it knows anything. */
function esphomePower(text: string, unit: keyof typeof wattsFrom, meter: MeterConfig): Report[] {
  const value = state(text);
  if (value === undefined) return [];
  return [{ spacingWatts: wattsFrom[unit](value, meter.imp_per_kwh ?? usualImpPerKwh) }];
}

function esphomeTotal(text: string, unit: 'pulses' | 'Wh' | 'kWh'): Report[] {
  const value = state(text);
  if (value === undefined) return [];
  return [unit === 'pulses' ? { total: value } : { totalWh: unit === 'kWh' ? value * 1_000 : value }];
}

/** A number from 0; undefined for ESPHome's `nan`. Throws BAD_REPLY. */
function state(text: string): number | undefined {
  if (/^-?nan$/i.test(text.trim())) return undefined;
  if (!/^\d{1,15}(\.\d{1,15})?$/.test(text.trim()))
    throw new LaresError('BAD_REPLY', `${JSON.stringify(text.slice(0, 40))} is not a number from 0`);
  return Number(text);
}

/** `{"Time":"2026-11-21T08:00:00","COUNTER":{"C1":4711}}` */
function tasmota(text: string, meter: MeterConfig): Report[] {
  const { counter, counter_type } = meter.tasmota!;
  const message = parseJson(text);
  const counters =
    typeof message === 'object' && message !== null ? Reflect.get(message, 'COUNTER') : undefined;
  const value: unknown =
    typeof counters === 'object' && counters !== null ? Reflect.get(counters, `C${counter}`) : undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw new LaresError('BAD_REPLY', `the message has no COUNTER.C${counter}; check the GPIO of the device`);
  if (counter_type === 'count') return [{ total: value }];
  const imp = meter.imp_per_kwh ?? usualImpPerKwh;
  const silent = value === 0 || value >= longestSeconds;
  return [{ spacingWatts: silent ? 0 : 3_600_000 / (imp * value), scheduled: true }];
}
