import { describe, expect, it } from 'vitest';
import type { Box } from '../model.ts';
import { aspect, normals, quantile, seen, standing, truth } from './fixture.ts';
import { GroundPath, type GroundStep } from './path.rules.ts';
import { feetHidden, GroundView } from './view.rules.ts';

const view = new GroundView({
  camera: 'drive',
  projection: truth,
  references: new Map([['gate', { kind: 'point', points: [{ x: 0, y: 4 }] }]]),
});
const start = Date.UTC(2026, 10, 21, 8);

/** Somebody who walks from one place in a straight line, five frames a second. */
function walk(
  frames: number,
  from: { x: number; y: number },
  velocity: { x: number; y: number },
  change: (box: Box, frame: number) => Box = (box) => box,
  path = new GroundPath(view, 'person'),
) {
  return Array.from({ length: frames }, (_, n) => {
    const place = { x: from.x + velocity.x * n * 0.2, y: from.y + velocity.y * n * 0.2 };
    return { place, step: path.step(start + n * 200, change(standing(place), n)) };
  });
}
const off = ({ place, step }: { place: { x: number; y: number }; step: GroundStep | undefined }) =>
  step === undefined ? Number.POSITIVE_INFINITY : Math.hypot(step.x - place.x, step.y - place.y);

const jitter = (random: () => number) => (box: Box) => ({
  ...box,
  left: box.left + (0.03 * box.height * random()) / aspect,
  height: box.height * (1 + 0.045 * random()),
});

/** A box that sways with the stride: an error that half a second later is still there in part. */
const sway = (random: () => number) => {
  const shared = Math.exp(-0.2 / 0.5);
  let now: readonly [number, number] = [0, 0];
  return (box: Box, frame: number): Box => {
    const fresh = [random(), random()] as const;
    const keep = frame === 0 ? 0 : shared;
    const add = Math.sqrt(1 - keep * keep);
    now = [keep * now[0] + add * fresh[0], keep * now[1] + add * fresh[1]];
    return {
      ...box,
      left: box.left + (0.03 * box.height * now[0]) / aspect,
      height: box.height * (1 + 0.03 * now[1]),
    };
  };
};

describe('view of the ground', () => {
  it('places the feet of a box, less surely the further away', () => {
    const [near, far] = [view.at(standing({ x: 1, y: 6 }))!, view.at(standing({ x: 1, y: 25 }))!];
    expect([near.x, near.y]).toEqual([expect.closeTo(1, 3), expect.closeTo(6, 3)]);
    expect(near.sigma).toBeGreaterThan(0.05);
    expect(far.sigma).toBeGreaterThan(near.sigma * 3);
    expect(view.at({ left: 0.4, top: 0, width: 0.1, height: 0.05 })).toBeUndefined();
  });

  it('measures how tall somebody is', () => {
    expect(view.height(standing({ x: -2, y: 9 }, 1.83))).toBeCloseTo(1.83, 2);
    expect(view.camera).toEqual({
      x: expect.closeTo(0, 6),
      y: expect.closeTo(0, 6),
      z: expect.closeTo(3.2, 6),
    });
  });

  it('tells the distance to the references of the calibration', () => {
    const state = { x: 0, y: 9, velocity: { x: 0, y: -1 }, covariance: { xx: 0.01, xy: 0, yy: 0.01 } };
    expect(view.toReferences(state)).toEqual({
      gate: { distance: 5, sigma: 0.1, approach: 1, arrivesIn: 5 },
    });
  });
});

describe('path over the ground', () => {
  it('follows a walker and knows the speed', () => {
    const walked = walk(40, { x: -3, y: 8 }, { x: 1, y: 0.8 });
    expect(Math.max(...walked.slice(10).map(off))).toBeLessThan(0.1);
    const { speed, velocity } = walked.at(-1)!.step!;
    expect(speed).toBeCloseTo(Math.hypot(1, 0.8), 1);
    expect([velocity.x, velocity.y]).toEqual([expect.closeTo(1, 1), expect.closeTo(0.8, 1)]);
  });

  it('takes a quarter off the error of feet that jitter, and says honestly how large it is', () => {
    const random = normals(4);
    const walked = Array.from({ length: 12 }, () =>
      walk(40, { x: -3, y: 8 }, { x: 1, y: 0.6 }, jitter(random)),
    ).flat();
    const late = walked.filter((_, i) => i % 40 > 8);
    const raw = late.map(({ place }) => {
      const found = view.at(jitter(random)(standing(place)))!;
      return Math.hypot(found.x - place.x, found.y - place.y);
    });
    expect(quantile(late.map(off), 0.5)).toBeLessThan(quantile(raw, 0.5) * 0.75);
    const scaled = late.map((w) => off(w) / w.step!.ground.sigma);
    expect(quantile(scaled, 0.95)).toBeLessThan(2.2);
    const speeds = late.map((w) => Math.abs(w.step!.speed - Math.hypot(1, 0.6)) / Math.hypot(1, 0.6));
    expect(quantile(speeds, 0.5)).toBeLessThan(0.1);
  });

  it.each([2, 5, 10])(
    'says honestly how far feet that sway with the stride are off, at %i frames a second',
    (fps) => {
      // Errors of a calibration are those of another test.
      const exact = { ...truth, covariance: truth.covariance.map((row) => row.map(() => 0)) };
      const sure = new GroundView({ camera: 'drive', projection: exact, references: new Map() });
      const random = normals(6);
      const keep = Math.exp(-1 / fps / 0.5);
      const scaled = Array.from({ length: 40 }, () => {
        const path = new GroundPath(sure, 'person');
        let [across, down] = [random(), random()];
        return Array.from({ length: 30 }, (_, n) => {
          const place = { x: 0, y: 7 + (1.2 * n) / fps };
          [across, down] = [across, down].map((v) => keep * v + Math.sqrt(1 - keep * keep) * random()) as [
            number,
            number,
          ];
          const box = standing(place);
          const step = path.step(start + (n * 1000) / fps, {
            ...box,
            left: box.left + (0.03 * box.height * across) / aspect,
            height: box.height * (1 + 0.045 * down),
          })!;
          return Math.abs(step.y - place.y) / Math.sqrt(step.covariance.yy);
        }).slice(8);
      }).flat();
      const share = (sigmas: number) => scaled.filter((v) => v <= sigmas).length / scaled.length;
      expect(share(1)).toBeGreaterThan(0.55);
      expect(share(1)).toBeLessThan(0.85);
      expect(share(2)).toBeGreaterThan(0.9);
    },
  );

  it('gives no speed to somebody who stands, however the feet jitter', () => {
    const stood = walk(60, { x: 2, y: 10 }, { x: 0, y: 0 }, jitter(normals(8)));
    expect(
      quantile(
        stood.slice(15).map((s) => s.step!.speed),
        0.9,
      ),
    ).toBeLessThan(0.18);
  });

  it('knows the speed of somebody whose box sways with the stride, at five frames a second', () => {
    const random = normals(12);
    const speeds = Array.from({ length: 12 }, () =>
      walk(40, { x: -3, y: 8 }, { x: 1, y: 0.6 }, sway(random)).slice(11),
    ).flat();
    const truth = Math.hypot(1, 0.6);
    const errors = speeds.map(({ step }) => Math.abs(step!.speed - truth) / truth);
    expect(quantile(errors, 0.5)).toBeLessThan(0.06);
    expect(quantile(errors, 0.95)).toBeLessThan(0.2);
  });

  it('says nothing wild about speed or coming closer in the first second', () => {
    const random = normals(3);
    for (const velocity of [
      { x: 0, y: 0 },
      { x: 0, y: -1.2 },
    ]) {
      const young = Array.from({ length: 150 }, () =>
        walk(6, { x: 0.5, y: 10 }, velocity, sway(random)),
      ).flat();
      const pace = Math.hypot(velocity.x, velocity.y);
      const over = young.map(({ step }) => step!.speed - pace);
      expect(quantile(over, 0.95)).toBeLessThan(0.5);
      expect(Math.max(...over)).toBeLessThan(1.2);
      const approach = young.map(({ step }) => view.toReferences(step!)['gate']!.approach);
      expect(Math.max(...approach)).toBeLessThan(pace + 1.2);
      expect(Math.min(...approach)).toBeGreaterThan(-1.2);
    }
  });

  it('has no speed left soon after somebody stopped, and is at full speed soon after they set off', () => {
    const path = new GroundPath(view, 'person');
    const route = (n: number) => ({ x: -2 + 0.24 * Math.min(n, 15) + 0.24 * Math.max(0, n - 35), y: 9 });
    const speeds = Array.from(
      { length: 55 },
      (_, n) => path.step(start + n * 200, standing(route(n)))!.speed,
    );
    expect(speeds[14]).toBeCloseTo(1.2, 1);
    expect(Math.max(...speeds.slice(28, 36))).toBeLessThan(0.05);
    expect(speeds[49]).toBeCloseTo(1.2, 1);
  });

  it('knows the speed of a car at less than a frame a second', () => {
    const path = new GroundPath(view, 'car');
    const steps = Array.from({ length: 6 }, (_, n) =>
      path.step(start + n * 1500, standing({ x: -12 + 4.5 * n, y: 16 }, 1.5)),
    );
    expect(steps.at(-1)!.speed).toBeCloseTo(3, 0);
  });

  it('does not follow a foot that leaps for a frame, but one that stays', () => {
    const once = walk(30, { x: 0, y: 8 }, { x: 0.5, y: 0 }, (box, n) =>
      n === 20 ? { ...box, top: box.top - 0.15 } : box,
    );
    expect(off(once[20]!)).toBeLessThan(1);
    expect(off(once[24]!)).toBeLessThan(0.3);
    for (const { step } of once.slice(20)) expect(Math.abs(step!.speed - 0.5)).toBeLessThan(0.6);
    const moved = walk(30, { x: 0, y: 8 }, { x: 0, y: 0 }, (box, n) =>
      n < 15 ? box : standing({ x: 3, y: 12 }),
    );
    expect(Math.hypot(moved[29]!.step!.x - 3, moved[29]!.step!.y - 12)).toBeLessThan(0.3);
  });

  it('infers hidden feet from the head when the box ends at the lower edge of the picture', () => {
    const cut = (box: Box) => ({ ...box, height: Math.min(box.height, 1 - box.top) });
    const walked = walk(22, { x: 0.3, y: 6 }, { x: 0, y: -0.9 }, cut);
    const hidden = walked.filter((w) => w.step?.ground.inferred === true);
    expect(hidden.length).toBeGreaterThan(5);
    for (const w of hidden) expect(off(w)).toBeLessThan(0.45);
    expect(walked[0]!.step!.ground).not.toHaveProperty('inferred');
  });

  it('infers them behind a mask and behind a parked car, by the height learnt before', () => {
    const { y } = seen({ x: 0, y: 9.3 });
    const mask = [
      { x: 0, y },
      { x: 1, y },
      { x: 1, y: 1 },
      { x: 0, y: 1 },
    ];
    const box = standing({ x: 0, y: 7 }, 1.7);
    const above = { ...box, height: y - 0.002 - box.top };
    expect(feetHidden(above, [mask])).toBe(true);
    const behindMask = new GroundPath(view, 'person', [mask]).step(start, above)!;
    expect(behindMask.ground.inferred).toBe(true);
    expect(Math.hypot(behindMask.x, behindMask.y - 7)).toBeLessThan(0.3);

    const half = (b: Box, n: number) => (n >= 12 ? { ...b, height: b.height * 0.5 } : b);
    const walked = walk(24, { x: -2, y: 12 }, { x: 0.6, y: 0 }, half);
    expect(walked.slice(12).every((w) => w.step?.ground.inferred === true)).toBe(true);
    expect(Math.max(...walked.slice(12).map(off))).toBeLessThan(0.5);
  });

  it('says nothing of hidden feet of which no height is known', () => {
    const cut = { left: 0.4, top: 0.6, width: 0.2, height: 0.4 };
    expect(new GroundPath(view, 'suitcase').step(start, cut)).toBeUndefined();
  });

  it('starts anew after a gap, and stays finite over a day of frames', () => {
    const path = new GroundPath(view, 'person');
    walk(20, { x: -4, y: 9 }, { x: 1, y: 0 }, undefined, path);
    const later = path.step(start + 3_600_000, standing({ x: 3, y: 12 }))!;
    expect(Math.hypot(later.x - 3, later.y - 12)).toBeLessThan(1e-6);
    expect(later.speed).toBeLessThan(0.01);
    const random = normals(2);
    let step: GroundStep | undefined;
    for (let n = 0; n < 20_000; n += 1)
      step = path.step(
        start + 4_000_000 + n * 200,
        jitter(random)(standing({ x: Math.sin(n / 30) * 3, y: 9 + Math.cos(n / 50) * 3 })),
      );
    expect(step!.ground.sigma).toBeLessThan(1);
    expect(step!.speed).toBeLessThan(5);
    expect(step!.covariance.xx).toBeGreaterThan(0);
  });
});
