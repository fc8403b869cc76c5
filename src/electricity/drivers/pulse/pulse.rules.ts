import { usualImpPerKwh, type Report, type Scale } from './model.ts';

/** No house draws more, W: what a count would need more for did not happen between two messages. */
export const mostWatts = 100_000;
// Messages are late and clocks are coarse; so much time is granted on top of what passed.
const graceMs = 10_000;
const millisWrap = 2 ** 32;
const rememberedBoots = 16;

/** The energy counter of one meter, which only grows. It survives restarts of the device and of Lares. */
export interface Counter {
  /** Wh since we first heard of the meter. */
  readonly wh: number;
  /** The count of the device at `at` (epoch ms), in pulses or Wh. */
  readonly total: number;
  readonly unit: 'pulses' | 'wh';
  readonly at: number;
  readonly uptimeMs?: number | undefined;
  readonly sequence?: number | undefined;
  readonly boot?: string | undefined;
  /** Earlier starts of the device, newest last: what they still send is old. */
  readonly pastBoots: readonly string[];
}

/**
 * What a message did to the counter. `replay`: it was counted before. `restarted`: the device lost its count.
 * `rebased`: the count jumped by more than a house can draw; counting goes on from there, and nothing was added.
 */
export type Outcome = 'first' | 'counted' | 'wrapped' | 'restarted' | 'rebased' | 'replay';

export interface Step {
  readonly counter: Counter;
  readonly outcome: Outcome;
}

/** Pulses a kWh that hold for a report: settings, else the message, else 1000. */
export const impOf = (report: Report, scale: Scale): number =>
  scale.impPerKwh ?? report.impPerKwh ?? usualImpPerKwh;

/** Milliseconds of the device between two uptimes; a 32-bit `millis()` starts again after 49.7 days without a restart. */
export function uptimePassed(from: number, to: number, wallMs: number): number {
  if (to >= from || from > millisWrap) return to - from;
  const wrapped = to + millisWrap - from;
  return Math.abs(wrapped - wallMs) <= graceMs + wallMs * 0.2 ? wrapped : to - from;
}

/**
 * Adds one message to the counter. `at` is epoch ms of the message on our clock. Undefined where the message holds no
 * count and there is no counter yet.
 */
export function count(
  before: Counter | undefined,
  report: Report,
  at: number,
  scale: Scale,
): Step | undefined {
  const unit = report.total === undefined ? 'wh' : 'pulses';
  const total = report.total ?? report.totalWh;
  if (total === undefined) return undefined;
  const { uptimeMs, sequence, boot } = report;
  const after = (wh: number): Counter => ({
    wh,
    total,
    unit,
    at,
    uptimeMs,
    sequence,
    boot: boot ?? before?.boot,
    pastBoots:
      before?.boot === undefined || boot === undefined || boot === before.boot
        ? (before?.pastBoots ?? [])
        : [...before.pastBoots, before.boot].slice(-rememberedBoots),
  });
  if (before === undefined) return { counter: after(0), outcome: 'first' };
  const start = started(before, report, at);
  if (start === 'before') return { counter: before, outcome: 'replay' };
  if (before.unit !== unit) return { counter: after(before.wh), outcome: 'rebased' };
  const [whEach, wrapsAt] =
    unit === 'wh' ? [1, Number.POSITIVE_INFINITY] : [1_000 / impOf(report, scale), scale.wrapsAt];
  const passedMs = Math.max(0, at - before.at);
  const possible = (counted: number, ms: number) =>
    counted >= 0 && counted * whEach <= (mostWatts * (ms + graceMs)) / 3_600_000;
  const [counted, outcome] = difference(
    { before: before.total, now: total, wrapsAt, sinceBoot: report.sinceBoot },
    start === 'again',
    (n) => possible(n, passedMs),
    // A device that lost its count has counted since it started, which it may say.
    (n) => possible(n, start === 'again' && uptimeMs !== undefined ? uptimeMs : passedMs),
  );
  return { counter: after(before.wh + counted * whEach), outcome };
}

interface Counts {
  readonly before: number;
  readonly now: number;
  readonly wrapsAt: number;
  readonly sinceBoot: number | undefined;
}

type Possible = (counted: number) => boolean;

/** Pulses between two counts, by the likeliest story that a house can have drawn. */
function difference(
  { before, now, wrapsAt, sinceBoot }: Counts,
  restarted: boolean,
  possible: Possible,
  possibleSinceStart: Possible,
): [number, Outcome] {
  if (restarted && sinceBoot !== undefined && sinceBoot <= now && possibleSinceStart(sinceBoot)) {
    // What it restored may hold pulses that no message told us of, or may be older than what we know.
    const restored = now - sinceBoot;
    const forward = restored < before ? restored + wrapsAt - before : restored - before;
    return [sinceBoot + (possible(forward) ? forward : 0), restored >= before ? 'counted' : 'restarted'];
  }
  if (possible(now - before)) return [now - before, 'counted'];
  if (now < before && before < wrapsAt && possible(now + wrapsAt - before))
    return [now + wrapsAt - before, 'wrapped'];
  // Fewer than before: the count is gone and began again, or an older one was restored.
  if (now < before && possibleSinceStart(now)) return [now, 'restarted'];
  return [0, 'rebased'];
}

/** Whether a message is of the same start of the device as the newest one, of a later one, or older than it. */
function started(last: Counter, report: Report, at: number): 'same' | 'again' | 'before' {
  const { boot, sequence, uptimeMs } = report;
  const bothBoots = boot !== undefined && last.boot !== undefined;
  if (bothBoots && boot !== last.boot) return last.pastBoots.includes(boot) ? 'before' : 'again';
  const numbered = sequence !== undefined && last.sequence !== undefined;
  if (bothBoots && numbered) return sequence > last.sequence ? 'same' : 'before';
  if (uptimeMs === undefined || last.uptimeMs === undefined) {
    if (numbered && sequence <= last.sequence) return 'before';
    return at < last.at ? 'before' : 'same';
  }
  const passed = uptimePassed(last.uptimeMs, uptimeMs, Math.max(0, at - last.at));
  if (passed > 0) return numbered && sequence <= last.sequence ? 'before' : 'same';
  if (bothBoots || passed === 0) return 'before';
  // Without a name for each start: it cannot have started before the last message and be younger than that.
  return uptimeMs <= at - last.at + graceMs ? 'again' : 'before';
}
