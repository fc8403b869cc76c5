import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryReadings } from '../../../../tests/servers/memory-store.ts';
import { excess, pointsIn } from './backlog.ts';
import { subtract } from './rules.ts';

const values = new Map([
  ['home.a', 1],
  ['home.b', 2],
]);

async function filled(ticks: number): Promise<MemoryReadings> {
  const readings = new MemoryReadings();
  for (let i = 0; i < ticks; i += 1) await readings.append({ at: i * 1000, values });
  return readings;
}

describe('the limits of the backlog', () => {
  test('below both limits nothing is given up', async () => {
    const readings = await filled(10);
    const found = await excess(readings, [{ from: 0, to: 10_000 }], { oldest: -1, mostPoints: 20 });
    expect(found).toEqual({ ranges: [], points: 0 });
  });

  test('points older than the store keeps are given up', async () => {
    const readings = await filled(10);
    const found = await excess(readings, [{ from: 0, to: 10_000 }], { oldest: 4_000, mostPoints: 20 });
    expect(found).toEqual({ ranges: [{ from: 0, to: 4_000 }], points: 8 });
  });

  test('of too many points the oldest go, and what remains is within the limit and as large as it can be', async () => {
    const readings = await filled(100);
    await fc.assert(
      fc.asyncProperty(fc.nat(50), fc.nat(40), fc.nat(120), async (gapAt, gap, mostPoints) => {
        const pending = [
          { from: 0, to: gapAt * 1000 + 1 },
          { from: (gapAt + gap) * 1000 + 1, to: 100_000 },
        ];
        const { ranges, points } = await excess(readings, pending, { oldest: -1, mostPoints });
        const left = ranges.reduce((list, range) => subtract(list, range), pending);
        const remaining = await pointsIn(readings, left);
        expect(remaining + points).toBe(await pointsIn(readings, pending));
        expect(remaining).toBeLessThanOrEqual(mostPoints);
        // Two readings share a tick, so a cut may take one more than it must.
        expect(points === 0 || remaining >= mostPoints - 1).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
