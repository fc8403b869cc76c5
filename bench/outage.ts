/**
 * An hour of trouble: a real Carbon is killed, restarted, frozen, cut off and slowed while 27 metrics are measured every
 * 5 s beside a source that hangs. Every tick must be in Graphite afterwards, once.
 * `node bench/outage.ts [--minutes 60]`; needs graphite-carbon and graphite-web.
 */
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ReadingSource } from '#metrics/tick.ts';
import { startGraphite, type Graphite } from '../tests/servers/graphite.ts';
import { MetricsHouse } from '../tests/servers/metrics-house.ts';
import { TcpProxy } from '../tests/servers/tcp-proxy.ts';
import { countSettled, percentile } from './counting.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const minutes = Number(values.minutes);
const settleMs = 30_000;

/** Numbers between 0 and 1 that are the same in each run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Scene {
  readonly graphite: Graphite;
  readonly proxy: TcpProxy;
}

interface Fault {
  readonly name: string;
  readonly begin: (scene: Scene) => void | Promise<void>;
  readonly end: (scene: Scene) => void | Promise<void>;
  /** Shortest and longest duration in seconds. */
  readonly seconds: readonly [number, number];
}

const pass = ({ proxy }: Scene) => void (proxy.line = { mode: 'pass' });
const nothing = () => {};

const faults: readonly Fault[] = [
  {
    name: 'kill -9, back at once',
    begin: ({ graphite }) => graphite.restart(),
    end: nothing,
    seconds: [0, 0],
  },
  {
    name: 'SIGTERM, away',
    begin: ({ graphite }) => graphite.terminate(),
    end: ({ graphite }) => graphite.startCarbon(),
    seconds: [5, 60],
  },
  {
    name: 'kill -9, away',
    begin: ({ graphite }) => graphite.kill(),
    end: ({ graphite }) => graphite.startCarbon(),
    seconds: [5, 60],
  },
  {
    name: 'frozen',
    begin: ({ graphite }) => graphite.pause(),
    end: ({ graphite }) => graphite.resume(),
    seconds: [3, 40],
  },
  {
    name: 'frozen, then kill -9',
    begin: ({ graphite }) => graphite.pause(),
    end: ({ graphite }) => graphite.restart(),
    seconds: [3, 40],
  },
  {
    name: 'black hole',
    begin: ({ proxy }) => void (proxy.line = { mode: 'hang' }),
    end: (scene) => (scene.proxy.cut(), pass(scene)),
    seconds: [6, 60],
  },
  {
    name: 'resets in mid-batch',
    begin: ({ proxy }) => void (proxy.line = { mode: 'reset', afterBytes: 500 }),
    end: pass,
    seconds: [6, 30],
  },
  {
    name: 'slow line, 300 B/s',
    begin: ({ proxy }) => void (proxy.line = { mode: 'slow', bytesPerSecond: 300 }),
    end: pass,
    seconds: [6, 30],
  },
];

/** A server that takes every request and never answers, and a source that asks it each tick, as a poller would. */
async function hangingSource(): Promise<ReadingSource> {
  const server = createServer((socket) => void socket.on('error', nothing)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    name: 'homeassistant',
    *read() {
      void fetch(`http://127.0.0.1:${port}/api/states`, { signal: AbortSignal.timeout(10_000) }).catch(
        nothing,
      );
      yield* [];
    },
  };
}

const graphite = await startGraphite({ schema: '5s:2d', maxUpdatesPerSecond: 20 });
const proxy = new TcpProxy();
await proxy.start(graphite.port);
const scene = { graphite, proxy };
const house = new MetricsHouse({
  port: proxy.port,
  prefix: 'home.presence',
  intervalMs: 5_000,
  sources: [await hangingSource()],
}).start();

const endAt = performance.now() + minutes * 60_000 - settleMs;
const random = seeded(Number(values.seed));
const happened = new Map<string, number>();
let deck: Fault[] = [];
while (performance.now() < endAt) {
  await sleep(Math.min(5_000 + random() * 25_000, Math.max(0, endAt - performance.now())));
  if (performance.now() >= endAt) break;
  // Each kind once before any comes again, in an order of its own.
  if (deck.length === 0)
    deck = faults
      .map((fault) => ({ fault, order: random() }))
      .toSorted((a, b) => a.order - b.order)
      .map(({ fault }) => fault);
  const fault = deck.pop()!;
  const [shortest, longest] = fault.seconds;
  const ms = Math.min(
    (shortest + random() * (longest - shortest)) * 1000,
    Math.max(0, endAt - performance.now()),
  );
  happened.set(fault.name, (happened.get(fault.name) ?? 0) + 1);
  console.log(`${new Date().toISOString()} ${fault.name} for ${(ms / 1000).toFixed(0)} s`);
  await fault.begin(scene);
  await sleep(ms);
  await fault.end(scene);
}
await sleep(settleMs);
house.stopTicking();
await sleep(2_000);
const stats = house.graphite.stats();
const count = await countSettled(graphite, house.expectation());
const gaps = house
  .expectation()
  .ticks.slice(1)
  .filter((at, i) => at - house.expectation().ticks[i]! !== 5_000).length;
const late = house.tick.stats().jitter.recent;
await house.stop();
await proxy.stop();
await graphite.stop();
const figures = {
  minutes,
  ticks: count.ticks,
  gapsBetweenTicks: gaps,
  points: count.expected,
  present: count.present,
  missing: count.missing,
  wrongValue: count.wrong,
  surplusInstants: count.surplus,
  jitterP50Ms: percentile(late, 0.5),
  jitterP99Ms: percentile(late, 0.99),
  jitterMaxMs: house.tick.stats().jitterMaxMs,
  confirmedLive: stats.sentBatches,
  successLines: house.successes,
  failures: stats.failuresTotal,
  replayedPoints: stats.replayedPoints,
  reconnects: stats.reconnectsTotal,
  errorLines: house.lines.filter((line) => line.includes('graphite error')).length,
};
console.table(Object.fromEntries(happened));
console.table(figures);
console.log(JSON.stringify({ bench: 'outage', ...figures }));
process.exit(count.missing + count.wrong + count.surplus === 0 ? 0 : 1);
