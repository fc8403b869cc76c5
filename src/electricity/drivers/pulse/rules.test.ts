import fc from 'fast-check';
import { expect, test } from 'vitest';
import { datings, hear, isFresh, unheard, valuesAt, type Meter } from './meter.rules.ts';
import type { Report, Scale } from './model.ts';
import { count, type Counter } from './pulse.rules.ts';
import { advance, powerAt, type Power } from './power.rules.ts';
import { PulseSim } from './sim.ts';

const start = Date.UTC(2026, 10, 21, 8);
const scale = { impPerKwh: undefined, wrapsAt: 2 ** 32 };
const hour = 3_600_000;

/** Runs reports `[at, report]` through the counter and says what each did. */
function story(reports: readonly (readonly [number, Report])[], with_: Scale = scale) {
  let counter: Counter | undefined;
  return reports.map(([seconds, report]) => {
    const step = count(counter, report, start + seconds * 1_000, with_)!;
    counter = step.counter;
    return `${step.outcome} ${step.counter.wh}`;
  });
}

const boot = (name: string, sequence: number, total: number, uptimeS: number, more: Report = {}): Report => ({
  boot: name,
  sequence,
  total,
  uptimeMs: uptimeS * 1_000,
  ...more,
});

test('a message that comes twice counts once, and one that comes late changes nothing', () => {
  expect(
    story([
      [0, boot('a', 1, 100, 5)],
      [5, boot('a', 2, 103, 10)],
      [6, boot('a', 2, 103, 10)],
      [10, boot('a', 4, 107, 20)],
      [11, boot('a', 3, 105, 15)],
      [15, boot('a', 5, 109, 25)],
    ]),
  ).toEqual(['first 0', 'counted 3', 'replay 3', 'counted 7', 'replay 7', 'counted 9']);
});

test('a device that saved its count goes on; what it counted before it could tell is not lost', () => {
  expect(
    story([
      [0, boot('a', 9, 1_000, 500)],
      [60, boot('b', 1, 1_007, 5, { sinceBoot: 2 })],
      // An earlier start that is heard again is old.
      [61, boot('a', 9, 1_000, 500)],
    ]),
  ).toEqual(['first 0', 'counted 7', 'replay 7']);
});

test('a device that lost its count is counted from its new start', () => {
  expect(
    story([
      [0, boot('a', 9, 1_000_000, 500)],
      [60, boot('b', 1, 4, 5)],
      [65, boot('b', 2, 6, 10)],
    ]),
  ).toEqual(['first 0', 'restarted 4', 'counted 6']);
});

test('an older count that was restored adds what came since the start, where the device says it, else nothing', () => {
  expect(
    story([
      [0, boot('a', 9, 1_000_000, 500)],
      [60, boot('b', 1, 999_994, 5, { sinceBoot: 4 })],
      [65, boot('b', 2, 999_995, 10, { sinceBoot: 5 })],
    ]),
  ).toEqual(['first 0', 'restarted 4', 'counted 5']);
  expect(
    story([
      [0, boot('a', 9, 1_000_000, 500)],
      [60, boot('b', 1, 999_994, 5)],
      [65, boot('b', 2, 999_995, 10)],
    ]),
  ).toEqual(['first 0', 'rebased 0', 'counted 1']);
});

test('a counter of 32 bits, or of any other size, wraps without losing a pulse', () => {
  expect(
    story([
      [0, { total: 2 ** 32 - 2 }],
      [5, { total: 3 }],
    ]),
  ).toEqual(['first 0', 'wrapped 5']);
  expect(
    story(
      [
        [0, { total: 65_530 }],
        [5, { total: 4 }],
      ],
      { impPerKwh: undefined, wrapsAt: 65_536 },
    ),
  ).toEqual(['first 0', 'wrapped 10']);
});

test('a jump beyond what a house can draw adds nothing', () => {
  expect(
    story([
      [0, { total: 10 }],
      [5, { total: 5_000_000 }],
      [10, { total: 5_000_002 }],
    ]),
  ).toEqual(['first 0', 'rebased 0', 'counted 2']);
});

test('without a name for each start, uptime tells a restart from an old message', () => {
  const at = (sequence: number, total: number, uptimeS: number): Report => ({
    sequence,
    total,
    uptimeMs: uptimeS * 1_000,
  });
  expect(
    story([
      [0, at(100, 5_000, 3_600)],
      // Cannot have been running for 3590 s and have started after the last message.
      [1, at(98, 4_990, 3_590)],
      [300, at(1, 3, 10)],
      [305, at(2, 5, 15)],
    ]),
  ).toEqual(['first 0', 'replay 0', 'restarted 3', 'counted 5']);
});

test('a stopwatch of 32 bits that starts again after 49.7 days is no restart', () => {
  expect(
    story([
      [0, { total: 5_000, uptimeMs: 2 ** 32 - 2_000 }],
      [5, { total: 5_004, uptimeMs: 3_000 }],
    ]),
  ).toEqual(['first 0', 'counted 4']);
});

test('pulses a kWh: settings win over the message, the message over 1000', () => {
  const two = (report: Report, imp?: number) =>
    story(
      [
        [0, { ...report, total: 0 }],
        [5, { ...report, total: 10 }],
      ],
      { impPerKwh: imp, wrapsAt: 2 ** 32 },
    )[1];
  expect([two({}), two({ impPerKwh: 800 }), two({ impPerKwh: 800 }, 500)]).toEqual([
    'counted 10',
    'counted 12.5',
    'counted 20',
  ]);
});

test.each([
  ['keeps its count over restarts', true],
  ['loses its count at each restart', false],
])('0 kWh are lost over 100 restarts and a wrap by a device that %s', async (_, saves) => {
  let now = start;
  const sim = new PulseSim({
    now: () => now,
    power: (at) => 200 + 3_000 * Math.abs(Math.sin(at / 50_000)),
    saves,
    firstCount: saves ? 2 ** 32 - 400 : 0,
  });
  let meter = unheard();
  const send = () => {
    const {
      id: _id,
      total_pulses: total,
      uptime_ms: uptimeMs,
      since_boot: sinceBoot,
      ...rest
    } = JSON.parse(sim.message()) as Record<string, number> & { boot: string; pulses: number[] };
    const report: Report = {
      total: total!,
      uptimeMs: uptimeMs!,
      sinceBoot: sinceBoot!,
      ...rest,
      boot: rest.boot,
    };
    const [dating] = datings(meter, [report], now);
    meter = hear(meter, report, dating!, now, scale).meter;
  };
  send();
  const first = sim.wh;
  for (let restart = 0; restart < 100; restart += 1) {
    for (let i = 0; i < 12; i += 1) {
      now += 5_000;
      send();
    }
    sim.reboot();
    now += 3_000;
    send();
  }
  expect(meter.counter!.wh).toBeCloseTo(sim.wh - first, 6);
  expect(meter.counter!.wh).toBeGreaterThan(1_000);
});

test('energy never shrinks, whatever is sent in whatever order', () => {
  const number = (max: number) => fc.option(fc.nat(max), { nil: undefined });
  const report = fc.record({
    total: fc.oneof(fc.nat(100), fc.nat(2 ** 31 - 1), fc.constant(2 ** 32 - 1)),
    uptimeMs: number(10_000_000),
    sequence: number(50),
    sinceBoot: number(50),
    boot: fc.option(fc.constantFrom('a', 'b', 'c'), { nil: undefined }),
    pulses: fc.option(
      fc.array(fc.nat(1_000_000), { maxLength: 5 }).map((list) => list.toSorted((x, y) => x - y)),
      { nil: undefined },
    ),
    at: number(2 ** 31 - 1),
    spacingWatts: number(5_000),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(100_000), report), { maxLength: 30 }), (messages) => {
      let now = start;
      let meter: Meter = unheard();
      let wh = 0;
      for (const [ms, message] of messages) {
        now += ms;
        const [dating] = datings(meter, [message], now);
        expect(dating!.at).toBeLessThanOrEqual(now);
        meter = hear(meter, message, dating!, now, scale).meter;
        expect(meter.counter!.wh).toBeGreaterThanOrEqual(wh);
        // No more than a house can draw, with the grace of each message.
        expect(meter.counter!.wh - wh).toBeLessThanOrEqual(1e5 * 24 * 46);
        wh = meter.counter!.wh;
        const watts = valuesAt(meter, now).power_watts;
        expect(watts === undefined || (Number.isFinite(watts) && watts >= 0)).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});

/** The worst relative error of the power over ten minutes of a constant load, once it has settled. */
function worstError(watts: number, imp: number, jitterMs: number, seed: number): number {
  let now = start;
  let random = seed;
  const sim = new PulseSim({
    now: () => now,
    power: () => watts,
    impPerKwh: imp,
    jitterMs,
    random: () => (random = (random * 16_807) % 2_147_483_647) / 2_147_483_647,
  });
  let power: Power | undefined;
  let worst = 0;
  const settled = start + Math.max(10_000, 3 * (3.6e9 / (watts * imp)));
  while (now < settled + 600_000) {
    now += 5_000;
    const message = JSON.parse(sim.message()) as {
      total_pulses: number;
      uptime_ms: number;
      pulses: number[];
      boot: string;
    };
    power = advance(
      power,
      {
        total: message.total_pulses,
        uptimeMs: message.uptime_ms,
        pulses: message.pulses,
        boot: message.boot,
      },
      now,
      imp,
    );
    if (now > settled) worst = Math.max(worst, Math.abs(powerAt(power, now)! / watts - 1));
  }
  return worst;
}

test('the power of a jittery pulse train is right to 0.5 % from 30 W to 10 kW', () => {
  fc.assert(
    fc.property(
      fc.double({ min: Math.log(30), max: Math.log(10_000), noNaN: true }),
      fc.constantFrom(500, 800, 1_000, 3_200),
      fc.integer({ min: 1, max: 2_000_000 }),
      (log, imp, seed) => {
        expect(worstError(Math.exp(log), imp, 4, seed)).toBeLessThanOrEqual(0.005);
      },
    ),
    { numRuns: 25 },
  );
});

test('a load that goes away is never more than silence allows, and never a sudden 0', () => {
  const pulses = [1_000, 2_000, 3_000, 4_000, 5_000];
  const power = advance(undefined, { total: 5, uptimeMs: 5_000, pulses }, start, 1_000);
  expect([0, 1, 2, 60, 300, 3_599, 3_601].map((s) => powerAt(power, start + 50 + s * 1_000))).toEqual([
    3_600,
    3_600,
    1_800,
    60,
    12,
    3_600 / 3_599,
    0,
  ]);
});

test('one pulse alone says nothing about the power; an hour without any says that there is next to none', () => {
  const power = advance(undefined, { total: 5, uptimeMs: 5_000, pulses: [5_000] }, start, 1_000);
  expect([powerAt(power, start + 1_000), powerAt(power, start + hour + 1_000)]).toEqual([undefined, 0]);
});

test('where only counts are known, power settles to 10 % and a rare pulse makes no spike', () => {
  for (const watts of [30, 300, 3_000]) {
    let power: Power | undefined;
    const errors: number[] = [];
    for (let s = 0; s < 3_600; s += 5) {
      power = advance(power, { total: Math.floor((watts * (s + 119)) / 3_600) }, start + s * 1_000, 1_000);
      const now = powerAt(power, start + s * 1_000);
      if (now !== undefined) errors.push(now / watts - 1);
    }
    expect(Math.max(...errors)).toBeLessThan(0.25);
    expect(Math.max(...errors.slice(errors.length / 4).map(Math.abs))).toBeLessThan(0.1);
  }
});

test('the sender of a 0 has only waited: power falls with silence instead', () => {
  let power = advance(undefined, { spacingWatts: 600 }, start, 1_000);
  power = advance(power, { spacingWatts: 0 }, start + 300_000, 1_000);
  expect(powerAt(power, start + 300_050)).toBe(12);
});

test('a count of its own message does not hide the power that the device measures', () => {
  let power = advance(undefined, { watts: 431 }, start, 1_000);
  power = advance(power, { total: 12 }, start + 1_000, 1_000);
  expect(powerAt(power, start + 2_000)).toBe(431);
});

test('kept messages are dated by uptime, whatever the clock of the device says', () => {
  const live = boot('a', 1, 10, 100, { at: start + 3_600_000_000 });
  let meter = hear(unheard(), live, datings(unheard(), [live], start)[0]!, start, scale).meter;
  const batch = [105, 110, 200].map((s, i) => boot('a', i + 2, 11 + i, s, { at: 0 }));
  const now = start + 100_000;
  expect(datings(meter, batch, now).map(({ at }) => Math.round((at - start) / 1_000))).toEqual([5, 10, 100]);
  // A start that was never heard live: the last message of a delivery was made when it was sent.
  const other = [5, 10, 60].map((s, i) => boot('b', i + 1, 1 + i, s));
  expect(datings(meter, other, now).map(({ at }) => now - at)).toEqual([55_000, 50_000, 0]);
  // Or its sender says how old it is.
  expect(datings(meter, [boot('b', 1, 1, 5, { ageMs: 7_000 })], now)[0]!.at).toBe(now - 7_000);
  meter = unheard();
  expect(datings(meter, [{ at: start - 60_000 }, { at: now + hour }, {}], now).map(({ at }) => at)).toEqual([
    start - 60_000,
    now,
    now,
  ]);
});

test('a device whose clock is an hour behind is heard live after two messages', () => {
  let meter = unheard();
  const late: boolean[] = [];
  for (let i = 1; i <= 4; i += 1) {
    const now = start + i * 5_000;
    const report = boot('a', i, i, i * 5, { at: now - hour });
    const heard = hear(meter, report, datings(meter, [report], now)[0]!, now, scale);
    meter = heard.meter;
    late.push(heard.late);
  }
  expect(late).toEqual([true, false, false, false]);
});

test('silence means little power while the sender is there, and nothing once it is away', () => {
  let meter = unheard();
  for (let i = 0; i < 5; i += 1)
    meter = hear(
      meter,
      { total: i },
      { at: start + i * 5_000, startedAt: undefined },
      start + i * 5_000,
      scale,
    ).meter;
  const last = start + 20_000;
  expect([0, 29_000, 31_000].map((ms) => isFresh(meter, last + ms))).toEqual([true, true, false]);
  expect(isFresh({ ...meter, offline: true }, last)).toBe(false);
});
