import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normals, quantile } from './fixture.ts';
import { velocityOf, type Sighting } from './velocity.rules.ts';

const noise = { xx: 0.01, xy: 0, yy: 0.01 };
const start = Date.UTC(2026, 10, 21, 8);

/** Somebody on a straight line, seen for two seconds. */
function line(vx: number, vy: number, fps: number, sway: (n: number) => number = () => 0): Sighting[] {
  return Array.from({ length: 2 * fps + 1 }, (_, n) => ({
    at: start + (n * 1000) / fps,
    x: 3 + (vx * n) / fps + sway(n),
    y: 9 + (vy * n) / fps,
    noise,
  }));
}

describe('velocity over the last seconds', () => {
  const speed = fc.double({ min: -12, max: 12, noNaN: true });

  it('is that of the line through the sightings, whenever they came', () => {
    fc.assert(
      fc.property(
        speed,
        speed,
        fc.uniqueArray(fc.integer({ min: 0, max: 2000 }), { minLength: 3, maxLength: 25 }),
        (vx, vy, times) => {
          const at = times.toSorted((a, b) => a - b);
          const seen = at.map((ms) => ({
            at: start + ms,
            x: 3 + (vx * ms) / 1000,
            y: 9 + (vy * ms) / 1000,
            noise: { xx: 1e-12, xy: 0, yy: 1e-12 },
          }));
          const found = velocityOf(seen, 10);
          expect(found.x).toBeCloseTo(vx, 3);
          expect(found.y).toBeCloseTo(vy, 3);
        },
      ),
    );
  });

  it('is 0 and as unsure as one would be without looking while there is one sighting', () => {
    const nothing = { x: 0, y: 0, covariance: { xx: 2.25, xy: 0, yy: 2.25 } };
    expect(velocityOf([], 1.5)).toEqual(nothing);
    expect(velocityOf(line(1, 1, 5).slice(0, 1), 1.5)).toEqual(nothing);
    const [once] = line(1, 1, 5);
    expect(velocityOf([once!, once!], 1.5)).toEqual(nothing);
  });

  it('is never surer of itself than before anything was seen, and its covariance is one', () => {
    const places = fc.array(
      fc.tuple(fc.double({ min: -40, max: 40, noNaN: true }), fc.integer({ min: 1, max: 900 })),
      {
        minLength: 2,
        maxLength: 30,
      },
    );
    fc.assert(
      fc.property(places, fc.double({ min: 0.001, max: 30, noNaN: true }), (steps, xx) => {
        let at = start;
        const seen = steps.map(([x, ms]) => ({
          at: (at += ms),
          x,
          y: -x,
          noise: { xx, xy: 0.3 * xx, yy: xx },
        }));
        const { x, y, covariance: c } = velocityOf(seen, 1.5);
        expect([x, y].every(Number.isFinite)).toBe(true);
        expect(c.xx).toBeGreaterThan(0);
        expect(c.xx).toBeLessThanOrEqual(2.25 + 1e-9);
        expect(c.xx * c.yy - c.xy * c.xy).toBeGreaterThanOrEqual(-1e-12);
      }),
    );
  });

  it('grows into what it is as more is seen, more slowly where a foot says less', () => {
    const along = line(1, 1, 5).map((s) => ({ ...s, noise: { xx: 0.01, xy: 0, yy: 0.2 } }));
    const found = [2, 4, 7, 11].map((n) => velocityOf(along.slice(0, n), 1.5));
    const across = found.map(({ x }) => x);
    expect(across).toEqual(across.toSorted((a, b) => a - b));
    expect(found.every(({ x, y }) => y < x)).toBe(true);
    expect(across[0]).toBeLessThan(0.9);
    expect(across[3]).toBeGreaterThan(0.97);
  });

  it('knows that twice the frames do not halve the error of boxes that sway', () => {
    const [five, ten] = [5, 10].map((fps) => velocityOf(line(1, 0, fps), 1.5).covariance.xx);
    expect(ten! / five!).toBeGreaterThan(0.9);
    expect(ten! / five!).toBeLessThan(1);
  });

  it('says honestly how wrong it is about boxes that sway', () => {
    const random = normals(6);
    const off = Array.from({ length: 300 }, () => {
      const shared = Math.exp(-0.1 / 0.5);
      let sway = 0.1 * random();
      const found = velocityOf(
        line(
          1.3,
          0,
          10,
          (n) => (sway = n === 0 ? sway : shared * sway + Math.sqrt(1 - shared ** 2) * 0.1 * random()),
        ),
        1.5,
      );
      return Math.abs(found.x - 1.3) / Math.sqrt(found.covariance.xx);
    });
    expect(quantile(off, 0.68)).toBeLessThan(1.1);
    expect(quantile(off, 0.68)).toBeGreaterThan(0.6);
  });
});
