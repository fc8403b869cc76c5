/**
 * An hour of trouble: a real Carbon is killed, restarted, frozen, cut off and slowed while 27 metrics are measured every
 * 5 s beside a source that hangs. Every tick must be in Graphite afterwards, once.
 * `node bench/outage.ts [--minutes 60]`; needs graphite-carbon and graphite-web.
 */
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ReadingSource } from '#metrics/tick.ts';
import { startGraphite } from '../tests/servers/graphite.ts';
import { MetricsHouse } from '../tests/servers/metrics-house.ts';
import { TcpProxy } from '../tests/servers/tcp-proxy.ts';
import { countSettled, percentile } from './lib/counting.ts';
import { trouble } from './lib/faults.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const minutes = Number(values.minutes);
const settleMs = 30_000;
const nothing = () => {};

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

const happened = await trouble(scene, {
  untilMs: performance.now() + minutes * 60_000 - settleMs,
  seed: Number(values.seed),
});
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
