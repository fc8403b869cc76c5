import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ground, hash, height, picture, width, type Draw } from './fixture.ts';
import { MotionGate, type MotionStep } from './gate.rules.ts';

const start = Date.UTC(2026, 10, 21, 8);
const at = (frame: number) => start + frame * 200;

/** A dark coat with a light head, 8 x 24 pixels, that walks one and a half pixels a frame. */
const walker: Draw = (base, x, y, frame) => {
  const left = 20 + frame * 1.5;
  if (x < left || x >= left + 8 || y < 40 || y >= 64) return base;
  return y < 45 ? 170 : 30;
};

function watch(frames: number, draw?: Draw, gate = new MotionGate({ width, height })): MotionStep[] {
  return Array.from({ length: frames }, (_, n) => gate.step(picture(n, draw), at(n)));
}
const moving = (steps: readonly MotionStep[]) => steps.filter((s) => s.motion).length;

describe('motion gate', () => {
  it('asks for one look at the whole picture when it starts, and is quiet while nothing moves', () => {
    const steps = watch(100);
    expect(steps.flatMap((s, n) => (s.motion ? [[n, s.boxes]] : []))).toEqual([
      [4, [{ left: 0, top: 0, width: 1, height: 1 }]],
    ]);
  });

  it('sees a walker in every frame and says where', () => {
    const steps = watch(60, (base, x, y, n) => (n < 10 ? base : walker(base, x, y, n))).slice(12);
    expect(moving(steps)).toBe(steps.length);
    const [box] = steps[20]!.boxes;
    const left = (20 + 32 * 1.5) / width;
    expect(box!.left).toBeGreaterThan(left - 0.13);
    expect(box!.left + box!.width).toBeLessThan(left + 0.18);
    expect(box!.top).toBeCloseTo(40 / height, 1);
    expect(box!.top + box!.height).toBeCloseTo(64 / height, 1);
  });

  it('gives a lamp that goes on or off in half the picture one look, whether its edge is soft or hard', () => {
    const lamp: Draw = (base, x, _, n) => (x > 82 && n >= 20 && n < 80 ? base * 1.5 + 10 : base);
    const looks = watch(150, lamp).flatMap((s, n) => (s.motion ? [n] : []));
    expect(looks).toEqual([4, 24, 84]);
  });

  it('opens as soon as before when the clock was set back while it was shut', () => {
    const gate = new MotionGate({ width, height });
    gate.step(picture(0), at(0));
    const hour = 3_600_000;
    const seen = Array.from({ length: 60 }, (_, n) =>
      gate.step(picture(n + 1, n < 10 ? undefined : walker), at(n + 1) - hour),
    );
    expect(moving(seen.slice(14))).toBe(46);
  });

  it('lets a soft cone of headlights sweep over the picture', () => {
    const cone: Draw = (base, x, y, n) =>
      base * (1 + 0.6 * Math.exp(-(((x - (n % 25) * 8) / 25) ** 2) - ((y - 50) / 20) ** 2));
    expect(moving(watch(100, cone).slice(5))).toBe(0);
  });

  it('lets a cloud darken everything by a third', () => {
    const cloud: Draw = (base, _x, _y, n) => base * (0.83 + 0.17 * Math.cos(n / 15));
    expect(moving(watch(150, cloud).slice(5))).toBe(0);
  });

  it('gets used to rain, and sees who walks in it', () => {
    const rain = (base: number, x: number, y: number, n: number) => {
      const streak = hash(n * 7_919 + x * 31 + Math.floor((y + 17 * hash(x + n * 131)) / 7) * 65_537);
      return streak < 0.012 ? base + 45 : base;
    };
    expect(moving(watch(150, rain).slice(50))).toBeLessThan(8);
    const walked = watch(140, (base, x, y, n) => rain(n < 60 ? base : walker(base, x, y, n - 60), x, y, n));
    expect(moving(walked.slice(62))).toBeGreaterThan(40);
  });

  it('sees a walker who switches on the light of half the picture', () => {
    const both: Draw = (base, x, y, n) => {
      const lit = (v: number) => (x > 80 && n >= 30 ? v * 1.5 + 10 : v);
      return lit(n < 10 ? base : walker(base, x, y, n));
    };
    expect(moving(watch(60, both).slice(12))).toBeGreaterThan(40);
  });

  it('takes the background anew when everything changes in place, is quiet, then looks once', () => {
    const infrared: Draw = (base, x, y, n) => (n < 20 ? base : 230 - base * 0.9 + 20 * hash(x + y * 331));
    const steps = watch(60, infrared);
    expect(steps[20]).toMatchObject({ motion: false, reset: true, infrared: true, boxes: [] });
    expect(steps.slice(21).flatMap((s, n) => (s.motion ? [n + 21] : []))).toEqual([24]);
  });

  it('lets the detector look when the light flickers on and on, for that can be on purpose', () => {
    const strobe: Draw = (base, _x, _y, n) => (Math.floor(n / 5) % 2 === 0 ? base : 250 - base);
    expect(moving(watch(60, strobe).slice(5))).toBeGreaterThanOrEqual(5);
  });

  it('forgets a thing that was put down', () => {
    const parcel: Draw = (base, x, y, n) => (n >= 20 && x > 60 && x < 75 && y > 50 && y < 62 ? 200 : base);
    const steps = watch(80, parcel);
    expect(moving(steps.slice(20, 26))).toBeGreaterThan(0);
    expect(moving(steps.slice(45))).toBe(0);
    expect(steps.at(-1)!.share).toBe(0);
  });

  it('learns a tree that never rests, and still sees who walks in front of the house', () => {
    const tree = (x: number, y: number, n: number) =>
      x < 30 && y < 30 ? ground(x + Math.round(2 * hash(n) + 2 * hash(n * 31)), y) : undefined;
    const gate = new MotionGate({ width, height });
    const windy = watch(600, (base, x, y, n) => tree(x, y, n) ?? base, gate);
    expect(moving(windy.slice(450))).toBeLessThan(25);
    const later = Array.from({ length: 40 }, (_, n) =>
      gate.step(
        picture(n + 600, (base, x, y) => tree(x, y, n + 600) ?? walker(base, x, y, n)),
        at(n + 600),
      ),
    );
    expect(moving(later.slice(3))).toBe(37);
  });

  it('does not see what moves within a mask, and nothing at all under a mask of everything', () => {
    const rect = (right: number, bottom: number) => [
      { x: 0, y: 0 },
      { x: right, y: 0 },
      { x: right, y: bottom },
      { x: 0, y: bottom },
    ];
    const below = [rect(1, 0.3), rect(1, 1).map(({ x, y }) => ({ x, y: 0.4 + y * 0.6 }))];
    const gate = new MotionGate({ width, height, masks: below });
    expect(moving(watch(60, walker, gate).slice(5))).toBe(0);
    const all = new MotionGate({ width, height, masks: [rect(1, 1)] });
    expect(watch(30, walker, all).slice(5)).toEqual(
      Array.from({ length: 25 }, () => ({ motion: false, share: 0, boxes: [] })),
    );
  });

  it('starts from nothing after a reset', () => {
    const gate = new MotionGate({ width, height });
    watch(20, undefined, gate);
    gate.reset();
    const steps = Array.from({ length: 20 }, (_, n) =>
      gate.step(
        picture(n, (base) => 255 - base),
        at(n),
      ),
    );
    expect(steps.flatMap((s, n) => (s.motion ? [n] : []))).toEqual([4]);
  });

  it('copes with pictures of any size, any bytes and instants that stand still or jump', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: 41 }),
        fc.integer({ min: 5, max: 33 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 2 ** 31 }), fc.integer({ min: -1000, max: 1e6 })), {
          maxLength: 12,
        }),
        (w, h, frames) => {
          const gate = new MotionGate({ width: w, height: h });
          let now = start;
          for (const [seed, step] of frames) {
            now += step;
            const gray = Uint8Array.from({ length: w * h }, (_, i) => hash(seed + i) * 256);
            const { share, boxes } = gate.step(gray, now);
            expect(share).toBeGreaterThanOrEqual(0);
            expect(share).toBeLessThanOrEqual(1);
            for (const b of boxes) {
              expect(Math.min(b.left, b.top)).toBeGreaterThanOrEqual(0);
              expect(Math.max(b.left + b.width, b.top + b.height)).toBeLessThanOrEqual(1 + 1e-9);
              expect(Math.min(b.width, b.height)).toBeGreaterThan(0);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
