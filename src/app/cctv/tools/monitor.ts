import { appendFile, writeFile } from 'node:fs/promises';
import { LaresError } from '#kernel/errors.ts';
import type { Clock } from '#kernel/driver.ts';
import { table } from '#platform/table.ts';
import { gpuNow, servicePid, snapshot } from './machine.ts';
import {
  columns,
  csvHead,
  csvLine,
  rowOf,
  slopePerMinute,
  summarise,
  type Row,
  type Summary,
} from './monitor.rules.ts';

export interface MonitorOptions {
  readonly dataDir: string;
  readonly durationMs: number;
  readonly intervalMs: number;
  /** Where the rows go as they are measured. */
  readonly csv?: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onRow: (row: Row) => void;
}

export interface Monitored {
  /** The service that was watched; undefined where none runs. */
  readonly pid: number | undefined;
  readonly seconds: number;
  readonly rows: readonly Row[];
  readonly summary: readonly Summary[];
  /** MiB a minute by which the service grew. */
  readonly growthMibPerMinute: number;
}

/** Watches the machine and the running service beside it. Starts nothing and asks the service nothing. */
export async function monitor(options: MonitorOptions): Promise<Monitored> {
  const { dataDir, durationMs, intervalMs, csv, clock, signal, onRow } = options;
  const place = { pid: await servicePid(dataDir), dataDir, withGpu: (await gpuNow()) !== undefined };
  if (csv !== undefined) await write(csv, `${csvHead}\n`, true);
  const startedAt = clock.monotonic();
  const end = startedAt + durationMs;
  const rows: Row[] = [];
  let before = await snapshot(place, clock.now());
  for (let n = 1; clock.monotonic() < end && !signal.aborted; n += 1) {
    // By the clock of the start, so that taking figures does not stretch the interval.
    const next = Math.min(end, startedAt + n * intervalMs);
    await clock.sleep(Math.max(1, next - clock.monotonic()), signal);
    const after = await snapshot(place, clock.now());
    const row = rowOf(before, after);
    before = after;
    rows.push(row);
    onRow(row);
    if (csv !== undefined) await write(csv, `${csvLine(row)}\n`, false);
  }
  const rss = columns.find((c) => c.name === 'lares_rss_mib')!;
  return {
    pid: place.pid,
    seconds: (clock.monotonic() - startedAt) / 1000,
    rows,
    summary: summarise(rows),
    growthMibPerMinute: slopePerMinute(rows.map((r) => [r.at, rss.read(r) ?? 0])),
  };
}

async function write(file: string, text: string, fresh: boolean): Promise<void> {
  try {
    await (fresh ? writeFile(file, text, { mode: 0o600 }) : appendFile(file, text));
  } catch (error) {
    throw new LaresError('USAGE', `${file} cannot be written; name another place with --csv`, {
      cause: error,
    });
  }
}

export function monitorText({ pid, seconds, summary, growthMibPerMinute }: Monitored): string {
  const shown =
    pid === undefined
      ? summary.filter(({ name }) => !/^(core|cameras|detector|other|lares)_/.test(name))
      : summary;
  return [
    pid === undefined
      ? `No service runs on this data directory; this is the machine alone, for ${seconds.toFixed(1)} s`
      : `The service (process ${pid}) and the machine for ${seconds.toFixed(1)} s; CPU in percent of one core`,
    table(
      ['', 'MEAN', 'LEAST', 'MOST', 'UNIT'],
      shown.map((s) => [s.title, s.mean.toFixed(1), s.least.toFixed(1), s.most.toFixed(1), s.unit]),
    ),
    ...(pid === undefined ? [] : [`Memory changes by ${growthMibPerMinute.toFixed(1)} MiB a minute`]),
  ].join('\n');
}
