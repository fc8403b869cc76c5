import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { scaledClock, systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { until } from '../../../../tests/servers/process.ts';
import { polledDriver } from '../../fleet/driver.ts';
import type { ElectricitySignal } from '../../model.ts';
import { config, example, protocol } from './driver.ts';
import { KasaSim, simLogin, type KasaSimOptions } from './sim.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '0.0.0.0', () => resolve()));
  const { port } = socket.address() as AddressInfo;
  socket.close();
  return port;
}

async function device(options: KasaSimOptions): Promise<KasaSim> {
  const sim = await new KasaSim(options).listen();
  closers.push(() => sim.close());
  return sim;
}

function run(settings: object, clock = systemClock) {
  const signals: ElectricitySignal[] = [];
  const stop = new AbortController();
  const driver = polledDriver({ kind: 'kasa', title: 'Kasa', config, example, protocol });
  const ended = driver.run(
    config.parse({ poll_interval_seconds: 0.5, timeout_seconds: 0.4, ...simLogin, ...settings }),
    {
      clock,
      log: silent,
      signal: stop.signal,
      random: Math.random,
      emit: (signal) => signals.push(signal),
      alive: () => {},
    },
  );
  closers.push(() => (stop.abort(), ended));
  const measured = (id: string) =>
    signals.filter((s) => s.kind === 'measured' && s.id === `kasa:${id}`).length;
  const addresses = () => signals.flatMap((s) => (s.kind === 'device' ? [s.device.address] : []));
  const troubles = () => signals.flatMap((s) => (s.kind === 'trouble' ? [s.address] : []));
  return { signals, measured, addresses, troubles };
}

test('one device that hangs keeps the others at their pace, and comes back by itself', async () => {
  const ports = { local: await freePort(), http: await freePort() };
  const sims = [
    await device({ model: 'KP115', host: '127.7.21.1', mac: '02:00:00:00:00:01', ports }),
    await device({ model: 'P110', host: '127.7.21.2', mac: '02:00:00:00:00:02', ports }),
    await device({ model: 'HS300', host: '127.7.21.3', mac: '02:00:00:00:00:03', ports }),
  ];
  const { measured, troubles } = run({
    ports,
    timeout_seconds: 5,
    devices: sims.map((s) => ({ host: s.host })),
  });
  const all = ['020000000001', '020000000002', '020000000003', '020000000003/05'];
  await until(() => all.every((id) => measured(id) > 0));
  sims[1]!.fault('hang');
  await until(() => troubles().length > 0);
  const before = measured('020000000001');
  await until(() => measured('020000000001') >= before + 3);
  expect(new Set(troubles())).toEqual(new Set(['127.7.21.2']));
  sims[1]!.heal();
  const missed = measured('020000000002');
  await until(() => measured('020000000002') > missed);
});

test.each([
  ['KP115', 'xor'],
  ['P110', 'klap2'],
] as const)(
  'a %s (%s) that was given another address is found there under its identity',
  async (model, way) => {
    const ports = { local: await freePort(), http: await freePort(), discovery: [await freePort()] };
    const network = way === 'xor' ? '127.7.22' : '127.7.23';
    const sim = await device({ model, way, host: `${network}.2`, mac: '02:00:00:00:00:04', ports });
    const { measured, addresses } = run(
      {
        ports,
        networks: [`${network}.0/29`],
        discovery_interval_seconds: 10,
        poll_interval_seconds: 5,
        timeout_seconds: 5,
      },
      scaledClock(20),
    );
    await until(() => measured('020000000004') > 0);
    await sim.moveTo(`${network}.5`);
    const before = measured('020000000004');
    await until(() => measured('020000000004') > before);
    expect([addresses()[0], addresses().at(-1)]).toEqual([`${network}.2`, `${network}.5`]);
  },
);
