import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Movement } from '#kernel/bus.ts';
import { newBelief, reported, settled, shifted, sighted, type Belief } from './belief.rules.ts';
import { defaultTuning, type Surroundings, type Tuning } from './fusion.model.ts';
import { judge } from './fusion.rules.ts';
import type { Report } from './model.ts';
import { edges, learnSilence, noHabit, normalTail, silencesPerHour, watchHours } from './silence.rules.ts';

const start = Date.UTC(2026, 10, 21, 12);
const phone = '02:00:00:00:00:01';
const fixed: Tuning = { ...defaultTuning, policy: 'fixed' };

function around(now: number, more: Partial<Surroundings> = {}): Surroundings {
  return {
    now,
    hour: 12,
    movements: [],
    exitsWatched: false,
    watched: { from: start - 86_400_000, to: now },
    hasDevices: false,
    ...more,
  };
}

const step = (belief: Belief, at: Surroundings, tuning = defaultTuning) =>
  settled(belief, judge(belief, at, tuning).state, at);

const atHome = (tuning = defaultTuning) =>
  step(sighted(newBelief('alex'), phone, start, 12, 0), around(start), tuning);

/** Seconds of silence after which the person counts as away, judged every 5 s as the tick does. */
function departsAfter(belief: Belief, more: Partial<Surroundings> = {}, tuning = defaultTuning): number {
  let now = start;
  for (let b = belief; b.state === 'home' && now < start + 6 * 3_600_000; now += 5_000)
    b = step(b, around(now, more), tuning);
  return (now - 5_000 - start) / 1000;
}

const report = (over: Partial<Report>): Report => ({
  source: 'homeassistant',
  person: 'alex',
  state: 'home',
  at: start - 3_600_000,
  entity: 'person.alex',
  gps: true,
  ...over,
});
const exit = (over: Partial<Movement> = {}): Movement => ({
  direction: 'exit',
  at: start + 5_000,
  source: 'camera.front',
  confidence: 1,
  ...over,
});

describe('arrival', () => {
  test('one sighting brings a person home at once', () => {
    const judgement = judge(sighted(newBelief('alex'), phone, start, 12, 0), around(start), defaultTuning);
    expect([judgement.state, judgement.from, judgement.probability > 0.98]).toEqual([
      'home',
      { wifi: 1, homeassistant: 0, tado: 0 },
      true,
    ]);
  });

  test('nothing is known of somebody whom no source has mentioned', () => {
    expect(judge(newBelief('alex'), around(start), defaultTuning)).toEqual({
      probability: 0.5,
      state: 'unknown',
      evidence: [],
      conflict: undefined,
      from: { wifi: 0, homeassistant: 0, tado: 0 },
      lastSeen: undefined,
    });
  });

  test('Home Assistant alone can bring home and send away', () => {
    const home = step(reported(newBelief('alex'), report({}), start), around(start));
    const away = step(
      reported(home, report({ state: 'away', at: start + 60_000 }), start + 60_000),
      around(start + 60_000),
    );
    expect([home.state, away.state]).toEqual(['home', 'away']);
  });

  test('somebody who left is not brought home by fading doubts, only by newer proof', () => {
    const left = { ...atHome(), state: 'away' as const, since: start + 600_000 };
    expect(step(left, around(start + 601_000)).state).toBe('away');
    const back = sighted(left, phone, start + 602_000, 12, 0);
    expect(step(back, around(start + 602_000)).state).toBe('home');
  });
});

describe('arrival against old silence', () => {
  const hour = 3_600_000;
  const awaySince = { ...atHome(), state: 'away' as const, since: start + hour };

  test('a report that somebody came home is believed although their phone has been off Wi-Fi for hours', () => {
    const now = start + 3 * hour;
    const arrived = step(reported(awaySince, report({ at: now }), now), around(now));
    expect(arrived.state).toBe('home');
    expect(step(arrived, around(now + 500_000)).state).toBe('home');
  });

  test('a face known at the door brings home, and sends away, whoever carries no phone', () => {
    const now = start + 3 * hour;
    const entry: Movement = {
      direction: 'entry',
      at: now,
      person: 'alex',
      source: 'camera.front',
      confidence: 1,
    };
    const arrived = step(awaySince, around(now, { movements: [entry] }));
    const left = step(
      arrived,
      around(now + hour / 2, { movements: [entry, exit({ person: 'alex', at: now + hour / 2 })] }),
    );
    expect([arrived.state, left.state]).toEqual(['home', 'away']);
  });

  test('somebody whose devices nobody has seen is away once the network was watched for the grace period', () => {
    const watching = (ms: number) =>
      step(
        newBelief('alex'),
        around(start + ms, { watched: { from: start, to: start + ms }, hasDevices: true }),
      ).state;
    expect([watching(299_000), watching(301_000)]).toEqual(['unknown', 'away']);
  });
});

describe('departure', () => {
  test('the fixed policy sends away exactly when the grace period ends', () => {
    expect(departsAfter(atHome(fixed), {}, fixed)).toBe(300);
  });

  test.each([1, 40, 25_000])(
    'a phone that proved itself %i ms before it was judged, and never again, does not hold its owner at home',
    (lateMs) => {
      const arrived = step(sighted(newBelief('alex'), phone, start, 12, 0), around(start + lateMs));
      expect(arrived.state).toBe('home');
      expect(departsAfter(arrived)).toBe(departsAfter(atHome()));
    },
  );

  test('a phone of unknown habits gets more than the grace period, and less than the longest silence', () => {
    const after = departsAfter(atHome());
    expect(after).toBeGreaterThan(900);
    expect(after).toBeLessThanOrEqual(2_700);
  });

  test('a phone that was never silent for long is believed as soon as the grace period ends', () => {
    const habits = { [phone]: watchHours(noHabit, 400) };
    expect(departsAfter({ ...atHome(), habits })).toBeLessThanOrEqual(600);
  });

  test('a phone that sleeps for half an hour again and again is given that time', () => {
    let habit = watchHours(noHabit, 60);
    for (let n = 0; n < 60; n += 1) habit = learnSilence(habit, 1_800_000, 1);
    expect(departsAfter({ ...atHome(), habits: { [phone]: habit } })).toBeGreaterThan(1_800);
  });

  test('exit evidence shortens the grace period', () => {
    expect(departsAfter(atHome(), { movements: [exit()] })).toBe(defaultTuning.exitGraceMs / 1000);
  });

  test('the exit of somebody else does not', () => {
    expect(departsAfter(atHome(), { movements: [exit({ person: 'sam' })] })).toBe(departsAfter(atHome()));
  });

  test('watched exits that saw nobody leave speak for home', () => {
    expect(departsAfter(atHome(), { exitsWatched: true })).toBeGreaterThan(departsAfter(atHome()));
  });

  test('Home Assistant that says home holds a silent phone at home', () => {
    const belief = reported(atHome(), report({}), start + 7 * 3_600_000);
    expect(departsAfter(belief)).toBeGreaterThan(6 * 3600 - 10);
  });

  test('Home Assistant that says away shortens the silence that is needed', () => {
    const belief = reported(atHome(), report({ state: 'away', at: start + 60_000 }), start + 60_000);
    expect(departsAfter(belief)).toBeLessThanOrEqual(600);
  });

  test.each(['unknown'] as const)('a report of %s is no information', (state) => {
    expect(departsAfter(reported(atHome(), report({ state }), start))).toBe(departsAfter(atHome()));
  });

  test('silence while nobody listened proves nothing', () => {
    const watched = { from: start - 1, to: start };
    expect(step(atHome(), around(start + 86_400_000, { watched })).state).toBe('home');
  });

  test('at night leaving takes more proof than by day', () => {
    expect(departsAfter(atHome(), { hour: 3 })).toBeGreaterThan(departsAfter(atHome(), { hour: 12 }));
  });
});

test('sources that contradict each other are shown', () => {
  const belief = reported(atHome(), report({ state: 'away', at: start - 60_000 }), start);
  const { conflict, state } = judge(belief, around(start), defaultTuning);
  expect([state, conflict]).toEqual([
    'home',
    `wifi: ${phone} was on Wi-Fi 0 s ago, but homeassistant: person.alex is away`,
  ]);
});

test('of several trackers any that says home counts, and the disagreement is shown', () => {
  let belief = reported(newBelief('alex'), report({ entity: 'device_tracker.phone' }), start);
  belief = reported(belief, report({ state: 'away' }), start);
  const judgement = judge(belief, around(start), defaultTuning);
  expect([judgement.from.homeassistant, judgement.conflict]).toEqual([
    1,
    'device_tracker.phone is home, but other entities of homeassistant say away',
  ]);
});

test('a report is held between polls and dropped when its source has been quiet too long', () => {
  const belief = reported(newBelief('alex'), report({}), start);
  const from = (after: number) => judge(belief, around(start + after), defaultTuning).from.homeassistant;
  expect([from(0), from(599_000), from(601_000)]).toEqual([1, 1, 0]);
});

test('setting the clock changes nothing but the clock', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -7_200_000, max: 7_200_000 }),
      fc.integer({ min: 0, max: 3_000_000 }),
      (by, later) => {
        const moved = shifted(reported(atHome(), report({}), start), by, start + later + by);
        const watched = { from: start - 86_400_000 + by, to: start + later + by };
        const before = judge(reported(atHome(), report({}), start), around(start + later), defaultTuning);
        const after = judge(moved, around(start + later + by, { watched }), defaultTuning);
        expect([after.state, after.probability]).toEqual([before.state, before.probability]);
      },
    ),
  );
});

test('whatever is observed, the judgement is a probability and replays to the same result', () => {
  const observation = fc.oneof(
    fc.record({ kind: fc.constant('see' as const), in: fc.integer({ min: 0, max: 4_000_000 }) }),
    fc.record({
      kind: fc.constant('say' as const),
      in: fc.integer({ min: 0, max: 4_000_000 }),
      state: fc.constantFrom('home' as const, 'away' as const, 'unknown' as const),
    }),
  );
  fc.assert(
    fc.property(fc.array(observation, { maxLength: 60 }), (list) => {
      const replay = () => {
        let now = start;
        let belief = newBelief('alex');
        return list.map((o) => {
          now += o.in;
          belief =
            o.kind === 'see'
              ? sighted(belief, phone, now, 12, 0)
              : reported(belief, report({ state: o.state, at: now }), now);
          const judgement = judge(belief, around(now), defaultTuning);
          belief = settled(belief, judgement.state, around(now));
          expect(judgement.probability).toBeGreaterThanOrEqual(0);
          expect(judgement.probability).toBeLessThanOrEqual(1);
          return [belief.state, judgement.probability];
        });
      };
      expect(replay()).toEqual(replay());
    }),
  );
});

describe('silence habits', () => {
  test('the tail of the normal distribution agrees with its table', () => {
    expect([0, 1, 1.96, 3].map((z) => Number(normalTail(z).toFixed(5)))).toEqual([
      0.5, 0.15866, 0.025, 0.00135,
    ]);
  });

  test('longer silences are never more frequent than shorter ones', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.integer({ min: 60_000, max: 10_000_000 }), fc.double({ min: 0, max: 1, noNaN: true })),
        ),
        fc.double({ min: 0, max: 1000, noNaN: true }),
        (gaps, hours) => {
          let habit = watchHours(noHabit, hours);
          for (const [ms, weight] of gaps) habit = learnSilence(habit, ms, weight);
          const rates = [...edges, ...edges.map((e) => e * 1.1)]
            .toSorted((a, b) => a - b)
            .map((ms) => silencesPerHour(habit, ms));
          for (const [k, rate] of rates.entries())
            expect(rate).toBeLessThanOrEqual((rates[k - 1] ?? Infinity) + 1e-9);
        },
      ),
    );
  });
});
