import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of a second in /proc: USER_HZ, 100 on every Linux that Node runs on. */
const ticks = 100;

export interface Usage {
  /** Seconds of processor time since the process began. */
  readonly cpu: number;
  /** MiB. Proportional: pages shared with others count in part. */
  readonly pss: number;
  readonly rss: number;
  readonly descriptors: number;
  readonly threads: number;
}

/** What a process uses, from /proc. */
export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name, in parentheses, may hold spaces: fields are counted after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? 0) / 1024;
  return {
    cpu: (Number(fields[11]) + Number(fields[12])) / ticks,
    pss: mib('Pss'),
    rss: mib('Rss'),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: readdirSync(`/proc/${pid}/task`).length,
  };
}
