import { LaresError } from '#kernel/errors.ts';
import type { Medium, Values } from '../../model.ts';
import { finite, label, macOf, parseJson, present, record, type Json } from '../shared/json.codec.ts';

/** Energy that the display shows for a period that is not over, kWh. */
export interface Periods {
  readonly day?: number;
  readonly week?: number;
  readonly month?: number;
}

/** What one message says about one meter. Absent means not measured or an error value of the display. */
export interface MeterMessage {
  readonly medium: Medium;
  /** Epoch ms of the measurement; undefined where the message has none. */
  readonly at: number | undefined;
  readonly values: Values;
  readonly periods: Periods;
  /** MPAN or MPRN. */
  readonly point?: string | undefined;
  readonly supplier?: string | undefined;
}

/** What `STATE` says about the display itself. */
export interface DisplayState {
  readonly model?: string | undefined;
  readonly firmware?: string | undefined;
  readonly mac?: string | undefined;
  /** `joined` while it hears the meter. */
  readonly link?: string | undefined;
}

/** The display writes 0 for what it does not know yet. */
const known = (value: unknown): number | undefined => {
  const n = finite(value);
  return n === undefined || n <= 0 ? undefined : n;
};
const text = (value: unknown): string | undefined => {
  const words = label(value);
  return words === '---' ? undefined : words;
};
const times = (value: number | undefined, factor: number): number | undefined =>
  // Decimals of the message stay decimals: 15254.827 kWh is 15254827 Wh, not 15254827.000000002.
  value === undefined ? undefined : Number((value * factor).toPrecision(15));

/** JSON of any message. Throws BAD_REPLY. */
export const parseMessage = (payload: string): unknown => parseJson(payload, 'the display');

/** -8388608 W, the least number of the meter's 24 bits: there is no reading. */
const noPower = -8_388.608;

const media: Readonly<Record<string, Medium>> = { electricitymeter: 'electricity', gasmeter: 'gas' };

/**
 * A local message, `<prefix>/<MAC>/SENSOR/electricitymeter` or `gasmeter`: kWh, kW, m³ and money. A power of -8388.608
 * is none; 0 for a counter, a price or a volume means unknown. Throws BAD_REPLY when it is about no meter.
 */
export function parseLocal(value: unknown): MeterMessage {
  const [key, medium] = Object.entries(media).find(([name]) => Object.hasOwn(record(value), name)) ?? [];
  if (key === undefined || medium === undefined)
    throw new LaresError('BAD_REPLY', 'the message of the display is about no meter');
  const meter = record(record(value)[key]);
  const energy = record(meter['energy']);
  const bought = record(energy['import']);
  const sold = record(energy['export']);
  const price = record(bought['price']);
  const volume = bought['units'] === 'm3' ? bought['cumulative'] : bought['cumulativevol'];
  return {
    medium,
    at: instant(meter['timestamp']),
    values: present({
      power_watts: localPower(record(meter['power'])),
      energy_wh: bought['units'] === 'm3' ? undefined : toWh(known(bought['cumulative']), bought['units']),
      export_wh: toWh(known(sold['cumulative']), sold['units']),
      volume_m3: known(volume),
      unit_price: known(price['unitrate']),
      standing_charge: known(price['standingcharge']),
    }),
    periods:
      bought['units'] === 'm3'
        ? {}
        : present({
            day: finite(bought['day']),
            week: finite(bought['week']),
            month: finite(bought['month']),
          }),
    point: text(bought['mpan']) ?? text(bought['mprn']),
    supplier: text(bought['supplier']),
  };
}

function localPower({ value, units }: Json): number | undefined {
  const power = finite(value);
  if (power === undefined || power === noPower || power === noPower * 1_000) return undefined;
  return units === 'W' ? power : times(power, 1_000);
}

const toWh = (value: number | undefined, units: unknown): number | undefined =>
  units === 'Wh' ? value : times(value, 1_000);

/** `<prefix>/<MAC>/STATE`. */
export function parseState(value: unknown): DisplayState {
  const state = record(value);
  return {
    model: text(state['hardware']),
    firmware: text(state['software']),
    mac: macOf(state['ethmac'] ?? state['wifistamac']),
    link: text(record(state['han'])['status']),
  };
}

/** Epoch ms of `2022-11-07T09:20:08Z`; undefined for the year 2000 that a display shows before it knows the time. */
function instant(value: unknown): number | undefined {
  if (typeof value !== 'string' || value.length > 40) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) || at < Date.UTC(2015) ? undefined : at;
}

const cloudMeters = [
  ['elecMtr', 'electricity'],
  ['gasMtr', 'gas'],
] as const;

/**
 * A message of the cloud, `SMART/HILD/<id>`: attributes of Zigbee Smart Energy, cluster 0702 (Metering, ZSE 1.4 annex D)
 * in hexadecimal. 00.00 is the sum drawn and 00.01 the sum fed back (48 bits), 04.00 the demand (signed, 24 bits),
 * 03.01/03.02 multiplier and divisor to kWh or m³, 03.00 the unit, 04.01/30/40 and 0C.01/30/40 day, week and month.
 * Throws BAD_REPLY when it is about no meter.
 */
export function parseCloud(value: unknown): MeterMessage[] {
  const message = record(value);
  const seconds = finite(message['gmtime']) ?? hex(message['time'], 32);
  const at = seconds === undefined || seconds * 1_000 < Date.UTC(2015) ? undefined : seconds * 1_000;
  const meters = cloudMeters.flatMap(([key, medium]) =>
    Object.hasOwn(message, key) ? [cloudMeter(medium, record(message[key]), at)] : [],
  );
  if (meters.length === 0) throw new LaresError('BAD_REPLY', 'the message of the display is about no meter');
  return meters;
}

// ZSE 1.4, D.3.2.2.4.1: kWh and m³, binary and (with the high bit) decimal coded.
const cubicMetres = new Set([0x01, 0x81]);

function cloudMeter(medium: Medium, meter: Json, at: number | undefined): MeterMessage {
  const cluster = record(meter['0702']);
  const attributes = (set: string) => record(cluster[set]);
  const [sums, format, demand, other] = [
    attributes('00'),
    attributes('03'),
    attributes('04'),
    attributes('0C'),
  ];
  const factor = (hex(format['01'], 24) || 1) / (hex(format['02'], 24) || 1);
  const volume = cubicMetres.has(hex(format['00'], 8) ?? 0);
  const sum = (raw: unknown): number | undefined => {
    const count = hex(raw, 48);
    return count === undefined || count === 0 ? undefined : times(count, factor);
  };
  // Of a meter in m³ the display tells periods in the alternative unit, kWh, with the same factor.
  const period = (id: string): number | undefined => times(hex(volume ? other[id] : demand[id], 24), factor);
  const watts = signed24(demand['00']);
  return {
    medium,
    at,
    values: present({
      power_watts: volume || watts === undefined ? undefined : times(watts, factor * 1_000),
      energy_wh: volume ? undefined : times(sum(sums['00']), 1_000),
      export_wh: volume ? undefined : times(sum(sums['01']), 1_000),
      volume_m3: volume ? sum(sums['00']) : undefined,
    }),
    periods: present({ day: period('01'), week: period('30'), month: period('40') }),
    supplier: text(record(record(meter['0708'])['01'])['01']),
  };
}

/** An unsigned number of `bits` bits; undefined where there is none, or where all bits say that it is invalid. */
function hex(value: unknown, bits: number): number | undefined {
  if (typeof value !== 'string' || !/^[0-9a-f]{1,12}$/i.test(value)) return undefined;
  const n = Number.parseInt(value, 16);
  return n >= 2 ** bits - 1 ? undefined : n;
}

/** The demand: 24 bits with a sign, however many digits are written; the least number means that there is none. */
function signed24(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^[0-9a-f]{1,8}$/i.test(value)) return undefined;
  const raw = Number.parseInt(value.slice(-6), 16);
  const signed = raw >= 0x80_0000 ? raw - 0x100_0000 : raw;
  return signed === -0x80_0000 ? undefined : signed;
}
