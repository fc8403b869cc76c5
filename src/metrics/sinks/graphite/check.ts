import type { Clock } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { shown as shownUrl } from '#platform/http-client.ts';
import type { GraphiteConfig } from '../../config.ts';
import { diagnose, type Rendered } from './audit.rules.ts';
import { encodeLine } from './codec.ts';
import { render } from './readback.ts';
import { deliver, named } from './receipt.ts';

/** The series that `lares graphite test` and the doctor write to. */
export const testSeries = 'home.presence.test_operational';

/** One thing that was looked at. */
export interface GraphiteFinding {
  readonly ok: boolean;
  /** What was found, as a sentence, with the fix where one is needed. */
  readonly text: string;
}

export interface GraphiteProbe {
  readonly series: string;
  readonly value: number;
  /** Epoch ms, a whole second. */
  readonly at: number;
  readonly target: string;
  readonly confirmedInMs: number;
  /** undefined without a render URL; null when Graphite did not show the point in time. */
  readonly shown: number | null | undefined;
  /** Distance of the points that Graphite keeps, in seconds, where it is known. */
  readonly stepSeconds: number | undefined;
}

const readBackMs = 5_000;
const readBackPauseMs = 250;

/**
 * Sends one point, waits for the receipt, and reads it back where a render URL is given.
 * Throws UNREACHABLE or TIMEOUT when there is no receipt.
 */
export async function probe(
  config: Pick<GraphiteConfig, 'host' | 'port' | 'render_url' | 'timeout_seconds'>,
  options: {
    series?: string;
    value?: number;
    intervalSeconds?: number;
    signal?: AbortSignal;
    clock?: Clock;
  } = {},
): Promise<GraphiteProbe> {
  const { series = testSeries, value = 1, signal, clock = systemClock } = options;
  const at = Math.floor(clock.now() / 1000) * 1000;
  const line = encodeLine(series, value, at);
  if (line === undefined)
    throw new LaresError('USAGE', `${series} ${value} is not something that Carbon may be sent`);
  const { tookMs: confirmedInMs } = await deliver(config, line, config.timeout_seconds * 1000);
  const sent = { series, value, at, target: named(config), confirmedInMs };
  if (config.render_url === undefined) return { ...sent, shown: undefined, stepSeconds: undefined };
  let last: Rendered[] = [];
  // Carbon needs a moment to make the file of a new series.
  for (const end = clock.monotonic() + readBackMs; clock.monotonic() < end;) {
    last = await render(config.render_url, [series], at - 300_000, at + 1000, signal);
    const shown = valueAt(last, at);
    if (shown !== undefined) return { ...sent, shown, stepSeconds: stepOf(last) };
    await clock.sleep(readBackPauseMs, signal);
  }
  return { ...sent, shown: null, stepSeconds: stepOf(last) };
}

function stepOf(rendered: readonly Rendered[]): number | undefined {
  const [first, second] = rendered.find(({ datapoints }) => datapoints.length > 1)?.datapoints ?? [];
  return first && second ? second[1] - first[1] : undefined;
}

/** The value of the slot that holds `at`. */
function valueAt(rendered: readonly Rendered[], at: number): number | undefined {
  const step = stepOf(rendered) ?? 1;
  const slot = Math.floor(at / 1000 / step) * step;
  return rendered[0]?.datapoints.find(([value, epoch]) => value !== null && epoch === slot)?.[0] ?? undefined;
}

/**
 * Everything that can be wrong between us and Graphite: no receipt, no read-back, points too far apart, files that
 * Carbon does not create. `series` are those of the last tick; those that Graphite does not show count as missing.
 */
export async function checkGraphite(
  config: GraphiteConfig,
  options: { intervalSeconds: number; series?: readonly string[]; signal?: AbortSignal },
): Promise<GraphiteFinding[]> {
  const { intervalSeconds, series = [], signal } = options;
  try {
    const result = await probe(config, { ...(signal && { signal }) });
    const confirmed = `${result.target} confirmed a test metric in ${result.confirmedInMs.toFixed(1)} ms`;
    const found: GraphiteFinding[] = [{ ok: true, text: confirmed }];
    if (config.render_url === undefined)
      return [...found, { ok: true, text: 'graphite.render_url is not set, so nothing can be read back' }];
    if (result.shown === null)
      found.push({
        ok: false,
        text: `${shownUrl(config.render_url)} does not show the test metric: is it the graphite-web of this Carbon, and may Carbon make new files (MAX_CREATES_PER_MINUTE)?`,
      });
    const now = systemClock.now();
    const shown =
      series.length === 0 ? [] : await render(config.render_url, series, now - 600_000, now, signal);
    const seen = new Set(
      shown.filter((one) => one.datapoints.some(([v]) => v !== null)).map((one) => one.target),
    );
    const findings = {
      stepSeconds: result.stepSeconds ?? stepOf(shown),
      missingSeries: series.filter((name) => !seen.has(name)).toSorted(),
    };
    const troubles = diagnose(findings, intervalSeconds);
    return [
      ...found,
      ...troubles.map((text) => ({ ok: false, text })),
      ...(troubles.length === 0 && result.shown !== null
        ? [{ ok: true, text: `Graphite shows what was sent, one point per ${result.stepSeconds ?? '?'} s` }]
        : []),
    ];
  } catch (error) {
    return [{ ok: false, text: `graphite error: ${reason(error)}` }];
  }
}
