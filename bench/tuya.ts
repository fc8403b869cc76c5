/**
 * Polls a second, their time and their processor time, for each version of the Tuya protocol, ours beside tuyapi in the same
 * run. The simulated devices are in another process. `node --expose-gc bench/tuya.ts [polls]`.
 *
 * `status` is one query, which is what tuyapi does; `poll` is the whole poll of the driver: refresh, query, data points to
 * quantities, check of the scale, description of the device.
 */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import TuyAPI from 'tuyapi';
import type { Station } from '../src/electricity/driver.ts';
import { writeBeacon } from '../src/electricity/drivers/tuya/beacon.ts';
import { TuyaClient } from '../src/electricity/drivers/tuya/client.ts';
import { config, protocol } from '../src/electricity/drivers/tuya/driver.ts';
import type { Version } from '../src/electricity/drivers/tuya/model.ts';
import { systemClock } from '../src/platform/clock.ts';
import { Logger } from '../src/platform/log.ts';
import { table } from '../src/platform/table.ts';
import { percentile } from './lib/counting.ts';
import { simId, simKey } from './lib/tuya-sims.ts';

const polls = Number(process.argv[2] ?? 20_000);
const warmUp = Math.min(2_000, polls);
const compared: readonly Version[] = ['3.1', '3.3', '3.4', '3.5'];
const simsFile = fileURLToPath(new URL('lib/tuya-sims.ts', import.meta.url));
const host = '127.0.0.1';

interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
}

/** One poll after the other, as one device allows. */
async function measure(poll: () => Promise<unknown>): Promise<Measured> {
  for (let i = 0; i < warmUp; i += 1) await poll();
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let i = 0; i < polls; i += 1) {
    const at = performance.now();
    await poll();
    times.push(performance.now() - at);
  }
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perSecond: (polls / ms) * 1000,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    cpuUs: (user + system) / polls,
  };
}

async function ourStatus(port: number, version: Version): Promise<Measured> {
  const client = new TuyaClient({
    host,
    port,
    id: simId,
    key: simKey,
    version,
    timeoutMs: 5_000,
    clock: systemClock,
  });
  const { signal } = new AbortController();
  const measured = await measure(() => client.status(signal, []));
  client.close();
  return measured;
}

async function ourPoll(port: number, version: Version): Promise<Measured> {
  const settings = config.parse({ devices: [{ id: simId, key: simKey, host, port, version }] });
  const log = new Logger({ level: 'error', write: () => {} });
  const [target] = protocol.configured(settings);
  const station = protocol.open(target!, settings, { clock: systemClock, log, random: Math.random });
  const { signal } = new AbortController();
  const measured = await measure(() => station.poll(signal));
  station.close();
  return measured;
}

async function theirs(port: number, version: Version): Promise<Measured> {
  const device = new TuyAPI({ id: simId, key: simKey, ip: host, port, version, issueGetOnConnect: false });
  device.on('error', () => {});
  await device.connect();
  const measured = await measure(() => device.get({ schema: true }));
  device.disconnect();
  return measured;
}

/** Processor time and wall time of many devices polled at the same time: what a whole house costs. */
async function atOnce(ports: readonly number[], version: Version, rounds: number): Promise<Measured> {
  const clients = ports.map(
    (port) =>
      new TuyaClient({ host, port, id: simId, key: simKey, version, timeoutMs: 5_000, clock: systemClock }),
  );
  const { signal } = new AbortController();
  await Promise.all(clients.map((client) => client.status(signal, [])));
  const cpu = process.cpuUsage();
  const sweeps: number[] = [];
  const started = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    const at = performance.now();
    await Promise.all(clients.map((client) => client.status(signal, [])));
    sweeps.push(performance.now() - at);
  }
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  const total = rounds * clients.length;
  for (const client of clients) client.close();
  return {
    perSecond: (total / ms) * 1000,
    p50Ms: percentile(sweeps, 0.5),
    p99Ms: percentile(sweeps, 0.99),
    cpuUs: (user + system) / total,
  };
}

/** From the announcements of a hundred devices to the last of them found, ms. */
async function discovery(): Promise<{ found: number; ms: number }> {
  const wanted = 100;
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, host, () => resolve()));
  const [heard, asked] = [socket.address().port + 1, socket.address().port + 2];
  const settings = config.parse({
    discovery: { bind: host, ports: [heard], solicit_port: asked, listen_seconds: 5 },
  });
  const announce = async () => {
    for (let n = 0; n < wanted; n += 1) {
      const text = { ip: host, gwId: `bf0000000000000000${1000 + n}`, productKey: 'bench', version: '3.3' };
      const packet = writeBeacon(JSON.stringify(text), n % 2 === 0 ? 'ecb' : 'gcm');
      await new Promise((resolve) => socket.send(packet, heard, host, resolve));
    }
  };
  const { signal } = new AbortController();
  let started = 0;
  setTimeout(() => {
    started = performance.now();
    void announce();
  }, 200);
  let found = 0;
  for await (const _ of protocol.discover!(settings, { signal })) if (++found === wanted) break;
  const ms = performance.now() - started;
  socket.close();
  return { found, ms };
}

/** Bytes of heap that one connected, polled device costs. */
async function heapPerDevice(ports: readonly number[]): Promise<number> {
  const collect = globalThis.gc;
  if (collect === undefined) return Number.NaN;
  const { signal } = new AbortController();
  const log = new Logger({ level: 'error', write: () => {} });
  const stations: Station[] = [];
  collect();
  const before = process.memoryUsage().heapUsed;
  for (const port of ports) {
    const settings = config.parse({ devices: [{ id: simId, key: simKey, host, port, version: '3.3' }] });
    const [target] = protocol.configured(settings);
    stations.push(protocol.open(target!, settings, { clock: systemClock, log, random: Math.random }));
  }
  for (let round = 0; round < 3; round += 1) await Promise.all(stations.map((s) => s.poll(signal)));
  collect();
  const after = process.memoryUsage().heapUsed;
  for (const station of stations) station.close();
  return (after - before) / ports.length;
}

async function startSims(versions: readonly Version[]): Promise<{ ports: number[]; stop: () => void }> {
  const child = spawn(process.execPath, [simsFile, ...versions], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { ports: JSON.parse(line) as number[], stop: () => child.stdin.end() };
}

const sims = await startSims([...compared, ...Array.from({ length: 200 }, (): Version => '3.3')]);
const many = sims.ports.slice(compared.length);
// The first ones pay for what is shared.
await heapPerDevice(many.slice(0, 20));
const heap = await heapPerDevice(many.slice(20));
const rows: string[][] = [];
const row = (what: string, m: Measured, rival?: Measured) =>
  rows.push([
    what,
    m.perSecond.toFixed(0),
    m.p50Ms.toFixed(3),
    m.p99Ms.toFixed(3),
    m.cpuUs.toFixed(0),
    rival === undefined ? '' : `${(m.perSecond / rival.perSecond).toFixed(2)} x`,
  ]);
for (const [index, version] of compared.entries()) {
  const port = sims.ports[index]!;
  const rival = await theirs(port, version);
  row(`${version} status, Lares`, await ourStatus(port, version), rival);
  row(`${version} poll, Lares`, await ourPoll(port, version), rival);
  row(`${version} status, tuyapi`, rival);
}
row('3.3 status of 200 devices at once, Lares', await atOnce(many, '3.3', Math.ceil(polls / 200)));
const search = await discovery();
sims.stop();
console.log(`${polls} polls each, one after the other; times of the last row are of a whole sweep`);
console.log(table(['WHAT', 'POLLS/S', 'P50 MS', 'P99 MS', 'CPU US/POLL', 'RATIO TO TUYAPI'], rows));
console.log(
  `${search.found} devices found ${search.ms.toFixed(0)} ms after the first of them announced itself`,
);
console.log(`${(heap / 1024).toFixed(1)} KiB of heap for each connected device (needs --expose-gc)`);
process.exit();
