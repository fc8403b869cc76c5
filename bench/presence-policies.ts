import { phoneHabits, seeded, sleepierHabits, type PhoneHabits } from '#devices/lan/phone-model.ts';
import { homeSpans, household } from '#demo/schedule.ts';
import { table } from '#platform/table.ts';
import { policies, type Policy } from '#presence/backtest/backtest.ts';
import { scheduleOf } from '#presence/backtest/cli.ts';
import { fixedGrace } from '#presence/backtest/replay.rules.ts';
import { truthOf } from '#presence/backtest/schedule.codec.ts';
import { pool, score, summarise } from '#presence/backtest/score.rules.ts';
import { makeWorld, sightings } from '#presence/backtest/world.rules.ts';

/**
 * The departure rules of other programs, by their defaults, on the same simulated phones as ours. They are our
 * reading of their documentation, not their code: how often they ask, whether by broadcast or directly, and the
 * silence after which they say away.
 */
const rule = (title: string, everyS: number, directed: boolean, graceS: number): Policy => ({
  title,
  looking: directed
    ? { sweepEveryMs: 1e12, probeEveryMs: everyS * 1000, passive: false }
    : { sweepEveryMs: everyS * 1000, probeEveryMs: undefined, passive: false },
  exits: false,
  decide: fixedGrace(graceS * 1000),
});

const rivals: readonly Policy[] = [
  rule('Home Assistant legacy scanner: 12 s, 180 s', 12, false, 180),
  rule('iphonedetect: UDP 5353 every 5 s, 24 s', 5, true, 24),
  rule('homebridge-network-presence: 10 s, 15 min', 10, false, 900),
  rule('UniFi-like: 300 s after the last sign', 10, true, 300),
];

const days = 28;
const seeds = [1, 2, 3, 4, 5];
const from = Date.UTC(2026, 0, 5);
const span = { from, to: from + days * 86_400_000 };
const people = household(6).map((name) =>
  scheduleOf(name, span, homeSpans(name, span, { seed: 'bench', offsetMs: 0 })),
);

function run({ looking, exits, decide }: Policy, habits: PhoneHabits) {
  const scores = people.flatMap((person) =>
    seeds.map((seed) => {
      const random = seeded(`${person.name}:${seed}`);
      const world = makeWorld(truthOf(person, random), habits, random);
      const seen = sightings(world, looking, habits, seeded(`${person.name}:${seed}:asking`));
      return score(world.truth, decide({ ...span, sightings: seen, exits: exits ? world.exits : [] }));
    }),
  );
  return summarise(pool(scores));
}

console.log(`${people.length} made-up people, ${days} days, ${seeds.length} seeds`);
const rows = [...Object.values(policies), ...rivals].map((policy: Policy) => {
  const [usual, sleepier] = [run(policy, phoneHabits), run(policy, sleepierHabits)];
  return [
    usual.false_departures_per_person_week.toFixed(2),
    sleepier.false_departures_per_person_week.toFixed(2),
    `${usual.departure_p50_s ?? '-'} s`,
    `${usual.departure_p95_s ?? '-'} s`,
    `${usual.arrival_p50_s ?? '-'} s`,
    `${usual.arrival_p95_s ?? '-'} s`,
    String(usual.missed_departures),
    policy.title,
  ];
});
console.log(
  table(['FALSE/WEEK', 'SLEEPIER', 'DEPARTURE P50', 'P95', 'ARRIVAL P50', 'P95', 'MISSED', 'POLICY'], rows),
);
