import type { Evidence } from '#kernel/event.ts';
import { spoken, type Severity, type Subject } from './anomaly.rules.ts';
import { type Habit, typical } from './habit.rules.ts';

/** A device that somebody seems to have forgotten. */
export interface LeftOn {
  readonly subject: string;
  /** Epoch ms since when it is on. */
  readonly since: number;
  /** For people. */
  readonly text: string;
  readonly evidence: readonly Evidence[];
  readonly severity: Severity;
}

export interface LeftOnOptions {
  /** Epoch ms since when nobody has been home; absent while somebody is or nobody knows. */
  readonly nobodyHomeSince?: number | undefined;
  /** Minutes that it may be on at most, where a person has said so. */
  readonly limitMin?: number | undefined;
  /** W that it draws now, for the text. */
  readonly watts?: number | undefined;
}

const minuteMs = 60_000;
const dayMs = 86_400_000;
const rule = {
  leastRuns: 5,
  leastDays: 3,
  /** Only on-times that end are bounded: what runs most of the day is meant to. */
  longestUsualMin: 240,
  mostRunsPerDay: 12,
  times: 2,
  extraMin: 30,
  /** How soon it matters when nobody is home, and how much absence must have shown that it is off then. */
  awayMin: 15,
  leastAwayMin: 600,
  mostAwayShare: 0.02,
} as const;

/**
 * Whether a device is on far beyond its usual time, or on while nobody is home although it never is. Judges only
 * devices whose on-times are bounded by habit (iron, oven, hob, heater, lamp) or by a limit that a person gave.
 */
export function leftOn(
  subject: Subject,
  habit: Habit,
  now: number,
  options: LeftOnOptions = {},
): LeftOn | undefined {
  const { nobodyHomeSince, limitMin, watts } = options;
  if (habit.running !== true || habit.quietSince !== undefined || now - habit.last > 30 * minuteMs)
    return undefined;
  const since = habit.changedAt;
  const minutes = (now - since) / minuteMs;
  const days = Math.max(1, (habit.last - habit.since) / dayMs);
  const usual = days >= rule.leastDays ? typical(habit.runs, rule.leastRuns) : undefined;
  const bounded =
    usual !== undefined &&
    usual.longest <= rule.longestUsualMin &&
    // A list of the newest 200 runs that spans few days belongs to something that switches itself.
    (usual.seen < 200 ? usual.seen / days : rule.mostRunsPerDay + 1) <= rule.mostRunsPerDay;
  const limit =
    limitMin ?? (bounded ? Math.max(rule.times * usual.longest, usual.longest + rule.extraMin) : undefined);
  const evidence: Evidence[] = [
    {
      at: since,
      source: 'electricity',
      text: watts === undefined ? 'on since then' : `on since then, ${Math.round(watts)} W now`,
    },
  ];
  const usually = usual === undefined ? '' : ` (usually ${spoken(usual.usual)})`;
  const awayMin = nobodyHomeSince === undefined ? 0 : (now - nobodyHomeSince) / minuteMs;
  const { away } = habit;
  const neverAway =
    away.minutes >= rule.leastAwayMin &&
    away.running - minutesOf(habit, now, awayMin) <= rule.mostAwayShare * away.minutes;
  if (
    nobodyHomeSince !== undefined &&
    awayMin >= rule.awayMin &&
    since < nobodyHomeSince &&
    (bounded || limitMin !== undefined) &&
    (neverAway || (limit !== undefined && minutes > limit / 2))
  )
    return {
      subject: subject.id,
      since,
      text: `${subject.name} has been on for ${spoken(minutes)}${usually} and nobody has been home for ${spoken(awayMin)}`,
      evidence: [
        ...evidence,
        { at: nobodyHomeSince, source: 'presence', text: 'nobody home since then' },
        ...(neverAway
          ? [{ at: now, source: 'electricity', text: `off in ${spoken(away.minutes)} of absence before` }]
          : []),
      ],
      severity: 'urgent',
    };
  if (limit === undefined || minutes <= limit) return undefined;
  return {
    subject: subject.id,
    since,
    text: `${subject.name} has been on for ${spoken(minutes)}${usually}`,
    evidence: [
      ...evidence,
      {
        at: now,
        source: 'electricity',
        text:
          limitMin === undefined
            ? `its last ${usual?.seen ?? 0} times took at most ${spoken(usual?.longest ?? 0)}`
            : `the settings allow ${spoken(limitMin)}`,
      },
    ],
    severity: 'warning',
  };
}

/** Minutes of the present absence for which it has been running: they are the question, not the habit. */
function minutesOf(habit: Habit, now: number, awayMin: number): number {
  return Math.min(awayMin, (now - habit.changedAt) / minuteMs);
}
