import { describe, expect, test } from 'vitest';
import type { Detection } from '../model.ts';
import { aspect, at, car, ids, person, play, states, times } from './fixture.ts';
import { Tracker } from './tracker.rules.ts';

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

  /** A tracker before which a car drove up and stood for twenty seconds, and what it said last. */
  function parked() {
    const tracker = new Tracker({ aspect });
    play(
      tracker,
      times(15, (i) => [car(Math.min(0.5, 0.1 + i * 0.04))]),
    );
    const stands = play(
      tracker,
      times(100, () => [car(0.5)]),
      3000,
    );
    return { tracker, track: stands.at(-1)!.tracks[0]! };
  }

  test('says since when, and forgets that when it moves on', () => {
    const { tracker, track } = parked();
    expect(track).toMatchObject({ id: 1, state: 'confirmed' });
    expect(track.stationarySince).toBeGreaterThan(1500);
    expect(track.stationarySince).toBeLessThan(4000);
    expect(track.furniture).toBeUndefined();
    const leaving = play(
      tracker,
      times(8, (i) => [car(0.5 - i * 0.04)]),
      23_000,
    ).at(-1)!.tracks;
    expect(ids(leaving)).toEqual([1]);
    expect(leaving[0]!.stationarySince).toBeUndefined();
  });

  test('a parked car keeps its id over minutes in which headlights blind the detector', () => {
    const { tracker } = parked();
    const blind = play(
      tracker,
      times(1200, (i) => (i % 400 === 399 ? [car(0.505, 0.3)] : [])),
      23_000,
    );
    expect(blind.flatMap(({ ended }) => ended)).toEqual([]);
    expect(tracker.step(263_000, [car(0.5)]).tracks).toMatchObject([{ id: 1, state: 'confirmed' }]);
  });

  test('a pause in which nobody looked does not count as out of sight', () => {
    const { tracker } = parked();
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
