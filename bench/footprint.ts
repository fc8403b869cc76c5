/**
 * What the service costs: resident memory and CPU of the core and of its scanner process for six people, a /24 with 20
 * hosts every 30 s, 5 s ticks, a real Carbon and a Home Assistant; and how long a start takes until Carbon has confirmed
 * the first metrics. Goals: 130 MiB and 2 % of a core for the core, 2 s to the first metric.
 * `node bench/footprint.ts [--minutes 5] [--mode raw|kernel] [--starts 5]`; both modes unless told; needs root.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { startGraphite } from '../tests/servers/graphite.ts';
import { enterNetwork, startLares, writeSettings } from '../tests/servers/house.ts';
import { emulatedLan, someHosts } from '../tests/servers/lan.ts';
import { scratch } from '../tests/servers/process.ts';
import { percentile } from './lib/counting.ts';
import { householdOf } from './lib/house.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    mode: { type: 'string' },
    starts: { type: 'string', default: '5' },
  },
});
const minutes = Number(values.minutes);
const starts = Number(values.starts);
const modes = values.mode === undefined ? ['raw', 'kernel'] : [values.mode];

const memoryMiB = (pid: number, kind: 'VmRSS' | 'RssAnon') =>
  Number(
    new RegExp(`^${kind}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0,
  ) / 1024;
const rssMiB = (pid: number) => memoryMiB(pid, 'VmRSS');
/** User and system time in seconds; fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms. */
const cpuSeconds = (pid: number) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const children = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

const rows = [];
for (const mode of modes) {
  const hosts = someHosts(20);
  await using lan = await emulatedLan({ network: '10.77.0.0/24', hosts, latencyMs: [1, 8] });
  const leave = enterNetwork(lan.hub.name);
  const { dir, remove } = scratch('footprint');
  mkdirSync(`${dir}/data`);
  const graphite = await startGraphite({ schema: '5s:2d', web: false });
  const homeAssistant = await new HomeAssistantSim().listen();
  const people = householdOf(hosts);
  for (const { person } of people) homeAssistant.setState(`person.${person}`, 'home');
  writeSettings(dir, {
    http: { port: 0 },
    wifi: { networks: [lan.network], mode, scan_interval_seconds: 30 },
    homeassistant: { url: homeAssistant.url, token: homeAssistant.token },
    graphite: { host: '127.0.0.1', port: graphite.port },
    presence: { people },
  });
  const toFirst: number[] = [];
  const toStop: number[] = [];
  for (let i = 0; i < starts; i += 1) {
    // A slot is measured once: a start in a slot that the run before has measured waits for the next one.
    await sleep(5_500);
    const startedAt = performance.now();
    const started = startLares({ dir });
    await started.line(/Successfully sent/);
    toFirst.push(performance.now() - startedAt);
    const stoppedAt = performance.now();
    await started.stop();
    toStop.push(performance.now() - stoppedAt);
  }
  const house = startLares({ dir });
  await house.line(/Successfully sent/);
  // The first minute is start-up: compiling, first names of devices, first sweep.
  await sleep(Math.min(60_000, minutes * 20_000));
  const [child] = children(house.pid);
  const before = { core: cpuSeconds(house.pid), child: child === undefined ? 0 : cpuSeconds(child) };
  const begun = performance.now();
  const samples: { core: number; child: number }[] = [];
  while (performance.now() - begun < minutes * 60_000) {
    samples.push({ core: rssMiB(house.pid), child: child === undefined ? 0 : rssMiB(child) });
    await sleep(5_000);
  }
  const tookS = (performance.now() - begun) / 1000;
  const percent = (seconds: number) => Number(((seconds / tookS) * 100).toFixed(2));
  const core = samples.map((s) => s.core);
  rows.push({
    mode,
    minutes,
    coreRssP50MiB: Math.round(percentile(core, 0.5)),
    coreRssMaxMiB: Math.round(Math.max(...core)),
    coreRssEndMiB: Math.round(core.at(-1) ?? 0),
    // The rest is the program itself, which all Node processes of the machine share.
    coreAnonymousMiB: Math.round(memoryMiB(house.pid, 'RssAnon')),
    childRssMiB: Math.round(Math.max(...samples.map((s) => s.child))),
    coreCpuPercent: percent(cpuSeconds(house.pid) - before.core),
    childCpuPercent: child === undefined ? 0 : percent(cpuSeconds(child) - before.child),
    firstMetricFreshMs: Math.round(toFirst[0] ?? Number.NaN),
    firstMetricP50Ms: Math.round(percentile(toFirst, 0.5)),
    firstMetricMaxMs: Math.round(Math.max(...toFirst)),
    stopP50Ms: Math.round(percentile(toStop, 0.5)),
    exit: await house.stop(),
  });
  console.log(JSON.stringify({ bench: 'footprint', ...rows.at(-1) }));
  await homeAssistant.close();
  await graphite.stop();
  leave();
  remove();
}
console.table(rows);
