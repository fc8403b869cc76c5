import { finite, label, list, macOf, present, record, type Json } from '../shared/json.codec.ts';
import { complaint, plausibleSeconds, sum, type Channel, type Reading } from './codec.ts';
import type { EnergySlot, Values } from '../../model.ts';

interface Component {
  /** Namespace of its methods. */
  readonly rpc: string;
  readonly values: (status: Json, data: Json) => Values;
  readonly switches: boolean;
  /** The component that keeps its counters, where that is another one. */
  readonly data?: { readonly key: string; readonly rpc: string };
}

/** What can be measured or switched behind a Shelly of the second generation or later. */
const components: Readonly<Record<string, Component>> = {
  switch: { rpc: 'Switch', values: output, switches: true },
  light: { rpc: 'Light', values: output, switches: true },
  cct: { rpc: 'CCT', values: output, switches: true },
  rgb: { rpc: 'RGB', values: output, switches: true },
  rgbw: { rpc: 'RGBW', values: output, switches: true },
  cover: { rpc: 'Cover', values: output, switches: false },
  pm1: { rpc: 'PM1', values: output, switches: false },
  em: { rpc: 'EM', values: threePhase, switches: false, data: { key: 'emdata', rpc: 'EMData' } },
  em1: { rpc: 'EM1', values: onePhase, switches: false, data: { key: 'em1data', rpc: 'EM1Data' } },
};

/** `Shelly.GetStatus` with the names of `Shelly.GetConfig`. */
export function readGen2(config: unknown, status: unknown): Reading {
  const [names, now] = [record(config), record(status)];
  const sys = record(now['sys']);
  const unixTime = finite(sys['unixtime']);
  return {
    mac: macOf(sys['mac']),
    unixTime: plausibleSeconds(unixTime) ? unixTime : undefined,
    revision: finite(sys['cfg_rev']),
    channels: Object.keys(now)
      .toSorted()
      .flatMap((key) => {
        const [, type = '', id = ''] = /^([a-z0-9]{2,8}):(\d{1,3})$/.exec(key) ?? [];
        const known = Object.hasOwn(components, type) ? components[type] : undefined;
        return known === undefined ? [] : [channel(key, Number(id), known, names, now)];
      }),
  };
}

function channel(key: string, id: number, known: Component, names: Json, now: Json): Channel {
  const status = record(now[key]);
  const data = known.data === undefined ? {} : record(now[`${known.data.key}:${id}`]);
  const values = known.values(status, data);
  const memory =
    known.data !== undefined
      ? ({ rpc: known.data.rpc, id, depth: 'weeks' } as const)
      : list(record(status['aenergy'])['by_minute']).length > 0
        ? ({ rpc: known.rpc, id, depth: 'minutes' } as const)
        : undefined;
  const phaseErrors = ['a_errors', 'b_errors', 'c_errors', 'n_errors'].flatMap((k) => list(status[k]));
  return {
    key,
    name: label(record(names[key])['name']),
    values,
    notes: complaint([...list(status['errors']), ...phaseErrors, ...list(data['errors'])]),
    ...(known.switches && typeof status['output'] === 'boolean' && { turning: { rpc: known.rpc, id } }),
    ...(memory !== undefined && { memory }),
  };
}

/** `Switch`, `PM1`, `Cover` and lights. Returned energy is part of `aenergy`, so it is taken off (evcc#32213). */
export function output(status: Json): Values {
  const total = finite(record(status['aenergy'])['total']);
  const returned = finite(record(status['ret_aenergy'])['total']);
  return present({
    power_watts: finite(status['apower']),
    voltage_volts: finite(status['voltage']),
    current_amps: finite(status['current']),
    power_factor: finite(status['pf']),
    frequency_hertz: finite(status['freq']),
    is_on: typeof status['output'] === 'boolean' ? Number(status['output']) : undefined,
    energy_wh: total === undefined ? undefined : Math.max(0, total - (returned ?? 0)),
    export_wh: returned,
  });
}

/** `EM1` with `EM1Data`. */
export function onePhase(status: Json, data: Json): Values {
  return present({
    power_watts: finite(status['act_power']),
    apparent_power_va: finite(status['aprt_power']),
    voltage_volts: finite(status['voltage']),
    current_amps: finite(status['current']),
    power_factor: finite(status['pf']),
    frequency_hertz: finite(status['freq']),
    energy_wh: finite(data['total_act_energy']),
    export_wh: finite(data['total_act_ret_energy']),
  });
}

/** `EM` with `EMData`. */
export function threePhase(status: Json, data: Json): Values {
  return present({
    power_watts: finite(status['total_act_power']),
    apparent_power_va: finite(status['total_aprt_power']),
    current_amps: finite(status['total_current']),
    current_n_amps: finite(status['n_current']),
    frequency_hertz: finite(status['a_freq']) ?? finite(status['b_freq']) ?? finite(status['c_freq']),
    power_l1_watts: finite(status['a_act_power']),
    power_l2_watts: finite(status['b_act_power']),
    power_l3_watts: finite(status['c_act_power']),
    voltage_l1_volts: finite(status['a_voltage']),
    voltage_l2_volts: finite(status['b_voltage']),
    voltage_l3_volts: finite(status['c_voltage']),
    current_l1_amps: finite(status['a_current']),
    current_l2_amps: finite(status['b_current']),
    current_l3_amps: finite(status['c_current']),
    energy_wh: finite(data['total_act']),
    export_wh: finite(data['total_act_ret']),
  });
}

/**
 * The last whole minutes of `aenergy.by_minute` (mWh, newest first) in device time.
 * `minute_ts` on a full minute is the start of the running one, and element 0 is the minute before it. Firmware 1.1
 * gives the instant of the update instead, and element 0 is what the running minute has so far: it is left out.
 */
export function minutes(status: unknown): EnergySlot[] {
  const energy = record(record(status)['aenergy']);
  const returned = list(record(record(status)['ret_aenergy'])['by_minute']);
  const stamp = finite(energy['minute_ts']);
  if (!plausibleSeconds(stamp)) return [];
  const running = stamp - (stamp % 60);
  const whole = list(energy['by_minute'])
    .slice(0, 3)
    .map((value, i) => ({ total: finite(value), back: finite(returned[i]) }))
    .slice(stamp === running ? 0 : 1);
  return whole
    .flatMap(({ total, back }, i): EnergySlot[] => {
      if (total === undefined) return [];
      const to = (running - 60 * i) * 1000;
      return [slot(to - 60_000, to, Math.max(0, total - (back ?? 0)) / 1000, mapped(back, 1 / 1000))];
    })
    .toReversed();
}

const mapped = (value: number | undefined, factor: number) =>
  value === undefined ? undefined : value * factor;

function slot(from: number, to: number, wh: number, exportWh: number | undefined): EnergySlot {
  return { from, to, wh, ...(exportWh !== undefined && { exportWh }) };
}

/** One stretch of history, epoch seconds, `end` exclusive. */
export interface Block {
  readonly ts: number;
  readonly end: number;
}

/** `EMData.GetRecords`: the stretches that are recorded, oldest first, and where the next page begins. */
export function parseBlocks(value: unknown): { readonly blocks: Block[]; readonly next: number | undefined } {
  const blocks = list(record(value)['data_blocks']).flatMap((entry): Block[] => {
    const [ts, period, records] = ['ts', 'period', 'records'].map((key) => finite(record(entry)[key]));
    if (!plausibleSeconds(ts) || period === undefined || records === undefined) return [];
    return period > 0 && records > 0 ? [{ ts, end: ts + period * records }] : [];
  });
  return { blocks: blocks.toSorted((a, b) => a.ts - b.ts), next: finite(record(value)['next_record_ts']) };
}

/** `EMData.GetData` and `EM1Data.GetData`: Wh of each record, phases added, and where the next page begins. */
export function parseHistory(value: unknown): {
  readonly slots: EnergySlot[];
  readonly next: number | undefined;
} {
  const keys = list(record(value)['keys']);
  const columns = (suffix: string) =>
    keys.flatMap((key, i) => (typeof key === 'string' && suffixOf(key) === suffix ? [i] : []));
  const [drawn, returned] = [columns('total_act_energy'), columns('total_act_ret_energy')];
  const slots = list(record(value)['data']).flatMap((entry) => {
    const block = record(entry);
    const ts = finite(block['ts']);
    const stated = block['period'];
    const period = typeof stated === 'string' ? Number(stated) : (finite(stated) ?? 0);
    if (!plausibleSeconds(ts) || !(period > 0 && period <= 86_400)) return [];
    return list(block['values']).flatMap((row, i): EnergySlot[] => {
      const at = (ts + i * period) * 1000;
      const wh = sum(drawn.map((column) => finite(list(row)[column])));
      const back = sum(returned.map((column) => finite(list(row)[column])));
      return wh === undefined ? [] : [slot(at, at + period * 1000, wh, back)];
    });
  });
  return { slots, next: finite(record(value)['next_record_ts']) };
}

/** `a_total_act_energy` without its phase. */
const suffixOf = (key: string): string => key.replace(/^[abc]_/, '');
