/** The figures that `/metrics`, `/health/detailed` and the status page show about the program itself. */
export interface HouseStats {
  readonly version: string;
  /** Epoch ms. */
  readonly startedAt: number;
  readonly process: ProcessStats;
  readonly tick: TickStats;
  readonly sinks: readonly SinkStats[];
  readonly scanners: readonly ScannerStats[];
  readonly store: StoreStats;
  /** Lines written by the log since the start, by level. */
  readonly logLines: Readonly<Record<string, number>>;
}

export interface ProcessStats {
  readonly uptimeSeconds: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** User and system time of this process since it started. */
  readonly cpuSeconds: number;
}

/** The 5 s beat. Jitter is the distance between the planned and the real instant of a tick. */
export interface TickStats {
  readonly intervalSeconds: number;
  readonly count: number;
  readonly missed: number;
  readonly jitterP50Ms: number;
  readonly jitterP99Ms: number;
  readonly jitterMaxMs: number;
  /** Epoch ms; undefined before the first tick. */
  readonly lastAt: number | undefined;
}

export interface SinkStats {
  readonly name: string;
  /** Where it delivers to: `127.0.0.1:2003`. */
  readonly target: string;
  readonly connected: boolean;
  /** Readings with a receipt since the start. */
  readonly sentTotal: number;
  readonly failuresTotal: number;
  readonly reconnectsTotal: number;
  /** Readings given up because the spool was full. */
  readonly droppedTotal: number;
  /** Readings that wait for delivery. */
  readonly backlog: number;
  /** Epoch ms of the oldest reading that waits. */
  readonly oldestAt: number | undefined;
  /** Epoch ms of the last receipt. */
  readonly lastReceiptAt: number | undefined;
}

export interface ScannerStats {
  readonly network: string;
  readonly method: string;
  /** Why this method was chosen, and what would make a better one possible. */
  readonly why: string;
  readonly sweepsTotal: number;
  readonly lastTookMs: number | undefined;
  readonly lastFound: number | undefined;
  /** Epoch ms of the end of the last sweep. */
  readonly lastAt: number | undefined;
}

export interface StoreStats {
  readonly kind: string;
  readonly sizeBytes: number | undefined;
  /** What recovery did on opening; undefined when there was nothing to mend. */
  readonly recovered: string | undefined;
}

/** Reads the figures of this process from the operating system. */
export function processStats(): ProcessStats {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return {
    uptimeSeconds: process.uptime(),
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    cpuSeconds: (user + system) / 1e6,
  };
}

/** Figures of one way to tell people of alerts, since the start except `waiting`. */
export interface AlertChannelStats {
  readonly channel: string;
  readonly waiting: number;
  readonly delivered: number;
  /** Tries that failed. */
  readonly failures: number;
  /** Alerts that were too late to tell, and those that can never be told. */
  readonly givenUp: number;
  readonly failed: number;
  /** Seconds from the alert to its delivery; absent before the first. */
  readonly secondsP50?: number;
  readonly secondsP95?: number;
}
