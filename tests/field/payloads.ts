import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseRealtime, parseSysinfo, switchError } from '#electricity/drivers/kasa/iot.codec.ts';
import { daySlots, monthSlots } from '#electricity/drivers/kasa/memory.rules.ts';
import { parseMeter } from '#electricity/drivers/kasa/smart.codec.ts';
import { parseIdentity, type Reading } from '#electricity/drivers/shelly/codec.ts';
import { readGen1 } from '#electricity/drivers/shelly/gen1.codec.ts';
import { readGen2 } from '#electricity/drivers/shelly/gen2.codec.ts';
import { config, protocol } from '#electricity/drivers/shelly/driver.ts';
import { ShellySim } from '#electricity/drivers/shelly/sim.ts';
import { readSensor } from '#electricity/drivers/tasmota/codec.ts';
import { parseOctopus } from '#electricity/money/import/octopus.codec.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import type { Suite } from './suite.ts';

type Json = Readonly<Record<string, unknown>>;
const json = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Figures by name; two sides of a comparison. */
type Facts = Readonly<Record<string, unknown>>;
interface Pair {
  /** What the payload says by the rule of this suite. */
  readonly expected: Facts;
  readonly actual: Facts;
}
type Read = (payload: Json) => Pair | Promise<Pair>;
/** A shape of payload: when it applies, and how it is judged; without `read`, why Lares never asks for it. */
interface Shape {
  readonly title: string;
  readonly fits: (payload: Json) => boolean;
  readonly read?: Read;
}

/** Only what is a number or a yes or no, so that null and a missing field are the same: not measured. */
const facts = (entries: Readonly<Record<string, unknown>>): Facts =>
  Object.fromEntries(Object.entries(entries).filter(([, v]) => v !== undefined && v !== null));
/** kWh as Wh; the decimals of a float are not the device's. */
const wh = (kwh: unknown): number | undefined =>
  typeof kwh === 'number' ? Math.round(kwh * 1e9) / 1e6 : undefined;
const milli = (value: unknown): number | undefined => (typeof value === 'number' ? value / 1000 : undefined);
const has =
  (...keys: string[]) =>
  (payload: Json) =>
    keys.some((key) => key in payload);
const sysinfo = (payload: Json) => json(json(payload['system'])['get_sysinfo']);
const emeter = (payload: Json) => json(payload['emeter']);

const kasa: readonly Shape[] = [
  {
    title: 'reply to switching',
    fits: (payload) => 'set_relay_state' in json(payload['system']),
    read: (payload) => ({
      expected: { error: json(json(payload['system'])['set_relay_state'])['err_code'] },
      actual: { error: switchError(payload) },
    }),
  },
  {
    title: 'who it is',
    fits: (payload) => 'get_sysinfo' in json(payload['system']),
    read: (payload) => {
      const said = sysinfo(payload);
      const info = parseSysinfo(payload);
      const { name, model, mac, metered, on, firmware } = info ?? {};
      return {
        expected: facts({
          name: said['alias'],
          model: said['model'],
          mac: String(said['mac']).toLowerCase().replaceAll(':', ''),
          metered: String(said['feature']).includes('ENE'),
          on: said['relay_state'] === 1,
          firmware: said['sw_ver'],
        }),
        actual: facts({ name, model, mac, metered, on, firmware }),
      };
    },
  },
  {
    title: 'readings',
    fits: (payload) => 'get_realtime' in emeter(payload),
    read: (payload) => {
      const said = json(emeter(payload)['get_realtime']);
      return {
        expected: facts({
          power_watts: said['power'] ?? milli(said['power_mw']),
          voltage_volts: said['voltage'] ?? milli(said['voltage_mv']),
          current_amps: said['current'] ?? milli(said['current_ma']),
          energy_wh: said['total_wh'] ?? wh(said['total']),
        }),
        actual: { ...parseRealtime(payload, 'plug') },
      };
    },
  },
  {
    title: 'statistics',
    fits: (payload) => 'get_daystat' in emeter(payload) || 'get_monthstat' in emeter(payload),
    read: (payload) => {
      const clock = { offsetAt: () => 0, skewMs: 0 };
      const daily = json(emeter(payload)['get_daystat']);
      const monthly = json(emeter(payload)['get_monthstat']);
      const entries = [...list(daily['day_list']), ...list(monthly['month_list'])].map(json);
      const name = (e: Json) => `${String(e['year'])}-${String(e['month'])}-${Number(e['day'] ?? 1)}`;
      const months = [...new Set(entries.map((e) => `${String(e['year'])}-${String(e['month'])}`))];
      const slots = months.flatMap((text) => {
        const [year = 0, month = 0] = text.split('-').map(Number);
        return [
          ...daySlots(daily, { year, month }, clock),
          ...monthSlots(monthly, year, clock).filter((slot) => slot.month === month),
        ];
      });
      const day = (at: number) => new Date(at).toISOString().slice(0, 10).replaceAll(/-0/g, '-');
      return {
        expected: facts(Object.fromEntries(entries.map((e) => [name(e), e['energy_wh'] ?? wh(e['energy'])]))),
        actual: Object.fromEntries(slots.map((slot) => [day(slot.from), slot.wh])),
      };
    },
  },
];

const tapo: readonly Shape[] = [
  {
    title: 'energy usage',
    fits: (payload) => 'current_power' in payload || 'month_energy' in payload,
    read: (payload) => ({
      expected: facts({ power_watts: milli(payload['current_power']), energy_wh: payload['month_energy'] }),
      actual: { ...parseMeter({ usage: payload, emeter: undefined, power: undefined }) },
    }),
  },
];

const gen1Identity = (clamps: boolean) =>
  parseIdentity({ type: clamps ? 'SHEM' : 'SHSW-PM', mac: '020000000001' });
const channelFacts = ({ channels }: Reading): Facts =>
  Object.fromEntries(channels.flatMap((c) => Object.entries(c.values).map(([q, v]) => [`${c.key} ${q}`, v])));
const named = (key: string, entries: Readonly<Record<string, unknown>>): Facts =>
  Object.fromEntries(Object.entries(facts(entries)).map(([q, v]) => [`${key} ${q}`, v]));

const shelly: readonly Shape[] = [
  {
    title: 'status of the first generation',
    fits: has('relays', 'meters', 'emeters'),
    read: (payload) => {
      const part = (key: string) => list(payload[key]).map(json);
      const [relays, meters, clamps] = [part('relays'), part('meters'), part('emeters')];
      const total = (value: unknown) => (typeof value === 'number' ? value / 60 : undefined);
      return {
        expected: Object.assign(
          {},
          ...relays.map((r, i) => named(`relay:${i}`, { is_on: Number(r['ison']) })),
          ...meters.map((m, i) =>
            named(`relay:${i}`, { power_watts: m['power'], energy_wh: total(m['total']) }),
          ),
          ...clamps.map((c, i) =>
            named(`emeter:${i}`, {
              power_watts: c['power'],
              reactive_power_var: c['reactive'],
              power_factor: c['pf'],
              voltage_volts: c['voltage'],
              current_amps: c['current'],
              energy_wh: c['total'],
              export_wh: c['total_returned'],
            }),
          ),
        ) as Facts,
        actual: channelFacts(readGen1(gen1Identity(clamps.length > 0), {}, payload)),
      };
    },
  },
  {
    title: 'status of an output',
    fits: (payload) => 'apower' in payload || 'aenergy' in payload,
    read: (payload) => {
      const [total, back] = [json(payload['aenergy'])['total'], json(payload['ret_aenergy'])['total']];
      const drawn = typeof total === 'number' ? total - (typeof back === 'number' ? back : 0) : undefined;
      return {
        expected: named('switch:0', {
          power_watts: payload['apower'],
          voltage_volts: payload['voltage'],
          current_amps: payload['current'],
          power_factor: payload['pf'],
          frequency_hertz: payload['freq'],
          is_on: typeof payload['output'] === 'boolean' ? Number(payload['output']) : undefined,
          energy_wh: drawn,
          export_wh: back,
        }),
        actual: channelFacts(readGen2({}, { sys: {}, 'switch:0': payload })),
      };
    },
  },
  {
    title: 'status of a clamp',
    fits: has('act_power', 'total_act_energy'),
    read: (payload) => ({
      expected: named('em1:0', {
        power_watts: payload['act_power'],
        apparent_power_va: payload['aprt_power'],
        voltage_volts: payload['voltage'],
        current_amps: payload['current'],
        power_factor: payload['pf'],
        frequency_hertz: payload['freq'],
        energy_wh: payload['total_act_energy'],
        export_wh: payload['total_act_ret_energy'],
      }),
      actual: channelFacts(readGen2({}, { sys: {}, 'em1:0': payload, 'em1data:0': payload })),
    }),
  },
  {
    title: 'who it is',
    fits: (payload) => 'gen' in payload && 'mac' in payload,
    read: (payload) => {
      const { gen, mac, model, firmware, needsPassword } = parseIdentity(payload);
      return {
        expected: {
          gen: Math.min(2, Number(payload['gen'])),
          mac: String(payload['mac']).toLowerCase(),
          model: payload['model'],
          firmware: payload['ver'],
          needsPassword: payload['auth_en'],
        },
        actual: { gen, mac: mac.replaceAll(':', ''), model, firmware, needsPassword },
      };
    },
  },
  {
    title: 'refusal',
    fits: (payload) => typeof payload['code'] === 'number' && 'message' in payload,
    read: async (payload) => {
      const sim = await new ShellySim().listen();
      sim.overrides.set('/rpc', payload);
      const station = protocol.open({ host: sim.host }, config.parse({}), {
        clock: new ManualClock(0),
        log: new Logger({ write: () => {}, now: () => 0, level: 'error' }),
        random: Math.random,
      });
      try {
        const said = await station.poll(AbortSignal.timeout(10_000)).then(
          () => '',
          (error: Error) => error.message,
        );
        const end = `${String(payload['message'])} (${String(payload['code'])})`;
        return { expected: { says: end }, actual: { says: said.endsWith(end) ? end : said } };
      } finally {
        station.close();
        await sim.close();
      }
    },
  },
  {
    title: 'reply about add-on outputs: Shelly.GetStatus lists them, so Lares does not ask',
    fits: has('digital_out'),
  },
];

const first = (value: unknown): unknown => (Array.isArray(value) ? value[0] : value);
const number = (value: unknown): unknown =>
  value === undefined || value === null ? undefined : Number(value);

const tasmota: readonly Shape[] = [
  {
    title: 'readings of a meter chip',
    fits: (payload) => 'ENERGY' in json(payload['StatusSNS'] ?? payload),
    read: (payload) => {
      const energy = json(json(payload['StatusSNS'] ?? payload)['ENERGY']);
      const power = energy['Power'];
      const channels = Array.isArray(power) ? power.length : 1;
      const at = (value: unknown, i: number) => number(Array.isArray(value) ? value[i] : value);
      const one = (i: number) => ({
        power_watts: at(power, i),
        voltage_volts: at(energy['Voltage'], i),
        current_amps: at(energy['Current'], i),
        apparent_power_va: at(energy['ApparentPower'], i),
        reactive_power_var: at(energy['ReactivePower'], i),
        power_factor: at(energy['Factor'], i),
        frequency_hertz: number(energy['Frequency']),
      });
      const add = (value: unknown) =>
        Array.isArray(value) ? value.reduce<number>((sum, v) => sum + Number(v), 0) : number(value);
      const total = Array.isArray(energy['Total']) ? undefined : wh(energy['Total']);
      const whole =
        channels === 1
          ? { ...one(0), energy_wh: total ?? wh(first(energy['Total'])) }
          : {
              power_watts: add(power),
              current_amps: add(energy['Current']),
              apparent_power_va: add(energy['ApparentPower']),
              reactive_power_var: add(energy['ReactivePower']),
              voltage_volts: Array.isArray(energy['Voltage']) ? undefined : energy['Voltage'],
              frequency_hertz: energy['Frequency'],
              energy_wh: total,
            };
      const parts =
        channels === 1 ? [] : Array.from({ length: channels }, (_, i) => named(String(i + 1), one(i)));
      return {
        expected: Object.assign({}, named('', whole), ...parts) as Facts,
        actual: sensorFacts(payload),
      };
    },
  },
  {
    title: 'readings of a smart meter reader',
    fits: (payload) => 'SML' in json(payload['StatusSNS'] ?? payload),
    read: (payload) => {
      const meter = json(json(payload['StatusSNS'] ?? payload)['SML']);
      const phases = [1, 2, 3].flatMap((i) => [
        [`power_l${i}_watts`, meter[`power_l${i}`]],
        [`voltage_l${i}_volts`, meter[`voltage_l${i}`]],
        [`current_l${i}_amps`, meter[`current_l${i}`]],
      ]);
      return {
        expected: named('', {
          energy_wh: wh(meter['Total_in']),
          export_wh: wh(meter['Total_out']),
          power_watts: meter['Power_curr'],
          frequency_hertz: meter['Frequenz'],
          ...(Object.fromEntries(phases) as Facts),
        }),
        actual: sensorFacts(payload),
      };
    },
  },
];

const sensorFacts = (payload: Json): Facts =>
  Object.fromEntries(
    readSensor(payload).flatMap(({ key, values }) =>
      Object.entries(values).map(([q, v]) => [`${key} ${q}`, v]),
    ),
  );

const octopus: readonly Shape[] = [
  {
    title: 'unit rates',
    fits: (payload) => list(payload['results']).some((rate) => 'value_inc_vat' in json(rate)),
    read: (payload) => {
      const options = {
        name: 'payload',
        code: 'BAD_REPLY',
        timeZone: 'UTC',
        paymentMethod: 'DIRECT_DEBIT',
      } as const;
      const { rates } = parseOctopus(payload, options);
      const rows = list(payload['results']).map(json);
      return {
        expected: Object.fromEntries(
          rows.map((r) => [String(Date.parse(String(r['valid_from']))), Number(r['value_inc_vat']) / 100]),
        ),
        actual: Object.fromEntries(rates.map((rate) => [String(rate.from), rate.perKwh])),
      };
    },
  },
];

/** The first word of a path that names a protocol that Lares speaks. */
const protocols: readonly (readonly [word: RegExp, name: string, shapes: readonly Shape[]])[] = [
  [/\b(tplink|kasa)\b/i, 'Kasa', kasa],
  [/\btapo\b/i, 'Tapo', tapo],
  [/\bshelly\b/i, 'Shelly', shelly],
  [/\btasmota\b/i, 'Tasmota', tasmota],
  [/\boctopus\b/i, 'Octopus', octopus],
];

interface Verdict {
  readonly protocol: string;
  readonly shape: string;
  readonly from: string;
  /** Undefined where it is not counted. */
  readonly facts: number | undefined;
  readonly wrong: readonly string[];
}

async function judge(from: string, payload: Json): Promise<Verdict> {
  const [, protocolName, shapes] = protocols.find(([word]) => word.test(from)) ?? [];
  if (protocolName === undefined || shapes === undefined)
    return { protocol: 'not spoken', shape: from.split('/').at(-2) ?? '', from, facts: undefined, wrong: [] };
  const shape = shapes.find(({ fits }) => fits(payload));
  const about = { protocol: protocolName, shape: shape?.title ?? 'of a shape that has no rule here', from };
  if (shape?.read === undefined) return { ...about, facts: undefined, wrong: [] };
  try {
    const { expected, actual } = await shape.read(payload);
    const keys = [...new Set([...Object.keys(expected), ...Object.keys(actual)])];
    const show = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));
    const wrong = keys
      .filter((key) => !Object.is(expected[key], actual[key]))
      .map((key) => `${key.trim()}: ${show(actual[key])} instead of ${show(expected[key])}`);
    return { ...about, facts: keys.length, wrong };
  } catch (error) {
    return { ...about, facts: 0, wrong: [String(error)] };
  }
}

function read(file: string): { from: string; payload: Json }[] {
  try {
    const all: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return list(all)
      .map(json)
      .map((entry) => ({ from: String(entry['file']), payload: json(entry['payload']) }));
  } catch {
    return [];
  }
}

/**
 * Replies of real devices and services, `[{file, payload}]`; the path tells the protocol. An item is a payload of a
 * protocol that Lares speaks; it is right when our codec reads every figure of it exactly and none besides. The rules
 * of what it says are written here, field by field, and do not use the codecs. Payloads of protocols that Lares does
 * not speak, or that it never asks for, are listed and not counted.
 */
const suite: Suite = {
  name: 'payloads',
  folder: 'electricity/evcc',
  run: async (dir) => {
    const verdicts: Verdict[] = [];
    for (const { from, payload } of read(path.join(dir, 'payloads.json')))
      verdicts.push(await judge(from, payload));
    if (verdicts.length === 0) return undefined;
    const counted = verdicts.filter((v) => v.facts !== undefined);
    const right = counted.filter((v) => v.wrong.length === 0).length;
    return {
      items: counted.length,
      right,
      scores: {
        exact: counted.length === 0 ? undefined : right / counted.length,
        figures: counted.reduce((n, v) => n + (v.facts ?? 0), 0),
        not_counted: verdicts.length - counted.length,
      },
      report: table(
        ['PROTOCOL', 'PAYLOAD', 'FIGURES', 'VERDICT'],
        verdicts.map((v) => [
          v.protocol,
          v.shape,
          v.facts === undefined ? '-' : String(v.facts),
          v.facts === undefined ? 'not counted' : v.wrong.length === 0 ? 'right' : v.wrong.join('; '),
        ]),
      ),
    };
  },
};

export default suite;
