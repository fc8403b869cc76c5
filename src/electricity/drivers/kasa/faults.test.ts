import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { xorFrame } from './codec.ts';
import type { KasaFault } from './sim.ts';
import type { SimModelName, SimWay } from './sim-models.ts';
import { closeAll, closers, device, last, signal, watch } from './watch.fixture.ts';
import { XorLink } from './xor-link.ts';

afterEach(closeAll);

describe.each<[SimModelName, SimWay]>([
  ['KP115', 'xor'],
  ['KP115', 'klap1'],
  ['P110', 'klap2'],
  ['P110', 'aes'],
])('on the way to a %s (%s)', (model, way) => {
  const outcome: Readonly<Partial<Record<KasaFault, RegExp>>> = {
    drop: /UNREACHABLE/,
    hang: /TIMEOUT/,
    garbage: /BAD_REPLY/,
    oversized: /BAD_REPLY/,
    reset: /UNREACHABLE/,
  };

  test.each(Object.keys(outcome) as (keyof typeof outcome)[])(
    '%s fails one poll, and the next one after it works',
    async (fault) => {
      const sim = await device({ model, way });
      const { poll } = watch(sim);
      await poll();
      sim.fault(fault);
      const error: unknown = await poll(fault === 'hang' ? 300 : 60_000).catch((e: unknown) => e);
      expect((error as { code?: string }).code).toMatch(outcome[fault]!);
      sim.heal();
      expect(last(await poll()).values.is_on).toBe(1);
    },
  );

  test.each(['split', 'merge', 'slow'] as const)('%s changes nothing', async (fault) => {
    const sim = await device({ model, way });
    sim.fault(fault);
    const { poll } = watch(sim);
    expect([last(await poll()).values.is_on, last(await poll()).values.is_on]).toEqual([1, 1]);
  });

  test('a reply that comes twice is never the answer to the next question', async () => {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    sim.fault('twice');
    for (const on of [false, true, false]) {
      sim.meters[0]!.on = on;
      expect(last(await poll()).values.is_on).toBe(on ? 1 : 0);
    }
  });

  test('a device that lost its power without a word costs one poll', async () => {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    sim.fault('half-open');
    await expect(poll(200)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(last(await poll()).values.is_on).toBe(1);
  });

  test('a connection that the device closed while nothing was asked costs nothing', async () => {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    sim.reboot();
    expect(last(await poll()).values.is_on).toBe(1);
  });

  test('it keeps one connection, and none after it was closed', async () => {
    const sim = await device({ model, way });
    const { poll, station } = watch(sim);
    for (let i = 0; i < 5; i += 1) await poll();
    expect(sim.connections).toBe(1);
    station.close();
    await expect.poll(() => sim.connections).toBe(0);
  });
});

test('a reply with a wrong signature is refused', async () => {
  for (const [way, model] of [
    ['klap1', 'KP115'],
    ['klap2', 'P110'],
    ['aes', 'P110'],
  ] as const) {
    const sim = await device({ model, way });
    const { poll } = watch(sim);
    await poll();
    sim.fault('bad-tag');
    await expect(poll()).rejects.toMatchObject({ code: 'BAD_REPLY' });
    sim.heal();
    expect(last(await poll()).values.is_on).toBe(1);
  }
});

test('one silent device among twenty delays none of the others', async () => {
  const sims = await Promise.all(Array.from({ length: 20 }, () => device({ model: 'KP115', way: 'klap2' })));
  const watched = sims.map((sim) => watch(sim, { target: { way: 'klap' } }));
  await Promise.all(watched.map((w) => w.poll()));
  sims[7]!.fault('hang');
  const stop = new AbortController();
  const silent = expect(watched[7]!.station.poll(stop.signal)).rejects.toMatchObject({ code: 'TIMEOUT' });
  // It is waited for until all others have answered.
  await Promise.all(watched.filter((_, i) => i !== 7).map((w) => w.poll()));
  stop.abort();
  await silent;
});

test('a part of a stray reply behind a reply spoils nothing that is asked later', async () => {
  const reply = xorFrame(
    '{"system":{"get_sysinfo":{"type":"IOT.SMARTPLUGSWITCH","model":"HS100","relay_state":1}}}',
  );
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    let owed: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', () => {
      socket.write(Buffer.concat([owed, reply, reply.subarray(0, 20)]));
      owed = reply.subarray(20);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const link = new XorLink('127.0.0.1', (server.address() as AddressInfo).port);
  closers.push(() => link.close());
  for (let i = 1; i <= 3; i += 1) {
    const answer = await link.ask('{"system":{"get_sysinfo":{}}}', signal());
    expect(answer).toMatchObject({ system: { get_sysinfo: { relay_state: 1 } } });
    expect(connections).toBe(i);
  }
});
