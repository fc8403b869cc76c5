import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { freePort } from '../../../../tests/servers/process.ts';
import { TcpProxy } from '../../../../tests/servers/tcp-proxy.ts';
import type { HttpFault } from '../shared/sim-http.ts';
import { config, example, protocol } from './http-driver.ts';
import { TasmotaSim, type TasmotaSimOptions } from './sim.ts';

const start = Date.UTC(2026, 0, 1);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});
const soon = () => AbortSignal.timeout(60_000);
const log = new Logger({ write: () => {}, now: () => 0, level: 'error' });

async function pair(options: TasmotaSimOptions = {}, settings: object = {}) {
  const clock = new ManualClock(start);
  const sim = await new TasmotaSim({ clock, ...options }).listen();
  const station = protocol.open({ host: sim.host }, config.parse(settings), {
    clock,
    log,
    random: Math.random,
  });
  closing.push(
    () => sim.close(),
    () => station.close(),
  );
  return { clock, sim, station };
}

it('takes its example and refuses unknown keys', () => {
  expect(protocol.configured(config.parse(example))).toEqual([
    { host: '192.0.2.30', name: 'Washing machine' },
  ]);
  expect(() => config.parse({ topic: 'x' })).toThrow('topic');
});

describe('polling', () => {
  it('reads a plug with one request', async () => {
    const { station, clock } = await pair({ name: 'Kettle', power: () => 2000 });
    await clock.advance(1_800_000);
    expect(await station.poll(soon())).toEqual({
      station: 'tasmota:02000000000a',
      mac: '02:00:00:00:00:0a',
      answers: [
        {
          device: {
            id: 'tasmota:02000000000a',
            source: 'tasmota',
            name: 'Kettle',
            model: 'Simulated plug',
            firmware: '14.4.1',
            mac: '02:00:00:00:00:0a',
            address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
          },
          values: {
            power_watts: 2000,
            voltage_volts: 231,
            current_amps: 8.658,
            apparent_power_va: 2000,
            reactive_power_var: 0,
            power_factor: 1,
            energy_wh: 1000,
            is_on: 1,
          },
          switches: { turn: expect.any(Function) as unknown },
        },
      ],
    });
  });

  it('reads a three-phase meter as one device and a strip as several', async () => {
    const meter = await pair({ power: [() => 10, () => 20, () => -5], relays: 0, phases: true });
    const strip = await pair({ power: [() => 10, () => 20], relays: 2, splitTotals: true });
    await strip.clock.advance(3_600_000);
    const ids = ({ answers }: Awaited<ReturnType<typeof meter.station.poll>>) =>
      answers.map((a) => [a.device.id, a.values.power_watts, a.values.energy_wh]);
    expect(ids(await meter.station.poll(soon()))).toEqual([['tasmota:02000000000a', 25, 0]]);
    expect(ids(await strip.station.poll(soon()))).toEqual([
      ['tasmota:02000000000a', 30, 30],
      ['tasmota:02000000000a/1', 10, 10],
      ['tasmota:02000000000a/2', 20, 20],
    ]);
  });

  it.each([[1], [2]])('switches the last of %i relays and reads back', async (relays) => {
    const { station, sim } = await pair({ relays, power: Array.from({ length: relays }, () => () => 5) });
    const last = (await station.poll(soon())).answers.at(-1);
    expect([await last?.switches?.turn(false, soon()), sim.isOn(relays - 1)]).toEqual([false, false]);
    expect([await last?.switches?.turn(true, soon()), sim.isOn(relays - 1)]).toEqual([true, true]);
  });

  it('signs in, and says what to do where it cannot', async () => {
    const right = await pair({ password: 'p&w d' }, { password: 'p&w d' });
    await expect(right.station.poll(soon())).resolves.toMatchObject({ mac: '02:00:00:00:00:0a' });
    const wrong = await pair({ password: 'right' }, { password: 'wrong-and-secret' });
    const error = await wrong.station.poll(soon()).then(
      () => undefined,
      (e: Error) => e,
    );
    expect(error).toMatchObject({
      code: 'AUTH_REFUSED',
      message: 'the Tasmota wants its web password; set password for this device or for all of them',
    });
    expect(error?.message).not.toContain('secret');
  });
});

describe('a bad line', () => {
  it.each([
    ['drop', 'UNREACHABLE'],
    ['garbage', 'UNREACHABLE'],
    ['bad-json', 'BAD_REPLY'],
    ['reset', 'UNREACHABLE'],
    ['busy', 'UNREACHABLE'],
    ['unauthorized', 'AUTH_REFUSED'],
    ['merge', 'UNREACHABLE'],
    ['hang', 'TIMEOUT'],
  ] as const satisfies readonly (readonly [HttpFault, string])[])(
    '%s is %s, and the next poll works',
    async (fault, code) => {
      const { station, sim } = await pair({}, { password: 'wrong-and-secret' });
      sim.fault(fault);
      const limit = code === 'TIMEOUT' ? AbortSignal.timeout(200) : soon();
      const error = await station.poll(limit).then(
        () => undefined,
        (e: Error) => e,
      );
      expect(error).toMatchObject({ code });
      expect(error?.message).not.toContain('secret');
      sim.heal(fault);
      await expect(station.poll(soon())).resolves.toMatchObject({ station: 'tasmota:02000000000a' });
    },
  );

  it.each([['split'], ['slow']] as const)('%s does no harm', async (fault) => {
    const { station, sim } = await pair();
    sim.fault(fault);
    await expect(station.poll(soon())).resolves.toMatchObject({ station: 'tasmota:02000000000a' });
  });

  it('through a line that breaks in mid-reply is an error that can be tried again', async () => {
    const { sim } = await pair();
    const proxy = new TcpProxy();
    await proxy.start(Number(sim.host.split(':')[1]));
    closing.push(() => proxy.stop());
    proxy.line = { mode: 'reset', afterBytes: 20 };
    const station = protocol.open({ host: `127.0.0.1:${proxy.port}` }, config.parse({}), {
      clock: new ManualClock(start),
      log,
      random: Math.random,
    });
    await expect(station.poll(soon())).rejects.toMatchObject({ code: 'UNREACHABLE' });
    proxy.line = { mode: 'pass' };
    await expect(station.poll(soon())).resolves.toMatchObject({ station: 'tasmota:02000000000a' });
  });
});

async function search(settings: object) {
  const found = [];
  for await (const one of protocol.discover!(config.parse(settings), { signal: soon() })) found.push(one);
  return found;
}

it('shows the password only to what asks for it as a Tasmota does', async () => {
  const urls: string[] = [];
  const router = createServer((request, response) => {
    urls.push(request.url ?? '');
    response.writeHead(401).end('<html>Sign in</html>');
  });
  const port = await freePort();
  await new Promise<void>((resolve) => router.listen(port, '127.0.9.1', resolve));
  const open = await new TasmotaSim({ mac: '02000000000B' }).listen(port, '127.0.9.2');
  const locked = await new TasmotaSim({ mac: '02000000000C', password: 'secret' }).listen(port, '127.0.9.5');
  closing.push(() => router.close(), ...[open, locked].map((sim) => () => sim.close()));
  const all = await search({ networks: ['127.0.9.0/29'], port, password: 'secret' });
  expect(new Map(all.map(({ target, found }) => [target.id, target.needs ?? found.needs]))).toEqual(
    new Map([
      ['tasmota:02000000000b', undefined],
      ['tasmota:02000000000c', undefined],
    ]),
  );
  expect(urls).toEqual(['/cm?cmnd=Status%200']);
  const wrong = await search({ networks: ['127.0.9.5/32'], port, password: 'wrong-one' });
  expect(wrong.map(({ target }) => [target.host, target.needs])).toEqual([[`127.0.9.5:${port}`, undefined]]);
});

it('finds the devices of a network, also one that wants a password', async () => {
  const port = await freePort();
  const sims = [
    await new TasmotaSim({ mac: '02000000000B', name: 'Kettle' }).listen(port, '127.0.9.2'),
    await new TasmotaSim({ mac: '02000000000C', password: 'secret' }).listen(port, '127.0.9.5'),
  ];
  closing.push(...sims.map((sim) => () => sim.close()));
  const found = await search({ networks: ['127.0.9.0/29'], port });
  const needs = 'its web password: electricity.tasmota_http.password, or one of its own';
  expect(found.toSorted((a, b) => a.target.host.localeCompare(b.target.host))).toEqual([
    {
      target: { id: 'tasmota:02000000000b', host: `127.0.9.2:${port}`, mac: '02:00:00:00:00:0b' },
      found: {
        kind: 'tasmota_http',
        id: 'tasmota:02000000000b',
        host: `127.0.9.2:${port}`,
        name: 'Kettle',
        model: 'Simulated plug',
        mac: '02:00:00:00:00:0b',
        firmware: '14.4.1',
        metered: true,
      },
    },
    {
      target: { host: `127.0.9.5:${port}`, needs },
      found: {
        kind: 'tasmota_http',
        id: `127.0.9.5:${port}`,
        host: `127.0.9.5:${port}`,
        needs,
      },
    },
  ]);
});
