/**
 * Which receipt to trust: Carbon's FIN on a connection per batch with an idle sentinel, or bytes acknowledged by TCP on
 * a lasting connection with hold-back. Both send 27 metrics a second to a real Carbon that goes through the same faults.
 * Needs root (a network namespace for the cuts) and graphite-carbon. `node bench/graphite-receipts.ts`
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GraphiteStats } from '#metrics/sinks/graphite/sink.ts';
import { startGraphite, type Graphite } from '../tests/servers/graphite.ts';
import { MetricsHouse, type MetricsHouseOptions } from '../tests/servers/metrics-house.ts';
import { countSettled, percentile } from './lib/counting.ts';
import { PersistentSink } from './lib/persistent-sink.ts';

// The ten minutes of replay and the minute of hold-back, scaled down like the faults.
const replayMinutes = 0.5;
const holdBackMs = 6_000;

const namespace = `lares-receipts-${process.pid}`;
if (!process.argv.includes('--inside')) {
  execFileSync('ip', ['netns', 'add', namespace]);
  try {
    execFileSync('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
    const again = ['netns', 'exec', namespace, process.execPath, process.argv[1]!, '--inside'];
    process.exitCode = spawnSync('ip', again, { stdio: 'inherit' }).status ?? 1;
  } finally {
    execFileSync('ip', ['netns', 'delete', namespace]);
  }
} else await main();

interface Row {
  readonly variant: string;
  readonly generated: number;
  readonly lost: number;
  readonly wrong: number;
  readonly claimed: number;
  readonly claimedWhileDeaf: number;
  readonly replayed: number;
  readonly receiptP50: string;
  readonly receiptP99: string;
  readonly cpuMs: number;
}

async function main(): Promise<void> {
  const rows = [
    await measure('FIN per batch + sentinel'),
    await measure('TCP-acked, persistent', (config, io) => new PersistentSink(config, io, holdBackMs)),
  ];
  console.table(rows);
  console.log(JSON.stringify({ bench: 'graphite-receipts', rows }));
  process.exit(0);
}

async function measure(variant: string, makeSink?: MetricsHouseOptions['makeSink']): Promise<Row> {
  // Few updates per second keep points in Carbon's memory for some seconds, as a busy disk does.
  const graphite = await startGraphite({ maxUpdatesPerSecond: 5 });
  const options: MetricsHouseOptions = {
    port: graphite.port,
    prefix: 'home.presence',
    intervalMs: 1000,
    graphite: { replay_minutes: replayMinutes, timeout_seconds: 2 },
    ...(makeSink && { makeSink }),
  };
  const houses = [new MetricsHouse(options).start()];
  const receipts: number[] = [];
  const watch = setInterval(() => {
    const stats = finStats(houses.at(-1)!);
    if (stats !== undefined && stats.lastSendMs > 0) receipts.push(stats.lastSendMs);
  }, 1000);
  const cpu = process.cpuUsage();
  const claims = () => houses.reduce((n, house) => n + house.successes, 0);
  let claimedWhileDeaf = 0;
  /** Nobody reads at the far end during this; the first second is left out, for receipts under way. */
  const deaf = async (ms: number) => {
    await sleep(1000);
    const before = claims();
    await sleep(ms - 1000);
    claimedWhileDeaf += claims() - before;
  };
  const crash = async () => {
    const before = houses.at(-1)!;
    await before.crash();
    houses.push(new MetricsHouse({ ...options, before }).start());
  };
  await faults(graphite, deaf, crash);
  clearInterval(watch);
  const house = houses.at(-1)!;
  house.stopTicking();
  await sleep(4_000);
  const { user, system } = process.cpuUsage(cpu);
  await house.stop();
  const count = await countSettled(graphite, house.expectation());
  await graphite.stop();
  const sinks = houses.map(({ sink }) => sink);
  const acknowledged = sinks.flatMap((sink) => (sink instanceof PersistentSink ? sink.acknowledgeMs : []));
  const times = acknowledged.length > 0 ? acknowledged : receipts;
  return {
    variant,
    generated: count.expected,
    lost: count.missing,
    wrong: count.wrong + count.surplus,
    claimed: claims(),
    claimedWhileDeaf,
    replayed: houses.reduce((n, one) => n + replayedBy(one), 0),
    receiptP50: `${percentile(times, 0.5).toFixed(1)} ms`,
    receiptP99: `${percentile(times, 0.99).toFixed(1)} ms`,
    cpuMs: Math.round((user + system) / 1000),
  };
}

function finStats(house: MetricsHouse): GraphiteStats | undefined {
  return house.sink instanceof PersistentSink ? undefined : house.graphite.stats();
}

function replayedBy(house: MetricsHouse): number {
  return house.sink instanceof PersistentSink ? house.sink.replayed : house.graphite.stats().replayedPoints;
}

/** Some 75 s of trouble, the same for each variant. */
async function faults(
  graphite: Graphite,
  deaf: (ms: number) => Promise<void>,
  crash: () => Promise<void>,
): Promise<void> {
  await sleep(5_000);
  console.log('kill -9, back at once');
  await graphite.restart();
  await sleep(5_000);
  console.log('kill -9, away for 3 s');
  await graphite.kill();
  await sleep(3_000);
  await graphite.startCarbon();
  await sleep(5_000);
  console.log('frozen for 3 s, then kill -9');
  graphite.pause();
  await deaf(3_000);
  await graphite.restart();
  await sleep(5_000);
  console.log('SIGTERM, back at once');
  await graphite.terminate();
  await graphite.startCarbon();
  await sleep(5_000);
  for (const ms of [2_000, 4_000, 8_000]) {
    console.log(`line cut for ${ms / 1000} s`);
    cut(graphite.port);
    await deaf(ms);
    mend();
    await sleep(4_000);
  }
  console.log('line cut for 4 s, Carbon restarts meanwhile');
  cut(graphite.port);
  await graphite.kill();
  await deaf(4_000);
  mend();
  await graphite.startCarbon();
  await sleep(4_000);
  console.log('we crash');
  await crash();
  await sleep(3_000);
  console.log('we crash while Carbon is away, which is back later');
  await graphite.kill();
  await crash();
  await sleep(3_000);
  await graphite.startCarbon();
  await sleep(4_000);
  console.log('frozen for 7 s, goes on');
  graphite.pause();
  await deaf(7_000);
  graphite.resume();
  await sleep(5_000);
}

function cut(port: number): void {
  const rules = ['dport', 'sport'].map((side) => `add rule inet cut wire tcp ${side} ${port} drop`);
  const chain = 'add chain inet cut wire { type filter hook output priority 0; }';
  execFileSync('nft', ['-f', '-'], { input: ['add table inet cut', chain, ...rules].join('\n') });
}

function mend(): void {
  execFileSync('nft', ['delete', 'table', 'inet', 'cut']);
}
