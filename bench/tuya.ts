/**
 * Polls a second, their time and their processor time, for each version of the Tuya protocol, ours beside tuyapi in the same
 * run. The simulated devices are in another process. `node bench/tuya.ts [polls]`.
 *
 * `status` is one query, which is what tuyapi does; `poll` is the whole poll of the driver: refresh, query, data points to
 * quantities, check of the scale, description of the device.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import TuyAPI from 'tuyapi';
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

async function startSims(versions: readonly Version[]): Promise<{ ports: number[]; stop: () => void }> {
  const child = spawn(process.execPath, [simsFile, ...versions], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { ports: JSON.parse(line) as number[], stop: () => child.stdin.end() };
}

const sims = await startSims([...compared, ...Array.from({ length: 200 }, (): Version => '3.3')]);
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
const many = sims.ports.slice(compared.length);
row('3.3 status of 200 devices at once, Lares', await atOnce(many, '3.3', Math.ceil(polls / 200)));
sims.stop();
console.log(`${polls} polls each, one after the other; times of the last row are of a whole sweep`);
console.log(table(['WHAT', 'POLLS/S', 'P50 MS', 'P99 MS', 'CPU US/POLL', 'RATIO TO TUYAPI'], rows));
