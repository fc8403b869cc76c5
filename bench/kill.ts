/**
 * The service is killed by SIGKILL at random moments and started again at once on the same data directory, beside a real
 * Carbon and a LAN of 20 hosts. Which slots of 5 s are missing in Graphite, what is there twice, and does anybody seem to
 * leave because of it?
 * `node bench/kill.ts [--kills 20] [--seed 1]`; needs root, graphite-carbon and graphite-web.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { startGraphite } from '../tests/servers/graphite.ts';
import { enterNetwork, startLares, writeSettings } from '../tests/servers/house.ts';
import { emulatedLan, someHosts } from '../tests/servers/lan.ts';
import { scratch } from '../tests/servers/process.ts';
import { countSettled, percentile } from './lib/counting.ts';
import { seeded } from './lib/faults.ts';
import { householdOf, measured, slots } from './lib/house.ts';

const { values } = parseArgs({
  options: { kills: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } },
});
const kills = Number(values.kills);
const random = seeded(Number(values.seed));
const intervalMs = 5_000;

// Four people are at home with their phones, two are out.
const hosts = someHosts(20).map((host, i) => ({ ...host, silent: i === 4 || i === 5 }));
await using lan = await emulatedLan({ network: '10.77.0.0/24', hosts, latencyMs: [1, 8] });
const leave = enterNetwork(lan.hub.name);
const { dir, remove } = scratch('kill');
mkdirSync(`${dir}/data`);
const graphite = await startGraphite({ schema: '5s:2d' });
const homeAssistant = await new HomeAssistantSim().listen();
const people = householdOf(hosts);
for (const { person } of people) homeAssistant.setState(`person.${person}`, 'unknown');
writeSettings(dir, {
  http: { port: 0 },
  wifi: { networks: [lan.network] },
  homeassistant: { url: homeAssistant.url, token: homeAssistant.token },
  graphite: { host: '127.0.0.1', port: graphite.port },
  presence: { people },
});

/** From the start of the process to its first receipt from Carbon, in ms. */
const firstReceipts: number[] = [];
let successLines = 0;
for (let i = 1; i <= kills; i += 1) {
  const house = startLares({ dir });
  // Some die while they start, before they have measured anything.
  const afterMs = i % 5 === 0 ? random() * 1_500 : 2_000 + random() * 18_000;
  const startedAt = performance.now();
  void house.line(/Successfully sent/, 20_000).then(
    () => firstReceipts.push(performance.now() - startedAt),
    () => {},
  );
  await sleep(afterMs);
  await house.stop('SIGKILL');
  successLines += house.count(/Successfully sent/);
  console.log(`${new Date().toISOString()} kill ${i} after ${(afterMs / 1000).toFixed(1)} s`);
}
const last = startLares({ dir });
await last.line(/Successfully sent/);
await sleep(2 * intervalMs);
const exit = await last.stop();

const kept = await measured(`${dir}/data`);
const ticks = slots(kept.ticks, intervalMs);
const count = await countSettled(graphite, { ticks, series: kept.series, valueOf: kept.valueOf });
const homeSeries = kept.series.filter((name) => name.endsWith('.is_home'));
const shown = await graphite.points(homeSeries, ticks[0] ?? 0, ticks.at(-1) ?? 0);
const departures = [...shown.values()].reduce((sum, points) => {
  const states = [...points].toSorted(([a], [b]) => a - b).map(([, value]) => value);
  return sum + states.filter((state, i) => state === 0 && states[i - 1] === 1).length;
}, 0);
const figures = {
  kills,
  slots: ticks.length,
  slotsLost: new Set(count.missingTicks).size,
  slotsNeverMeasured: ticks.length - kept.ticks.length,
  points: count.expected,
  pointsMissing: count.missing,
  wrongValue: count.wrong,
  surplusInstants: count.surplus,
  departuresInGraphite: departures,
  transitionsInJournal: kept.transitions.length,
  successLines,
  firstReceiptP50Ms: Math.round(percentile(firstReceipts, 0.5)),
  firstReceiptMaxMs: Math.round(Math.max(...firstReceipts)),
  exit,
};
console.table(figures);
console.log(JSON.stringify({ bench: 'kill', ...figures }));
for (const { at, kind, subject } of kept.transitions) console.log(new Date(at).toISOString(), subject, kind);
if (count.missing > 0)
  console.log(`missing at ${count.missingTicks.map((at) => new Date(at).toISOString()).join(' ')}`);
await homeAssistant.close();
await graphite.stop();
leave();
remove();
process.exitCode = count.wrong + count.surplus + departures === 0 ? 0 : 1;
