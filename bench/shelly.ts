/**
 * Polls a second of a Shelly of the second generation, ours beside a plain `fetch` loop in the same run; then a sweep of
 * many at once, with and without a password, the memory that a station takes, and a search of two networks. The
 * simulated devices are in another process. `node --expose-gc bench/shelly.ts [polls] [devices]`.
 *
 * A poll of ours signs in where it must, checks that the same device answers, and gives named quantities of every
 * channel; the fetch loop only parses the JSON.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { config, protocol } from '#electricity/drivers/shelly/driver.ts';
import { ShellySim } from '#electricity/drivers/shelly/sim.ts';
import type { Station } from '#electricity/driver.ts';
import { systemClock } from '#platform/clock.ts';
import { webRequest } from '#platform/http-client.ts';
import { Logger } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import { percentile } from './lib/counting.ts';

interface Served {
  readonly hosts: readonly string[];
  readonly guarded: readonly string[];
  /** Port that the devices of the search share. */
  readonly port: number;
}

interface Measured {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuUs: number;
}

const password = 'right';
const found = 100;
const never = new AbortController().signal;
const log = new Logger({ write: () => {}, level: 'error' });

async function serve(devices: number): Promise<void> {
  const mac = (i: number) => (0x02_00_00_00_00_00 + i).toString(16).padStart(12, '0');
  const power = () => 60;
  const sims = await Promise.all(
    Array.from({ length: devices }, (_, i) => new ShellySim({ mac: mac(i), power }).listen()),
  );
  const guarded = await Promise.all(
    Array.from({ length: devices }, (_, i) =>
      new ShellySim({ mac: mac(1_000_000 + i), power, password, reusesNonce: true }).listen(),
    ),
  );
  const first = await new ShellySim({ mac: mac(2_000_000), power }).listen(0, '127.0.77.1');
  const port = Number(first.host.split(':')[1]);
  for (let i = 1; i < found; i += 1)
    await new ShellySim({ mac: mac(2_000_000 + i), power }).listen(port, `127.0.${77 + (i % 2)}.${1 + i}`);
  process.send?.({ hosts: sims.map((s) => s.host), guarded: guarded.map((s) => s.host), port });
  process.once('disconnect', () => process.exit(0));
}

async function measure(polls: number, poll: () => Promise<unknown>): Promise<Measured> {
  for (let i = 0; i < Math.min(1_000, polls); i += 1) await poll();
  const took: number[] = [];
  const cpu = process.cpuUsage();
  const began = performance.now();
  for (let i = 0; i < polls; i += 1) {
    const at = performance.now();
    await poll();
    took.push(performance.now() - at);
  }
  const ms = performance.now() - began;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: (polls * 1_000) / ms,
    p50: percentile(took, 0.5),
    p99: percentile(took, 0.99),
    cpuUs: (user + system) / polls,
  };
}

const open = (host: string): Station =>
  protocol.open({ host }, config.parse({ password }), { clock: systemClock, log, random: Math.random });

const body = JSON.stringify({ id: 1, method: 'Shelly.GetStatus', params: {} });
const headers = { 'content-type': 'application/json' };
const fetched = async (host: string): Promise<unknown> =>
  (await fetch(`http://${host}/rpc`, { method: 'POST', body, headers })).json();
const closing = async (host: string): Promise<unknown> =>
  JSON.parse((await webRequest({ url: `http://${host}/rpc`, method: 'POST', body, headers })).text);

/** One poll of every device, all at once; the best of some rounds, after a first contact. */
async function sweepMs(polls: readonly (() => Promise<unknown>)[]): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 12; round += 1) {
    const began = performance.now();
    await Promise.all(polls.map((poll) => poll()));
    times.push(performance.now() - began);
  }
  return percentile(times.slice(2), 0.5);
}

async function heapPerStation(hosts: readonly string[]): Promise<string> {
  if (globalThis.gc === undefined) return 'not measured: run node with --expose-gc';
  // What went before ends its own way: sockets are let go of over several turns.
  const settled = async () => {
    for (let i = 0; i < 8; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      globalThis.gc?.();
    }
    return process.memoryUsage().heapUsed;
  };
  const before = await settled();
  const stations = hosts.map(open);
  for (const station of stations) for (let i = 0; i < 3; i += 1) await station.poll(never);
  const bytes = (await settled()) - before;
  for (const station of stations) station.close();
  return `${(bytes / hosts.length / 1024).toFixed(1)} KiB`;
}

async function searchMs(port: number): Promise<string> {
  const networks = ['127.0.77.0/24', '127.0.78.0/24'];
  const began = performance.now();
  let [count, last] = [0, 0];
  for await (const one of protocol.discover!(config.parse({ networks, port }), { signal: never })) {
    count += one.target.id === undefined ? 0 : 1;
    last = performance.now() - began;
  }
  return `${count} of ${found} in 508 addresses, the last after ${last.toFixed(0)} ms, over after ${(performance.now() - began).toFixed(0)} ms`;
}

async function main(polls: number, devices: number): Promise<void> {
  const child = fork(import.meta.filename, ['serve', String(devices)]);
  const [{ hosts, guarded, port }] = (await once(child, 'message')) as [Served];
  const [host = '', locked = ''] = [hosts[0], guarded[0]];
  const stations = { plain: open(host), signed: open(locked) };
  const rival = await measure(polls, () => fetched(host));
  const rows: readonly (readonly [string, Measured])[] = [
    ['ours', await measure(polls, () => stations.plain.poll(never))],
    ['ours, signing in by digest', await measure(polls, () => stations.signed.poll(never))],
    ['fetch', rival],
    ['a new connection each time', await measure(Math.ceil(polls / 4), () => closing(host))],
  ];
  console.log(
    table(
      ['ONE DEVICE, ONE POLL AFTER THE OTHER', 'POLLS/S', 'P50 MS', 'P99 MS', 'CPU US', 'TIMES FETCH'],
      rows.map(([name, m]) => [
        name,
        m.perSecond.toFixed(0),
        m.p50.toFixed(3),
        m.p99.toFixed(3),
        m.cpuUs.toFixed(0),
        (m.perSecond / rival.perSecond).toFixed(2),
      ]),
    ),
  );
  for (const station of Object.values(stations)) station.close();
  const all = { plain: hosts.map(open), signed: guarded.map(open) };
  const fetchMs = await sweepMs(hosts.map((h) => () => fetched(h)));
  const sweeps: readonly (readonly [string, number])[] = [
    ['ours', await sweepMs(all.plain.map((s) => () => s.poll(never)))],
    ['ours, signing in by digest', await sweepMs(all.signed.map((s) => () => s.poll(never)))],
    ['fetch', fetchMs],
  ];
  console.log(
    `\n${table(
      [`${devices} DEVICES AT ONCE`, 'MS', 'POLLS/S', 'TIMES FETCH'],
      sweeps.map(([name, ms]) => [
        name,
        ms.toFixed(1),
        ((devices * 1_000) / ms).toFixed(0),
        (fetchMs / ms).toFixed(2),
      ]),
    )}`,
  );
  for (const station of [...all.plain, ...all.signed]) station.close();
  console.log(`\nheap of a station: ${await heapPerStation(hosts)}`);
  console.log(`search: ${await searchMs(port)}`);
  child.disconnect();
}

const [first = '20000', second = '200'] = process.argv.slice(2);
if (first === 'serve') await serve(Number(second));
else await main(Number(first), Number(second));
