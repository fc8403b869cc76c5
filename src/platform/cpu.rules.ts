/** One look at both clocks: monotonic time and the processor time used so far. */
export interface CpuSample {
  /** Milliseconds. */
  readonly at: number;
  /** Seconds of user and system time. */
  readonly cpuSeconds: number;
}

/** The share of one core above which something is wrong, and for how long it must last. */
export const cpuLimit = { share: 0.1, forMs: 300_000 } as const;

export interface CpuWatch {
  /** The looks of the last five minutes, oldest first; the first may be older. */
  readonly samples: readonly CpuSample[];
  readonly high: boolean;
}

export const noCpuWatch: CpuWatch = { samples: [], high: false };

/** The share of one core between the oldest look and the newest; undefined while they span less than five minutes. */
export function cpuShare({ samples }: CpuWatch): number | undefined {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < cpuLimit.forMs) return undefined;
  return (last.cpuSeconds - first.cpuSeconds) / ((last.at - first.at) / 1000);
}

/** Adds a look. Keeps just as many as it needs to see five minutes back. */
export function watchCpu(watch: CpuWatch, sample: CpuSample): CpuWatch {
  const all = [...watch.samples, sample];
  const kept = all.slice(
    Math.max(
      0,
      all.findLastIndex((s) => sample.at - s.at >= cpuLimit.forMs),
    ),
  );
  const share = cpuShare({ samples: kept, high: watch.high });
  return { samples: kept, high: share === undefined ? watch.high : share > cpuLimit.share };
}
