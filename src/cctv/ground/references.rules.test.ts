import { describe, expect, it } from 'vitest';
import { toReference, type GroundState, type Reference } from './references.rules.ts';

const at = (x: number, y: number, vx = 0, vy = 0): GroundState => ({
  x,
  y,
  velocity: { x: vx, y: vy },
  covariance: { xx: 0.04, xy: 0, yy: 0.25 },
});
const square = [
  { x: 0, y: 0 },
  { x: 4, y: 0 },
  { x: 4, y: 4 },
  { x: 0, y: 4 },
];

describe('distance to a reference', () => {
  const gate: Reference = { kind: 'point', points: [{ x: 0, y: 3 }] };

  it('measures to a point, with the uncertainty of that direction, and tells when it will be reached', () => {
    expect(toReference(at(0, 8, 0, -1.25), gate)).toEqual({
      distance: 5,
      sigma: 0.5,
      approach: 1.25,
      arrivesIn: 4,
    });
    expect(toReference(at(6, 3, 0, 1), gate)).toEqual({ distance: 6, sigma: 0.2, approach: 0 });
  });

  it('is negative when somebody goes away, and nobody arrives who hardly moves', () => {
    expect(toReference(at(0, 8, 0.5, 2), gate)).toEqual({ distance: 5, sigma: 0.5, approach: -2 });
    expect(toReference(at(0, 8, 0, -0.1), gate)).not.toHaveProperty('arrivesIn');
  });

  it('measures to the nearest place of a line with corners', () => {
    const fence: Reference = {
      kind: 'line',
      points: [
        { x: 0, y: 0 },
        { x: 4, y: 0 },
        { x: 4, y: 10 },
      ],
    };
    expect(toReference(at(2, 3), fence).distance).toBeCloseTo(2);
    expect(toReference(at(-3, -4), fence).distance).toBeCloseTo(5);
    expect(toReference(at(4, 0), fence)).toMatchObject({ distance: 0, approach: 0 });
  });

  it('is 0 within a polygon and measures to its edge outside', () => {
    const drive: Reference = { kind: 'polygon', points: square };
    expect(toReference(at(1, 2, 3, 0), drive)).toEqual({ distance: 0, sigma: 0.5, approach: 0 });
    expect(toReference(at(7, 2, -1, 0), drive)).toEqual({
      distance: 3,
      sigma: 0.2,
      approach: 1,
      arrivesIn: 3,
    });
    expect(toReference(at(-2, -2), drive).distance).toBeCloseTo(Math.SQRT2 * 2);
    // The side from the last corner to the first is one, too.
    expect(toReference(at(-2, 2), drive).distance).toBeCloseTo(2);
  });
});
