import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { phoneHabits, seeded } from '#devices/lan/phone-model.ts';
import { backtest } from './backtest.ts';
import { scheduleOf } from './cli.ts';
import { fixedGrace, fusion } from './replay.rules.ts';
import { parseSchedule, truthOf, type Schedule, type Truth } from './schedule.codec.ts';
import { quantile, score } from './score.rules.ts';
import { makeWorld, sightings } from './world.rules.ts';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const monday = Date.UTC(2026, 0, 5);

describe('schedules', () => {
  test('a grid of zeros and ones becomes samples in order', () => {
    expect(parseSchedule('time,occupied\n2026-01-05 00:00:00,1\n2026-01-05 00:05:00,0\n', 'x.csv')).toEqual({
      name: 'x.csv',
      samples: [
        { at: monday, home: true },
        { at: monday + 5 * minute, home: false },
      ],
    });
  });

  test.each([
    [
      'a byte order mark, semicolons and quotes',
      '\uFEFF"time";"occupied"\r\n"2026-01-05T00:00Z";"1"\r\n"2026-01-05T00:05Z";"0"\r\n',
    ],
    [
      'other names, another order and head counts',
      'home\tid\ttimestamp\n3\tx\t1767571200\n0\tx\t1767571500\n',
    ],
    [
      'words and a row without a value',
      'time,occupied\n2026-01-05 00:00,yes\n2026-01-05 00:02,\n2026-01-05 00:05,no\n',
    ],
  ])('it copes with %s', (_, text) => {
    const { samples } = parseSchedule(text, 'x');
    expect(samples).toEqual([
      { at: monday, home: true },
      { at: monday + 5 * minute, home: false },
    ]);
  });

  test.each([
    ['', 'x, line 1: expected a header with the columns time and occupied, found ""'],
    ['time,occupied\nyesterday,1\n', 'x, line 2: "yesterday" is not a time'],
    ['time,occupied\n2026-01-05 00:00,maybe\n', 'x, line 2: expected 0 or 1 for occupied, found "maybe"'],
    [
      'time,occupied\n2026-01-05 00:05,1\n2026-01-05 00:00,1\n',
      'x, line 3: its time is not later than that of the line before',
    ],
    ['time,occupied\n2026-01-05 00:05,1\n', 'x, line 3: expected at least two rows with a time and a value'],
  ])('it refuses %j with the line and the reason', (text, message) => {
    expect(() => parseSchedule(text, 'x')).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message }),
    );
  });

  test('each change of the truth lies within the cell of the grid that shows it', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: 2, maxLength: 300 }), fc.integer(), (states, seed) => {
        const samples = states.map((home, i) => ({ at: monday + i * 5 * minute, home }));
        const truth = truthOf({ name: 'x', samples }, seeded(seed));
        const changes = truth.home.flatMap((s) => [s.from, s.to]);
        const inner = changes.filter((c) => c !== truth.from && c !== truth.to);
        const seen = samples
          .filter((s, i) => i > 0 && s.home !== samples[i - 1]?.home && s.at < truth.to)
          .map((s) => s.at);
        for (const at of seen)
          expect(inner.filter((c) => c >= at - 5 * minute && c <= at).length).toBeGreaterThan(0);
        for (const c of inner)
          expect([...seen, truth.to].some((at) => c >= at - 5 * minute && c <= at)).toBe(true);
        expect(truth).toMatchObject({ from: monday, to: monday + (states.length - 1) * 5 * minute });
      }),
    );
  });

  test('made-up days come back from their samples exactly', () => {
    const home = [
      { from: monday, to: monday + 8 * hour },
      { from: monday + 17 * hour, to: monday + day },
    ];
    const truth = truthOf(scheduleOf('alex', { from: monday, to: monday + day }, home), seeded(1));
    expect(truth.home.map((s) => [s.from, s.to])).toEqual([
      [monday, expect.closeTo(monday + 8 * hour, -1)],
      [expect.closeTo(monday + 17 * hour, -1), expect.closeTo(monday + day, -1)],
    ]);
  });
});

describe('scores', () => {
  const truth: Truth = {
    name: 'x',
    from: 0,
    to: 10 * hour,
    home: [
      { from: 0, to: 2 * hour },
      { from: 4 * hour, to: 10 * hour },
    ],
  };

  test('a departure while the person is home is false, one during an absence is a latency', () => {
    const transitions = [
      { at: 0, to: 'home' },
      { at: hour, to: 'away' },
      { at: hour + minute, to: 'home' },
      { at: 2 * hour + 3 * minute, to: 'away' },
      { at: 4 * hour + 20 * second, to: 'home' },
    ] as const;
    expect(score(truth, transitions)).toEqual({
      weeks: (10 * hour) / (7 * day),
      departures: 1,
      falseDepartures: 1,
      missed: 0,
      unnoticed: 0,
      departureMs: [3 * minute],
      arrivalMs: [20 * second],
    });
  });

  test('who is believed home for more than an hour after leaving is a missed departure', () => {
    const late = score(truth, [
      { at: 0, to: 'home' },
      { at: 3 * hour + minute, to: 'away' },
    ]);
    expect(late).toMatchObject({ missed: 1, unnoticed: 0, departureMs: [61 * minute] });
    expect(score(truth, [{ at: 0, to: 'home' }])).toMatchObject({ missed: 1, unnoticed: 1, departureMs: [] });
  });

  test('the quantile is the value at the nearest rank', () => {
    expect([quantile([], 0.5), quantile([4, 1, 3, 2], 0.5), quantile([4, 1, 3, 2], 0.95)]).toEqual([
      undefined,
      2,
      4,
    ]);
  });
});

describe('replay', () => {
  test('the original rule sends somebody away at the first tick after the grace period', () => {
    const feed = { from: 0, to: hour, sightings: [3_000, 33_000, 400_000], exits: [] };
    expect(fixedGrace(300_000)(feed)).toEqual([
      { at: 3_000, to: 'home' },
      { at: 335_000, to: 'away' },
      { at: 400_000, to: 'home' },
      { at: 700_000, to: 'away' },
    ]);
  });

  test('the same feed gives the same transitions, and an exit makes the fusion faster', () => {
    const seen = Array.from({ length: 360 }, (_, i) => i * 10 * second);
    const feed = { from: 0, to: 6 * hour, sightings: seen, exits: [] };
    const exit = { direction: 'exit', at: hour - 5 * second, source: 'door.front', confidence: 0.9 } as const;
    const slow = fusion()(feed);
    const fast = fusion(undefined, true)({ ...feed, exits: [exit] });
    expect(slow).toEqual(fusion()(feed));
    expect(slow.map((t) => t.to)).toEqual(['home', 'away']);
    expect(fast.map((t) => t.to)).toEqual(['home', 'away']);
    expect(fast[1]!.at - hour).toBeLessThan(5 * minute);
    expect(slow[1]!.at - hour).toBeGreaterThan(5 * minute);
    expect(slow[1]!.at - hour).toBeLessThanOrEqual(45 * minute);
  });

  test('sightings fall within stays, and looking harder sees more', () => {
    const truth = truthOf(office('alex', 3), seeded(3));
    const world = makeWorld(truth, phoneHabits, seeded(4));
    const looking = { sweepEveryMs: 30_000, probeEveryMs: undefined, passive: false };
    const few = sightings(world, looking, phoneHabits, seeded(5));
    const many = sightings(
      world,
      { sweepEveryMs: 30_000, probeEveryMs: 10_000, passive: true },
      phoneHabits,
      seeded(5),
    );
    expect(many.length).toBeGreaterThan(few.length * 3);
    for (const seen of [few, many])
      expect(seen.filter((at) => !world.stays.some((s) => at >= s.from - 1 && at <= s.to + 1))).toEqual([]);
  });
});

/** Home but for office hours, on a five-minute grid. */
function office(name: string, days: number): Schedule {
  const samples = Array.from({ length: days * 288 }, (_, i) => {
    const at = monday + i * 5 * minute;
    const hourOfDay = (at % day) / hour;
    return { at, home: hourOfDay < 8 || hourOfDay >= 17 };
  });
  return { name, samples };
}

test('on office weeks the fusion meets its goals against the original policy', () => {
  const results = backtest([office('alex', 28), office('sam', 28)], phoneHabits, [1, 2]);
  const [original, ours, exit] = results.map((r) => r.pooled);
  expect(results.map((r) => r.policy)).toEqual(['original', 'ours', 'ours_exit']);
  expect(original!.false_departures_per_person_week).toBeGreaterThan(5);
  expect(ours!.false_departures_per_person_week).toBeLessThan(original!.false_departures_per_person_week / 4);
  expect(exit!.false_departures_per_person_week).toBeLessThanOrEqual(0.5);
  expect(exit!.departure_p50_s).toBeLessThan(ours!.departure_p50_s!);
  expect(exit!.arrival_p95_s).toBeLessThan(5);
  expect([ours!.missed_departures, exit!.missed_departures]).toEqual([0, 0]);
});

test('the same seeds give the same results, and other seeds others', () => {
  const run = (seed: number) => backtest([office('alex', 7)], phoneHabits, [seed]);
  expect(run(1)).toEqual(run(1));
  expect(run(1)).not.toEqual(run(2));
});
