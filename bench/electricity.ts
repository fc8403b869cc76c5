/**
 * What a house of plugs, circuits and meters costs: `lares run` as a process of its own, its devices in another one.
 * Memory per device against the same house without any, CPU, ticks in time, polls a second, and how long a search takes
 * until every device of the named networks is known and measured.
 * `node bench/electricity.ts [--devices 100] [--seconds 60] [--interval 30]`
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { DetailedHealthBody } from '#http/contract.ts';
import type { ElectricityBody } from '#electricity/body.ts';
import { drivers } from '#electricity/drivers/index.ts';
import { startLares, writeSettings, type LaresProcess } from '../tests/servers/house.ts';
import { freePort, scratch, until } from '../tests/servers/process.ts';

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '60' },
    interval: { type: 'string', default: '30' },
  },
});
const count = Number(values.devices);
const seconds = Number(values.seconds);
const intervals = [Number(values.interval), 1];

/** User and system time in seconds; fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

interface Sims {
  readonly settings: { readonly kasa: Record<string, unknown> } & Record<string, unknown>;
  /** Polls served so far. */
  polls(): Promise<number>;
  close(): void;
}

async function startSims(pollSeconds: number, ...only: string[]): Promise<Sims> {
  const script = new URL('lib/electric-sims.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, String(count), String(pollSeconds), ...only], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => (await lines.next()).value as string;
  const { kasa, ...settings } = JSON.parse(await next()) as Sims['settings'];
  return {
    // As often as in a house, so that polls are counted and not the replies to searches.
    settings: { ...settings, kasa: { ...kasa, discovery_interval_seconds: 600 } },
    polls: async () => (child.stdin.write('\n'), Number(await next())),
    close: () => void child.stdin.end(),
  };
}

interface Cost {
  readonly rssMiB: number;
  readonly heapMiB: number;
  readonly cpuPercent: number;
  readonly missedTicks: number;
  readonly jitterP99Ms: number | null;
  readonly pollsPerSecond: number;
}

/** Lets a house run for a while. */
async function measure(house: LaresProcess, sims: Sims | undefined): Promise<Cost> {
  // Compiling, first contact and first readings are not what a house costs.
  await sleep(10_000);
  const before = { cpu: cpuSeconds(house.pid), polls: (await sims?.polls()) ?? 0, at: performance.now() };
  const memory: DetailedHealthBody['memory'][] = [];
  while (performance.now() - before.at < seconds * 1000) {
    await sleep(1_000);
    memory.push((await house.get<DetailedHealthBody>('/health/detailed')).memory);
  }
  const tookS = (performance.now() - before.at) / 1000;
  const { tick } = await house.get<DetailedHealthBody>('/health/detailed');
  const middle = (of: (m: DetailedHealthBody['memory']) => number) =>
    memory.map(of).toSorted((a, b) => a - b)[Math.floor(memory.length / 2)]! / 2 ** 20;
  return {
    rssMiB: middle((m) => m.rss_bytes),
    // Garbage comes and goes; what is always there is what devices cost.
    heapMiB: Math.min(...memory.map((m) => m.heap_used_bytes)) / 2 ** 20,
    cpuPercent: ((cpuSeconds(house.pid) - before.cpu) / tookS) * 100,
    missedTicks: tick.missed,
    jitterP99Ms: tick.jitter_p99_ms,
    pollsPerSecond: (((await sims?.polls()) ?? 0) - before.polls) / tookS,
  };
}

async function run<T>(electricity: object, work: (house: LaresProcess, startedMs: number) => Promise<T>) {
  const { dir, remove } = scratch('bench-electricity');
  mkdirSync(`${dir}/data`);
  writeSettings(dir, { http: { port: await freePort() }, electricity });
  const house = startLares({ dir });
  try {
    await house.url();
    return await work(house, performance.now());
  } finally {
    await house.stop();
    remove();
  }
}

const rows: Record<string, number | string | null>[] = [];
const round = (value: number, digits = 1) => Number(value.toFixed(digits));
const empty = await run({ modbus: {} }, (house) => measure(house, undefined));
rows.push({
  devices: 0,
  'every s': '',
  'RSS MiB': round(empty.rssMiB),
  'heap MiB': round(empty.heapMiB),
  'CPU %': round(empty.cpuPercent, 2),
});

for (const interval of intervals) {
  const sims = await startSims(interval);
  const row = await run(sims.settings, async (house, startedMs) => {
    let devices: ElectricityBody['devices'] = [];
    await until(
      async () => {
        devices = (await house.get<ElectricityBody>('/api/electricity')).devices;
        return devices.length >= count && devices.every((d) => d.state === 'ok');
      },
      () =>
        `${devices.filter((d) => d.state === 'ok').length} of ${count} devices are measured\n${house.lines.filter((line) => line.includes('error')).join('\n')}`,
      120_000,
    );
    const allMs = performance.now() - startedMs;
    const cost = await measure(house, sims);
    return {
      devices: devices.length,
      'every s': interval,
      'RSS MiB': round(cost.rssMiB),
      'heap MiB': round(cost.heapMiB),
      'CPU %': round(cost.cpuPercent, 2),
      'RSS KiB a device': round(((cost.rssMiB - empty.rssMiB) * 1024) / devices.length),
      'heap KiB a device': round(((cost.heapMiB - empty.heapMiB) * 1024) / devices.length),
      'polls a s': round(cost.pollsPerSecond),
      'ticks missed': cost.missedTicks,
      'jitter p99 ms': cost.jitterP99Ms,
      'all measured after ms': Math.round(allMs),
    };
  });
  rows.push(row);
  console.log(JSON.stringify({ bench: 'electricity', ...row }));
  sims.close();
}
console.table(rows);

const sims = await startSims(30, 'kasa');
const settings = drivers.kasa.config.parse(sims.settings.kasa);
const startedAt = performance.now();
const found: number[] = [];
for await (const _one of drivers.kasa.discover!(settings, { signal: AbortSignal.timeout(30_000) }))
  found.push(performance.now() - startedAt);
console.table([
  {
    'networks searched': settings.networks.join(', '),
    found: found.length,
    'first after ms': Math.round(found[0] ?? Number.NaN),
    'last after ms': Math.round(found.at(-1) ?? Number.NaN),
    'search ended after ms': Math.round(performance.now() - startedAt),
  },
]);
sims.close();
