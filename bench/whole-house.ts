/**
 * The whole program in an hour of trouble: `lares run` as a process of its own watches a LAN of 20 hosts by raw ARP while
 * a real Carbon is killed, restarted, frozen, cut off and slowed and Home Assistant hangs, stays mute or refuses. Every
 * slot of 5 s must be in Graphite afterwards, once, with the value that was measured.
 * `node bench/whole-house.ts [--minutes 60] [--seed 1]`; needs root, graphite-carbon and graphite-web.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { DetailedHealthBody } from '#http/contract.ts';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { startGraphite } from '../tests/servers/graphite.ts';
import { enterNetwork, startLares, writeSettings } from '../tests/servers/house.ts';
import { emulatedLan, someHosts } from '../tests/servers/lan.ts';
import { scratch } from '../tests/servers/process.ts';
import { TcpProxy } from '../tests/servers/tcp-proxy.ts';
import { countSettled } from './lib/counting.ts';
import { seeded, trouble } from './lib/faults.ts';
import { householdOf, measured, slots } from './lib/house.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' } },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const intervalMs = 5_000;
const settleMs = 30_000;

const hosts = someHosts(20);
await using lan = await emulatedLan({
  network: '10.77.0.0/24',
  hosts,
  latencyMs: [1, 8],
  broadcastLoss: 0.02,
  seed,
});
const leave = enterNetwork(lan.hub.name);
const { dir, remove } = scratch('whole-house');
mkdirSync(`${dir}/data`);
const graphite = await startGraphite({ schema: '5s:2d', maxUpdatesPerSecond: 20 });
const proxy = new TcpProxy();
await proxy.start(graphite.port);
const homeAssistant = await new HomeAssistantSim().listen();
const people = householdOf(hosts);
for (const { person } of people) homeAssistant.setState(`person.${person}`, 'home');
writeSettings(dir, {
  http: { port: 0 },
  wifi: { networks: [lan.network] },
  homeassistant: { url: homeAssistant.url, token: homeAssistant.token, poll_interval_seconds: 10 },
  graphite: { host: '127.0.0.1', port: proxy.port },
  presence: { people },
});
const house = startLares({ dir });
await house.url();

const over = new AbortController();

/** Home Assistant hangs, stays mute, refuses and drops its connections, by turns. */
async function troubleAtHomeAssistant(): Promise<Map<string, number>> {
  const random = seeded(seed + 1);
  const happened = new Map<string, number>();
  const kinds = {
    hangs: () => ((homeAssistant.fault = 'hang'), (homeAssistant.mute = true), homeAssistant.dropSockets()),
    'stays mute': () => void (homeAssistant.mute = true),
    'answers slowly': () => void (homeAssistant.fault = 'slow'),
    'gives an HTML page': () => void (homeAssistant.fault = 'html'),
    'answers 503': () => ((homeAssistant.fault = { status: 503 }), homeAssistant.dropSockets()),
  };
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  for (let i = 0; !over.signal.aborted; i += 1) {
    const name = names[i % names.length]!;
    happened.set(name, (happened.get(name) ?? 0) + 1);
    console.log(`${new Date().toISOString()} Home Assistant ${name}`);
    kinds[name]();
    await sleep(20_000 + random() * 70_000, undefined, { signal: over.signal }).catch(() => {});
    homeAssistant.fault = undefined;
    homeAssistant.mute = false;
    await sleep(5_000 + random() * 25_000, undefined, { signal: over.signal }).catch(() => {});
  }
  return happened;
}

/** Phones leave the LAN and come back, so that there is something to decide. */
async function comings(): Promise<void> {
  const random = seeded(seed + 2);
  while (!over.signal.aborted) {
    await sleep(30_000 + random() * 60_000, undefined, { signal: over.signal }).catch(() => {});
    const host = hosts[Math.floor(random() * people.length)]!;
    lan.tell({ do: 'change', host: { ...host, silent: random() < 0.5 } });
  }
}

const untilMs = performance.now() + minutes * 60_000 - settleMs;
const atHomeAssistant = troubleAtHomeAssistant();
const coming = comings();
const happened = await trouble({ graphite, proxy }, { untilMs, seed });
over.abort();
await coming;
for (const [name, count] of await atHomeAssistant) happened.set(`Home Assistant ${name}`, count);
await sleep(settleMs);

const health = await house.get<DetailedHealthBody>('/health/detailed');
const exit = await house.stop();
const kept = await measured(`${dir}/data`);
const ticks = slots(kept.ticks, intervalMs);
const count = await countSettled(graphite, { ticks, series: kept.series, valueOf: kept.valueOf });
const sink = health.sinks[0];
const figures = {
  minutes,
  slots: ticks.length,
  ticksMeasured: kept.ticks.length,
  ticksSkipped: health.tick.missed,
  points: count.expected,
  present: count.present,
  missing: count.missing,
  wrongValue: count.wrong,
  surplusInstants: count.surplus,
  jitterP50Ms: health.tick.jitter_p50_ms,
  jitterP99Ms: health.tick.jitter_p99_ms,
  jitterMaxMs: health.tick.jitter_max_ms,
  successLines: house.count(/Successfully sent/),
  failures: sink?.failures_total,
  sentPoints: sink?.sent_total,
  backlogAtEnd: sink?.backlog,
  graphiteErrorLines: house.count(/graphite.*error/),
  homeAssistantErrorLines: house.count(/homeassistant.*error/),
  transitions: house.count(/Detected \w+ (at home|away)|\w+ (left|arrived)/),
  linesPerMinute: Math.round(house.lines.length / minutes),
  rssMiB: Math.round(health.memory.rss_bytes / 2 ** 20),
  exit,
};
console.table(Object.fromEntries(happened));
console.table(figures);
console.log(JSON.stringify({ bench: 'whole-house', ...figures }));
if (count.missing > 0)
  console.log(`missing at ${count.missingTicks.map((at) => new Date(at).toISOString()).join(' ')}`);
await proxy.stop();
await homeAssistant.close();
await graphite.stop();
leave();
remove();
process.exitCode = count.missing + count.wrong + count.surplus === 0 && exit === 0 ? 0 : 1;
