import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairQueue, type Waiting } from './queue.rules.ts';

test('every camera has its turn, newer pictures take the place of older ones, and nothing is lost', () => {
  const step = fc.oneof(
    fc.record({ ask: fc.nat(4), expiresAt: fc.integer({ min: 0, max: 100 }) }),
    fc.constant('take' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new FairQueue<Waiting & { n: number }>();
      const out: number[] = [];
      const late: number[] = [];
      const replaced: boolean[] = [];
      for (const [n, s] of steps.entries()) {
        if (s === 'take') {
          const { job, expired } = queue.take(50);
          late.push(...expired.map((e) => e.expiresAt));
          out.push(...[...expired, ...(job === undefined ? [] : [job])].map((j) => j.n));
        } else {
          const older = queue.push({ from: s.ask, expiresAt: s.expiresAt, n });
          replaced.push(older === undefined || older.from === s.ask);
          if (older !== undefined) out.push(older.n);
        }
      }
      out.push(...queue.clear().map((j) => j.n));
      const asked = steps.flatMap((s, n) => (s === 'take' ? [] : [n]));
      expect(out.toSorted((a, b) => a - b)).toEqual(asked);
      expect(late.every((at) => at <= 50) && replaced.every(Boolean)).toBe(true);
    }),
  );
});

test('a camera that asks all the time does not starve one that asks seldom', () => {
  const queue = new FairQueue<Waiting>();
  const served: number[] = [];
  queue.push({ from: 2, expiresAt: 10 });
  for (let i = 0; i < 4; i += 1) {
    queue.push({ from: 1, expiresAt: 10 });
    queue.push({ from: 1, expiresAt: 10 });
    if (i === 2) queue.push({ from: 2, expiresAt: 10 });
    served.push(queue.take(0).job!.from);
  }
  expect(served).toEqual([2, 1, 1, 2]);
});
