import { afterEach, expect, test } from 'vitest';
import type { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { freePort } from '../../../../tests/servers/process.ts';
import type { Poll } from '../../driver.ts';
import { config, protocol } from './driver.ts';
import { ModbusSim, type ModbusSimOptions } from './sim.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const start = Date.UTC(2026, 10, 21, 8);

async function simulated(options: ModbusSimOptions) {
  const sim = await new ModbusSim(options).listen();
  closers.push(() => sim.close());
  return sim;
}

/** Replies in which somebody who must answer is late; shorter where somebody is silent, who is waited for. */
const silence = { reply_timeout_seconds: 1 };

function station(port: number, units: readonly object[], bus: object = {}, more: object = {}) {
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const settings = config.parse({
    poll_interval_seconds: 10,
    timeout_seconds: 60,
    buses: [{ host: '127.0.0.1', port, reply_timeout_seconds: 5, units, ...bus }],
    ...more,
  });
  const [target] = protocol.configured(settings);
  const log = new Logger({ write: (line) => lines.push(line) });
  const opened = protocol.open(target!, settings, { clock, log, random: () => 0.5 });
  closers.push(() => opened.close());
  const poll = () => opened.poll(AbortSignal.timeout(60_000));
  return { clock, lines, target: target!, poll };
}

const names = (poll: Poll) => poll.answers.map((a) => a.device.name);
const failure = (promise: Promise<unknown>): Promise<LaresError> =>
  promise.then(
    () => expect.fail('it was expected to fail'),
    (error: unknown) => error as LaresError,
  );
const unitsAsked = (sim: ModbusSim) => sim.requests.map((r) => r.unit);

test('a single-phase meter says everything that it measures, in watts and watt-hours', async () => {
  const sim = await simulated({
    now: () => start,
    meters: [{ unit: 3, template: 'sdm120', power: () => 1500, energyWh: 12_345.6, exportWh: 7 }],
  });
  const { poll, target } = station(sim.port, [{ name: 'Freezer', unit: 3, template: 'sdm120' }]);
  expect(target).toMatchObject({
    id: `127.0.0.1:${sim.port}`,
    host: `127.0.0.1:${sim.port}`,
    pollIntervalMs: 10_000,
  });
  const said = await poll();
  expect(said).toEqual({
    station: `127.0.0.1:${sim.port}`,
    troubles: [],
    answers: [
      {
        device: {
          id: `modbus:127.0.0.1:${sim.port}/3`,
          source: 'circuit',
          name: 'Freezer',
          model: 'Eastron SDM120-Modbus',
          address: `127.0.0.1:${sim.port}/3`,
        },
        values: {
          power_watts: 1500,
          voltage_volts: 229.25,
          current_amps: 6.7454386,
          apparent_power_va: 1546.3917,
          reactive_power_var: 375.93542,
          power_factor: 0.97,
          frequency_hertz: 50,
          energy_wh: 12_345.6,
          export_wh: 7,
        },
      },
    ],
  });
  expect(sim.requests.map((r) => [r.fn, r.start, r.count])).toEqual([
    [4, 0, 2],
    [4, 0, 32],
    [4, 70, 6],
  ]);
});

test.each(['tcp', 'rtu'] as const)(
  'the framing %s is found by itself, said once and remembered',
  async (framing) => {
    const sim = await simulated({ framing, meters: [{ unit: 1, template: 'sdm630', power: () => 300 }] });
    const { poll, lines } = station(sim.port, [{ name: 'Cellar', template: 'sdm630' }], silence);
    expect(names(await poll())).toEqual(['Cellar']);
    const connections = sim.connections;
    expect(connections).toBe(framing === 'tcp' ? 1 : 2);
    expect(names(await poll())).toEqual(['Cellar']);
    expect(sim.connections).toBe(connections);
    const speaks = framing === 'tcp' ? 'speaks Modbus TCP' : 'speaks RTU over TCP';
    expect(lines.filter((line) => line.includes(speaks))).toHaveLength(1);
  },
);

test('the framing is found with the first meter that answers, not only with the first one', async () => {
  const sim = await simulated({ framing: 'rtu', meters: [{ unit: 2, template: 'sdm120', power: () => 5 }] });
  const { poll } = station(
    sim.port,
    [
      { name: 'Nobody', unit: 1, template: 'sdm120' },
      { name: 'Lamp', unit: 2, template: 'sdm120' },
    ],
    silence,
  );
  const said = await poll();
  expect(names(said)).toEqual(['Lamp']);
  expect(said.troubles?.map((t) => [t.id, t.error.code, t.error.message])).toEqual([
    [
      `modbus:127.0.0.1:${sim.port}/1`,
      'TIMEOUT',
      expect.stringMatching(
        /^unit 1 at .* answers in neither framing \(Modbus TCP: timeout.*; RTU over TCP: timeout.*\); are its unit id/,
      ),
    ],
  ]);
});

test('a configured framing is not questioned', async () => {
  const sim = await simulated({ framing: 'rtu', meters: [{ unit: 1, template: 'sdm120', power: () => 5 }] });
  const units = [{ name: 'Lamp', template: 'sdm120' }];
  expect((await failure(station(sim.port, units, { ...silence, framing: 'tcp' }).poll())).code).toBe(
    'TIMEOUT',
  );
  expect(names(await station(sim.port, units, { framing: 'rtu-over-tcp' }).poll())).toEqual(['Lamp']);
});

test('a dead meter costs one time-out, then rests longer and longer, and the others keep their pace', async () => {
  const sim = await simulated({
    meters: [1, 2, 3].map((unit) => ({ unit, template: 'sdm72', power: () => 100 })),
  });
  const { poll, clock } = station(
    sim.port,
    [1, 2, 3].map((unit) => ({ name: `Circuit ${unit}`, unit, template: 'sdm72' })),
    { ...silence, framing: 'tcp' },
  );
  await poll();
  sim.dead.add(2);
  sim.requests.splice(0);
  let answered = 0;
  let told = 0;
  for (let i = 0; i < 16; i += 1) {
    await clock.advance(10_000);
    const said = await poll();
    answered += said.answers.length;
    told += said.troubles?.length ?? 0;
  }
  expect(answered).toBe(32);
  // At polls 1, 3, 7 and 15.
  expect(unitsAsked(sim).filter((unit) => unit === 2)).toHaveLength(4);
  expect(told).toBe(4);
  sim.dead.delete(2);
  let back = false;
  for (let i = 0; i < 40 && !back; i += 1) {
    await clock.advance(10_000);
    back = names(await poll()).includes('Circuit 2');
  }
  expect(back).toBe(true);
});

test('many dead meters never keep the live ones from being read within the limit of one poll', async () => {
  const sim = await simulated({ meters: [{ unit: 9, template: 'sdm72', power: () => 100 }] });
  const units = Array.from({ length: 9 }, (_, i) => ({ name: `C${i + 1}`, unit: i + 1, template: 'sdm72' }));
  const { poll, clock } = station(
    sim.port,
    units,
    { framing: 'tcp', reply_timeout_seconds: 0.6 },
    { timeout_seconds: 3 },
  );
  let first: Poll | undefined;
  for (let i = 0; i < 4 && first === undefined; i += 1) {
    first = await poll().catch(() => undefined);
    if (first?.answers.length === 0) first = undefined;
    await clock.advance(10_000);
  }
  expect(names(first!)).toEqual(['C9']);
  sim.requests.splice(0);
  expect(names(await poll())).toEqual(['C9']);
  expect(unitsAsked(sim)[0]).toBe(9);
});

test('when no meter answers the bus fails, and says what the first one met', async () => {
  const sim = await simulated({ meters: [] });
  const { poll } = station(sim.port, [{ name: 'Lamp', template: 'sdm120' }], {
    framing: 'tcp',
    reply_timeout_seconds: 0.1,
  });
  const error = await failure(poll());
  expect([error.code, error.message]).toEqual([
    'TIMEOUT',
    `timeout: unit 1 at 127.0.0.1:${sim.port} did not answer within 0.1 s`,
  ]);
});

test('a bus that cannot be reached is one failure, however many meters it has', async () => {
  const port = await freePort();
  const { poll } = station(port, [
    { name: 'A', unit: 1, template: 'sdm120' },
    { name: 'B', unit: 2, template: 'sdm120' },
  ]);
  expect((await failure(poll())).message).toMatch(/nothing listens there \(ECONNREFUSED\)/);
});

test('a connection that breaks in mid-frame costs one meter one poll', async () => {
  const sim = await simulated({
    meters: [1, 2].map((unit) => ({ unit, template: 'sdm72', power: () => 100 })),
  });
  const { poll, clock } = station(
    sim.port,
    [1, 2].map((unit) => ({ name: `C${unit}`, unit, template: 'sdm72' })),
    { framing: 'tcp' },
  );
  await poll();
  sim.fault('reset', 30);
  await clock.advance(10_000);
  const during = await poll().catch(() => undefined);
  expect(during?.troubles?.[0]?.error.code ?? 'UNREACHABLE').toBe('UNREACHABLE');
  sim.fault(undefined);
  await clock.advance(30_000);
  expect(names(await poll()).toSorted()).toEqual(['C1', 'C2']);
});

test('a meter that refuses long requests is read value by value from then on', async () => {
  const sim = await simulated({
    meters: [{ unit: 1, template: 'sdm230', power: () => 60, longestRequest: 2 }],
  });
  const { poll } = station(sim.port, [{ name: 'Solar', template: 'sdm230' }], { framing: 'tcp' });
  expect(Object.keys((await poll()).answers[0]!.values)).toHaveLength(9);
  expect(sim.requests.map((r) => r.count)).toEqual([32, ...Array<number>(6).fill(2), 6, 2, 2, 2]);
  sim.requests.splice(0);
  await poll();
  expect(sim.requests.map((r) => r.count)).toEqual(Array<number>(9).fill(2));
});

test('a meter that is silent on long requests is found out at its second turn', async () => {
  const sim = await simulated({ meters: [{ unit: 1, template: 'sdm230', power: () => 60, deafAbove: 2 }] });
  const units = [{ name: 'Solar', template: 'sdm230' }];
  const { poll, clock } = station(sim.port, units, { ...silence, framing: 'tcp' });
  expect((await failure(poll())).code).toBe('TIMEOUT');
  for (let i = 0; i < 2; i += 1) {
    await clock.advance(20_000);
    expect(Object.keys((await poll()).answers[0]!.values)).toHaveLength(9);
  }
});

test('a register that a meter lacks is left out, not asked again, and noted', async () => {
  const sim = await simulated({
    meters: [
      {
        unit: 1,
        template: 'sdm630',
        power: () => 60,
        strict: true,
        without: ['current_n_amps', 'power_factor'],
      },
    ],
  });
  const { poll } = station(sim.port, [{ name: 'Cellar', template: 'sdm630' }], { framing: 'tcp' });
  const [answer] = (await poll()).answers;
  expect(answer?.values.power_watts).toBe(60);
  expect(answer?.values).not.toHaveProperty('current_n_amps');
  expect(answer?.device.notes).toEqual(['It does not know power_factor, current_n_amps of its template']);
  sim.requests.splice(0);
  await poll();
  expect(sim.requests.filter((r) => r.start === 0xe0 || (r.start === 0x3e && r.count === 2))).toEqual([]);
});

test('a template that fits nothing is named as the mistake', async () => {
  const sim = await simulated({ meters: [{ unit: 1, template: 'abb-b23', power: () => 60 }] });
  const { poll } = station(sim.port, [{ name: 'Cellar', template: 'sdm630' }], { framing: 'tcp' });
  expect((await failure(poll())).message).toMatch(/exception 1: it does not know this function/);
  const other = await simulated({
    meters: [
      { unit: 1, template: 'sdm120', strict: true, power: () => 60, without: ['energy_wh', 'export_wh'] },
    ],
  });
  const wrong = station(other.port, [{ name: 'Cellar', template: 'sdm72' }], { framing: 'tcp' });
  expect((await failure(wrong.poll())).message).toBe(
    `127.0.0.1:${other.port}/1 knows no register of the template sdm72; choose another template`,
  );
});

test('a three-phase meter can be three circuits, one of them turned round', async () => {
  const sim = await simulated({
    now: () => start,
    meters: [{ unit: 1, template: 'sdm630', power: () => 1000, energyWh: 10_000, exportWh: 1000 }],
  });
  const split = { l1: { name: 'Kitchen' }, l2: { name: 'Garage', invert: true }, l3: { name: 'Attic' } };
  const { poll } = station(sim.port, [{ template: 'sdm630', split }], { framing: 'tcp', name: 'Board' });
  const { answers, station: id } = await poll();
  expect(id).toBe('Board');
  expect(answers.map((a) => [a.device.id, a.device.name, a.device.parent])).toEqual([
    ['modbus:Board/1/l1', 'Kitchen', undefined],
    ['modbus:Board/1/l2', 'Garage', undefined],
    ['modbus:Board/1/l3', 'Attic', undefined],
  ]);
  const pick = (index: number) => {
    const { power_watts, energy_wh, export_wh, frequency_hertz, voltage_volts } = answers[index]!.values;
    return { power_watts, energy_wh, export_wh, frequency_hertz, voltage_volts };
  };
  expect(pick(0)).toEqual({
    power_watts: 500,
    energy_wh: 5000,
    export_wh: 500,
    frequency_hertz: 50,
    voltage_volts: 229.75,
  });
  expect(pick(1)).toEqual({
    power_watts: -300,
    energy_wh: 300,
    export_wh: 3000,
    frequency_hertz: 50,
    voltage_volts: 229.85,
  });
  // The total of a meter whose phases are circuits would count everything twice.
  expect(sim.requests.some((r) => r.start === 0x34)).toBe(false);
});

test('a meter with a name and phases is the parent of its phases', async () => {
  const sim = await simulated({
    now: () => start,
    meters: [{ unit: 1, template: 'sdm630', power: () => -900 }],
  });
  const split = { l3: { name: 'Attic' } };
  const units = [{ name: 'House', template: 'sdm630', split, invert: true }];
  const { answers } = await station(sim.port, units, { framing: 'tcp' }).poll();
  expect(answers.map((a) => [a.device.name, a.device.parent, a.values.power_watts])).toEqual([
    ['House', undefined, 900],
    ['Attic', `modbus:127.0.0.1:${sim.port}/1`, 180],
  ]);
  expect(answers[0]!.values).toMatchObject({ power_l1_watts: 450, power_l2_watts: 270, power_l3_watts: 180 });
});

test('integers with the low word first, and values that mean nothing, are read as the manual says', async () => {
  const sim = await simulated({
    now: () => start,
    meters: [
      { unit: 1, template: 'em340', power: () => -1234.5, energyWh: 98_700 },
      { unit: 2, template: 'abb-b23', power: () => 345.67, energyWh: 1_234_567_890 },
    ],
  });
  const units = [
    { name: 'Solar', unit: 1, template: 'em340' },
    { name: 'Oven', unit: 2, template: 'abb-b23' },
  ];
  const { answers } = await station(sim.port, units, { framing: 'tcp' }).poll();
  expect(answers[0]!.values).toMatchObject({ power_watts: -1234.5, energy_wh: 98_700, frequency_hertz: 50 });
  expect(answers[1]!.values).toMatchObject({
    power_watts: 345.67,
    energy_wh: 1_234_567_890,
    power_factor: 0.97,
  });
});

test('a meter with an interval of its own is asked less often than the bus', async () => {
  const sim = await simulated({
    meters: [1, 2].map((unit) => ({ unit, template: 'sdm72', power: () => 100 })),
  });
  const { poll, clock, target } = station(
    sim.port,
    [
      { name: 'Fast', unit: 1, template: 'sdm72', poll_interval_seconds: 5 },
      { name: 'Slow', unit: 2, template: 'sdm72', poll_interval_seconds: 15 },
    ],
    { framing: 'tcp' },
  );
  expect(target.pollIntervalMs).toBe(5_000);
  const asked: string[] = [];
  for (let i = 0; i < 6; i += 1) {
    asked.push(names(await poll()).join(' '));
    await clock.advance(5_000);
  }
  expect(asked).toEqual(['Fast Slow', 'Fast', 'Fast', 'Slow Fast', 'Fast', 'Fast']);
});

test('a template that cannot be read is a mistake of the settings', async () => {
  const { poll } = station(1, [{ name: 'X', template: './nowhere.yaml' }]);
  expect((await failure(poll())).code).toBe('CONFIG_INVALID');
});

test.each<[string, object, RegExp]>([
  [
    'an unknown template',
    { host: 'h', units: [{ name: 'A', template: 'sdm631' }] },
    /no template is called sdm631/,
  ],
  [
    'no name',
    { host: 'h', units: [{ template: 'sdm120' }] },
    /give the circuit a name, or its phases under split/,
  ],
  ['neither host nor serial', { units: [] }, /give either host or serial/],
  [
    'two meters of one id',
    {
      host: 'h',
      units: [
        { name: 'A', template: 'sdm72' },
        { name: 'B', template: 'sdm72' },
      ],
    },
    /two meters have unit id 1/,
  ],
  ['an unknown key', { host: 'h', unit: 3 }, /Unrecognized key/],
])('%s is refused', (_name, bus, text) => {
  const parsed = config.safeParse({ buses: [bus] });
  expect(parsed.error?.message).toMatch(text);
});
