import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Box, Detection, Track } from '../model.ts';
import { Tracker } from './tracker.rules.ts';

const aspect = 4 / 3;
const at = (
  label: string,
  left: number,
  top: number,
  width: number,
  height: number,
  score: number,
): Detection => ({
  box: { left, top, width, height },
  label,
  score,
});
const person = (left: number, top = 0.4, score = 0.8) => at('person', left, top, 0.05, 0.2, score);
const car = (left: number, score = 0.8, label = 'car') => at(label, left, 0.6, 0.2, 0.15, score);
/** Steps a tracker every `ms` over a list of frames; gives what it said of each. */
const play = (tracker: Tracker, frames: readonly (readonly Detection[])[], from = 0, ms = 200) =>
  frames.map((frame, i) => tracker.step(from + i * ms, frame));
const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));
const ids = (tracks: readonly Track[]) => tracks.map(({ id }) => id);
const states = (tracks: readonly Track[]) => tracks.map(({ id, state }) => `${id} ${state}`);

describe('somebody who walks', () => {
  test('is one confirmed object soon and says where it goes', () => {
    const tracker = new Tracker({ aspect });
    const steps = play(
      tracker,
      times(20, (i) => [person(0.1 + i * 0.02)]),
    );
    expect(steps.map(({ tracks }) => states(tracks))).toEqual([
      ['1 tentative'],
      ...times(19, () => ['1 confirmed']),
    ]);
    const last = steps.at(-1)!.tracks[0]!;
    expect(last).toMatchObject({ label: 'person', score: 0.8, bornAt: 0, seenAt: 3800, hits: 20 });
    expect(last.velocity.x).toBeCloseTo(0.1, 2);
    expect(last.velocity.y).toBeCloseTo(0, 3);
    expect(last.box.left).toBeCloseTo(0.48, 2);
    expect(last.stationarySince).toBeUndefined();
  });

  test('needs more hits when the scores are only just enough', () => {
    const tracker = new Tracker({ aspect, threshold: 0.5 });
    const steps = play(
      tracker,
      times(4, (i) => [person(0.1 + i * 0.02, 0.4, 0.5)]),
    );
    expect(steps.map(({ tracks }) => states(tracks)[0])).toEqual([
      '1 tentative',
      '1 tentative',
      '1 tentative',
      '1 confirmed',
    ]);
  });

  test('is not begun by a weak detection, but is held by one', () => {
    const tracker = new Tracker({ aspect, threshold: 0.5 });
    expect(tracker.step(0, [person(0.1, 0.4, 0.4)]).tracks).toEqual([]);
    play(
      tracker,
      times(10, (i) => [person(0.1 + i * 0.02)]),
      200,
    );
    const { tracks } = tracker.step(2200, [person(0.3, 0.4, 0.3)]);
    expect(tracks).toMatchObject([{ id: 1, seenAt: 2200, state: 'confirmed' }]);
  });

  test('is held by weak detections for as long as they come, an error of the detector that stands is not', () => {
    const fades = (frame: (i: number, score: number) => Detection) =>
      states(
        play(
          new Tracker({ aspect }),
          times(35, (i) => [frame(i, i < 15 ? 0.6 : 0.3)]),
        ).at(-1)!.tracks,
      );
    expect(fades((i, score) => person(0.1 + i * 0.02, 0.4, score))).toEqual(['1 confirmed']);
    expect(fades((_, score) => person(0.3, 0.4, score))).toEqual(['1 lost']);
  });

  test('keeps the id behind a post, at the place where the walk leads', () => {
    const tracker = new Tracker({ aspect });
    play(
      tracker,
      times(15, (i) => [person(0.1 + i * 0.02)]),
    );
    const hidden = play(
      tracker,
      times(6, () => []),
      3000,
    );
    expect(hidden.map(({ tracks }) => states(tracks))).toEqual([
      ...times(2, () => ['1 confirmed']),
      ...times(4, () => ['1 lost']),
    ]);
    expect(tracker.step(4200, [person(0.1 + 21 * 0.02)])).toMatchObject({
      tracks: [{ id: 1, state: 'confirmed', bornAt: 0 }],
      ended: [],
    });
  });

  test('keeps the id after seconds out of sight only when there is more than one sight of it', () => {
    const tracker = new Tracker({ aspect });
    play(
      tracker,
      times(15, () => [person(0.3)]),
    );
    play(
      tracker,
      times(25, () => []),
      3000,
    );
    const back = play(
      tracker,
      times(4, () => [person(0.32)]),
      8000,
    );
    expect(back.map(({ tracks }) => states(tracks))).toEqual([
      ['1 lost', '2 tentative'],
      ['1 lost', '2 tentative'],
      ['1 confirmed'],
      ['1 confirmed'],
    ]);
  });

  test('has ended when it was out of sight for long, and early when it left the picture', () => {
    const gone = (frames: Detection[][]) => {
      const tracker = new Tracker({ aspect });
      play(tracker, frames);
      const steps = play(
        tracker,
        times(60, () => []),
        frames.length * 200,
      );
      return steps.findIndex(({ ended }) => ended.includes(1)) * 0.2;
    };
    expect(gone(times(10, () => [person(0.5)]))).toBeCloseTo(8, 0);
    expect(gone(times(20, (i) => [person(0.6 + i * 0.02)]))).toBeLessThan(3);
  });

  test('is followed through bursts, pauses and a clock that stands', () => {
    const tracker = new Tracker({ aspect });
    const pauses = [0, 100, 200, 300, 900, 1000, 1000, 1100, 2600, 2700, 3600, 3700];
    const seen = pauses.map((ms) => tracker.step(ms, [person(0.1 + ms * 0.0001)]).tracks);
    expect(seen.map((tracks) => ids(tracks))).toEqual(pauses.map(() => [1]));
    expect(seen.at(-1)![0]!.velocity.x).toBeCloseTo(0.1, 1);
  });
});

describe('what comes closer or goes away', () => {
  /** Stands for two seconds, then changes its size by a factor a frame about the same middle. */
  const scaled = (factor: number) => (i: number) => {
    const by = factor ** Math.max(0, i - 10);
    return at('car', 0.5 - 0.04 * by, 0.5 - 0.04 * by, 0.08 * by, 0.08 * by, 0.8);
  };

  test.each([1.05, 1.1, 1.15, 0.9, 0.85])(
    'keeps its id, and its box follows, at %d times the size each frame',
    (factor) => {
      const frames = times(26, (i) => [scaled(factor)(i)]);
      const steps = play(new Tracker({ aspect }), frames);
      expect(steps.map(({ tracks }) => ids(tracks))).toEqual(frames.map(() => [1]));
      const size = steps.at(-1)!.tracks[0]!.box.height / frames.at(-1)![0]!.box.height;
      expect(Math.abs(Math.log(size))).toBeLessThan(0.1);
    },
  );
});

describe('several', () => {
  test('keep their ids when they cross', () => {
    const tracker = new Tracker({ aspect });
    const cross = (i: number) => [person(0.2 + i * 0.02, 0.4), person(0.6 - i * 0.02, 0.44)];
    const steps = play(tracker, times(20, cross));
    const [first, second] = steps.at(-1)!.tracks;
    expect([first!.id, second!.id]).toEqual([1, 2]);
    const right = steps[0]!.tracks.find(({ box }) => box.left > 0.4)!.id;
    expect(steps.at(-1)!.tracks.find(({ box }) => box.left < 0.4)!.id).toBe(right);
  });

  test('are told apart by their colours when they meet and part again', () => {
    const red = times(24, (i) => (i === 0 || i === 12 ? Math.SQRT1_2 : 0));
    const blue = times(24, (i) => (i === 5 || i === 17 ? Math.SQRT1_2 : 0));
    const dressed = (left: number, look: number[]): Detection => ({ ...person(left), look });
    const tracker = new Tracker({ aspect });
    // They meet, stand hidden behind each other, and each goes back.
    play(
      tracker,
      times(10, (i) => [dressed(0.2 + i * 0.02, red), dressed(0.56 - i * 0.02, blue)]),
    );
    play(
      tracker,
      times(5, () => []),
      2000,
    );
    const { tracks } = play(
      tracker,
      times(10, (i) => [dressed(0.36 - i * 0.02, red), dressed(0.4 + i * 0.02, blue)]),
      3000,
    ).at(-1)!;
    expect(tracks.map(({ id, box }) => [id, box.left < 0.4])).toEqual([
      [1, true],
      [2, false],
    ]);
  });

  test('a second box around one object is no second object, another kind of thing is', () => {
    const tracker = new Tracker({ aspect });
    const steps = play(
      tracker,
      times(6, (i) => [
        car(0.4),
        ...(i > 2 ? [car(0.41, 0.6, 'truck'), at('person', 0.45, 0.5, 0.05, 0.2, 0.7)] : []),
      ]),
    );
    expect(steps.at(-1)!.tracks.map(({ label }) => label)).toEqual(['car', 'person']);
  });

  test('a car that is called a truck now and then stays one car', () => {
    const tracker = new Tracker({ aspect });
    const steps = play(
      tracker,
      times(20, (i) => [car(0.1 + i * 0.02, 0.8, i % 4 === 3 ? 'truck' : 'car')]),
    );
    expect(steps.at(-1)!.tracks).toMatchObject([{ id: 1, label: 'car', hits: 20 }]);
  });
});

describe('what stands', () => {
  test('must be seen more often than what moves, be it only that it comes in over the edge', () => {
    const sights = (frame: (i: number) => Detection) =>
      play(
        new Tracker({ aspect }),
        times(12, (i) => [frame(i)]),
      ).findIndex(({ tracks }) => tracks[0]!.state === 'confirmed') + 1;
    const drivesIn = (i: number) => at('car', 0.4, 0.9 - i * 0.05, 0.2, 0.1 + i * 0.05, 0.6);
    expect(sights((i) => person(0.1 + i * 0.02, 0.4, 0.6))).toBe(3);
    expect(sights(drivesIn)).toBe(3);
    expect(sights(() => person(0.3, 0.4, 0.7))).toBe(4);
    expect(sights(() => person(0.3, 0.4, 0.6))).toBe(10);
  });

  test('is not believed below what rules ask for until it leaves its place', () => {
    const tracker = new Tracker({ aspect });
    const still = play(
      tracker,
      times(100, () => [person(0.3, 0.4, 0.58)]),
    );
    expect(states(still.at(-1)!.tracks)).toEqual(['1 tentative']);
    const walks = play(
      tracker,
      times(4, (i) => [person(0.32 + i * 0.02, 0.4, 0.58)]),
      20_000,
    );
    expect(states(walks.at(-1)!.tracks)).toEqual(['1 confirmed']);
  });

  const arrival = times(15, (i) => [car(Math.min(0.5, 0.1 + i * 0.04))]);

  test('says since when, and forgets that when it moves on', () => {
    const tracker = new Tracker({ aspect });
    play(tracker, arrival);
    const parked = play(
      tracker,
      times(100, () => [car(0.5)]),
      3000,
    ).at(-1)!.tracks[0]!;
    expect(parked).toMatchObject({ id: 1, state: 'confirmed' });
    expect(parked.stationarySince).toBeGreaterThan(1500);
    expect(parked.stationarySince).toBeLessThan(4000);
    expect(parked.furniture).toBeUndefined();
    const leaving = play(
      tracker,
      times(8, (i) => [car(0.5 - i * 0.04)]),
      23_000,
    ).at(-1)!.tracks;
    expect(ids(leaving)).toEqual([1]);
    expect(leaving[0]!.stationarySince).toBeUndefined();
  });

  test('a parked car keeps its id over minutes in which headlights blind the detector', () => {
    const tracker = new Tracker({ aspect });
    play(tracker, arrival);
    play(
      tracker,
      times(100, () => [car(0.5)]),
      3000,
    );
    const blind = play(
      tracker,
      times(1200, (i) => (i % 400 === 399 ? [car(0.505, 0.3)] : [])),
      23_000,
    );
    expect(blind.flatMap(({ ended }) => ended)).toEqual([]);
    expect(tracker.step(263_000, [car(0.5)]).tracks).toMatchObject([{ id: 1, state: 'confirmed' }]);
  });

  test('a pause in which nobody looked does not count as out of sight', () => {
    const tracker = new Tracker({ aspect });
    play(tracker, arrival);
    play(
      tracker,
      times(100, () => [car(0.5)]),
      3000,
    );
    expect(tracker.step(9_000_000, [])).toMatchObject({ tracks: [{ id: 1, state: 'lost' }], ended: [] });
    expect(tracker.step(9_000_200, [car(0.5)]).tracks).toMatchObject([{ id: 1, state: 'confirmed' }]);
  });

  test('a statue is furniture after a minute, for good, also when it is lost in between', () => {
    const tracker = new Tracker({ aspect, parkedSeconds: 20 });
    const first = play(
      tracker,
      times(330, () => [person(0.3)]),
    ).at(-1)!.tracks;
    expect(first).toMatchObject([{ id: 1, furniture: true }]);
    const ended = play(
      tracker,
      times(120, () => []),
      66_000,
    ).flatMap((step) => step.ended);
    expect(ended).toEqual([1]);
    const back = play(
      tracker,
      times(3, () => [person(0.3)]),
      100_000,
    ).at(-1)!.tracks;
    expect(back).toMatchObject([{ id: 2, furniture: true, state: 'confirmed' }]);
  });

  test('an error of the detector that comes and goes at one place is learned as well', () => {
    const tracker = new Tracker({ aspect, parkedSeconds: 5 });
    const visits = times(20, (n) =>
      play(
        tracker,
        times(100, (i) => (i < 25 ? [person(0.3)] : [])),
        n * 60_000,
      ).flatMap(({ tracks }) => tracks),
    );
    expect(visits[0]!.some(({ furniture }) => furniture)).toBe(false);
    expect(visits.at(-1)!.filter(({ state }) => state === 'confirmed')).not.toHaveLength(0);
    expect(
      visits
        .at(-1)!
        .filter(({ state }) => state === 'confirmed')
        .every(({ furniture }) => furniture),
    ).toBe(true);
  });

  test('somebody who walks to the place of a statue is no furniture, nor is a statue that walks away', () => {
    const tracker = new Tracker({ aspect });
    play(
      tracker,
      times(330, () => [person(0.3)]),
    );
    const visitor = play(
      tracker,
      times(40, (i) => [person(0.3), person(Math.max(0.36, 0.7 - i * 0.02), 0.42)]),
      66_000,
    ).at(-1)!.tracks;
    expect(visitor.map(({ id, furniture }) => [id, furniture])).toEqual([
      [1, true],
      [2, undefined],
    ]);
    const walks = play(
      tracker,
      times(10, (i) => [person(0.3 - i * 0.02)]),
      74_000,
    ).at(-1)!.tracks;
    expect(walks.find(({ id }) => id === 1)).toMatchObject({ state: 'confirmed' });
    expect(walks.find(({ id }) => id === 1)!.furniture).toBeUndefined();
  });
});

describe('whoever stands', () => {
  test('is not taken for the next one who comes to the same door minutes later', () => {
    const tracker = new Tracker({ aspect });
    const visit = times(100, (i) => [person(Math.min(0.5, 0.1 + i * 0.02))]);
    play(tracker, visit);
    const ended = play(
      tracker,
      times(600, () => []),
      20_000,
    ).flatMap((step) => step.ended);
    expect(ended).toEqual([1]);
    const next = play(tracker, visit, 140_000).at(-1)!.tracks;
    expect(next).toMatchObject([{ id: 2, state: 'confirmed' }]);
    expect(next[0]!.furniture).toBeUndefined();
  });

  test('is no furniture after an hour on a bench, and makes none of who sits there next', () => {
    const tracker = new Tracker({ aspect });
    play(
      tracker,
      times(3000, (i) => [person(Math.min(0.5, 0.1 + i * 0.02))]),
      0,
      1000,
    );
    play(
      tracker,
      times(200, () => []),
      3_000_000,
      1000,
    );
    const next = play(
      tracker,
      times(20, () => [person(0.5)]),
      3_300_000,
    ).at(-1)!.tracks;
    expect(next).toMatchObject([{ id: 2, state: 'confirmed' }]);
    expect(next[0]!.furniture).toBeUndefined();
  });
});

describe('a tracker', () => {
  test('goes on after a restart as if nothing had been', () => {
    const frames = times(40, (i) => [person(0.1 + i * 0.015), person(0.8 - i * 0.01, 0.3), car(0.4)]);
    const whole = new Tracker({ aspect });
    const straight = play(whole, frames);
    const before = new Tracker({ aspect });
    play(before, frames.slice(0, 20));
    const after = new Tracker({ aspect });
    after.restore(JSON.parse(JSON.stringify(before.snapshot())) as ReturnType<Tracker['snapshot']>);
    expect(play(after, frames.slice(20), 4000)).toEqual(straight.slice(20));
  });

  test('forgets everything but the count of ids when it is reset', () => {
    const tracker = new Tracker({ aspect });
    play(
      tracker,
      times(5, () => [person(0.3)]),
    );
    tracker.reset();
    expect(tracker.step(0, []).tracks).toEqual([]);
    expect(ids(tracker.step(200, [person(0.3)]).tracks)).toEqual([2]);
  });

  test('passes over boxes that are none', () => {
    const tracker = new Tracker({ aspect });
    const bad = [
      at('person', Number.NaN, 0, 0.1, 0.1, 0.9),
      at('person', 0, 0, 0, 0.1, 0.9),
      at('person', 0, 0, 0.1, -1, 0.9),
      at('person', 1e9, 0, 0.1, 0.1, 0.9),
      at('person', 0, 0, 0.1, 0.1, Number.NaN),
    ];
    expect(tracker.step(0, bad)).toEqual({ tracks: [], ended: [] });
  });

  test('does not grow in ten thousand frames of noise and traffic', () => {
    const tracker = new Tracker({ aspect, limit: 40 });
    let seed = 1;
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const known = new Set<number>();
    const sizes: number[] = [];
    let most = 0;
    for (let i = 0; i < 10_000; i += 1) {
      const noise = times(Math.floor(random() * 6), () => person(random(), random() * 0.8, random()));
      const { tracks, ended } = tracker.step(i * 200, [car(0.5), person((i % 50) * 0.02), ...noise]);
      for (const t of tracks) if (t.state !== 'tentative') known.add(t.id);
      for (const id of ended) known.delete(id);
      most = Math.max(most, tracks.length);
      if (i % 2000 === 1999) sizes.push(JSON.stringify(tracker.snapshot()).length);
    }
    expect(most).toBeLessThanOrEqual(40);
    // Whoever was confirmed is followed still or was told as ended.
    expect(known.size).toBeLessThanOrEqual(40);
    expect(Math.max(...sizes)).toBeLessThan(3 * sizes[0]!);
  });
});

describe('whatever a detector says', () => {
  const box = fc.record({
    left: fc.double({ min: -0.2, max: 1, noNaN: true }),
    top: fc.double({ min: -0.2, max: 1, noNaN: true }),
    width: fc.double({ min: 0.001, max: 0.6, noNaN: true }),
    height: fc.double({ min: 0.001, max: 0.9, noNaN: true }),
  });
  const detection = fc.record({
    box,
    label: fc.constantFrom('person', 'car', 'truck'),
    score: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const frames = fc.array(
    fc.record({
      wait: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constantFrom(0, -500, 60_000)),
      detections: fc.array(detection, { maxLength: 8 }),
    }),
    { minLength: 1, maxLength: 25 },
  );
  type Frames = readonly { wait: number; detections: Detection[] }[];
  const run = (script: Frames, change = (d: Detection[]): Detection[] => d) => {
    const tracker = new Tracker({ aspect });
    let now = 1_700_000_000_000;
    return script.map(({ wait, detections }) => tracker.step((now += wait), change(detections)));
  };
  const numbersOf = ({ box: b, velocity, score, bornAt, seenAt, hits }: Track) => [
    b.left,
    b.top,
    b.width,
    b.height,
    velocity.x,
    velocity.y,
    score,
    bornAt,
    seenAt,
    hits,
  ];

  test('ids are unique, numbers are numbers, and what has ended never comes back', () => {
    fc.assert(
      fc.property(frames, (script) => {
        const over = new Set<number>();
        const alive = new Set<number>();
        for (const { tracks, ended } of run(script)) {
          expect(new Set(ids(tracks)).size).toBe(tracks.length);
          expect(tracks.flatMap((t) => numbersOf(t)).every(Number.isFinite)).toBe(true);
          for (const t of tracks) {
            expect(over.has(t.id)).toBe(false);
            expect(t.box.width > 0 && t.box.height > 0 && t.bornAt <= t.seenAt).toBe(true);
            if (t.state !== 'tentative') alive.add(t.id);
          }
          for (const id of ended) {
            expect(alive.delete(id)).toBe(true);
            over.add(id);
          }
          const now = new Set(ids(tracks));
          expect([...alive].every((id) => now.has(id))).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('people on ways of their own are as many as they are, however boxes wobble and frames fail', () => {
    const way = fc.record({
      speed: fc.double({ min: -0.06, max: 0.06, noNaN: true }),
      errors: fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 3, maxLength: 17 }),
      misses: fc.array(fc.boolean(), { minLength: 5, maxLength: 13 }),
    });
    fc.assert(
      fc.property(
        fc.array(way, { minLength: 1, maxLength: 4 }),
        fc.array(fc.constantFrom(100, 150, 200, 300), { minLength: 40, maxLength: 80 }),
        (ways, waits) => {
          const tracker = new Tracker({ aspect });
          const believed = new Set<number>();
          let now = 0;
          for (const [i, wait] of waits.entries()) {
            now += wait;
            const seen = ways.flatMap(({ speed, errors, misses }, lane) => {
              // Never missed in the first second, and never twice in a row.
              if (i > 8 && i % 2 === 1 && misses[i % misses.length]!) return [];
              const error = errors[i % errors.length]!;
              const left = 0.48 + (speed * now) / 2000 + error * 0.004;
              return [at('person', left, 0.02 + lane * 0.25, 0.05 + error * 0.004, 0.2 + error * 0.008, 0.8)];
            });
            for (const t of tracker.step(now, seen).tracks) if (t.state === 'confirmed') believed.add(t.id);
          }
          expect(believed.size).toBe(ways.length);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('the order in which it says it does not matter', () => {
    fc.assert(
      fc.property(frames, (script) => {
        expect(run(script, (d) => d.toReversed())).toEqual(run(script));
      }),
      { numRuns: 60 },
    );
  });

  test('a mirrored world gives mirrored tracks', () => {
    const flip = (b: Box): Box => ({ ...b, left: 1 - b.left - b.width });
    fc.assert(
      fc.property(frames, (script) => {
        const mirrored = run(script, (all) => all.map((d) => ({ ...d, box: flip(d.box) })));
        for (const [i, { tracks, ended }] of run(script).entries()) {
          expect(mirrored[i]!.ended).toEqual(ended);
          expect(states(mirrored[i]!.tracks)).toEqual(states(tracks));
          for (const [k, t] of tracks.entries()) {
            expect(mirrored[i]!.tracks[k]!.box.left).toBeCloseTo(flip(t.box).left, 6);
            expect(mirrored[i]!.tracks[k]!.velocity.x).toBeCloseTo(-t.velocity.x, 6);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
