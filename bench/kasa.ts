/**
 * What a poll of Kasa and Tapo devices costs, against simulators in another process: our driver and tplink-smarthome-api
 * side by side in one run. `node --expose-gc bench/kasa.ts [seconds per measurement]`.
 * A poll of ours is everything: question, reply, decryption, readings, identity. The rival speaks XOR only and asks for
 * the meter alone; it has no session over HTTP.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, type AnyDevice } from 'tplink-smarthome-api';
import { xorFrame } from '#electricity/drivers/kasa/codec.ts';
import { config, protocol } from '#electricity/drivers/kasa/driver.ts';
import type { KasaTarget } from '#electricity/drivers/kasa/model.ts';
import { simLogin } from '#electricity/drivers/kasa/sim.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { percentile } from './lib/counting.ts';
import type { SimGroup, SimPlace } from './lib/kasa-sims.ts';

const seconds = Number(process.argv[2] ?? 3);
const plugs = 500;
const discoveryPorts = { local: 29_999, discovery: [20_902, 20_904] };

async function simulate(groups: readonly SimGroup[]) {
  const file = fileURLToPath(new URL('./lib/kasa-sims.ts', import.meta.url));
  const child = spawn(process.execPath, [file, JSON.stringify(groups)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { places: JSON.parse(line) as SimPlace[][], stop: () => child.stdin.end() };
}

const settings = config.parse({ ...simLogin, timeout_seconds: 30 });
const context = { clock: systemClock, log: silent, random: Math.random };
const far = new AbortController().signal;

function open({ host, port }: SimPlace, way: KasaTarget['way'], family: KasaTarget['family']) {
  return protocol.open({ host, port, way, family }, settings, context);
}

interface Cost {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuUs: number;
}

/** Runs polls for a while, `workers` at a time, and says what one costs. */
async function measure(workers: readonly (() => Promise<unknown>)[]): Promise<Cost> {
  const warmUntil = performance.now() + 1_000;
  while (performance.now() < warmUntil) for (const poll of workers) await poll();
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const end = begun + seconds * 1000;
  await Promise.all(
    workers.map(async (poll) => {
      for (let now = performance.now(); now < end;) {
        await poll();
        const after = performance.now();
        times.push(after - now);
        now = after;
      }
    }),
  );
  const tookS = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: times.length / tookS,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    cpuUs: (user + system) / times.length,
  };
}

/** The same bytes over a bare socket, unread: what no client can do without. */
async function bareQuestion({
  host,
  port,
}: SimPlace): Promise<{ ask: () => Promise<unknown>; close: () => void }> {
  const question = xorFrame('{"system":{"get_sysinfo":{}},"emeter":{"get_realtime":{}}}');
  const socket = connect({ host, port, noDelay: true });
  await once(socket, 'connect');
  let heard = () => {};
  socket.on('data', () => heard());
  const ask = () =>
    new Promise<void>((resolve) => {
      heard = resolve;
      socket.write(question);
    });
  return { ask, close: () => socket.destroy() };
}

/** Milliseconds until all have answered once; the median of five sweeps. */
async function sweep(polls: readonly (() => Promise<unknown>)[]): Promise<{ first: number; later: number }> {
  const once0 = async () => {
    const begun = performance.now();
    await Promise.all(polls.map((poll) => poll()));
    return performance.now() - begun;
  };
  const first = await once0();
  await once0();
  const later: number[] = [];
  for (let i = 0; i < 5; i += 1) later.push(await once0());
  return { first, later: percentile(later, 0.5) };
}

const heapNow = () => {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

const row = (cells: readonly (string | number)[]) => console.log(`| ${cells.join(' | ')} |`);
const fixed = (n: number, digits: number) => n.toFixed(digits);

const sims = await simulate([
  { model: 'KP115', count: plugs, recorded: true },
  { model: 'KP115', way: 'klap2', count: plugs, recorded: true },
  { model: 'KP125M', count: 1 },
  { model: 'P110', way: 'aes', count: 1 },
  { model: 'HS300', count: 1 },
]);
const [xor, klap, smart, aes, strip] = sims.places as [
  SimPlace[],
  SimPlace[],
  SimPlace[],
  SimPlace[],
  SimPlace[],
];

console.log(`\nPolls, ${seconds} s each; one device, then 50 at the same time\n`);
row(['what', 'polls/s', 'p50 ms', 'p99 ms', 'CPU µs a poll', 'polls/s of 50', 'CPU µs of 50']);
row(['---', '---', '---', '---', '---', '---', '---']);
const ourWays = [
  ['Lares XOR sysinfo + meter', xor, 'xor', 'iot'],
  ['Lares KLAP v2, Kasa, sysinfo + meter', klap, 'klap', 'iot'],
  ['Lares KLAP v2, Tapo, 3 methods', smart, 'klap', 'smart'],
  ['Lares AES, Tapo, 2 methods', aes, 'aes', 'smart'],
  ['Lares XOR, strip of 6 (7 questions)', strip, 'xor', 'iot'],
] as const;
const bare = await bareQuestion(xor[0]!);
const floor = await measure([bare.ask]);
bare.close();
row([
  'a bare socket, the same bytes unread',
  fixed(floor.perSecond, 0),
  fixed(floor.p50, 3),
  fixed(floor.p99, 3),
  fixed(floor.cpuUs, 0),
  '',
  '',
]);
const costs: Cost[] = [];
for (const [title, places, way, family] of ourWays) {
  const stations = places.slice(0, 50).map((place) => open(place, way, family));
  const polls = stations.map((station) => () => station.poll(far));
  const one = await measure(polls.slice(0, 1));
  const fifty = polls.length === 50 ? await measure(polls) : undefined;
  for (const station of stations) station.close();
  costs.push(one);
  row([
    title,
    fixed(one.perSecond, 0),
    fixed(one.p50, 3),
    fixed(one.p99, 3),
    fixed(one.cpuUs, 0),
    fifty === undefined ? '' : fixed(fifty.perSecond, 0),
    fifty === undefined ? '' : fixed(fifty.cpuUs, 0),
  ]);
}
const client = new Client();
const rivals: AnyDevice[] = [];
for (const { host, port } of xor) rivals.push(await client.getDevice({ host, port }));
const asks = rivals.map((device) => () => device.emeter.getRealtime());
const [rivalOne, rivalFifty] = [await measure(asks.slice(0, 1)), await measure(asks.slice(0, 50))];
row([
  'tplink-smarthome-api XOR, meter alone',
  fixed(rivalOne.perSecond, 0),
  fixed(rivalOne.p50, 3),
  fixed(rivalOne.p99, 3),
  fixed(rivalOne.cpuUs, 0),
  fixed(rivalFifty.perSecond, 0),
  fixed(rivalFifty.cpuUs, 0),
]);
const ratio = (a: number, b: number) => `${fixed(a / b, 1)} times`;
console.log(
  `\nXOR, Lares to rival: polls/s ${ratio(costs[0]!.perSecond, rivalOne.perSecond)}, p50 ${ratio(costs[0]!.p50, rivalOne.p50)}, CPU ${ratio(costs[0]!.cpuUs, rivalOne.cpuUs)}`,
);

console.log(
  `\n${plugs} plugs at the same time, ms until all have answered (median of 5), and heap they hold\n`,
);
row(['what', 'first contact', 'sweep', 'heap KiB a device']);
row(['---', '---', '---', '---']);
for (const [title, places, way] of [
  ['Lares XOR', xor, 'xor'],
  ['Lares KLAP v2', klap, 'klap'],
] as const) {
  const before = heapNow();
  const stations = places.map((place) => open(place, way, 'iot'));
  const { first, later } = await sweep(stations.map((station) => () => station.poll(far)));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const heap = (heapNow() - before) / plugs / 1024;
  for (const station of stations) station.close();
  row([
    title,
    fixed(first, 0),
    fixed(later, 1),
    globalThis.gc === undefined ? 'needs --expose-gc' : fixed(heap, 1),
  ]);
}
const rivalSweep = await sweep(asks);
row(['tplink-smarthome-api XOR', fixed(rivalSweep.first, 0), fixed(rivalSweep.later, 1), '']);
sims.stop();

console.log('\nDiscovery of 100 devices, ms until the last is known; 10 s at most\n');
row(['what', 'found', 'ms']);
row(['---', '---', '---']);
const field = await simulate([
  { model: 'KP115', count: 50, network: '127.9.1', ports: discoveryPorts },
  { model: 'P110', count: 50, network: '127.9.2', ports: { discovery: discoveryPorts.discovery } },
]);
for (const attempt of ['first, its key is not made yet', 'again']) {
  const wanted = config.parse({ networks: ['127.9.1.0/24', '127.9.2.0/24'], ports: discoveryPorts });
  const begun = performance.now();
  let [found, last] = [0, 0];
  for await (const _ of protocol.discover!(wanted, { signal: AbortSignal.timeout(10_000) })) {
    found += 1;
    last = performance.now() - begun;
    if (found === 100) break;
  }
  row([`Lares, two networks swept (${attempt})`, found, fixed(last, 0)]);
}
const finder = new Client();
const begun = performance.now();
let [found, last] = [0, 0];
finder.on('device-new', () => {
  found += 1;
  last = performance.now() - begun;
});
finder.startDiscovery({
  devices: field.places[0]!,
  deviceTypes: ['plug'],
  discoveryInterval: 1_000,
  broadcast: '127.9.1.255',
});
while (found < 50 && performance.now() - begun < 10_000)
  await new Promise((resolve) => setTimeout(resolve, 5));
finder.stopDiscovery();
row(['tplink-smarthome-api, told the addresses of the 50 that it can know', found, fixed(last, 0)]);
field.stop();
