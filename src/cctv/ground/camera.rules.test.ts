import { describe, expect, it } from 'vitest';
import type { Point } from '../model.ts';
import {
  cameraFromLengths,
  cameraFromPeople,
  heightOfPeople,
  pinholeProjection,
  verticalFov,
  type Length,
} from './camera.rules.ts';
import { aspect, camera, normals, quantile, seen, truth } from './fixture.ts';
import { locate, poseOf, toGround, toPicture, type Place } from './projection.rules.ts';
import { rectangle, shapeFromSides } from './shape.rules.ts';

const sigmas = { clickSigma: 0.002, tapeSigma: 0.02 };
const apart = (a: Place, b: Place) => Math.hypot(a.x - b.x, a.y - b.y);

describe('camera from height, tilt and field of view', () => {
  it('puts the foot point where the tangent says', () => {
    const level = pinholeProjection({ height: 3, tilt: 20, roll: 0, verticalFov: 50, k1: 0 }, aspect);
    for (const y of [0.45, 0.6, 0.8, 1]) {
      const angle = Math.atan((y - 0.5) * 2 * Math.tan((25 * Math.PI) / 180));
      const found = toGround(level, { x: 0.5, y })!;
      expect(found.y).toBeCloseTo(3 / Math.tan((20 * Math.PI) / 180 + angle), 9);
      expect(found.x).toBeCloseTo(0, 9);
    }
    expect(toGround(level, { x: 0.9, y: 0.8 })!.x).toBeGreaterThan(1);
  });

  it('turns degrees from left to right into degrees from top to bottom', () => {
    expect(verticalFov(90, 1)).toBeCloseTo(90, 9);
    expect(verticalFov(82, 16 / 9)).toBeCloseTo(52.1, 1);
  });

  it('is less sure the further away', () => {
    const { covariance } = pinholeProjection(camera, aspect);
    expect(covariance).toHaveLength(10);
    expect(covariance[0]![3]).toBeCloseTo(covariance[3]![0]!, 12);
  });
});

describe('shape from lengths', () => {
  const places = [
    { x: 0, y: 0 },
    { x: 4, y: 0 },
    { x: 5, y: 6 },
    { x: -1, y: 5 },
  ];
  const onGround = places.map(({ x, y }) => ({ x: x - 2, y: y + 6 }));
  const pictures = onGround.map((p) => seen(p));
  const side = (a: number, b: number) => ({ a, b, metres: apart(places[a]!, places[b]!) });

  it('finds four points from five lengths, the right way round', () => {
    const found = shapeFromSides([side(0, 1), side(1, 2), side(2, 3), side(3, 0), side(0, 2)], pictures)!;
    found.forEach((p, i) => expect(apart(p, places[i]!)).toBeLessThan(1e-3));
  });

  it('evens out lengths that contradict each other a little', () => {
    const sides = [side(0, 1), side(1, 2), side(2, 3), side(3, 0), side(0, 2), side(1, 3)].map((s, i) => ({
      ...s,
      metres: s.metres + (i % 2 === 0 ? 0.02 : -0.02),
    }));
    const found = shapeFromSides(sides, pictures)!;
    for (const [a, b] of [
      [0, 1],
      [1, 2],
      [2, 3],
      [0, 3],
      [0, 2],
      [1, 3],
    ] as const)
      expect(Math.abs(apart(found[a]!, found[b]!) - apart(places[a]!, places[b]!))).toBeLessThan(0.05);
  });

  it('gives nothing when a point hangs on one length', () => {
    expect(shapeFromSides([side(0, 1), side(1, 2), side(0, 2), side(2, 3)], pictures)).toBeUndefined();
    expect(shapeFromSides([], pictures)).toBeUndefined();
  });

  it('lays a rectangle so that it is seen from above, whichever way its corners were clicked', () => {
    const corners = [
      { x: -1, y: 6 },
      { x: 2, y: 6 },
      { x: 2, y: 11 },
      { x: -1, y: 11 },
    ].map((p) => seen(p)) as [Point, Point, Point, Point];
    expect(rectangle([3, 5], corners)[2]).toEqual({ x: 3, y: 5 });
    const other = [corners[1], corners[0], corners[3], corners[2]] as [Point, Point, Point, Point];
    expect(rectangle([3, 5], other)[2]).toEqual({ x: 3, y: -5 });
  });
});

describe('camera from lengths', () => {
  const points = [
    { x: -2, y: 5 },
    { x: 3, y: 6 },
    { x: 5, y: 14 },
    { x: -5, y: 13 },
    { x: 0, y: 9 },
    { x: 1, y: 18 },
  ];
  const check = (lengths: Length[], known = {}) => {
    const found = cameraFromLengths(lengths, aspect, known, sigmas)!;
    return {
      ...found,
      errors: points.map(
        (p) =>
          Math.abs(
            Math.hypot(...Object.values(toGround(found.projection, seen(p))!)) - Math.hypot(p.x, p.y),
          ) / Math.hypot(p.x, p.y),
      ),
    };
  };

  it('finds the camera from distances to six points', () => {
    const lengths = points.map((p): Length => ({
      from: 'camera',
      to: seen(p),
      metres: Math.hypot(p.x, p.y),
    }));
    const { errors, pinhole, misfit } = check(lengths);
    expect(Math.max(...errors)).toBeLessThan(0.03);
    expect(pinhole.height).toBeCloseTo(3.2, 0);
    expect(misfit).toBeLessThan(2);
  });

  it('finds it from distances between points when its height is known', () => {
    const pairs = [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ] as const;
    const lengths = pairs.map(([a, b]): Length => ({
      from: seen(points[a]!),
      to: seen(points[b]!),
      metres: apart(points[a]!, points[b]!),
    }));
    expect(Math.max(...check(lengths, { height: 3.2 }).errors)).toBeLessThan(0.05);
  });
});

describe('camera from people', () => {
  const random = normals(3);
  const people = Array.from({ length: 60 }, (_, i) => {
    const place = { x: -4 + (i % 9), y: 5 + ((i * 7) % 16) };
    const tall = 1.7 + 0.08 * random();
    const [foot, head] = [seen(place), seen(place, tall)];
    const noise = 0.02 * (foot.y - head.y);
    return {
      foot: { x: foot.x, y: foot.y + noise * random() },
      head: { x: head.x, y: head.y + noise * random() },
    };
  });

  it('finds height and tilt from people when the lens is known', () => {
    const found = cameraFromPeople(people, aspect, { verticalFov: 52 })!;
    expect(found.pinhole.height).toBeGreaterThan(2.9);
    expect(found.pinhole.height).toBeLessThan(3.5);
    expect(Math.abs(found.pinhole.tilt - camera.tilt)).toBeLessThan(2);
    const relative = [6, 9, 14, 20].map(
      (y) => Math.abs(toGround(found.projection, seen({ x: 0, y }))!.y - y) / y,
    );
    expect(quantile(relative, 0.5)).toBeLessThan(0.08);
  });

  it('is not led astray by boxes of which every tenth shows something else', () => {
    const spoilt = people.map((p, i) =>
      i % 10 === 0 ? { ...p, head: { x: p.head.x, y: p.foot.y - 0.03 } } : p,
    );
    const found = cameraFromPeople(spoilt, aspect, { verticalFov: 52 })!;
    expect(Math.abs(found.pinhole.height - 3.2)).toBeLessThan(0.5);
  });

  it.each([
    ['alone', 0],
    ['beside what is known of the camera', 1],
  ])(
    '%s say no more than they can: most places are within two sigma, however often three people were seen',
    (_, knows) => {
      const chance = normals(4);
      const off = Array.from({ length: 16 }, () => {
        const tilt = 20 + 6 * chance();
        const drawn = {
          height: 3 * Math.exp(0.2 * chance()),
          tilt,
          roll: 0,
          verticalFov: 52 + 6 * chance(),
          k1: 0,
        };
        const real = pinholeProjection(drawn, aspect);
        const pose = poseOf(real)!;
        const walkers = [-1, 0, 1.5].flatMap((x) => {
          const tall = 1.7 + 0.1 * chance();
          return Array.from({ length: 40 }, (__, i) => {
            const place = { x, y: 6 + i / 4 };
            const [foot, head] = [toPicture(real, pose, place)!, toPicture(real, pose, place, tall)!];
            const noise = 0.03 * (foot.y - head.y);
            return {
              foot: { x: foot.x, y: foot.y + noise * chance() },
              head: { x: head.x, y: head.y + noise * chance() },
            };
          });
        });
        const told = {
          height: drawn.height * (1 + 0.03 * chance()),
          tilt: tilt + chance(),
          verticalFov: drawn.verticalFov * (1 + 0.03 * chance()),
        };
        const { projection } = cameraFromPeople(walkers, aspect, knows === 1 ? told : {})!;
        return [6, 9, 12, 16].map((y) => {
          const found = locate(projection, toPicture(real, pose, { x: 0, y })!, { x: 0, y: 0 })!;
          return Math.abs(found.y - y) / Math.sqrt(found.model.yy);
        });
      }).flat();
      const share = (sigmas: number) => off.filter((v) => v <= sigmas).length / off.length;
      // Of sixteen cameras; each has one error that all its places share.
      expect(share(1)).toBeGreaterThan(0.45);
      expect(share(2)).toBeGreaterThan(0.75);
    },
  );

  it('says nothing from nine people', () => {
    expect(cameraFromPeople(people.slice(0, 9), aspect, {})).toBeUndefined();
  });

  it('tells how tall people are by a calibration', () => {
    expect(heightOfPeople(truth, people)).toBeCloseTo(1.7, 1);
    const low = pinholeProjection({ ...camera, height: 6.4 }, aspect);
    expect(heightOfPeople(low, people)).toBeCloseTo(3.4, 0);
  });
});
