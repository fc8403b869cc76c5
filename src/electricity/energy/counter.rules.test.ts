import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  advance,
  defaultLimits,
  replaced,
  rewind,
  type CounterState,
  type Limits,
  type Observation,
} from './counter.rules.ts';
import type { Piece } from './profile.rules.ts';
import { slotMs } from './model.ts';

const start = Date.parse('2026-03-01T00:00:00Z');
const s = 1000;

/** Feeds all of it; the state after a trip through JSON, as a restart would have it. */
function feed(said: readonly Observation[], limits: Partial<Limits> = {}, from?: CounterState) {
  let state = from;
  const pieces: Piece[] = [];
  for (const one of said) {
    const next = advance(state, one, { ...defaultLimits, ...limits });
    state = next.state === undefined ? undefined : (JSON.parse(JSON.stringify(next.state)) as CounterState);
    pieces.push(...next.pieces);
  }
  return { state: state!, pieces };
}

/** Readings of a counter every 30 s. */
const every = (raws: readonly (number | undefined)[], powerW?: number): Observation[] =>
  raws.map((energyWh, i) => ({ at: start + i * 30 * s, energyWh, powerW }));

const wh = (pieces: readonly Piece[]) => pieces.reduce((sum, piece) => sum + piece.wh, 0);

describe('a counter', () => {
  test('counts its differences; the first reading only says where it stands', () => {
    const { state, pieces } = feed(every([1000, 1010, 1010, 1025]));
    expect(pieces).toEqual([
      { from: start, to: start + 30 * s, wh: 10, exportWh: 0, how: 'counter', covers: true },
      { from: start + 30 * s, to: start + 60 * s, wh: 0, exportWh: 0, how: 'counter', covers: true },
      { from: start + 30 * s, to: start + 60 * s, wh: 7.5, exportWh: 0, how: 'counter', covers: false },
      { from: start + 60 * s, to: start + 90 * s, wh: 7.5, exportWh: 0, how: 'counter', covers: true },
    ]);
    expect(state.wh).toBe(25);
  });

  test.each([
    ['a power cut that sets it to 0', [5000, 5010, 0, 4, 9], 19],
    ['a spike up that comes back', [1000, 1010, 900_000, 1015, 1020], 20],
    ['a spike down that comes back', [1000, 1010, 0, 1015, 1020], 20],
    [
      'a spike that stays for some readings and comes back',
      [100_000, 100_010, 0, 0, 0, 100_030, 100_040],
      40,
    ],
    ['a spike up that stays for some readings', [1000, 1010, 9e6, 9e6, 9e6, 1015, 1020, 1025], 25],
    ['another device in its place, whose counter is higher', [1000, 1010, 777_000, 777_010, 777_020], 30],
    ['another device in its place, whose counter is lower', [777_000, 777_010, 100_000, 100_010], 20],
    ['a device that restores an older count', [5000, 5010, 4950, 4955, 4960], 20],
    ['noise of floating point', [0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3], 0],
    ['no number, or a negative one', [1000, NaN, -8388.608, Infinity, 1010], 10],
  ])('survives %s', (_, raws, expected) => {
    const { state, pieces } = feed(every(raws));
    expect(state.wh).toBeCloseTo(expected, 6);
    expect(wh(pieces)).toBeCloseTo(expected, 6);
  });

  test('goes on where it wraps', () => {
    expect(feed(every([65_530, 65_535, 4]), { wrapsAtWh: 65_536 }).state.wh).toBe(10);
  });

  test('does not make energy of impossible readings that repeat themselves, whatever the power says meanwhile', () => {
    const said = [
      { at: start, energyWh: 49_000, powerW: 1122 },
      ...[60, 120, 180].map((after) => ({ at: start + after * s, energyWh: 7e8, powerW: 1000 })),
      ...[240, 300].map((after) => ({ at: start + after * s, energyWh: 0, powerW: 1000 })),
    ];
    expect(feed(said).state.wh).toBe(0);
    const { state } = feed([...said, { at: start + 360 * s, energyWh: 49_100, powerW: 1000 }]);
    expect(state.wh).toBe(100);
  });

  test('that returns after another level had counted for a while is set off against what was counted', () => {
    const { state } = feed(every([1000, 1010, 777_000, 777_050, 777_100, 1020, 1021, 1120]));
    expect(state.wh).toBe(120);
  });

  test('that is coarse makes its first step at any moment', () => {
    expect(feed(every([49_000, 49_300, 49_300, 49_300, 49_600])).state.wh).toBe(600);
  });

  test('that stands at another level and rests is not believed as time makes the jump possible', () => {
    const { state, pieces } = feed(every([1000, 1010, ...Array.from({ length: 40 }, () => 3000), 3004], 0));
    expect(state.wh).toBeCloseTo(14, 6);
    expect(wh(pieces)).toBeCloseTo(14, 6);
  });

  test('counts on when another device takes its place on purpose', () => {
    const first = feed(every([1000, 1010]));
    const then = [20_000, 20_007].map((energyWh, i) => ({ at: start + (60 + i * 30) * s, energyWh }));
    expect(feed(then, {}, replaced(first.state)).state.wh).toBe(17);
  });

  test('that is brought up to date once in half an hour is believed when the next reading agrees', () => {
    const raws = Array.from({ length: 70 }, (_, i) => (i < 60 ? 1000 : 3500));
    const { state, pieces } = feed(every(raws, 5000));
    expect(state.wh).toBeCloseTo(2500, 6);
    const early = pieces.filter((piece) => piece.to <= start + slotMs);
    expect(wh(early)).toBeGreaterThan(1150);
  });

  test('that steps by 100 Wh gives each quarter hour what power says, and the sum is its own', () => {
    const power = (minute: number) => (minute < 15 ? 0 : 1600);
    const said = Array.from({ length: 61 }, (_, minute) => ({
      at: start + minute * 60 * s,
      powerW: power(minute),
      energyWh: Math.floor((Math.max(0, minute - 15) * 1600) / 60 / 100) * 100,
    }));
    const { state, pieces } = feed(said);
    expect(state.wh).toBe(1200);
    const slots = [0, 1, 2, 3].map((n) =>
      wh(pieces.filter((piece) => Math.floor((piece.from - start) / slotMs) === n)),
    );
    // The last minute of it, in which power rose from 0.
    expect(slots[0]).toBeLessThan(15);
    expect(slots.slice(1).map((sum) => Math.round(sum / 50) * 50)).toEqual([400, 400, 400]);
  });

  test('that stands still although power is drawn is believed no longer, and is set off when it moves after all', () => {
    const hours = (n: number, energyWh: number) =>
      Array.from({ length: n * 60 }, (_, i) => ({ at: start + i * 60 * s, energyWh, powerW: 200 }));
    const { state } = feed(hours(10, 500));
    expect(state.wh).toBeGreaterThanOrEqual(1200);
    const end = start + 10 * 3600 * s;
    const moved = feed(
      [
        { at: end, energyWh: 2500 },
        { at: end + 60 * s, energyWh: 2500 },
      ],
      {},
      state,
    );
    expect(moved.state.wh).toBeCloseTo(2000, 6);
  });
});

test('a gap is spread when the counter tells its sum, nothing used when the counter stood still, missing without a counter', () => {
  const later = start + 6 * 3600 * s;
  const gap = (a: Partial<Observation>, b: Partial<Observation>) =>
    feed([
      { at: start, ...a },
      { at: later, ...b },
    ]).pieces;
  const piece = { from: start, to: later, exportWh: 0, covers: true };
  expect(gap({ energyWh: 0 }, { energyWh: 600 })).toEqual([{ ...piece, wh: 600, how: 'spread' }]);
  expect(gap({ energyWh: 5 }, { energyWh: 5 })).toEqual([{ ...piece, wh: 0, how: 'counter' }]);
  expect(gap({ powerW: 60 }, { powerW: 60 })).toEqual([{ ...piece, wh: 0, how: 'missing' }]);
});

test('power and counter in two messages after a gap: the counter tells what the gap held', () => {
  const later = start + 6 * 3600 * s;
  const { pieces } = feed([
    { at: start, energyWh: 0, powerW: 100 },
    { at: later, powerW: 100 },
    { at: later + s, energyWh: 600 },
  ]);
  expect(pieces).toEqual([{ from: start, to: later + s, wh: 600, exportWh: 0, how: 'spread', covers: true }]);
});

test('a counter that began anew in a gap tells the least that the gap held, even while it rests', () => {
  const later = start + 6 * 3600 * s;
  const said = [0, 30].map((after) => ({ at: later + after * s, energyWh: 400 }));
  const first = feed([{ at: start, energyWh: 5000 }]).state;
  const { state } = advance(first, said[0]!, defaultLimits);
  expect(advance(state, said[1]!, defaultLimits)).toMatchObject({
    lost: true,
    pieces: [{ from: start, to: later + 30 * s, wh: 400, how: 'spread' }],
  });
});

test('power alone is integrated along straight lines, what is fed in apart', () => {
  const { state, pieces } = feed([
    { at: start, powerW: 120 },
    { at: start + 60 * s, powerW: -120 },
    { at: start + 120 * s, powerW: -120 },
  ]);
  expect([state.wh, state.exportWh]).toEqual([0.5, 2.5]);
  expect(pieces.map((piece) => piece.how)).toEqual(['integrated', 'integrated']);
});

test('old and repeated readings change nothing', () => {
  const said = every([1000, 1010, 1020]);
  const once = feed(said);
  const messy = feed([said[0]!, said[1]!, said[1]!, said[0]!, said[2]!, said[2]!, said[1]!]);
  expect(messy.state.wh).toBe(once.state.wh);
});

test('time goes on after the clock of the house was set back, and nothing is counted twice', () => {
  const { state } = feed(every([1000, 1010]));
  const back = rewind(state, start - 3600 * s);
  const said = [1015, 1020].map((energyWh, i) => ({ at: start - 3600 * s + (i + 1) * 30 * s, energyWh }));
  expect(feed(said, {}, back).state.wh).toBe(20);
});

/** A house that really uses energy, and a meter with a resolution, resets, a modulus, and a link that loses and disorders. */
const stories = fc.record({
  step: fc.constantFrom(0.001, 1, 10, 100),
  wraps: fc.boolean(),
  power: fc.boolean(),
  events: fc.array(
    fc.record({
      seconds: fc.integer({ min: 1, max: 900 }),
      watts: fc.integer({ min: 0, max: 3000 }),
      what: fc.constantFrom('say', 'say', 'say', 'say', 'lost', 'twice', 'old', 'nan', 'spike', 'zero'),
    }),
    { minLength: 5, maxLength: 80 },
  ),
});

test('whatever the link does, impossible readings in any number included, the sum of the pieces is the virtual counter, which never falls and is what the counter says as soon as it says it twice', () => {
  fc.assert(
    fc.property(stories, ({ step, wraps, power, events }) => {
      const modulus = wraps ? 50_000 : undefined;
      const limits = { ...defaultLimits, wrapsAtWh: modulus };
      let [at, truth] = [start, 49_000];
      const show = () => {
        const shown = Math.floor(truth / step + 1e-9) * step;
        return modulus === undefined ? shown : shown % modulus;
      };
      let state = advance(undefined, { at, energyWh: show() }, limits).state!;
      const first = Math.floor(truth / step + 1e-9) * step;
      let sum = 0;
      let last: Observation = { at, energyWh: show() };
      for (const { seconds, watts, what } of events) {
        at += seconds * s;
        truth += (watts * seconds) / 3600;
        const now: Observation = { at, energyWh: show(), ...(power && { powerW: watts }) };
        const told: Record<string, readonly Observation[]> = {
          say: [now],
          lost: [],
          twice: [now, now],
          old: [last, now],
          nan: [{ ...now, energyWh: NaN }],
          spike: [{ ...now, energyWh: 7e8 }],
          // Where the counter wraps, 0 may be true.
          zero: [{ ...now, energyWh: wraps ? 7e8 : 0 }],
        };
        for (const one of told[what]!) {
          const next = advance(state, one, limits);
          for (const piece of next.pieces) {
            expect(piece.wh).toBeGreaterThanOrEqual(0);
            expect(piece.to).toBeGreaterThanOrEqual(piece.from);
            sum += piece.wh;
          }
          expect(next.state!.wh).toBeGreaterThanOrEqual(state.wh);
          state = next.state!;
        }
        last = now;
      }
      // Two quiet readings let everything that is held back come out.
      for (const more of [30, 60]) {
        const next = advance(state, { at: at + more * s, energyWh: show() }, limits);
        sum += wh(next.pieces);
        state = next.state!;
      }
      expect(sum).toBeCloseTo(state.wh, 6);
      const counted = Math.floor(truth / step + 1e-9) * step - first;
      expect(Math.abs(state.wh - counted)).toBeLessThan(1e-6 + (power ? 1e-6 : 0));
    }),
    { numRuns: 500 },
  );
});

test('resets at any time never make energy that was not used, beyond the power seen, and the sum holds', () => {
  const days = fc.array(
    fc.record({
      seconds: fc.integer({ min: 5, max: 60 }),
      watts: fc.integer({ min: 0, max: 3000 }),
      reset: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
    { minLength: 10, maxLength: 120 },
  );
  fc.assert(
    fc.property(days, (events) => {
      let [at, counter, truth, sum, before] = [start, 100_000, 0, 0, 0];
      let state = advance(undefined, { at, energyWh: counter }, defaultLimits).state!;
      for (const { seconds, watts, reset } of events) {
        at += seconds * s;
        if (reset) counter = 0;
        counter += (watts * seconds) / 3600;
        truth += (watts * seconds) / 3600;
        const next = advance(state, { at, energyWh: counter }, defaultLimits);
        sum += wh(next.pieces);
        state = next.state!;
        expect(state.wh).toBeGreaterThanOrEqual(before);
        before = state.wh;
      }
      expect(sum).toBeCloseTo(state.wh, 6);
      expect(state.wh).toBeLessThanOrEqual(truth + 1e-6);
    }),
    { numRuns: 300 },
  );
});
