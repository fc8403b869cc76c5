/** What Linux tells of processes and of itself, as text of `/proc` and of `nvidia-smi`. See proc(5). */

/** Ticks of a second in /proc: USER_HZ, 100 on every Linux that Node runs on. */
const ticks = 100;
const kib = 1024;

export interface ProcessFigures {
  readonly pid: number;
  readonly parent: number;
  /** At most 15 characters: what the kernel keeps of a process title. */
  readonly name: string;
  /** Seconds of processor time since it began. */
  readonly cpuSeconds: number;
}

/** Text of `/proc/PID/stat`; undefined for what is none. */
export function parseStat(text: string): ProcessFigures | undefined {
  // The name, in parentheses, may hold spaces and parentheses: fields are counted after the last one.
  const [open, close] = [text.indexOf('('), text.lastIndexOf(')')];
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(' ');
  const [pid, parent, user, system] = [text.slice(0, open), fields[1], fields[11], fields[12]].map(Number);
  const cpuSeconds = ((user ?? Number.NaN) + (system ?? Number.NaN)) / ticks;
  if (!Number.isFinite(cpuSeconds) || pid === undefined || parent === undefined) return undefined;
  return { pid, parent, name: text.slice(open + 1, close), cpuSeconds };
}

/** Resident bytes from `/proc/PID/status`; 0 where a process has none. */
export const parseRss = (text: string): number => kib * Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);

export interface CpuTimes {
  /** Seconds of all processors since the start of the machine. */
  readonly busy: number;
  readonly total: number;
}

/** The first line of `/proc/stat`. Waiting for disks counts as idle; time of guests is in that of users already. */
export function parseCpuTimes(text: string): CpuTimes {
  const all = (/^cpu\s+(.*)$/m.exec(text)?.[1] ?? '').split(' ').map(Number).slice(0, 8);
  const total = all.reduce((a, b) => a + b, 0) / ticks;
  return { total, busy: total - ((all[3] ?? 0) + (all[4] ?? 0)) / ticks };
}

export interface Memory {
  readonly totalBytes: number;
  /** What could be had without swapping. */
  readonly availableBytes: number;
}

/** Text of `/proc/meminfo`. */
export function parseMemory(text: string): Memory {
  const of = (name: string) => kib * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
  return { totalBytes: of('MemTotal'), availableBytes: of('MemAvailable') };
}

/** Load of the last minute, from `/proc/loadavg`. */
export const parseLoad = (text: string): number => Number(text.split(' ')[0]);

export interface Gpu {
  /** 0 to 100. */
  readonly percent: number;
  readonly memoryBytes: number;
  readonly celsius: number;
}

/** The first line of `nvidia-smi --query-gpu=utilization.gpu,memory.used,temperature.gpu --format=csv,noheader,nounits`. */
export function parseGpu(text: string): Gpu | undefined {
  const [percent, mib, celsius] = (text.split('\n')[0] ?? '').split(',').map(Number);
  if (![percent, mib, celsius].every((n) => Number.isFinite(n))) return undefined;
  return { percent: percent!, memoryBytes: mib! * kib * kib, celsius: celsius! };
}
