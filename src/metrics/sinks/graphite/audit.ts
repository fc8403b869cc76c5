import type { ReadingLog } from '#store/model.ts';
import { compare, diagnose, type Findings } from './audit.rules.ts';
import { ticksIn } from './backlog.ts';
import { render } from './readback.ts';

export interface AuditReport extends Findings {
  /** What to tell a person; undefined when all is well. */
  readonly summary: string | undefined;
}

// Ticks of the last seconds may still be on their way through Carbon.
const settleMs = 30_000;
const spanMs = 660_000;

/** Reads back the last 11 minutes and finds what Carbon confirmed but does not show. Throws what `render` throws. */
export async function audit(
  renderUrl: string,
  readings: Pick<ReadingLog, 'range'>,
  now: number,
  signal: AbortSignal,
): Promise<AuditReport> {
  const span = { from: now - spanMs, to: now - settleMs };
  const sent = await ticksIn(readings, span);
  const [first, second] = sent;
  if (first === undefined || second === undefined)
    return { holes: [], missingSeries: [], stepSeconds: undefined, summary: undefined };
  const intervalSeconds = Math.min(...sent.slice(1).map(({ at }, i) => at - sent[i]!.at)) / 1000;
  const series = [...new Set(sent.flatMap(({ values }) => [...values.keys()]))];
  const findings = compare(
    sent,
    await render(renderUrl, series, span.from, span.to, signal),
    intervalSeconds,
  );
  const holes = findings.holes.length;
  const troubles = diagnose(findings, intervalSeconds);
  const lost = holes > 0 ? [`${holes} confirmed ticks are incomplete in Graphite and are sent again`] : [];
  return { ...findings, summary: [...troubles, ...lost].join('; ') || undefined };
}
