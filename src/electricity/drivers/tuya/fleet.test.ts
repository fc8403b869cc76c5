import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { runDriver } from '../../../../tests/contract/run-driver.ts';
import { ManualClock, scaledClock, systemClock } from '#platform/clock.ts';
import { polledDriver } from '../../fleet/driver.ts';
import type { ElectricitySignal } from '../../model.ts';
import { TuyaLink } from './link.ts';
import { config, example, protocol } from './driver.ts';
import { commands, type Version } from './model.ts';
import { TuyaSim } from './sim.ts';
import { Wire } from './wire.ts';

const key = '0123456789abcdef';
const driver = polledDriver({ kind: 'tuya', title: 'Tuya', config, example, protocol });
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

const idOf = (n: number) => `bf00000000000000dev${String(n).padStart(3, '0')}`;

async function simulate(n: number, host = '127.0.0.1', port = 0, watts = 100 + n): Promise<TuyaSim> {
  const version = (['3.1', '3.3', '3.4', '3.5'] as const)[n % 4]!;
  const sim = await new TuyaSim({ id: idOf(n), key, version, power: () => watts }).listen(port, host);
  closing.push(() => sim.close());
  return sim;
}

const measured = (signals: readonly ElectricitySignal[], n: number) =>
  signals.flatMap((s) => (s.kind === 'measured' && s.id === `tuya:${idOf(n)}` ? [s.values.power_watts] : []));

describe('a house full of Tuya devices', () => {
  it('goes on while some are silent, broken or away, and these come back', async () => {
    const sims = await Promise.all(Array.from({ length: 12 }, (_, n) => simulate(n)));
    for (const [n, fault] of [
      [0, 'hang'],
      [1, 'check'],
      [2, 'oversized'],
      [3, 'reset'],
      [4, 'garbage'],
      [5, 'drop'],
    ] as const)
      sims[n]!.fault(fault);
    const devices = sims.map((sim) => ({ id: sim.options.id, key, host: sim.host, port: sim.port }));
    const run = runDriver(driver, {
      poll_interval_seconds: 0.5,
      timeout_seconds: 1,
      devices: devices.map((d, n) => ({ ...d, version: sims[n]!.options.version })),
      discovery: { bind: '127.0.0.1', ports: [0], solicit_port: 0, listen_seconds: 0.1 },
    });
    closing.push(() => run.stop());
    await vi.waitFor(() => {
      for (let n = 6; n < 12; n += 1) expect(measured(run.signals, n).length).toBeGreaterThanOrEqual(3);
    }, 30_000);
    for (let n = 0; n < 6; n += 1) expect(measured(run.signals, n)).toEqual([]);
    await vi.waitFor(() => expect(run.signals.some((s) => s.kind === 'trouble')).toBe(true), 30_000);
    for (const sim of sims) sim.mend();
    await vi.waitFor(() => {
      for (let n = 0; n < 12; n += 1) expect(measured(run.signals, n)).toContain(100 + n);
    }, 30_000);
    const log = run.lines.join('\n');
    expect(log).not.toContain(key);
  });

  it('follows a device to another address by its id', async () => {
    const before = await simulate(1, '127.8.1.1');
    const { port } = before;
    const heard = await freeUdpPort();
    const settings = {
      poll_interval_seconds: 5,
      discovery_interval_seconds: 10,
      timeout_seconds: 20,
      devices: [{ id: idOf(1), key, host: '127.8.1.1', port, version: before.options.version }],
      discovery: { bind: '127.0.0.1', ports: [heard], solicit_port: 0, listen_seconds: 0.3 },
    };
    // Twenty times as fast, so that a search comes twice a second.
    const run = runDriver(driver, settings, scaledClock(20));
    closing.push(() => run.stop());
    await vi.waitFor(() => expect(measured(run.signals, 1)).toContain(101), 30_000);
    await before.close();
    const after = await simulate(1, '127.8.1.2', port, 777);
    after.keepAnnouncing('127.0.0.1', heard, 100);
    await vi.waitFor(() => expect(measured(run.signals, 1)).toContain(777), 30_000);
  });
});

describe.each<Version>(['3.1', '3.3', '3.4', '3.5'])('a connection of version %s', (version) => {
  async function linked(clock = new ManualClock()) {
    const sim = await new TuyaSim({ id: idOf(9), key, version }).listen();
    closing.push(() => sim.close());
    const link = new TuyaLink({
      host: sim.host,
      port: sim.port,
      id: idOf(9),
      key: Buffer.from(key),
      version,
      clock,
      heard: () => {},
    });
    closing.push(() => link.close());
    await link.connect({ signal: new AbortController().signal, ms: 60_000 });
    return { sim, link, clock };
  }

  it('is kept alive by a heartbeat at least every ten seconds', async () => {
    const { sim, link, clock } = await linked();
    for (let beat = 1; beat <= 4; beat += 1) {
      await clock.advance(10_000);
      await vi.waitFor(
        () => expect(sim.heard.filter((c) => c === 9).length).toBeGreaterThanOrEqual(beat),
        30_000,
      );
    }
    expect(link.open).toBe(true);
  });

  it('is given up when the other side has gone without a word', async () => {
    const { sim, link, clock } = await linked();
    sim.fault('hang');
    await clock.advance(60_000);
    expect(link.open).toBe(false);
  });

  it('settles everything that waits when it ends', async () => {
    const { sim, link } = await linked(systemClock as ManualClock);
    sim.fault('hang');
    const limit = { signal: new AbortController().signal, ms: 60_000 };
    const ask = () => link.exchange({ command: 10, body: Buffer.from('{}') }, () => true as const, limit);
    // Before it has taken the connection, it has none to cut.
    await vi.waitFor(() => expect(sim.clients).toBe(1), 30_000);
    const waiting = [ask(), ask(), ask()].map((p) => p.catch((error: { code: string }) => error.code));
    sim.disconnect();
    expect(await Promise.all(waiting)).toEqual(['UNREACHABLE', 'UNREACHABLE', 'UNREACHABLE']);
  });
});

describe.each<Version>(['3.4', '3.5'])('a session of version %s', (version) => {
  it('is refused when the other side cannot prove that it knows the local key', async () => {
    const server = createServer((socket) => {
      const wire = new Wire(version, Buffer.from(key), 'device');
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        const { sequence } = wire.decode(chunk);
        socket.write(wire.encode(commands.sessionAnswer, Buffer.alloc(48, 7), { sequence, retcode: 0 }));
      });
    });
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
    );
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const link = new TuyaLink({
      host: '127.0.0.1',
      port,
      id: idOf(9),
      key: Buffer.from(key),
      version,
      clock: new ManualClock(),
      heard: () => {},
    });
    await expect(link.connect({ signal: new AbortController().signal, ms: 60_000 })).rejects.toMatchObject({
      code: 'AUTH_REFUSED',
    });
    expect(link.open).toBe(false);
  });
});
