import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { runDriver } from '../../../../tests/contract/run-driver.ts';
import { until } from '../../../../tests/servers/process.ts';
import { polledDriver } from '../../fleet/driver.ts';
import type { ElectricitySignal } from '../../model.ts';
import { config, example, protocol } from './driver.ts';
import { ModbusSim } from './sim.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const driver = polledDriver({
  kind: 'modbus',
  title: 'Modbus',
  config,
  example,
  protocol,
});

async function bus(units: readonly number[]) {
  const meters = units.map((unit) => ({ unit, template: 'sdm72', power: () => unit * 100 }));
  const sim = await new ModbusSim({ meters }).listen();
  closers.push(() => sim.close());
  const settings = {
    host: '127.0.0.1',
    port: sim.port,
    framing: 'tcp',
    reply_timeout_seconds: 2,
    units: units.map((unit) => ({ name: `Circuit ${unit}`, unit, template: 'sdm72' })),
  };
  return { sim, settings };
}

function run(buses: readonly object[]) {
  const running = runDriver(driver, { poll_interval_seconds: 0.5, timeout_seconds: 10, buses }, systemClock);
  closers.push(() => running.stop());
  return running;
}

const watts = (signals: readonly ElectricitySignal[], id: string) =>
  signals.flatMap((s) => (s.kind === 'measured' && s.id === id ? [s.values.power_watts] : []));

test('meters of two buses are announced and measured, and a bus that hangs delays nobody', async () => {
  const [one, two] = [await bus([1, 2]), await bus([1])];
  const { signals } = run([one.settings, two.settings]);
  const id = (sim: ModbusSim, unit: number) => `modbus:127.0.0.1:${sim.port}/${unit}`;
  await until(() => watts(signals, id(two.sim, 1)).length >= 2 && watts(signals, id(one.sim, 2)).length >= 1);
  expect(
    signals
      .filter((s) => s.kind === 'device')
      .map((s) => s.device.name)
      .toSorted(),
  ).toEqual(['Circuit 1', 'Circuit 1', 'Circuit 2']);
  expect(watts(signals, id(one.sim, 2))[0]).toBe(200);
  two.sim.fault('hang');
  const before = watts(signals, id(one.sim, 1)).length;
  await until(() => watts(signals, id(one.sim, 1)).length >= before + 4);
  await until(() => signals.some((s) => s.kind === 'trouble'));
  expect(signals.find((s) => s.kind === 'trouble')).toMatchObject({
    id: id(two.sim, 1),
    error: { code: 'TIMEOUT' },
  });
});

test('a dead meter is a trouble of its own while the others of its bus are measured', async () => {
  const { sim, settings } = await bus([1, 2]);
  const { signals } = run([settings]);
  const id = (unit: number) => `modbus:127.0.0.1:${sim.port}/${unit}`;
  await until(() => watts(signals, id(2)).length >= 1);
  sim.dead.add(2);
  await until(() => signals.some((s) => s.kind === 'trouble'));
  const before = watts(signals, id(1)).length;
  await until(() => watts(signals, id(1)).length >= before + 3);
  const troubles = signals.filter((s) => s.kind === 'trouble');
  expect(new Set(troubles.map((t) => t.id))).toEqual(new Set([id(2)]));
  expect(troubles[0]?.address).toBe(`127.0.0.1:${sim.port}/2`);
});

test('the fleet never scans a bus by itself', async () => {
  const { sim, settings } = await bus([1]);
  const { signals } = run([settings]);
  await until(() => watts(signals, `modbus:127.0.0.1:${sim.port}/1`).length >= 2);
  expect(new Set(sim.requests.map((r) => r.unit))).toEqual(new Set([1]));
});

test('the example is accepted and names its stations', () => {
  const settings = config.parse(example);
  expect(
    protocol.configured(settings).map(({ id, host, pollIntervalMs }) => [id, host, pollIntervalMs]),
  ).toEqual([
    ['Distribution board', '192.0.2.7:502', 10_000],
    ['/dev/ttyUSB0', '/dev/ttyUSB0', 5_000],
  ]);
});
