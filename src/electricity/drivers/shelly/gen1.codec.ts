import { finite, label, list, macOf, present, record, type Json } from '../shared/json.codec.ts';
import { plausibleSeconds, sum, type Channel, type Identity, type Reading } from './codec.ts';
import type { EnergySlot, Values } from '../../model.ts';

const phases = ['l1', 'l2', 'l3'] as const;
/** The outputs of the first generation and the path at which they are switched. */
const outputs = { relays: 'relay', lights: 'light', rollers: 'roller' } as const;
type Output = keyof typeof outputs;

/**
 * `GET /status` of a first-generation Shelly, with the names of `GET /settings`.
 * `meters[].total` counts watt-minutes; `emeters[].total` of the EM and 3EM counts Wh. The three clamps of a 3EM
 * (`SHEM-3`) are the phases of one supply; the two of an EM are two circuits.
 */
export function readGen1(identity: Identity, settings: unknown, status: unknown): Reading {
  const [set, now] = [record(settings), record(status)];
  const unixTime = finite(now['unixtime']);
  const alarms = deviceAlarms(now);
  const channels = [...emeters(identity, set, now), ...outputChannels(identity, set, now)];
  return {
    mac: macOf(now['mac']),
    unixTime: plausibleSeconds(unixTime) ? unixTime : undefined,
    revision: finite(now['cfg_changed_cnt']),
    channels: channels.map((channel) => ({ ...channel, notes: [...channel.notes, ...alarms] })),
  };
}

const words: Readonly<Record<string, string>> = { overtemperature: 'overtemperature', overload: 'overload' };

function deviceAlarms(status: Json): string[] {
  const raised = Object.keys(words).filter((key) => status[key] === true);
  return raised.length === 0 ? [] : [`it reports ${raised.join(', ')}`];
}

/** Counts of `meters[].total` in a Wh, by model: watt-minutes, but Wh on everything with energy clamps. */
const countsPerWh = (model: string | undefined): number => (model?.startsWith('SHEM') === true ? 1 : 60);

function emeters(identity: Identity, settings: Json, status: Json): Channel[] {
  const meters = list(status['emeters']).map(record);
  if (meters.length === 0) return [];
  const names = list(settings['emeters']).map((e) => label(record(e)['name']));
  if (identity.model === 'SHEM-3') return [threePhase(meters, status)];
  return meters.map((meter, i) => ({
    key: `emeter:${i}`,
    name: names[i],
    values: meter['is_valid'] === false ? {} : clamp(meter),
    notes: invalid(meter),
    memory: { depth: 'logs', paths: [logPath(i)] },
  }));
}

const logPath = (index: number): string => `/emeter/${index}/em_data.csv`;

const invalid = (meter: Json): string[] =>
  meter['is_valid'] === false ? ['it says that its measurement is not valid'] : [];

function clamp(meter: Json): Values {
  return present({
    power_watts: finite(meter['power']),
    voltage_volts: finite(meter['voltage']),
    current_amps: finite(meter['current']),
    reactive_power_var: finite(meter['reactive']),
    power_factor: finite(meter['pf']),
    energy_wh: finite(meter['total']),
    export_wh: finite(meter['total_returned']),
  });
}

function threePhase(meters: readonly Json[], status: Json): Channel {
  const valid = meters.slice(0, 3).map((meter) => (meter['is_valid'] === false ? {} : meter));
  const all = (key: string) => sum(valid.map((meter) => finite(meter[key])));
  // A counter that lacks a phase would jump back and forth, so it is given whole or not at all.
  const whole = (key: string) => (valid.every((m) => finite(m[key]) !== undefined) ? all(key) : undefined);
  const neutral = record(status['emeter_n']);
  const perPhase = phases.map((phase, i) => {
    const meter = valid[i] ?? {};
    return {
      [`power_${phase}_watts`]: finite(meter['power']),
      [`voltage_${phase}_volts`]: finite(meter['voltage']),
      [`current_${phase}_amps`]: finite(meter['current']),
    };
  });
  return {
    key: 'em:0',
    name: undefined,
    values: present({
      power_watts: whole('power'),
      current_amps: whole('current'),
      current_n_amps: neutral['is_valid'] === false ? undefined : finite(neutral['current']),
      energy_wh: whole('total'),
      export_wh: whole('total_returned'),
      ...Object.assign({}, ...perPhase),
    }),
    notes: [...new Set(meters.flatMap(invalid))],
    memory: { depth: 'logs', paths: [0, 1, 2].map(logPath) },
  };
}

function outputChannels(identity: Identity, settings: Json, status: Json): Channel[] {
  const kind = (Object.keys(outputs) as Output[]).find((key) => list(status[key]).length > 0);
  const outs = kind === undefined ? [] : list(status[kind]).map(record);
  const meters = list(status['meters']).map(record);
  // The first Shelly 2 has two relays and one meter for both, which belongs to neither.
  const paired = meters.length >= outs.length;
  const channels = outs.map((out, i): Channel => {
    const meter = paired ? meters[i] : undefined;
    const name = kind === undefined ? undefined : label(record(list(settings[kind])[i])['name']);
    const on = out['ison'];
    return {
      key: `${kind === undefined ? 'output' : outputs[kind]}:${i}`,
      name,
      values: {
        ...(typeof on === 'boolean' && { is_on: on ? 1 : 0 }),
        ...(meter !== undefined && meterValues(identity, meter)),
      },
      notes: [...(out['overpower'] === true ? ['it reports overpower'] : []), ...meterNotes(meter)],
      ...(typeof on === 'boolean' &&
        kind !== undefined && { turning: { path: switchPath(identity, settings, kind, i) } }),
    };
  });
  const alone = meters.slice(paired ? outs.length : 0).map((meter, i): Channel => ({
    key: `meter:${i + (paired ? outs.length : 0)}`,
    name: undefined,
    values: meterValues(identity, meter),
    notes: meterNotes(meter),
  }));
  return [...channels, ...alone];
}

function meterValues(identity: Identity, meter: Json): Values {
  if (meter['is_valid'] === false) return {};
  const total = finite(meter['total']);
  return present({
    power_watts: finite(meter['power']),
    energy_wh: total === undefined ? undefined : total / countsPerWh(identity.model),
  });
}

function meterNotes(meter: Json | undefined): string[] {
  if (meter === undefined || meter['is_valid'] === false) return meter === undefined ? [] : invalid(meter);
  // A Shelly 1 has no meter: it repeats the wattage that a person typed into its settings.
  return finite(meter['power']) !== undefined && finite(meter['total']) === undefined
    ? ['its power is the figure of its settings, not a measurement']
    : [];
}

function switchPath(identity: Identity, settings: Json, kind: Output, index: number): string {
  const mode = settings['mode'];
  const path =
    kind === 'lights' && identity.model === 'SHRGBW2' && (mode === 'white' || mode === 'color')
      ? mode
      : outputs[kind];
  return `/${path}/${index}`;
}

const usualLineMs = 600_000;
const logLine = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}),(\d{1,9}(?:\.\d+)?),(\d{1,9}(?:\.\d+)?),/;

/**
 * `em_data.csv` of an EM or 3EM: instant in UTC, Wh drawn, Wh returned, lowest and highest voltage; oldest first, a
 * line for every ten minutes. A line that is cut off or garbled is left out.
 */
export function parseLog(text: string): EnergySlot[] {
  const lines = text.split('\n').flatMap((line) => {
    const found = logLine.exec(line);
    if (found === null) return [];
    const [, day, time, wh, back] = found;
    const from = Date.parse(`${day}T${time}:00Z`);
    return Number.isNaN(from) ? [] : [{ from, wh: Number(wh), exportWh: Number(back) }];
  });
  return lines.map((line, i) => {
    const gap = (lines[i + 1]?.from ?? Infinity) - line.from;
    const length = gap > 0 && gap < usualLineMs ? gap : usualLineMs;
    return { ...line, to: line.from + length };
  });
}

/** The logs of the phases as one: only what every phase has. */
export function addLogs(logs: readonly (readonly EnergySlot[])[]): EnergySlot[] {
  const [first = [], ...others] = logs;
  const rest = others.map((log) => new Map(log.map((slot) => [slot.from, slot])));
  return first.flatMap((slot) => {
    const same = rest.map((log) => log.get(slot.from));
    if (same.some((s) => s?.to !== slot.to)) return [];
    const all = [slot, ...same.filter((s) => s !== undefined)];
    const add = (key: 'wh' | 'exportWh') => all.reduce((sum, s) => sum + (s[key] ?? 0), 0);
    return [{ from: slot.from, to: slot.to, wh: add('wh'), exportWh: add('exportWh') }];
  });
}
