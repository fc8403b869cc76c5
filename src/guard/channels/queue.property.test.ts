import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { someAlert } from './fixture.ts';
import { channel, closeAll, fails, house, works, type Behaviour } from './queue.fixture.ts';

afterEach(closeAll);

test('whatever a peer does, every delivery ends exactly once and none is told twice after it was taken', async () => {
  const outcome = fc.constantFrom('works', 'away', 'refuses', 'locked', 'wait', 'throws');
  const behaviours: Record<string, Behaviour> = {
    works,
    away: fails('UNREACHABLE', 'away'),
    refuses: fails('BAD_REPLY', 'refused'),
    locked: fails('AUTH_REFUSED', 'locked'),
    wait: fails('RATE_LIMITED', 'wait', { retryAfterMs: 30_000 }),
    throws: async () => {
      throw new TypeError('a mistake');
    },
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(outcome, { maxLength: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      async (script, count, digest) => {
        const left = [...script];
        const taken: string[] = [];
        const peer = channel(
          'test',
          {
            now: async (alerts, signal) => {
              await behaviours[left.shift() ?? 'works']!(alerts, signal);
              taken.push(...alerts.map((a) => a.id));
            },
          },
          { digest },
        );
        const alerts = Array.from({ length: count }, (_, i) => someAlert({ id: `alert-${i}` }));
        const { queue, store, clock, end } = await house({ channels: { test: peer.channel }, alerts });
        store.add(...alerts.map((a) => ({ id: a.id, alert: a.id })));
        queue.wake();
        for (let hour = 0; hour < 15; hour += 1) await clock.advance(3_600_000);
        await end();
        expect(taken.toSorted()).toEqual(alerts.map((a) => a.id).toSorted());
        expect([...store.rows.values()].every((r) => r.state === 'done')).toBe(true);
      },
    ),
    { numRuns: 15 },
  );
});
