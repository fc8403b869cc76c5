import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { config, protocol } from '#electricity/drivers/shelly/driver.ts';
import { ShellySim, type ShellyDump } from '#electricity/drivers/shelly/sim.ts';
import type { Answer } from '#electricity/driver.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import type { Suite } from './suite.ts';

type Json = Readonly<Record<string, unknown>>;
const json = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const log = new Logger({ write: () => {}, now: () => 0, level: 'error' });

/** Readings by channel and quantity: `switch:0 power_watts`. */
type Readings = Map<string, number>;

/** A raw field, and the quantity that it is. */
type Rule = readonly [field: string, quantity: string];
const outputRules: readonly Rule[] = [
  ['apower', 'power_watts'],
  ['voltage', 'voltage_volts'],
  ['current', 'current_amps'],
  ['pf', 'power_factor'],
  ['freq', 'frequency_hertz'],
];
const clampRules: readonly Rule[] = [
  ['act_power', 'power_watts'],
  ['aprt_power', 'apparent_power_va'],
  ['voltage', 'voltage_volts'],
  ['current', 'current_amps'],
  ['pf', 'power_factor'],
  ['freq', 'frequency_hertz'],
];
const threePhaseRules: readonly Rule[] = [
  ['total_act_power', 'power_watts'],
  ['total_aprt_power', 'apparent_power_va'],
  ['total_current', 'current_amps'],
  ['n_current', 'current_n_amps'],
  ['a_freq', 'frequency_hertz'],
  ...(['a', 'b', 'c'] as const).flatMap((letter, i): Rule[] => [
    [`${letter}_act_power`, `power_l${i + 1}_watts`],
    [`${letter}_voltage`, `voltage_l${i + 1}_volts`],
    [`${letter}_current`, `current_l${i + 1}_amps`],
  ]),
];
const emeterRules: readonly Rule[] = [
  ['power', 'power_watts'],
  ['voltage', 'voltage_volts'],
  ['current', 'current_amps'],
  ['reactive', 'reactive_power_var'],
  ['pf', 'power_factor'],
  ['total', 'energy_wh'],
  ['total_returned', 'export_wh'],
];

class Expected {
  readonly readings: Readings = new Map();

  add(channel: string, quantity: string, value: unknown): void {
    if (typeof value === 'number') this.readings.set(`${channel} ${quantity}`, value);
    if (typeof value === 'boolean') this.readings.set(`${channel} ${quantity}`, Number(value));
  }

  apply(channel: string, part: Json, rules: readonly Rule[]): void {
    for (const [field, quantity] of rules) this.add(channel, quantity, part[field]);
  }
}

/**
 * What a dump says, by the maker's documentation and not by our codec: a component of the later generations with
 * `apower` or `output` is a metered output, one with `act_power` a clamp, one with `total_act_power` a three-phase meter.
 */
function laterGenerations(status: Json): Readings {
  const expected = new Expected();
  for (const [key, value] of Object.entries(status)) {
    if (!/:\d+$/.test(key)) continue;
    const part = json(value);
    const counters = json(status[key.replace(/^(em1?):/, '$1data:')]);
    if (typeof part['apower'] === 'number' || typeof part['output'] === 'boolean') {
      expected.apply(key, part, outputRules);
      expected.add(key, 'is_on', part['output']);
      const [total, back] = [json(part['aenergy'])['total'], json(part['ret_aenergy'])['total']];
      if (typeof total === 'number')
        expected.add(key, 'energy_wh', Math.max(0, total - (typeof back === 'number' ? back : 0)));
      expected.add(key, 'export_wh', back);
    } else if ('total_act_power' in part) {
      expected.apply(key, part, threePhaseRules);
      expected.add(key, 'energy_wh', counters['total_act']);
      expected.add(key, 'export_wh', counters['total_act_ret']);
    } else if ('act_power' in part) {
      expected.apply(key, part, clampRules);
      expected.add(key, 'energy_wh', counters['total_act_energy']);
      expected.add(key, 'export_wh', counters['total_act_ret_energy']);
    }
  }
  return expected.readings;
}

const outputKinds: readonly Rule[] = [
  ['relays', 'relay'],
  ['rollers', 'roller'],
  ['lights', 'light'],
];

/** The first generation: `meters` count watt-minutes and belong to the output of the same number, `emeters` count Wh. */
function firstGeneration(type: unknown, status: Json): Readings {
  const expected = new Expected();
  const [kind = 'relays', channel = 'relay'] = outputKinds.find(([k]) => list(status[k]).length > 0) ?? [];
  const [outputs, meters, clamps] = [status[kind], status['meters'], status['emeters']].map((l) =>
    list(l).map(json),
  );
  for (const [i, output] of (outputs ?? []).entries())
    expected.add(`${channel}:${i}`, 'is_on', output['ison']);
  const paired = (meters?.length ?? 0) >= (outputs?.length ?? 0);
  for (const [i, meter] of (meters ?? []).entries()) {
    if (meter['is_valid'] === false) continue;
    const where = paired && i < (outputs?.length ?? 0) ? `${channel}:${i}` : `meter:${i}`;
    expected.add(where, 'power_watts', meter['power']);
    if (typeof meter['total'] === 'number') expected.add(where, 'energy_wh', meter['total'] / 60);
  }
  const valid = (clamps ?? []).filter((clamp) => clamp['is_valid'] !== false);
  if (type !== 'SHEM-3')
    for (const [i, clamp] of (clamps ?? []).entries())
      if (clamp['is_valid'] !== false) expected.apply(`emeter:${i}`, clamp, emeterRules);
  if (type !== 'SHEM-3' || clamps?.length !== 3) return expected.readings;
  for (const [i, clamp] of clamps.entries())
    if (clamp['is_valid'] !== false)
      for (const [field, unit] of [
        ['power', 'watts'],
        ['voltage', 'volts'],
        ['current', 'amps'],
      ] as const)
        expected.add('em:0', `${field}_l${i + 1}_${unit}`, clamp[field]);
  if (valid.length === 3)
    for (const [field, quantity] of emeterRules)
      if (
        ['power', 'current', 'total', 'total_returned'].includes(field) &&
        valid.every((c) => typeof c[field] === 'number')
      )
        expected.add(
          'em:0',
          quantity,
          valid.reduce((sum, c) => sum + Number(c[field]), 0),
        );
  const neutral = json(status['emeter_n']);
  if (neutral['is_valid'] !== false) expected.add('em:0', 'current_n_amps', neutral['current']);
  return expected.readings;
}

const plausible: Readonly<Record<string, (value: number) => boolean>> = {
  // 0 V is a phase that is not connected.
  volts: (v) => v === 0 || (v >= 85 && v <= 265),
  hertz: (v) => v === 0 || (v > 45 && v < 65),
  wh: (v) => v >= 0,
  watts: (v) => Math.abs(v) < 50_000,
  amps: (v) => Math.abs(v) < 250,
};

function implausible(readings: Readings): string[] {
  const odd = [...readings].filter(([key, value]) => {
    const check = plausible[key.split('_').at(-1) ?? ''];
    return !Number.isFinite(value) || check?.(value) === false;
  });
  const real = [...readings].filter(([key, watts]) => {
    const [channel = '', quantity = ''] = key.split(' ');
    const volts = readings.get(`${channel} voltage_volts`);
    const amps = readings.get(`${channel} current_amps`);
    // What a display rounds to, besides: a plug shows 0.0 A below some 10 W.
    return (
      quantity === 'power_watts' &&
      volts !== undefined &&
      amps !== undefined &&
      amps > 0 &&
      Math.abs(watts) > volts * amps * 1.1 + 10
    );
  });
  return [...odd, ...real].map(([key, value]) => `${key} = ${value} is implausible`);
}

interface Verdict {
  readonly file: string;
  readonly readings: number;
  readonly right: number;
  readonly wrong: readonly string[];
}

const say = (key: string, value: number | undefined) => `${key} = ${value ?? 'nothing'}`;

function compare(expected: Readings, actual: Readings): string[] {
  const keys = [...new Set([...expected.keys(), ...actual.keys()])];
  return keys
    .filter((key) => expected.get(key) !== actual.get(key))
    .map((key) => `${say(key, actual.get(key))} instead of ${expected.get(key) ?? 'nothing'}`);
}

/** Plays the dump on a socket, reads it as the house would, then switches everything that can be and reads back. */
async function judge(file: string, dump: ShellyDump): Promise<Verdict> {
  const type = dump.shelly['type'];
  const later = Number(dump.shelly['gen'] ?? 1) >= 2;
  const expected = later ? laterGenerations(dump.status) : firstGeneration(type, dump.status);
  const sim = await new ShellySim({ dump }).listen();
  const unixtime = Number((later ? json(dump.status['sys']) : dump.status)['unixtime'] ?? 0);
  const clock = new ManualClock(unixtime * 1000);
  const station = protocol.open({ host: sim.host }, config.parse({}), { clock, log, random: Math.random });
  try {
    const { answers, mac } = await station.poll(AbortSignal.timeout(10_000));
    const actual: Readings = new Map(
      answers.flatMap((a) =>
        Object.entries(a.values).map(([q, v]) => [`${a.device.id.split('/')[1]} ${q}`, v] as const),
      ),
    );
    const wrong = compare(expected, actual);
    const digits = String(dump.shelly['mac']).toLowerCase();
    const others = [
      ...implausible(actual),
      ...(mac?.replaceAll(':', '') === digits ? [] : [`MAC ${mac} instead of ${digits}`]),
      ...answers.flatMap((a) =>
        a.device.model === (dump.shelly['model'] ?? type) ? [] : [`model ${a.device.model}`],
      ),
      ...(await switchAll(answers)),
    ];
    return {
      file,
      readings: expected.size,
      right: Math.max(0, expected.size - wrong.length),
      wrong: [...wrong, ...others],
    };
  } catch (error) {
    return { file, readings: Math.max(1, expected.size), right: 0, wrong: [String(error)] };
  } finally {
    station.close();
    await sim.close();
  }
}

async function switchAll(answers: readonly Answer[]): Promise<string[]> {
  const wrong: string[] = [];
  for (const { device, switches, values } of answers) {
    if (switches === undefined) {
      if (values.is_on !== undefined) wrong.push(`${device.id} cannot be switched`);
      continue;
    }
    for (const on of [values.is_on !== 1, values.is_on === 1])
      if ((await switches.turn(on, AbortSignal.timeout(10_000))) !== on)
        wrong.push(`${device.id} does not switch`);
  }
  return wrong;
}

function read(file: string): ShellyDump | undefined {
  try {
    const dump = json(JSON.parse(readFileSync(file, 'utf8')));
    const whole =
      Object.keys(json(dump['shelly'])).length > 0 && Object.keys(json(dump['status'])).length > 0;
    return whole ? (dump as unknown as ShellyDump) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Dumps of real Shellys (`shelly`, `settings` or `config`, `status`). Each is played on a socket and read by our client.
 * An item is a reading that the dump holds by the maker's documentation; it is right when we say exactly it. A reading
 * of ours that the dump does not hold counts as a wrong one. A file is right when nothing at all is wrong with it: the
 * readings, the MAC, the model, plausibility, and every output switched and read back.
 */
const suite: Suite = {
  name: 'shelly',
  folder: 'electricity/shelly',
  run: async (dir) => {
    const files = globSync('**/*.json', { cwd: dir }).toSorted();
    const verdicts: Verdict[] = [];
    const unread: string[] = [];
    for (const file of files) {
      const dump = read(path.join(dir, file));
      if (dump === undefined) unread.push(file);
      else verdicts.push(await judge(file, dump));
    }
    if (verdicts.length === 0) return undefined;
    const [items, right] = [
      verdicts.reduce((n, v) => n + v.readings, 0),
      verdicts.reduce((n, v) => n + v.right, 0),
    ];
    return {
      items,
      right,
      scores: {
        exact: items === 0 ? undefined : right / items,
        files: verdicts.length,
        files_right: verdicts.filter((v) => v.wrong.length === 0).length,
        unreadable_files: unread.length,
      },
      report: [
        table(
          ['FILE', 'READINGS', 'RIGHT', 'WRONG'],
          verdicts.map((v) => [v.file, String(v.readings), String(v.right), v.wrong.join('; ')]),
        ),
        ...unread.map((file) => `${file} is no dump of a Shelly`),
      ].join('\n'),
    };
  },
};

export default suite;
