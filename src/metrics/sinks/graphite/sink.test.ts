import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import { MemoryReadings, MemoryState } from '../../../../tests/servers/memory-store.ts';
import { freePort, until } from '../../../../tests/servers/process.ts';
import { graphiteConfig } from '../../config.ts';
import type { SavedLedger } from './rules.ts';
import { GraphiteSink, stateKey } from './sink.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const minute = 60_000;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function running(state: MemoryState, settings: object) {
  const clock = new ManualClock(now);
  const readings = new MemoryReadings();
  const lines: string[] = [];
  const log = new Logger({ write: (line) => lines.push(line), now: () => clock.now() });
  const config = graphiteConfig.parse({ host: '127.0.0.1', timeout_seconds: 30, ...settings });
  const sink = new GraphiteSink(config, { clock, log, health: new Health(clock), readings, state });
  const stop = new AbortController();
  const ended = sink.run(stop.signal);
  const end = async () => {
    stop.abort();
    await ended;
  };
  ends.push(end);
  const tick = async () => {
    const batch = { at: clock.now(), values: new Map([['home.presence.count_home', 1]]) };
    await readings.append(batch);
    sink.offer(batch);
  };
  return { clock, lines, sink, tick, end };
}

/** A state table that cannot be read at first, as that of a PostgreSQL that restarts. */
class LateState extends MemoryState {
  readable = false;

  override async get<T>(key: string): Promise<T | undefined> {
    if (!this.readable) throw new LaresError('STORE_UNAVAILABLE', 'the database restarts');
    return super.get<T>(key);
  }
}

test('what earlier runs could not send is not forgotten when the database cannot tell it at the start', async () => {
  const old = { from: now - 3 * 1440 * minute, to: now - 2 * 1440 * minute };
  const state = new LateState();
  await state.set(stateKey, { pending: [old], recent: [], through: now - minute });
  const { clock, sink, tick, end, lines } = await running(state, { port: await freePort() });
  await tick();
  await sink.attempted;
  state.readable = true;
  await clock.advance(minute);
  await end();
  const saved = await state.get<SavedLedger>(stateKey);
  expect(saved?.pending[0]).toEqual(old);
  expect(saved?.pending.at(-1)).toEqual({ from: now - 10 * minute, to: now + minute });
  expect(lines.filter((line) => line.includes('cannot be read'))).toHaveLength(1);
});

test('a render address that is not that of graphite-web is told once, without its password', async () => {
  let requests = 0;
  const web = createServer((_request, reply) => {
    requests += 1;
    reply.writeHead(404).end('no such page');
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  ends.push(() => new Promise((resolve) => web.close(resolve)));
  // Reads to the end and then says goodbye, as Carbon does.
  const carbon = createTcpServer((socket) => void socket.resume().on('error', () => {}));
  await new Promise<void>((resolve) => carbon.listen(0, '127.0.0.1', resolve));
  ends.push(() => new Promise((resolve) => carbon.close(resolve)));
  const port = (web.address() as AddressInfo).port;
  const house = await running(new MemoryState(), {
    port: (carbon.address() as AddressInfo).port,
    render_url: `http://alex:geheim@127.0.0.1:${port}/graphite`,
  });
  await house.tick();
  await until(() => house.sink.stats().connected);
  const told = () => house.lines.filter((line) => line.includes('answered 404'));
  await house.clock.advance(5_000);
  await house.tick();
  await house.clock.advance(10 * minute);
  await until(() => told().length > 0);
  // The next audit finds the same.
  for (let i = 0; i < 2; i += 1) {
    await house.tick();
    await house.clock.advance(5 * minute);
  }
  await until(() => requests > 1);
  expect(told()).toHaveLength(1);
  expect(told()[0]).toContain(`http://127.0.0.1:${port}/graphite/render answered 404`);
});
