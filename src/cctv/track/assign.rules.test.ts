import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assign } from './assign.rules.ts';

const gate = 10;
/** The best sum of (gate - cost) by trying everything. */
function best(cost: readonly number[], rows: number, columns: number, row = 0, used = 0): number {
  if (row === rows) return 0;
  let most = best(cost, rows, columns, row + 1, used);
  for (let j = 0; j < columns; j += 1) {
    const gain = gate - cost[row * columns + j]!;
    if ((used & (1 << j)) !== 0 || !(gain > 0)) continue;
    most = Math.max(most, gain + best(cost, rows, columns, row + 1, used | (1 << j)));
  }
  return most;
}

test('pairs are as good as the best of all ways, and never at the gate or above', () => {
  const price = fc.oneof(
    { weight: 8, arbitrary: fc.double({ min: -5, max: 20, noNaN: true }) },
    fc.constantFrom(Infinity, Number.NaN, gate),
  );
  const size = fc.integer({ min: 0, max: 5 });
  fc.assert(
    fc.property(
      fc
        .tuple(size, size)
        .chain(([r, c]) =>
          fc.tuple(fc.constant(r), fc.constant(c), fc.array(price, { minLength: r * c, maxLength: r * c })),
        ),
      ([rows, columns, cost]) => {
        const pairs = [...assign(cost, rows, columns, gate)];
        const taken = pairs.filter((j) => j >= 0);
        expect(pairs).toHaveLength(rows);
        expect(new Set(taken).size).toBe(taken.length);
        const gains = pairs.flatMap((j, i) => (j < 0 ? [] : [gate - cost[i * columns + j]!]));
        expect(gains.every((gain) => gain > 0)).toBe(true);
        expect(gains.reduce((a, b) => a + b, 0)).toBeCloseTo(best(cost, rows, columns), 6);
      },
    ),
    { numRuns: 400 },
  );
});

test('a greedy pair gives way when both can be served', () => {
  // The first row likes column 0 best, the second can only have that.
  expect([...assign([1, 2, 3, 99], 2, 2, gate)]).toEqual([1, 0]);
});
