import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anEvent } from './book/fixture.ts';
import type { PathPoint } from './book/model.ts';
import type { Observation } from './model.ts';
import { Observer, type Scene } from './observer.rules.ts';
import { pastObservations } from './past.rules.ts';

const start = Date.UTC(2026, 0, 15, 12);
const left = {
  name: 'left',
  polygon: [
    { x: 0, y: 0 },
    { x: 0.5, y: 0 },
    { x: 0.5, y: 1 },
    { x: 0, y: 1 },
  ],
};
const yard: Scene = { camera: 'yard', zones: [left] };

const point = (event: string, at: number, x: number, over: Partial<PathPoint> = {}): PathPoint => ({
  event,
  at,
  score: 0.7,
  box: { left: x - 0.05, top: 0.4, width: 0.1, height: 0.2 },
  stationary: false,
  furniture: false,
  ...over,
});

const all = (points: readonly PathPoint[], scene: Scene | undefined = yard, over = {}) => [
  ...pastObservations({
    points,
    eventOf: (id) =>
      id === 'gone'
        ? undefined
        : anEvent(id, start, { closed: true, seenAt: points.at(-1)?.at ?? 0, ...over }),
    sceneOf: (camera) => (camera === scene?.camera ? scene : undefined),
  }),
];

const past = (...args: Parameters<typeof all>) => all(...args).filter((o) => o.ended !== true);

test('a kept point becomes what was observed: zone since when, how it moves, how long it has stood', () => {
  const seen = past([
    point('e1', start, 0.4),
    point('e1', start + 500, 0.45),
    point('e1', start + 1_000, 0.7, { stationary: true }),
    point('e1', start + 11_000, 0.7, { stationary: true, furniture: true }),
  ]);
  const rounded = (value: number) => Math.round(value * 1000) / 1000;
  expect(
    seen.map((o) => [o.at - start, o.zones, rounded(o.velocity.x), o.stationarySince, o.furniture ?? false]),
  ).toEqual([
    [0, { left: start }, 0, undefined, false],
    [500, { left: start }, 0.1, undefined, false],
    [1_000, {}, 0.5, start + 1_000, false],
    // Between two points it was seen where it stood.
    ...Array.from({ length: 19 }, (_, i) => [1_500 + i * 500, {}, 0, start + 1_000, false]),
    [11_000, {}, 0, start + 1_000, true],
  ]);
  expect(seen[0]).toEqual({
    camera: 'yard',
    event: 'e1',
    at: start,
    label: 'person',
    score: 0.7,
    box: point('e1', start, 0.4).box,
    bornAt: start,
    velocity: { x: 0, y: 0 },
    references: {},
    zones: { left: start },
  });
});

test('an object ends when it was last seen, as soon as the time of another has come past that', () => {
  const seen = [
    ...pastObservations({
      points: [point('a', start, 0.4), point('b', start + 3_000, 0.4), point('b', start + 3_500, 0.4)],
      eventOf: (id) => anEvent(id, start, { closed: id === 'a', seenAt: start + 400 }),
      sceneOf: () => yard,
    }),
  ];
  expect(seen.map((o) => [o.event, o.at - start, o.ended ?? false])).toEqual([
    ['a', 0, false],
    ['a', 400, true],
    ['b', 3_000, false],
    ['b', 3_500, false],
  ]);
});

test('what stands still is seen up to its last sight, and not longer than its points can be apart', () => {
  const points = [
    point('a', start, 0.4, { stationary: true }),
    point('b', start + 1_300, 0.4),
    point('b', start + 30_000, 0.4),
  ];
  const seen = (seenAt: number, closed = true) =>
    [
      ...pastObservations({
        points,
        eventOf: (id) => anEvent(id, start, { closed: id === 'a' && closed, seenAt: start + seenAt }),
        sceneOf: () => yard,
      }),
    ].flatMap((o) => (o.event === 'a' ? [o.ended === true ? `end ${o.at - start}` : o.at - start] : []));
  expect(seen(1_200)).toEqual([0, 500, 1_000, 1_200, 'end 1200']);
  expect(seen(1_200, false)).toEqual([0, 500, 1_000, 1_200]);
  // It was lost, and found again later.
  expect(seen(20_000).slice(-3)).toEqual([10_000, 10_500, 'end 20000']);
});

test('cameras and events that are gone have no past', () => {
  expect(past([point('gone', start, 0.4)])).toEqual([]);
  expect(past([point('e1', start, 0.4)], undefined, { camera: 'cellar' })).toEqual([]);
});

test('metres are those of the calibration of now', () => {
  const scene: Scene = {
    ...yard,
    newPath: (label) => ({
      step: (_at, box) => ({ ground: { x: box.left * 10, y: 0, sigma: 0.1 }, speed: 1 }),
      references: () => ({ gate: { distance: label === 'person' ? 2 : 9, sigma: 0.1, approach: 0 } }),
    }),
  };
  const [seen] = past([point('e1', start, 0.25, { ground: { x: 77, y: 77, sigma: 1 } })], scene);
  expect([seen?.ground, seen?.speed, seen?.references]).toEqual([
    { x: 2, y: 0, sigma: 0.1 },
    1,
    { gate: { distance: 2, sigma: 0.1, approach: 0 } },
  ]);
});

test('what the observer said of an object then is what its kept points say of it now', () => {
  const steps = fc.array(fc.double({ min: 0.1, max: 0.9, noNaN: true }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(steps, (places) => {
      const observer = new Observer(yard, [], () => 'e1');
      const points = places.map((x, i) => point('e1', start + i * 500, x));
      const then = points.flatMap(({ at, box, score }, i) => [
        ...observer.step(
          at,
          [
            {
              id: 1,
              label: 'person',
              score,
              box,
              velocity: { x: 0, y: 0 },
              bornAt: start,
              seenAt: at,
              hits: i + 3,
              state: 'confirmed',
            },
          ],
          [],
        ).observations,
      ]);
      // How it moved is not kept; it follows from the places.
      const still = (o: Observation) => ({ ...o, velocity: { x: 0, y: 0 } });
      expect(past(points).map(still)).toEqual(then.map(still));
    }),
  );
});
