import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import type { Protocol } from '../driver.ts';
import type { ElectricitySignal } from '../model.ts';
import { mostFound, polledDriver } from './driver.ts';
import { toyConfig, ToyPlug, toyProtocol, type ToyConfig } from './toy.fixture.ts';

const open: ToyPlug[] = [];
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  for (const plug of open.splice(0)) await plug.close();
});

async function plug(id: string, port?: number): Promise<ToyPlug> {
  const made = await new ToyPlug(id).listen(port);
  open.push(made);
  return made;
}

const portOf = (p: ToyPlug) => Number(p.host.split(':')[1]);

interface Asked {
  readonly network?: () => readonly ToyPlug[];
  readonly settings?: object;
  readonly whereIs?: (mac: string) => string | undefined;
}

function run({ network = () => [], settings = {}, whereIs }: Asked) {
  const stop = new AbortController();
  const signals: ElectricitySignal[] = [];
  const lines: string[] = [];
  const details: (string | undefined)[] = [];
  const driver = polledDriver(
    { kind: 'toy', title: 'Toy', config: toyConfig, example: {}, protocol: toyProtocol(network) },
    whereIs === undefined ? {} : { whereIs },
  );
  const config = toyConfig.parse({ poll_interval_seconds: 0.5, timeout_seconds: 10, ...settings });
  const ended = driver.run(config, {
    clock: systemClock,
    log: new Logger({ level: 'debug', write: (line) => lines.push(line) }),
    signal: stop.signal,
    random: () => 0.5,
    emit: (signal) => signals.push(signal),
    alive: (detail) => details.push(detail),
  });
  stops.push(async () => (stop.abort(), ended));
  return { signals, lines, details };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await systemClock.sleep(10);
  }
}

const measured = (signals: readonly ElectricitySignal[], id: string) =>
  signals.filter((s) => s.kind === 'measured' && s.id === `toy:${id}`).length;

test('devices are announced once, then measured, and the whole is healthy after the first round', async () => {
  const [a, b] = [await plug('01'), await plug('02')];
  const { signals, details } = run({ network: () => [a, b] });
  await until(() => measured(signals, '01') >= 3 && measured(signals, '02') >= 3, 'three polls of both');
  expect(signals.filter((s) => s.kind === 'device').map((s) => s.device.id)).toEqual(
    expect.arrayContaining(['toy:01', 'toy:02']),
  );
  expect(signals.filter((s) => s.kind === 'device')).toHaveLength(2);
  expect(details).toContain('2 of 2 answer');
});

test('a silent device and a dead one delay nobody else', async () => {
  const [a, silent, dead] = [await plug('01'), await plug('02'), await plug('03')];
  silent.hangs = true;
  await dead.close();
  const { signals } = run({ network: () => [a, silent, dead], settings: { timeout_seconds: 2 } });
  await until(() => measured(signals, '01') >= 6, 'six polls of the good one');
  await until(() => signals.some((s) => s.kind === 'trouble' && s.address === silent.host), 'the silence');
  const troubles = signals.filter((s) => s.kind === 'trouble');
  expect(new Set(troubles.map((t) => t.address))).toEqual(new Set([silent.host, dead.host]));
  expect(troubles.find((t) => t.address === silent.host)?.error.code).toBe('TIMEOUT');
  expect(silent.polls).toBeLessThan(a.polls);
});

test('health names the devices that do not answer, and no more than a person wants to read', async () => {
  const a = await plug('01');
  const dead = [1, 2, 3, 4, 5].map((i) => `127.0.0.1:${i}`);
  const { details } = run({ settings: { hosts: [a.host, ...dead] } });
  const told = '1 of 6 answer; no answer from 127.0.0.1:1, 127.0.0.1:2, 127.0.0.1:3 and 2 more';
  await until(() => details.includes(told), 'health');
});

test('a device that returns is measured again', async () => {
  const a = await plug('01');
  const { signals } = run({ network: () => [a], settings: { timeout_seconds: 1 } });
  await until(() => measured(signals, '01') >= 1, 'first poll');
  a.hangs = true;
  await until(() => signals.some((s) => s.kind === 'trouble'), 'trouble');
  a.hangs = false;
  const before = measured(signals, '01');
  await until(() => measured(signals, '01') > before, 'measured again');
});

test('a device is followed to its new address by its identity', async () => {
  const a = await plug('01');
  let network = [a];
  const { signals, lines } = run({ network: () => network, settings: { discovery_interval_seconds: 10 } });
  await until(() => measured(signals, '01') >= 1, 'first poll');
  await a.close();
  const moved = await plug('01');
  network = [moved];
  const before = measured(signals, '01');
  await until(() => measured(signals, '01') > before, 'measured at the new address');
  expect(lines.filter((l) => l.includes(`moved from ${a.host} to ${moved.host}`))).toHaveLength(1);
});

test('a device is followed by its MAC address where nothing can be searched', async () => {
  const a = await plug('01');
  let there: string | undefined;
  const { signals } = run({
    settings: { hosts: [a.host] },
    whereIs: (mac) => (mac === '02:00:00:00:00:01' ? there : undefined),
  });
  await until(() => measured(signals, '01') >= 1, 'first poll');
  const port = portOf(a);
  await a.close();
  // Another loopback address with the same port stands for another address of the network.
  there = 'localhost';
  const moved = await plug('01', port);
  const before = measured(signals, '01');
  await until(() => measured(signals, '01') > before, 'measured at the new address');
  expect(moved.polls).toBeGreaterThan(0);
});

test('another device at a known address is never taken for the one that was there', async () => {
  const a = await plug('01');
  const { signals } = run({ settings: { hosts: [a.host] } });
  await until(() => measured(signals, '01') >= 1, 'first poll');
  const port = portOf(a);
  await a.close();
  const stranger = await plug('02', port);
  await until(() => stranger.polls >= 1, 'the stranger is asked');
  await until(
    () => signals.some((s) => s.kind === 'trouble' && s.error.message.includes('another device')),
    'the stranger is noticed',
  );
  expect(measured(signals, '02')).toBe(0);
});

test('one device at two addresses is measured once and said so', async () => {
  const [a, twin] = [await plug('01'), await plug('01')];
  const { lines } = run({ settings: { hosts: [a.host, twin.host] } });
  await until(() => lines.some((l) => l.includes('are the same device')), 'the twin is noticed');
  await systemClock.sleep(50);
  const polls = twin.polls;
  await until(() => a.polls >= 4, 'the first goes on');
  expect(twin.polls).toBe(polls);
});

test('switching reads back, and the new state is measured without waiting for the interval', async () => {
  const a = await plug('01');
  const { signals } = run({ network: () => [a], settings: { poll_interval_seconds: 3600 } });
  await until(() => measured(signals, '01') === 1, 'first poll');
  const announced = signals.find((s) => s.kind === 'device');
  expect(await announced?.switches?.turn(false, AbortSignal.timeout(60_000))).toBe(false);
  await until(() => measured(signals, '01') === 2, 'poll after switching');
  expect(signals.at(-1)).toMatchObject({ kind: 'measured', values: { is_on: 0 } });
});

test('a device that hung can be switched as soon as it answers again', async () => {
  const a = await plug('01');
  const settings = { poll_interval_seconds: 3600, timeout_seconds: 1 };
  const { signals } = run({ network: () => [a], settings });
  await until(() => measured(signals, '01') === 1, 'first poll');
  const announced = signals.find((s) => s.kind === 'device');
  a.hangs = true;
  await expect(announced?.switches?.turn(false, AbortSignal.timeout(200))).rejects.toThrow();
  await until(() => signals.some((s) => s.kind === 'trouble'), 'trouble');
  a.hangs = false;
  expect(await announced?.switches?.turn(false, AbortSignal.timeout(60_000))).toBe(false);
  expect(signals.filter((s) => s.kind === 'device')).toHaveLength(1);
});

test('a device that only a person can open is told once and left alone', async () => {
  const [a, locked] = [await plug('01'), await plug('02')];
  locked.needs = 'its key';
  const { signals, lines, details } = run({ network: () => [a, locked] });
  await until(() => measured(signals, '01') >= 3, 'three polls of the open one');
  expect(locked.polls).toBe(0);
  expect(signals.filter((s) => s.kind === 'trouble')).toEqual([]);
  expect(lines.filter((l) => l.includes('found 02') && l.includes('which needs its key'))).toHaveLength(1);
  expect(details).toContain('1 of 1 answer, 1 found that need something first');
});

test('a search that fails is a warning, and what the settings name is polled all the same', async () => {
  const a = await plug('01');
  const { signals, lines, details } = run({
    settings: { hosts: [a.host] },
    network: () => {
      throw new Error('no such network');
    },
  });
  await until(() => measured(signals, '01') >= 1, 'first poll');
  expect(lines.filter((l) => l.includes('the search for devices failed: no such network'))).toHaveLength(1);
  await until(() => details.includes('1 of 1 answer'), 'health');
});

test('a host that announces devices without end costs a bounded number of them, one line, and none that the settings name', async () => {
  const mine = await plug('01');
  const strangers = (needs: string | undefined) =>
    Array.from({ length: mostFound + 200 }, (_, i) => {
      // Nobody listens at port 1.
      const host = `127.9.${Math.floor(i / 250)}.${(i % 250) + 1}:1`;
      return { id: `${needs ?? 'stranger'}-${i}`, host, needs };
    });
  const flood = [...strangers(undefined), ...strangers('a key')] as unknown as ToyPlug[];
  const { lines, details } = run({ network: () => flood, settings: { hosts: [mine.host] } });
  await expect
    .poll(() => details.at(-1))
    .toMatch(
      `1 of ${mostFound} answer, ${mostFound} found that need something first; no answer from 127.9.0.1:1, `,
    );
  expect(lines.filter((line) => line.includes('are left alone'))).toHaveLength(1);
});

test('a station that is let go in the middle of a poll leaves no connection behind', async () => {
  const stations: { open: boolean; polled: number }[] = [];
  const protocol: Protocol<ToyConfig> = {
    kind: 'toy',
    configured: () => [{ host: 'plug' }],
    // Who it is becomes known while its first poll is going on.
    async *discover() {
      yield { target: { id: '01', host: 'plug' }, found: { kind: 'toy', id: '01', host: 'plug' } };
    },
    open: () => {
      const state = { open: false, polled: 0 };
      stations.push(state);
      return {
        async poll() {
          await systemClock.sleep(50);
          state.open = true;
          state.polled += 1;
          return { station: '01', answers: [] };
        },
        close: () => void (state.open = false),
      };
    },
  };
  const stop = new AbortController();
  const driver = polledDriver({ kind: 'toy', title: 'Toy', config: toyConfig, example: {}, protocol });
  const ended = driver.run(toyConfig.parse({ poll_interval_seconds: 0.5 }), {
    clock: systemClock,
    log: new Logger({ level: 'fatal' }),
    signal: stop.signal,
    random: () => 0.5,
    emit: () => {},
    alive: () => {},
  });
  await until(() => stations.at(-1)!.polled > 0 && stations.length === 2, 'polled anew');
  expect(stations.map(({ open: isOpen }) => isOpen)).toEqual([false, true]);
  stop.abort();
  await ended;
  expect(stations.map(({ open: isOpen }) => isOpen)).toEqual([false, false]);
});
