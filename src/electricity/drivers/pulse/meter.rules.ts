import type { Report, Scale } from './model.ts';
import { advance, powerAt, type Power } from './power.rules.ts';
import { count, impOf, type Counter, type Outcome } from './pulse.rules.ts';

// Crystals of microcontrollers are off by up to 40 parts in a million.
const drift = 1e-4;
/** A message this much older than now was kept and sent later, ms. */
const lateMs = 15_000;
/** Clocks of senders may be ahead of ours by this much, ms. */
const aheadMs = 60_000;
/** Nothing keeps messages for longer; a clock that was never set says 1970. */
const oldestMs = 45 * 86_400_000;
const liveGapMs = 2_000;
const shortestFreshMs = 30_000;
const longestFreshMs = 900_000;

/** Everything that is known about one meter between two messages. */
export interface Meter {
  readonly counter: Counter | undefined;
  readonly power: Power | undefined;
  /** Epoch ms at which the present start of the device began, on our clock. */
  readonly startedAt: number | undefined;
  /** The same, had the newest message been made when it came. */
  readonly arrivalStart: number | undefined;
  /** Epoch ms of the newest message that is not late, and the usual ms between two of them. */
  readonly heardAt: number | undefined;
  readonly gapMs: number;
  /** Its broker says that it is gone. */
  readonly offline: boolean;
  /** Epoch ms of the newest message that added something, and whether it was told already. */
  readonly newsAt: number | undefined;
}

/** What survives a restart of Lares. */
export interface Kept {
  readonly counter: Counter | undefined;
  readonly startedAt: number | undefined;
}

export const unheard = (kept?: Kept): Meter => ({
  counter: kept?.counter,
  startedAt: kept?.startedAt,
  arrivalStart: undefined,
  power: undefined,
  heardAt: undefined,
  gapMs: 0,
  offline: false,
  newsAt: undefined,
});

export interface Heard {
  readonly meter: Meter;
  readonly outcome: Outcome | 'power';
  /** Epoch ms of what the message tells. */
  readonly at: number;
  /** It was kept by the sender and tells of the past. */
  readonly late: boolean;
}

/** When a message was made and when its device started, epoch ms on our clock. */
export interface Dating {
  readonly at: number;
  readonly startedAt: number | undefined;
}

/**
 * Dates the messages of one delivery, oldest first. A device knows best how long it has been running: its uptime,
 * seen live once in this start, dates everything that it sends. Its clock may be wrong, so it is the last resort.
 */
export function datings(meter: Meter, reports: readonly Report[], now: number): Dating[] {
  const newest = reports.findLast((r) => r.uptimeMs !== undefined);
  return reports.map((report) => {
    const said = saidAt(report, now);
    const { uptimeMs } = report;
    if (uptimeMs === undefined) return { at: said ?? now, startedAt: meter.startedAt };
    const sameStart =
      newest?.uptimeMs !== undefined && newest.boot === report.boot && newest.uptimeMs >= uptimeMs;
    const started =
      (report.ageMs === undefined || said === undefined ? startOf(meter, report, now) : said - uptimeMs) ??
      // Without anything better, the last message of a delivery was made when it was sent.
      (sameStart ? (saidAt(newest, now) ?? now) - newest.uptimeMs! : undefined);
    const at = started === undefined ? (said ?? now) : Math.min(now, started + uptimeMs);
    return { at, startedAt: at - uptimeMs };
  });
}

/** What the sender says about the instant, unless that lies in the future or far back. */
function saidAt({ ageMs, at }: Report, now: number): number | undefined {
  const said = ageMs === undefined ? at : now - ageMs;
  return said !== undefined && said <= now + aheadMs && said >= now - oldestMs
    ? Math.min(said, now)
    : undefined;
}

/** When the start that a message belongs to began, where an earlier message of it tells. */
function startOf(meter: Meter, report: Report, now: number): number | undefined {
  const { counter, startedAt, arrivalStart } = meter;
  if (startedAt === undefined || counter?.uptimeMs === undefined || report.uptimeMs === undefined)
    return undefined;
  if (report.boot !== counter.boot || report.uptimeMs < counter.uptimeMs) return undefined;
  const arrival = now - report.uptimeMs;
  // Two messages that came as far apart as they were made came live: kept ones come faster.
  const live =
    arrivalStart !== undefined &&
    report.uptimeMs - counter.uptimeMs >= liveGapMs &&
    Math.abs(arrival - arrivalStart) <= liveGapMs;
  return live ? arrival : Math.min(startedAt + (now - counter.at) * drift, arrival);
}

/** Takes one message in. `at` and `startedAt` are its dating, `now` epoch ms. */
export function hear(
  meter: Meter,
  report: Report,
  { at, startedAt }: Dating,
  now: number,
  scale: Scale,
): Heard {
  const late = now - at > lateMs;
  const step = count(meter.counter, report, at, scale);
  const replay = step?.outcome === 'replay';
  const live = !late && !replay;
  const gap = live && meter.heardAt !== undefined ? now - meter.heardAt : meter.gapMs;
  return {
    outcome: step?.outcome ?? 'power',
    at,
    late,
    meter: {
      counter: step?.counter ?? meter.counter,
      power: replay ? meter.power : advance(meter.power, report, at, impOf(report, scale)),
      startedAt: replay ? meter.startedAt : startedAt,
      arrivalStart: replay || report.uptimeMs === undefined ? meter.arrivalStart : now - report.uptimeMs,
      heardAt: live ? now : meter.heardAt,
      gapMs: meter.gapMs === 0 ? gap : (meter.gapMs * 3 + gap) / 4,
      offline: live ? false : meter.offline,
      newsAt: replay ? meter.newsAt : at,
    },
  };
}

/** Whether silence means that little is drawn, and not that the device is away. */
export function isFresh({ heardAt, gapMs, offline }: Meter, now: number): boolean {
  const patience = Math.min(longestFreshMs, Math.max(shortestFreshMs, gapMs * 3));
  return heardAt !== undefined && !offline && now - heardAt <= patience;
}

/** Power and energy as of `at`, epoch ms; what is not known is absent. */
export function valuesAt(meter: Meter, at: number): { power_watts?: number; energy_wh?: number } {
  const watts = meter.power === undefined ? undefined : powerAt(meter.power, at);
  return {
    ...(watts === undefined ? {} : { power_watts: watts }),
    ...(meter.counter === undefined ? {} : { energy_wh: meter.counter.wh }),
  };
}
