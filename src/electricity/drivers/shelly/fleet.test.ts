import { afterEach, expect, it } from 'vitest';
import type { Context } from '#kernel/driver.ts';
import { scaledClock, systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { freePort, until } from '../../../../tests/servers/process.ts';
import { polledDriver } from '../../fleet/driver.ts';
import type { ElectricitySignal } from '../../model.ts';
import { config, example, protocol } from './driver.ts';
import { ShellySim, type ShellySimOptions } from './sim.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function shelly(options: ShellySimOptions, port = 0, host = '127.0.0.1'): Promise<ShellySim> {
  const sim = await new ShellySim(options).listen(port, host);
  closing.push(() => sim.close());
  return sim;
}

function run(settings: object, clock = systemClock) {
  const signals: ElectricitySignal[] = [];
  const stop = new AbortController();
  const context: Context<ElectricitySignal> = {
    clock,
    log: new Logger({ write: () => {}, now: () => 0, level: 'error' }),
    signal: stop.signal,
    random: Math.random,
    emit: (signal) => signals.push(signal),
    alive: () => {},
  };
  const driver = polledDriver({ kind: 'shelly', title: 'Shelly', config, example, protocol });
  const ended = driver.run(
    config.parse({ poll_interval_seconds: 0.5, timeout_seconds: 5, ...settings }),
    context,
  );
  closing.push(() => (stop.abort(), ended));
  const measurements = (mac: string) =>
    signals.filter((s) => s.kind === 'measured' && s.id === `shelly:${mac}/switch:0`).length;
  return { signals, measurements };
}

it('polls the others at their pace while one hangs, and names the one', async () => {
  const [dead, alive] = [await shelly({ mac: '020000000001' }), await shelly({ mac: '020000000002' })];
  const { signals, measurements } = run({ devices: [{ host: dead.host }, { host: alive.host }] });
  await until(() => measurements('020000000001') > 0 && measurements('020000000002') > 0);
  dead.fault('hang');
  const before = measurements('020000000002');
  await until(() => signals.some((s) => s.kind === 'trouble' && s.error.code === 'TIMEOUT'));
  await until(() => measurements('020000000002') >= before + 3);
  expect(
    signals.flatMap((s) => (s.kind === 'trouble' ? [s.address] : [])).every((a) => a === dead.host),
  ).toBe(true);
  dead.heal('hang');
  const missed = measurements('020000000001');
  await until(() => measurements('020000000001') > missed);
});

it('follows a device that was given another address', async () => {
  const port = await freePort();
  const first = await shelly({ mac: '020000000003' }, port, '127.0.6.1');
  const settings = { networks: ['127.0.6.0/29'], port, discovery_interval_seconds: 10 };
  const { signals, measurements } = run({ ...settings, poll_interval_seconds: 5 }, scaledClock(20));
  await until(() => measurements('020000000003') > 0);
  await first.close();
  await shelly({ mac: '020000000003' }, port, '127.0.6.5');
  const before = measurements('020000000003');
  await until(() => measurements('020000000003') > before);
  const addresses = signals.flatMap((s) => (s.kind === 'device' ? [s.device.address] : []));
  expect(addresses.at(-1)).toBe(`127.0.6.5:${port}`);
});
