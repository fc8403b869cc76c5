import type { Values } from '../../model.ts';
import { label, list, macOf, numeric, parseJson, record, type Json } from '../shared/json.codec.ts';

const longestId = 64;
const mostChannels = 8;
/** JSON of a message; undefined when it is none. */
export function parseMessage(text: string): unknown {
  try {
    return parseJson(text, 'the device');
  } catch {
    return undefined;
  }
}

/** What one measuring part of a device says. Key `''` is the device itself, `1` to `8` are its channels. */
export interface Part {
  readonly key: string;
  readonly values: Values;
}

/** Names of the telemetry, our quantity and the factor between them. Energy is in kWh on the wire. */
const fields = [
  ['Power', 'power_watts', 1],
  ['Voltage', 'voltage_volts', 1],
  ['Current', 'current_amps', 1],
  ['ApparentPower', 'apparent_power_va', 1],
  ['ReactivePower', 'reactive_power_var', 1],
  ['Factor', 'power_factor', 1],
  ['Frequency', 'frequency_hertz', 1],
  ['Total', 'energy_wh', 1000],
  ['ExportActive', 'export_wh', 1000],
] as const;
type Field = (typeof fields)[number][0];

/**
 * The readings of `tele/…/SENSOR`, or of `StatusSNS` in a reply to `Status 8`. `ENERGY` of a meter chip holds one
 * number per quantity or an array of channels; smart meter readers (`SML`) name their values by script.
 */
export function readSensor(message: unknown): Part[] {
  const top = record(message);
  const sensors = Object.hasOwn(top, 'StatusSNS') ? record(top['StatusSNS']) : top;
  const chip = Object.hasOwn(sensors, 'ENERGY') ? energyParts(record(sensors['ENERGY'])) : [];
  const readers = Object.entries(sensors)
    .filter(([name]) => name !== 'ENERGY')
    .map(([name, value]) => ({ name, values: meterReader(record(value)) }))
    .filter(({ values }) => values.energy_wh !== undefined || values.power_watts !== undefined);
  const alone = chip.length === 0 && readers.length === 1;
  return [
    ...chip,
    ...readers.slice(0, mostChannels).map(({ name, values }) => ({ key: alone ? '' : slug(name), values })),
  ].filter(({ values }) => Object.keys(values).length > 0);
}

/** A word that may stand in an id. */
export const slug = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, longestId) || '_';

function energyParts(energy: Json): Part[] {
  const channels = Math.min(
    mostChannels,
    Math.max(1, ...(['Power', 'Current', 'Total'] as const).map((key) => lengthOf(energy[key]))),
  );
  if (channels === 1) return [{ key: '', values: pick(energy, 0, true) }];
  // Relays behind one chip share a voltage; where each channel has its own, three of them are the phases of a supply.
  if (channels === 3 && lengthOf(energy['Voltage']) === 3) return [{ key: '', values: phases(energy) }];
  const parts = Array.from({ length: channels }, (_, i) => ({
    key: String(i + 1),
    values: pick(energy, i, false),
  }));
  return [{ key: '', values: together(energy, channels) }, ...parts];
}

const lengthOf = (value: unknown): number => (Array.isArray(value) ? value.length : 0);
const at = (value: unknown, index: number): unknown => (Array.isArray(value) ? value[index] : value);

/** Values of one channel. A counter that is no array counts all channels together, so it is given only `whole`. */
function pick(energy: Json, index: number, whole: boolean): Values {
  const counters: readonly Field[] = ['Total', 'ExportActive'];
  return Object.fromEntries(
    fields.flatMap(([key, quantity, factor]) => {
      if (!whole && counters.includes(key) && !Array.isArray(energy[key])) return [];
      const value = numeric(at(energy[key], index));
      return value === undefined ? [] : [[quantity, scaled(value, factor)]];
    }),
  );
}

/** kWh with a few decimals as Wh without the noise of binary fractions. */
const scaled = (value: number, factor: number): number =>
  factor === 1 ? value : Math.round(value * factor * 1e6) / 1e6;

function phases(energy: Json): Values {
  const perPhase = (['power', 'voltage', 'current'] as const).flatMap((name) => {
    const key = `${name[0]?.toUpperCase()}${name.slice(1)}`;
    const unit = { power: 'watts', voltage: 'volts', current: 'amps' }[name];
    return [0, 1, 2].flatMap((i) => {
      const value = numeric(at(energy[key], i));
      return value === undefined ? [] : [[`${name}_l${i + 1}_${unit}`, value]];
    });
  });
  return { ...together(energy, 3), ...Object.fromEntries(perPhase) };
}

/** Sums over the channels where every one is there; what is one number for all stays as it is. */
function together(energy: Json, channels: number): Values {
  const added: readonly Field[] = [
    'Power',
    'Current',
    'ApparentPower',
    'ReactivePower',
    'Total',
    'ExportActive',
  ];
  return Object.fromEntries(
    fields.flatMap(([key, quantity, factor]) => {
      const value = energy[key];
      if (!Array.isArray(value)) {
        const one = numeric(value);
        return one === undefined ? [] : [[quantity, scaled(one, factor)]];
      }
      const each = Array.from({ length: channels }, (_, i) => numeric(value[i]));
      if (!added.includes(key) || each.includes(undefined)) return [];
      return [
        [
          quantity,
          scaled(
            each.reduce<number>((a, b) => a + (b ?? 0), 0),
            factor,
          ),
        ],
      ];
    }),
  );
}

/** What meter scripts commonly call their values, in lower case. */
const readerFields: Readonly<Record<string, readonly [quantity: keyof Values, factor: number]>> = {
  total_in: ['energy_wh', 1000],
  e_in: ['energy_wh', 1000],
  total_out: ['export_wh', 1000],
  e_out: ['export_wh', 1000],
  power_curr: ['power_watts', 1],
  power_cur: ['power_watts', 1],
  power_l1: ['power_l1_watts', 1],
  power_l2: ['power_l2_watts', 1],
  power_l3: ['power_l3_watts', 1],
  voltage_l1: ['voltage_l1_volts', 1],
  voltage_l2: ['voltage_l2_volts', 1],
  voltage_l3: ['voltage_l3_volts', 1],
  current_l1: ['current_l1_amps', 1],
  current_l2: ['current_l2_amps', 1],
  current_l3: ['current_l3_amps', 1],
  frequenz: ['frequency_hertz', 1],
  frequency: ['frequency_hertz', 1],
};

function meterReader(values: Json): Values {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, raw]) => {
      const key = name.toLowerCase();
      const field = Object.hasOwn(readerFields, key) ? readerFields[key] : undefined;
      const value = numeric(raw);
      return field === undefined || value === undefined ? [] : [[field[0], scaled(value, field[1])]];
    }),
  );
}

const states: Readonly<Record<string, boolean>> = { ON: true, OFF: false, '1': true, '0': false };

/** `ON` or `OFF` of a relay; undefined for any other text. */
export const relayState = (text: unknown): boolean | undefined =>
  typeof text === 'string' && Object.hasOwn(states, text.trim()) ? states[text.trim()] : undefined;

/** The relay of a key: `''` of `POWER`, `2` of `POWER2`; undefined for other keys. */
export const relayOf = (key: string): string | undefined =>
  /^POWER([1-9]|[12]\d|3[0-2])?$/.exec(key)?.slice(1)[0] ?? (key === 'POWER' ? '' : undefined);

/** Every relay in `tele/…/STATE`, `stat/…/RESULT` or `StatusSTS` of a reply to `Status 11`. */
export function readRelays(message: unknown): ReadonlyMap<string, boolean> {
  const top = record(message);
  const state = Object.hasOwn(top, 'StatusSTS') ? record(top['StatusSTS']) : top;
  return new Map(
    Object.entries(state).flatMap(([key, value]) => {
      const [relay, on] = [relayOf(key), relayState(value)];
      return relay === undefined || on === undefined ? [] : [[relay, on] as const];
    }),
  );
}

/** What a device calls itself. */
export interface Identity {
  readonly mac: string | undefined;
  readonly name: string | undefined;
  /** Of each relay or channel. */
  readonly friendly: readonly (string | undefined)[];
  readonly model: string | undefined;
  readonly firmware: string | undefined;
}

const texts = (value: unknown): (string | undefined)[] =>
  list(value)
    .slice(0, mostChannels)
    .map((text) => label(text));

/** `tasmota/discovery/<MAC>/config`: the topic that it speaks under and who it is; undefined when it is none. */
export function parseDiscovery(message: unknown): { topic: string; identity: Identity } | undefined {
  const info = record(message);
  const topic = label(info['t']);
  if (topic === undefined) return undefined;
  const identity = {
    mac: macOf(info['mac']),
    name: label(info['dn']),
    friendly: texts(info['fn']),
    model: label(info['md']),
    firmware: label(info['sw']),
  };
  return { topic, identity };
}

/** The reply to `Status 0`. */
export function parseStatus(reply: unknown): { topic: string | undefined; identity: Identity } {
  const top = record(reply);
  const [status, net, firmware] = ['Status', 'StatusNET', 'StatusFWR'].map((key) => record(top[key]));
  return {
    topic: label(status?.['Topic']),
    identity: {
      mac: macOf(net?.['Mac']),
      name: label(status?.['DeviceName']),
      friendly: texts(status?.['FriendlyName']),
      model: label(firmware?.['Hardware']),
      firmware: label(firmware?.['Version'])?.replace(/\(.*$/, ''),
    },
  };
}
