import fc from 'fast-check';
import { expect, test } from 'vitest';
import { align, cut, inverse, mapped, scaleOf, stretched, warp, type Similarity } from './warp.rules.ts';

const coordinate = fc.double({ min: -500, max: 500, noNaN: true });
const points = fc.array(fc.record({ x: coordinate, y: coordinate }), { minLength: 2, maxLength: 6 });
const similarity = fc
  .record({
    scale: fc.double({ min: 0.05, max: 20, noNaN: true }),
    turn: fc.double({ min: -Math.PI, max: Math.PI, noNaN: true }),
    tx: coordinate,
    ty: coordinate,
  })
  .map(({ scale, turn, tx, ty }): Similarity => ({
    a: scale * Math.cos(turn),
    b: scale * Math.sin(turn),
    tx,
    ty,
  }));

const spread = (list: readonly { x: number; y: number }[]) =>
  Math.max(...list.map((p) => Math.hypot(p.x - list[0]!.x, p.y - list[0]!.y)));

test('the similarity that moved the points is found again, and misses nothing', () => {
  fc.assert(
    fc.property(points, similarity, (from, map) => {
      fc.pre(spread(from) > 1);
      const found = align(
        from,
        from.map((p) => mapped(map, p)),
      )!;
      expect(found.miss).toBeLessThan(1e-6 * (1 + scaleOf(map) * 1000));
      for (const key of ['a', 'b'] as const) expect(found.map[key]).toBeCloseTo(map[key], 6);
      for (const p of from) {
        expect(mapped(found.map, p).x).toBeCloseTo(mapped(map, p).x, 4);
        expect(mapped(found.map, p).y).toBeCloseTo(mapped(map, p).y, 4);
      }
    }),
  );
});

test('no similarity nearby brings the points nearer than the one that is found', () => {
  const rest = (map: Similarity, from: readonly { x: number; y: number }[], to: typeof from) =>
    from.reduce((sum, p, i) => {
      const q = mapped(map, p);
      return sum + (q.x - to[i]!.x) ** 2 + (q.y - to[i]!.y) ** 2;
    }, 0);
  const step = fc.double({ min: -0.1, max: 0.1, noNaN: true });
  fc.assert(
    fc.property(points, points, fc.tuple(step, step, step, step), (a, b, [da, db, dx, dy]) => {
      const n = Math.min(a.length, b.length);
      const [from, to] = [a.slice(0, n), b.slice(0, n)];
      fc.pre(spread(from) > 1 && spread(to) > 1);
      const found = align(from, to);
      fc.pre(found !== undefined);
      const { map } = found;
      const other = { a: map.a + da, b: map.b + db, tx: map.tx + dx, ty: map.ty + dy };
      expect(rest(map, from, to)).toBeLessThanOrEqual(rest(other, from, to) + 1e-6);
    }),
  );
});

test('points that are all one have no similarity', () => {
  const one = { x: 3, y: 4 };
  expect(align([one, one, one], [one, { x: 5, y: 6 }, one])).toBeUndefined();
});

test('a map and its inverse cancel', () => {
  fc.assert(
    fc.property(similarity, coordinate, coordinate, (map, x, y) => {
      const back = mapped(inverse(map), mapped(map, { x, y }));
      expect(back.x).toBeCloseTo(x, 5);
      expect(back.y).toBeCloseTo(y, 5);
    }),
  );
});

const reds = ({ data }: { readonly data: Uint8Array }) => Array.from(data).filter((_, i) => i % 3 === 0);

const ramp = {
  width: 4,
  height: 2,
  data: Uint8Array.from({ length: 24 }, (_, i) => 10 * Math.floor(i / 3)),
};

test('a picture through the map that changes nothing stays as it is', () => {
  expect(warp(ramp, { a: 1, b: 0, tx: 0, ty: 0 }, 4, 2)).toEqual(ramp);
});

test('a smaller picture is the mean of what it covers, so that nothing flickers', () => {
  const { data } = warp(ramp, { a: 2, b: 0, tx: 0, ty: 0 }, 2, 1);
  expect([...data]).toEqual([25, 25, 25, 45, 45, 45]);
});

test('outside the picture is gray, and a part keeps its shape', () => {
  const { frame, back } = cut(ramp, { left: 2, top: 0, width: 4, height: 2 }, 4, 4);
  expect(back).toEqual({ a: 1, b: 0, tx: 2, ty: 0 });
  expect(reds(frame)).toEqual(
    [
      [20, 30, 114, 114],
      [60, 70, 114, 114],
      [114, 114, 114, 114],
      [114, 114, 114, 114],
    ].flat(),
  );
});

test('a part that is stretched fills the whole input', () => {
  const wide = stretched(ramp, { left: 0, top: 0, width: 2, height: 2 }, 4, 2);
  expect(reds(wide)).toEqual([0, 3, 8, 13, 40, 43, 48, 53]);
});
