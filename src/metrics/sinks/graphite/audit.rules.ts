import type { Batch } from '#kernel/reading.ts';
import type { Range } from './rules.ts';

/** One series as /render shows it. */
export interface Rendered {
  readonly target: string;
  /** `[value or null, epoch seconds]`, evenly spaced. */
  readonly datapoints: readonly (readonly [number | null, number])[];
}

export interface Findings {
  /** Ticks of which at least one point is missing. */
  readonly holes: readonly Range[];
  /** Series of which nothing at all is shown. */
  readonly missingSeries: readonly string[];
  /** Distance of the points that Graphite keeps, in seconds; undefined when it shows nothing. */
  readonly stepSeconds: number | undefined;
}

/** Compares what was sent with what Graphite shows. Where Graphite keeps coarser points than we send, only whole series count. */
export function compare(
  sent: readonly Batch[],
  shown: readonly Rendered[],
  intervalSeconds: number,
): Findings {
  const steps = shown.flatMap(({ datapoints: [first, second] }) =>
    first && second ? [second[1] - first[1]] : [],
  );
  const stepSeconds = steps.length > 0 ? Math.max(...steps) : undefined;
  const kept = new Map(
    shown.map(({ target, datapoints }) => [
      target,
      new Set(datapoints.filter(([value]) => value !== null).map(([, epoch]) => epoch)),
    ]),
  );
  const series = new Set(sent.flatMap(({ values }) => [...values.keys()]));
  const missingSeries = [...series].filter((name) => (kept.get(name)?.size ?? 0) === 0).toSorted();
  const fine = stepSeconds === undefined || stepSeconds <= intervalSeconds;
  const slot = (at: number) => Math.floor(at / 1000 / (stepSeconds ?? 1)) * (stepSeconds ?? 1);
  const incomplete = ({ at, values }: Batch) =>
    [...values.keys()].some((name) =>
      fine ? kept.get(name)?.has(slot(at)) !== true : missingSeries.includes(name),
    );
  return {
    holes: sent.filter(incomplete).map(({ at }) => ({ from: at, to: at + 1 })),
    missingSeries,
    stepSeconds,
  };
}

/** One sentence per trouble of a Carbon with unsuitable settings, with its fix; empty when all is well. */
export function diagnose(
  findings: Pick<Findings, 'missingSeries' | 'stepSeconds'>,
  intervalSeconds: number,
): string[] {
  const { missingSeries, stepSeconds } = findings;
  return [
    ...(stepSeconds !== undefined && stepSeconds > intervalSeconds
      ? [
          `Graphite keeps one point per ${stepSeconds} s of the one per ${intervalSeconds} s that it gets: ` +
            'put deploy/graphite/storage-schemas.conf before the default rule and resize existing files with whisper-resize',
        ]
      : []),
    ...(missingSeries.length > 0
      ? [
          `${missingSeries.length} series are confirmed but missing in Graphite, first ${missingSeries[0]}: ` +
            'raise MAX_CREATES_PER_MINUTE in carbon.conf (Debian: 50) and look at creates.log',
        ]
      : []),
  ];
}
