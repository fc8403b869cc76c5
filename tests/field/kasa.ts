import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { config, protocol } from '#electricity/drivers/kasa/driver.ts';
import { KasaSim, simLogin } from '#electricity/drivers/kasa/sim.ts';
import type { SimWay } from '#electricity/drivers/kasa/sim-models.ts';
import type { Answer } from '#electricity/driver.ts';
import type { Values } from '#electricity/model.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import type { Suite } from './suite.ts';

interface Reading {
  readonly power_w: number | null;
  readonly voltage_v: number | null;
  readonly current_a: number | null;
  readonly month_kwh: number | null;
  readonly total_kwh?: number | null;
}
interface Child {
  readonly alias?: string;
  readonly is_on?: boolean | null;
  readonly reading?: Reading | null;
}
interface Expected {
  readonly model: string;
  readonly is_on: boolean | null;
  readonly reading: Reading | null;
  /** A list of the older family, a dictionary from id to reading of the newer one. */
  readonly children: readonly Child[] | Readonly<Record<string, Reading>>;
}
interface Judged {
  readonly file: string;
  readonly way: SimWay;
  readonly readings: number;
  readonly wrong: readonly string[];
}

const ways = { iot: ['xor', 'klap1', 'klap2'], smart: ['klap2', 'aes'] } as const satisfies Record<
  string,
  readonly SimWay[]
>;

/**
 * Every recorded reply goes through a simulated device on a real socket and through our client, on each way that the
 * family has, twice: as the first poll and as a later one. `expected_readings.json` says what must come out, to the last
 * digit (1e-9). Two of its conventions are ours in other words: 0 V and its 0 A mean "not measured" and are absent with
 * us, and the counter of the newer family is that of the month.
 *
 * Where it says nothing the rules are: the poll does not fail; the device has a name, a model and an identity; every
 * value is finite; power lies within ±20 kW, voltage within 80 to 280 V, current within 0 to 100 A, energy is not
 * negative, `is_on` is 0 or 1; power is at most 5 % above voltage times current where all three are there; and the
 * sockets of a strip sum to the strip.
 */
const suite: Suite = {
  name: 'kasa',
  folder: 'electricity/kasa',
  async run(dir) {
    const files = globSync('{iot,smart}/*.json', { cwd: dir }).toSorted();
    if (files.length === 0) return undefined;
    const table0 = path.join(dir, 'expected_readings.json');
    const expected = existsSync(table0)
      ? (JSON.parse(readFileSync(table0, 'utf8')) as Record<string, Expected>)
      : {};
    const judged: Judged[] = [];
    for (const file of files) {
      const fixture: unknown = JSON.parse(readFileSync(path.join(dir, file), 'utf8'));
      for (const way of ways[file.startsWith('iot/') ? 'iot' : 'smart'])
        judged.push(await judge(file, way, fixture, expected[file]));
    }
    const bad = judged.filter((j) => j.wrong.length > 0);
    const perFile = files.filter((file) => bad.every((b) => b.file !== file));
    const counted = judged.reduce((sum, j) => sum + j.readings, 0);
    return {
      items: files.length,
      right: perFile.length,
      scores: {
        files_with_expected: files.filter((f) => f in expected).length,
        polls: judged.length * 2,
        polls_right: judged.filter((j) => j.wrong.length === 0).length * 2,
        values_compared: counted,
      },
      report: [
        `${files.length} recorded devices, ${judged.length} times through a socket`,
        ...(bad.length === 0
          ? []
          : [
              table(
                ['FILE', 'WAY', 'WRONG'],
                bad.flatMap((b) => b.wrong.map((w) => [b.file, b.way, w])),
              ),
            ]),
      ].join('\n'),
    };
  },
};

async function judge(
  file: string,
  way: SimWay,
  fixture: unknown,
  expected: Expected | undefined,
): Promise<Judged> {
  const sim = await new KasaSim({ fixture, way }).listen();
  const ports = { local: way === 'xor' ? sim.port : 1, http: way === 'xor' ? 1 : sim.port };
  const context = { clock: systemClock, log: silent, random: Math.random };
  const station = protocol.open({ host: sim.host }, config.parse({ ...simLogin, ports }), context);
  const wrong: string[] = [];
  let readings = 0;
  try {
    for (const which of ['first', 'later'] as const) {
      const { answers } = await station.poll(AbortSignal.timeout(5_000));
      const checks = [...plausible(answers), ...(expected === undefined ? [] : compare(answers, expected))];
      readings += checks.length;
      wrong.push(...checks.filter(([, right]) => !right).map(([what]) => `${which} poll: ${what}`));
    }
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
  } finally {
    station.close();
    await sim.close();
  }
  return { file, way, readings, wrong };
}

type Check = readonly [what: string, right: boolean];

const near = (a: number, b: number) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));

function equal(where: string, ours: number | undefined, theirs: number | null | undefined): Check {
  const right =
    theirs === null || theirs === undefined ? ours === undefined : ours !== undefined && near(ours, theirs);
  return [`${where} is ${ours ?? 'absent'}, expected ${theirs ?? 'absent'}`, right];
}

function compare(answers: readonly Answer[], expected: Expected): Check[] {
  const [whole, ...sockets] = answers;
  const model = whole?.device.model?.replace(/\(.*/, '');
  const checks: Check[] = [
    [`model is ${model}`, model === expected.model],
    ...same('device', whole?.values ?? {}, expected),
  ];
  const children: readonly Child[] = Array.isArray(expected.children)
    ? (expected.children as readonly Child[])
    : Object.values(expected.children as Readonly<Record<string, Reading>>).map((reading) => ({ reading }));
  checks.push([`${sockets.length} sockets, expected ${children.length}`, sockets.length === children.length]);
  for (const [i, child] of children.entries()) {
    const socket = sockets[i];
    checks.push(...same(`socket ${i + 1}`, socket?.values ?? {}, child));
    checks.push([`socket ${i + 1} belongs to the strip`, socket?.device.parent === whole?.device.id]);
    if (child.alias !== undefined)
      checks.push([`socket ${i + 1} is called ${socket?.device.name}`, socket?.device.name === child.alias]);
  }
  return checks;
}

function same(where: string, values: Values, { is_on: isOn, reading }: Child): Check[] {
  const checks: Check[] = [];
  if (typeof isOn === 'boolean') checks.push(equal(`${where} is_on`, values.is_on, isOn ? 1 : 0));
  // No reading is expected of the whole of a strip of the newer family: there ours is the sum, which the rules check.
  if (reading === null || reading === undefined) return checks;
  const unmeasured = reading.voltage_v === 0;
  const kwh = 'total_kwh' in reading ? reading.total_kwh : reading.month_kwh;
  checks.push(
    equal(`${where} power_watts`, values.power_watts, reading.power_w),
    equal(`${where} voltage_volts`, values.voltage_volts, unmeasured ? null : reading.voltage_v),
    equal(`${where} current_amps`, values.current_amps, unmeasured ? null : reading.current_a),
    equal(`${where} energy (kWh)`, values.energy_wh === undefined ? undefined : values.energy_wh / 1000, kwh),
  );
  return checks;
}

const limits: Readonly<Partial<Record<keyof Values, readonly [least: number, most: number]>>> = {
  power_watts: [-20_000, 20_000],
  voltage_volts: [80, 280],
  current_amps: [0, 100],
  energy_wh: [0, 1e9],
  is_on: [0, 1],
};

function plausible(answers: readonly Answer[]): Check[] {
  const checks: Check[] = answers.flatMap(({ device, values }): Check[] => {
    const { power_watts: p, voltage_volts: v, current_amps: a } = values;
    return [
      [`${device.id} has a name and a model`, device.name !== '' && device.model !== undefined],
      ...Object.entries(values).map(([key, value]): Check => {
        const [least, most] = limits[key as keyof Values] ?? [0, 0];
        return [
          `${key} ${value} is not plausible`,
          Number.isFinite(value) && value >= least && value <= most,
        ];
      }),
      ...(p === undefined || v === undefined || a === undefined
        ? []
        : [[`${p} W is more than ${v} V times ${a} A`, p <= v * a * 1.05 + 0.5] as const]),
    ];
  });
  checks.push([
    `identities ${answers.map((x) => x.device.id).join(' ')}`,
    new Set(answers.map((x) => x.device.id)).size === answers.length,
  ]);
  const [whole, ...sockets] = answers;
  const parts = sockets.map((s) => s.values.power_watts);
  if (parts.length > 0 && parts.every((p) => p !== undefined)) {
    const sum = parts.reduce((total, p) => total + p, 0);
    checks.push([
      `sockets sum to ${sum} W, the strip says ${whole?.values.power_watts} W`,
      Math.abs(sum - (whole?.values.power_watts ?? Number.NaN)) < 0.001,
    ]);
  }
  return checks;
}

export default suite;
