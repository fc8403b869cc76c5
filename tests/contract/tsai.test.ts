import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTsai, scoreGround, tsaiToPicture, tsaiToWorld } from '../field/lib/tsai.ts';

/** A camera 6 m up that looks 30 degrees down along y: rx = 90 + 30 degrees, then t = -R c. */
const angle = (120 * Math.PI) / 180;
const xml = (kappa: number) => `<?xml version="1.0"?>
<Camera name="Test">
  <Geometry width="800" height="600" ncx="800" nfx="800" dx="0.005" dy="0.005" dpx="0.005" dpy="0.005"/>
  <Intrinsic focal="5" kappa1="${kappa}" cx="400" cy="300" sx="1.0"/>
  <Extrinsic tx="0" ty="${6000 * Math.sin(angle)}" tz="${-6000 * Math.cos(angle)}" rx="${angle}" ry="0" rz="0"/>
</Camera>`;

describe('camera by Tsai', () => {
  it('sees straight ahead where the tangent says', () => {
    const camera = parseTsai(xml(0));
    const middle = tsaiToWorld(camera, { x: 0.5, y: 0.5 });
    expect(middle.x).toBeCloseTo(0, 9);
    expect(middle.y).toBeCloseTo(6 / Math.tan(Math.PI / 6), 9);
    // 45 degrees from the middle to the right, at the distance of the middle along the axis.
    const right = tsaiToWorld(camera, { x: 0.5 + 0.5, y: 0.5 });
    expect(right.x).toBeCloseTo(0.4 * 12, 9);
  });

  it('finds a place again from where it is seen, with any distortion', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -4, max: 4, noNaN: true }),
        fc.double({ min: 7, max: 40, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.double({ min: 0, max: 0.01, noNaN: true }),
        (x, y, z, kappa) => {
          const camera = parseTsai(xml(kappa));
          const found = tsaiToWorld(camera, tsaiToPicture(camera, { x, y, z }), z);
          expect(Math.hypot(found.x - x, found.y - y)).toBeLessThan(1e-6);
        },
      ),
    );
  });

  it('names what a file lacks', () => {
    expect(() => parseTsai('<Camera><Geometry width="3"/></Camera>')).toThrow(
      'no Extrinsic rx in the calibration',
    );
    expect(() => parseTsai('nothing')).toThrow(/no /);
  });
});

describe('score of places on the ground', () => {
  const truth = Array.from({ length: 31 }, (_, i) => ({ at: i * 0.2, id: 7, x: i * 0.2 * 1.5, y: 2 }));

  it('measures how far off places are, and speeds of those who have walked for two seconds', () => {
    const estimates = truth.map((t) => ({ ...t, x: t.x + 0.3, y: t.y - 0.4, speed: 1.65 }));
    expect(scoreGround(truth, estimates)).toEqual({
      positionMedian: expect.closeTo(0.5, 9) as number,
      positionP95: expect.closeTo(0.5, 9) as number,
      speedMedian: expect.closeTo(10, 6) as number,
      speedP95: expect.closeTo(10, 6) as number,
      positions: 31,
      speeds: 22,
    });
  });

  it('leaves out those who stand, estimates without a truth, and scores nothing of nothing', () => {
    const stands = truth.map((t) => ({ ...t, x: 1 }));
    expect(
      scoreGround(
        stands,
        stands.map((t) => ({ ...t, speed: 0.1 })),
      ),
    ).toMatchObject({ speeds: 0, positionMedian: 0 });
    expect(scoreGround(truth, [{ at: 0.2, id: 8, x: 0, y: 0, speed: 1 }])).toMatchObject({
      positions: 0,
      positionP95: undefined,
    });
  });
});
