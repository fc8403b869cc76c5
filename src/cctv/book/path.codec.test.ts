import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePath, encodePath } from './path.codec.ts';

const share = fc.double({ min: -1, max: 2, noNaN: true });
const metres = fc.double({ min: -500, max: 500, noNaN: true });
const point = fc.record({
  gap: fc.integer({ min: -5_000, max: 86_400_000 }),
  score: fc.double({ min: 0, max: 1, noNaN: true }),
  box: fc.record({ left: share, top: share, width: share, height: share }),
  stationary: fc.boolean(),
  furniture: fc.boolean(),
  ground: fc.option(fc.record({ x: metres, y: metres, sigma: fc.double({ min: 0, max: 50, noNaN: true }) }), {
    nil: undefined,
  }),
});

test('every path comes back within the precision that is kept', () => {
  fc.assert(
    fc.property(fc.array(point, { maxLength: 50 }), (list) => {
      const from = 1_700_000_000_000;
      let at = from;
      const points = list.map(({ gap, ground, ...rest }) => ({
        event: 'e',
        at: (at += gap),
        ...rest,
        ...(ground !== undefined && { ground }),
      }));
      const back = decodePath('e', from, encodePath(from, points));
      expect(back).toHaveLength(points.length);
      for (const [i, found] of back.entries()) {
        const wanted = points[i]!;
        expect([found.at, found.stationary, found.furniture]).toEqual([
          wanted.at,
          wanted.stationary,
          wanted.furniture,
        ]);
        expect(Math.abs(found.score - wanted.score)).toBeLessThan(1 / 255);
        for (const side of ['left', 'top', 'width', 'height'] as const)
          expect(Math.abs(found.box[side] - wanted.box[side])).toBeLessThan(1 / 8_192);
        expect(found.ground === undefined).toBe(wanted.ground === undefined);
        for (const axis of ['x', 'y', 'sigma'] as const)
          expect(Math.abs((found.ground?.[axis] ?? 0) - (wanted.ground?.[axis] ?? 0))).toBeLessThan(0.01);
      }
    }),
  );
});

test('bytes that are no path give points or none, never an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(Array.isArray(decodePath('e', 0, Uint8Array.from([1, ...bytes])))).toBe(true);
    }),
  );
});
