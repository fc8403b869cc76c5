import { quantile } from './numbers.rules.ts';

/**
 * How one device usually behaves, learned minute by minute. Plain data, bounded, safe to keep as JSON. Minutes are
 * minutes of wall time.
 */
export interface Habit {
  /** Epoch ms of the first and the newest observation. */
  readonly since: number;
  readonly last: number;
  /** Minutes seen at each level; bin k holds powers from `binEdge(k)` to the next. */
  readonly levels: readonly number[];
  /** Epoch ms since when it runs, or pauses; undefined before the first change was seen. */
  readonly running: boolean | undefined;
  readonly changedAt: number;
  /** Whether the change itself was seen, so that the length counts. */
  readonly whole: boolean;
  /** Epoch ms since when it seems to have stopped; a thermostat or a glance away is no pause. */
  readonly quietSince: number | undefined;
  /** Lengths of whole runs and pauses, minutes, newest last. */
  readonly runs: readonly number[];
  readonly pauses: readonly number[];
  /** Highest power of each day, W, newest last; the last one is of the day that still lasts. */
  readonly peaks: readonly number[];
  /** UTC day of the last of `peaks`. */
  readonly peakDay: number;
  /** Minutes seen while nobody was home, and how many of them it ran. */
  readonly away: { readonly minutes: number; readonly running: number };
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
const bins = 48;
const growth = 1.25;
const lowest = 0.5;
const kept = { lengths: 200, peaks: 60 } as const;
/** Stops shorter than this belong to the run: irons, ovens and hobs click on and off all the time. */
const bridgeMs = 6 * minuteMs;
/** After a longer gap between observations nobody knows what it did. */
const gapMs = 15 * minuteMs;
const longestGapMs = 3 * 3_600_000;
/** A month: older levels fade. */
const memoryMin = 30 * 1_440;

/** W at the lower edge of a bin of `levels`; bin 0 also holds everything below. */
export const binEdge = (k: number): number => lowest * growth ** k;

const binOf = (watts: number) =>
  watts < lowest ? 0 : Math.min(bins - 1, Math.floor(Math.log(watts / lowest) / Math.log(growth)));

export function newHabit(at: number): Habit {
  return {
    since: at,
    last: at,
    levels: Array.from({ length: bins }, () => 0),
    running: undefined,
    changedAt: at,
    whole: false,
    quietSince: undefined,
    runs: [],
    pauses: [],
    peaks: [],
    peakDay: 0,
    away: { minutes: 0, running: 0 },
  };
}

/**
 * The power (W) above which it runs: the cut between its low and its high levels that parts them best (Otsu's method
 * on logarithmic levels). Undefined while it has shown only one level: something that is always on never runs.
 */
export function runsAbove(levels: readonly number[]): number | undefined {
  const total = levels.reduce((sum, n) => sum + n, 0);
  const all = levels.reduce((sum, n, k) => sum + n * k, 0);
  if (total < 60) return undefined;
  let [below, moment, best] = [0, 0, 0];
  let cuts: number[] = [];
  let apart = 0;
  for (let k = 0; k < levels.length - 1; k += 1) {
    below += levels[k] ?? 0;
    moment += k * (levels[k] ?? 0);
    const above = total - below;
    if (below === 0 || above < 2) continue;
    const distance = (all - moment) / above - moment / below;
    const between = below * above * distance ** 2;
    if (between > best * (1 + 1e-9)) [best, cuts, apart] = [between, [k], distance];
    else if (between >= best * (1 - 1e-9)) cuts.push(k);
  }
  // Four bins are a factor of 2.4: less is one level with noise.
  if (apart < 4) return undefined;
  const middle = ((cuts[0] ?? 0) + (cuts.at(-1) ?? 0)) / 2;
  return Math.max(2, binEdge(middle + 1));
}

function withLevel(levels: readonly number[], watts: number, minutes: number): number[] {
  const bin = binOf(watts);
  const next = levels.map((n, k) => (k === bin ? n + minutes : n));
  return next.reduce((sum, n) => sum + n, 0) > memoryMin ? next.map((n) => n / 2) : next;
}

function withPeak(habit: Habit, at: number, watts: number): Pick<Habit, 'peaks' | 'peakDay'> {
  const day = Math.floor(at / dayMs);
  if (day !== habit.peakDay || habit.peaks.length === 0)
    return { peaks: [...habit.peaks, watts].slice(-kept.peaks), peakDay: day };
  const highest = Math.max(watts, habit.peaks.at(-1) ?? 0);
  return { peaks: [...habit.peaks.slice(0, -1), highest], peakDay: day };
}

const minutesBetween = (from: number, to: number) => Math.round((to - from) / minuteMs);

/** Turns from running to pausing or back at `at`; a length counts when both its ends were seen. */
function turned(habit: Habit, running: boolean, at: number): Partial<Habit> {
  const length = minutesBetween(habit.changedAt, at);
  const known = habit.running !== undefined && habit.whole && length > 0;
  return {
    running,
    changedAt: at,
    whole: habit.running !== undefined,
    quietSince: undefined,
    ...(known && habit.running === true && { runs: [...habit.runs, length].slice(-kept.lengths) }),
    ...(known && habit.running === false && { pauses: [...habit.pauses, length].slice(-kept.lengths) }),
  };
}

/** Adds what the device draws at `at` (epoch ms, about once a minute). An observation that is not newer is ignored. */
export function observe(habit: Habit, at: number, watts: number, nobodyHome = false): Habit {
  // A clock that was set back by more than a day: what was going on is unknown, what was learned holds.
  if (habit.last - at > dayMs) return { ...habit, last: at, running: undefined, quietSince: undefined };
  if (at <= habit.last && habit.peaks.length > 0) return habit;
  const gap = at - habit.last;
  const minutes = Math.min(Math.max(1, gap / minuteMs), gapMs / minuteMs);
  const base: Habit = {
    ...habit,
    last: at,
    levels: withLevel(habit.levels, watts, Math.min(minutes, 2)),
    ...withPeak(habit, at, watts),
  };
  const limit = runsAbove(base.levels);
  if (limit === undefined) return { ...base, running: undefined, quietSince: undefined, whole: false };
  const active = watts >= limit;
  const counted: Habit = nobodyHome
    ? {
        ...base,
        away: {
          minutes: base.away.minutes + minutes,
          running: base.away.running + (active ? minutes : 0),
        },
      }
    : base;
  // What had lasted for long before a gap, and is the same after it, has most likely lasted through it.
  const lasted = active === counted.running && gap <= longestGapMs && habit.last - habit.changedAt > 2 * gap;
  if (counted.running === undefined || (gap > gapMs && !lasted))
    return { ...counted, running: active, changedAt: at, whole: false, quietSince: undefined };
  if (gap > gapMs) return { ...counted, whole: false, quietSince: undefined };
  if (counted.running) {
    if (active) return { ...counted, quietSince: undefined };
    const stopped = counted.quietSince ?? at;
    if (at - stopped < bridgeMs) return { ...counted, quietSince: stopped };
    return { ...counted, ...turned(counted, false, stopped) };
  }
  return active ? { ...counted, ...turned(counted, true, at) } : counted;
}

/** What is typical of a device, from what has been learned; undefined where too little was seen. */
export interface Typical {
  /** Minutes. */
  readonly usual: number;
  /** Minutes that all but the rarest stay below. */
  readonly longest: number;
  readonly seen: number;
}

export function typical(lengths: readonly number[], least: number): Typical | undefined {
  if (lengths.length < least) return undefined;
  return { usual: quantile(lengths, 0.5), longest: quantile(lengths, 0.98), seen: lengths.length };
}
