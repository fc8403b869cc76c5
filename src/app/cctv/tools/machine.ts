import { execFile } from 'node:child_process';
import { readdir, readFile, readlink, statfs } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Part, PartFigures, Snapshot } from './machine.model.ts';
import {
  parseCpuTimes,
  parseGpu,
  parseLoad,
  parseMemory,
  parseRss,
  parseStat,
  type Gpu,
  type ProcessFigures,
} from './proc.codec.ts';

// What the children call themselves (process.title), as far as the kernel keeps it.
const partOf: Readonly<Record<string, Part>> = { 'lares-cameras': 'cameras', 'lares-detector': 'detector' };

const read = (file: string) => readFile(file, 'utf8').catch(() => '');

async function everyProcess(): Promise<ProcessFigures[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(ids.map(async (id) => parseStat(await read(`/proc/${id}/stat`))));
  return all.filter((p) => p !== undefined);
}

/** A process and everything that it started, at any depth. */
export async function familyOf(root: number): Promise<ProcessFigures[]> {
  const all = await everyProcess();
  const found = all.filter((p) => p.pid === root);
  for (const member of found) found.push(...all.filter((p) => p.parent === member.pid && p.pid !== root));
  return found;
}

const nothing: PartFigures = { cpuSeconds: 0, rssBytes: 0, processes: 0 };

/** What the parts of a running house use; all zero without one. */
async function partsOf(root: number | undefined): Promise<Record<Part, PartFigures>> {
  const sums: Record<Part, PartFigures> = {
    core: nothing,
    cameras: nothing,
    detector: nothing,
    other: nothing,
  };
  for (const { pid, name, cpuSeconds } of root === undefined ? [] : await familyOf(root)) {
    const part = pid === root ? 'core' : (partOf[name] ?? 'other');
    const rssBytes = parseRss(await read(`/proc/${pid}/status`));
    const sum = sums[part];
    sums[part] = {
      cpuSeconds: sum.cpuSeconds + cpuSeconds,
      rssBytes: sum.rssBytes + rssBytes,
      processes: sum.processes + 1,
    };
  }
  return sums;
}

/** The process that uses a data directory; undefined where none does. */
export async function servicePid(dataDir: string): Promise<number | undefined> {
  const pid = Number((await read(path.join(dataDir, 'lock.pid'))).trim());
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  // A house that was killed leaves the file; its number may be somebody else's by now.
  const program = path.basename(await readlink(`/proc/${pid}/exe`).catch(() => ''));
  return program === 'node' || /lares|\bmain\.(ts|py)/.test(await read(`/proc/${pid}/cmdline`))
    ? pid
    : undefined;
}

/** The disk of a folder, or of where it would be; undefined for what is no file system. */
export async function diskOf(folder: string): Promise<Snapshot['disk']> {
  try {
    const { blocks, bavail, bsize } = await statfs(folder);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  } catch {
    const parent = path.dirname(folder);
    return parent === folder ? undefined : diskOf(parent);
  }
}

/** The hottest thermal zone, degrees Celsius. https://docs.kernel.org/driver-api/thermal/sysfs-api.html */
export async function hottest(folder = '/sys/class/thermal'): Promise<number | undefined> {
  const zones = await readdir(folder).catch(() => []);
  const texts = await Promise.all(
    zones.filter((z) => z.startsWith('thermal_zone')).map((z) => read(path.join(folder, z, 'temp'))),
  );
  // Zones that sleep say nothing, and broken sensors say nonsense.
  const known = texts
    .flatMap((t) => (t.trim() === '' ? [] : [Number(t) / 1000]))
    .filter((c) => c > -40 && c < 150);
  return known.length === 0 ? undefined : Math.max(...known);
}

const run = promisify(execFile);
const gpuQuery = ['--query-gpu=utilization.gpu,memory.used,temperature.gpu', '--format=csv,noheader,nounits'];
const gpuMs = 3_000;

export async function gpuNow(): Promise<Gpu | undefined> {
  try {
    return parseGpu((await run('nvidia-smi', gpuQuery, { timeout: gpuMs })).stdout);
  } catch {
    return undefined;
  }
}

/** Everything at this instant. `withGpu`: the machine has shown one before. */
export async function snapshot(
  place: { readonly pid: number | undefined; readonly dataDir: string; readonly withGpu: boolean },
  now: number,
): Promise<Snapshot> {
  const [all, stat, load, memory, disk, celsius, gpu] = await Promise.all([
    partsOf(place.pid),
    read('/proc/stat'),
    read('/proc/loadavg'),
    read('/proc/meminfo'),
    diskOf(place.dataDir),
    hottest(),
    place.withGpu ? gpuNow() : undefined,
  ]);
  return {
    at: now,
    parts: all,
    cpu: parseCpuTimes(stat),
    load: parseLoad(load),
    memory: parseMemory(memory),
    disk,
    celsius,
    gpu,
  };
}
