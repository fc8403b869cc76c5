import { seeded, type PhoneHabits } from '#devices/lan/phone-model.ts';
import { defaultTuning } from '../fusion.model.ts';
import { fixedGrace, fusion, type Decide } from './replay.rules.ts';
import { truthOf, type Schedule } from './schedule.codec.ts';
import { pool, score, summarise, type Score, type Summary } from './score.rules.ts';
import { makeWorld, sightings, type Looking } from './world.rules.ts';

export interface Policy {
  readonly title: string;
  readonly looking: Looking;
  /** Whether it learns of door events. */
  readonly exits: boolean;
  readonly decide: Decide;
}

const watching: Looking = { sweepEveryMs: 30_000, probeEveryMs: 10_000, passive: true };

/** Policies compared. Ours run the fusion with its default settings; nothing in them is fitted to a schedule. */
export const policies = {
  original: {
    title: 'original: broadcast sweep every 30 s, fixed grace 300 s',
    looking: { sweepEveryMs: 30_000, probeEveryMs: undefined, passive: false },
    exits: false,
    decide: fixedGrace(300_000),
  },
  ours: {
    title: 'Lares: sweep, directed probes every 10 s, passive; no exit evidence',
    looking: watching,
    exits: false,
    decide: fusion(defaultTuning, false),
  },
  ours_exit: {
    title: 'Lares with exit evidence: a watched door, 90 % of departures caught, 8 exits a day by others',
    looking: watching,
    exits: true,
    decide: fusion(defaultTuning, true),
  },
} as const satisfies Record<string, Policy>;

export type PolicyName = keyof typeof policies;

export interface Result {
  readonly policy: PolicyName;
  /** Over all schedules and seeds together. */
  readonly pooled: Summary;
  /** False departures per person-week of each seed, over all schedules. */
  readonly perSeed: readonly number[];
  /** By schedule, over all seeds. */
  readonly perSchedule: Readonly<Record<string, Summary>>;
}

/**
 * Runs every policy over the same simulated phones. A world (truth, phone and doors) depends on the schedule and
 * the seed alone, so the policies differ by nothing but what they see of it and what they conclude.
 */
export function backtest(
  schedules: readonly Schedule[],
  habits: PhoneHabits,
  seeds: readonly number[],
): Result[] {
  const scores = new Map<PolicyName, { seed: number; schedule: string; score: Score }[]>();
  const names = Object.keys(policies) as PolicyName[];
  for (const schedule of schedules)
    for (const seed of seeds) {
      const random = seeded(`${schedule.name}:${seed}`);
      const world = makeWorld(truthOf(schedule, random), habits, random);
      for (const name of names) {
        const { looking, exits, decide }: Policy = policies[name];
        const seen = sightings(world, looking, habits, seeded(`${schedule.name}:${seed}:asking`));
        const { from, to } = world.truth;
        const transitions = decide({ from, to, sightings: seen, exits: exits ? world.exits : [] });
        const row = { seed, schedule: schedule.name, score: score(world.truth, transitions) };
        scores.set(name, [...(scores.get(name) ?? []), row]);
      }
    }
  return names.map((policy) => {
    const rows = scores.get(policy) ?? [];
    const of = (keep: (row: (typeof rows)[number]) => boolean) =>
      summarise(pool(rows.filter(keep).map((r) => r.score)));
    return {
      policy,
      pooled: of(() => true),
      perSeed: seeds.map((seed) => of((r) => r.seed === seed).false_departures_per_person_week),
      perSchedule: Object.fromEntries(
        schedules.map(({ name }) => [name, of((r) => r.schedule === name)] as const),
      ),
    };
  });
}
