import { describe, expect, test } from 'vitest';
import type { Detection } from '../model.ts';
import { aspect, at, car, ids, person, play, states, times } from './fixture.ts';
import { Tracker } from './tracker.rules.ts';

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
